package matching_test

import (
	"archive/zip"
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"

	"plimsoll/engine/catalog"
	"plimsoll/engine/feed"
	"plimsoll/engine/feed/osv"
	"plimsoll/engine/image"
	"plimsoll/engine/imported"
	"plimsoll/engine/match"
	"plimsoll/internal/accuracy/matching"
	"plimsoll/persistence"
	"plimsoll/persistence/pgtest"
)

var day = time.Date(2026, 11, 21, 0, 0, 0, 0, time.UTC)

// scanner is our side: the records of archives as the feed store holds them, and the stateless scan over them.
type scanner struct {
	t    *testing.T
	pool *pgxpool.Pool
	bad  map[string][]string // entries left out of the records of a group, and why
}

func newScanner(t *testing.T) *scanner { return &scanner{t, pgtest.New(t), map[string][]string{}} }

// load syncs an ecosystem of the OSV driver from an archive.
func (s *scanner) load(ecosystem string, archive []byte) {
	s.t.Helper()
	s.sync(osv.Driver, ecosystem, feed.Settings{Enabled: true, Ecosystems: []string{ecosystem}}, document("all", archive))
}

// document is one that a driver reads by a name.
func document(name string, content []byte) feed.Fetched {
	return feed.Fetched{Document: feed.Document{Name: name}, ReaderAt: bytes.NewReader(content), Size: int64(len(content))}
}

// sync commits a group of a driver.
func (s *scanner) sync(driver feed.Driver, group string, settings feed.Settings, documents ...feed.Fetched) {
	s.t.Helper()
	feeds := persistence.NewFeeds(s.pool)
	if err := feeds.Ensure(s.t.Context(), persistence.Offer{Source: driver.Name, Groups: []string{group}, Enabled: true}); err != nil {
		s.t.Fatal(err)
	}
	_, err := feeds.Commit(s.t.Context(), persistence.CommitFeed{
		Source: driver.Name, Group: group, At: day, Force: true,
		Load: func(in *persistence.Staging) error {
			return driver.Parse(s.t.Context(), feed.Input{Group: feed.Group{Name: group}, Settings: settings, Documents: documents}, in)
		},
		Bad: func(id string, err error) { s.bad[group] = append(s.bad[group], fmt.Sprintf("%s: %v", id, err)) },
	})
	if err != nil {
		s.t.Fatalf("load %s: %v", group, err)
	}
}

// ask scans documents as an upload is.
func (s *scanner) ask(documents []matching.Document) matching.Answers {
	s.t.Helper()
	all := matching.Answers{}
	matches := persistence.NewMatches(s.pool, s.pool)
	for i := range documents {
		d := &documents[i]
		content := read(s.t, d)
		if n := len(content.Image.Packages); n != len(d.Subjects) {
			s.t.Logf("%s: %d of %d packages are read", d.Name, n, len(d.Subjects))
		}
		found, err := matches.Scan(s.t.Context(), match.DistroNamespace(content.Image.Distro), packages(content.Image),
			persistence.VulnerabilityFilter{IncludeWontFix: true}, day)
		if err != nil {
			s.t.Fatalf("scan %s: %v", d.Name, err)
		}
		for _, v := range found {
			subject, ok := d.Subject(v.PURL)
			if !ok {
				s.t.Fatalf("%s: %s was not asked about", d.Name, v.PURL)
			}
			f := matching.Finding{IDs: append([]string{v.Vulnerability}, v.Also...), Upstream: v.Detail.Upstream}
			if v.FixVersion != "" {
				f.Fixes = []string{v.FixVersion}
			}
			all.Add(subject, f)
		}
	}
	return all
}

func read(t *testing.T, d *matching.Document) *imported.Content {
	t.Helper()
	manifest, config, err := imported.Embedded(d.Body)
	if err != nil {
		t.Fatalf("%s: %v", d.Name, err)
	}
	content, err := imported.Read(imported.DigestOf(manifest), imported.Parts{Manifest: manifest, Config: config, Packages: d.Body}, imported.Limits{})
	if err != nil {
		t.Fatalf("%s: %v", d.Name, err)
	}
	return content
}

func packages(img *image.Image) []persistence.ScannedPackage {
	out := make([]persistence.ScannedPackage, len(img.Packages))
	for i := range img.Packages {
		p := &img.Packages[i]
		out[i] = persistence.ScannedPackage{Identity: p.Identity(), PURL: p.PURL, Owned: p.Owner != "" && !catalog.IsOS(p.Type)}
		out[i].Identity.Known = match.Known(out[i].Identity, p.PURL)
	}
	return out
}

// archive packs records as OSV.dev does.
func archive(t *testing.T, records []matching.Record) []byte {
	t.Helper()
	var out bytes.Buffer
	z := zip.NewWriter(&out)
	for _, r := range records {
		w, err := z.Create(r.ID + ".json")
		if err == nil {
			_, err = w.Write(r.Raw)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

func readFile(t *testing.T, elements ...string) []byte {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(elements...))
	if err != nil {
		t.Fatal(err)
	}
	return text
}
