package persistence_test

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"

	"plimsoll/engine/catalog"
	"plimsoll/engine/feed"
	"plimsoll/engine/match"
	"plimsoll/persistence"
	"plimsoll/persistence/blob"
	"plimsoll/persistence/pgtest"
)

// noon is a time with no meaning of its own, whole microseconds as PostgreSQL keeps them.
var noon = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

const analyzerSet = "set-1"

// world is a database with the admin account and stores on it.
type world struct {
	t           *testing.T
	pool        *pgxpool.Pool
	accounts    *persistence.Accounts
	images      *persistence.Images
	layers      *persistence.Layers
	analyses    *persistence.Analyses
	matches     *persistence.Matches
	feeds       *persistence.Feeds
	policies    *persistence.Policies
	evaluations *persistence.Evaluations
	outbox      *persistence.Outbox
	progress    *persistence.Progresses
	corrections *persistence.Corrections
	blobs       *blob.Postgres
	document    string // digest of a blob images can refer to
}

func newWorld(t *testing.T) *world {
	t.Helper()
	pool := pgtest.New(t)
	w := &world{
		t: t, pool: pool, accounts: persistence.NewAccounts(pool), images: persistence.NewImages(pool),
		layers: persistence.NewLayers(pool), analyses: persistence.NewAnalyses(pool), matches: persistence.NewMatches(pool, pool),
		feeds: persistence.NewFeeds(pool), policies: persistence.NewPolicies(pool),
		evaluations: persistence.NewEvaluations(pool), outbox: persistence.NewOutbox(pool),
		corrections: persistence.NewCorrections(pool),
		progress:    persistence.NewProgresses(pool), blobs: blob.NewPostgres(pool),
	}
	if _, err := w.accounts.Bootstrap(t.Context(), persistence.Bootstrap{AdminPasswordHash: "$argon2id$x", Policy: policyNamed("default")}); err != nil {
		t.Fatal(err)
	}
	digest, err := w.blobs.Put(t.Context(), []byte(`{"schemaVersion":2}`))
	if err != nil {
		t.Fatal(err)
	}
	w.document = digest
	return w
}

func policyNamed(id string) persistence.NewPolicy {
	return persistence.NewPolicy{ID: id, Name: id, Document: json.RawMessage(`{"id":"` + id + `","version":"2"}`)}
}

func (w *world) account(name string) string {
	w.t.Helper()
	if _, err := w.accounts.Create(w.t.Context(), persistence.NewAccount{Name: name, Policy: policyNamed("default")}); err != nil {
		w.t.Fatal(err)
	}
	return name
}

// digestOf is a well-formed digest that stands for a name.
func digestOf(name string) string { return blob.Digest([]byte(name)) }

// submission is an image as the API would submit it under docker.io/library/app:TAG.
func (w *world) submission(account, image, tag string) persistence.SubmitImage {
	digest := digestOf(image)
	return persistence.SubmitImage{
		Account: account, Digest: digest, ImageID: digest[7:], MediaType: "application/vnd.oci.image.manifest.v1+json",
		ManifestBlob: w.document, ConfigBlob: w.document, Registry: "docker.io", Repository: "library/app", Tag: tag,
		PullDigest: digest, DetectedAt: noon,
		Start: func(request int64) persistence.Start {
			return persistence.Start{Workflow: "AnalyzeImage", WorkflowID: "image/" + account + "/" + digest, Input: map[string]any{"request": request}}
		},
	}
}

func (w *world) submit(in persistence.SubmitImage) persistence.Submission {
	w.t.Helper()
	out, err := w.images.Submit(w.t.Context(), in)
	if err != nil {
		w.t.Fatal(err)
	}
	return out
}

func (w *world) save(image string, packages ...persistence.PackageRow) int64 {
	w.t.Helper()
	saved, err := w.analyses.Save(w.t.Context(), w.newAnalysis(image, packages...))
	if err != nil {
		w.t.Fatal(err)
	}
	return saved.ID
}

func (w *world) newAnalysis(image string, packages ...persistence.PackageRow) persistence.NewAnalysis {
	digest := digestOf(image)
	return persistence.NewAnalysis{
		ImageDigest: digest, AnalyzerSet: analyzerSet, ImageID: digest[7:], ManifestBlob: w.document,
		ConfigBlob: w.document, Content: []byte(`{"image":"` + image + `"}`), Findings: []byte(`{"findings":"` + image + `"}`), OS: "linux", Arch: "amd64", Distro: "debian",
		DistroVersion: "12", LayerDigests: []string{digestOf("base"), digestOf(image + " layer")}, ImageSize: 1 << 20,
		FileCount: 7, AnalyzedAt: noon, Packages: packages,
	}
}

// analyzed brings an image all the way to analyzed and returns its analysis.
func (w *world) analyzed(account, image, tag string, packages ...persistence.PackageRow) int64 {
	w.t.Helper()
	ctx := w.t.Context()
	out := w.submit(w.submission(account, image, tag))
	run := persistence.Run{Account: account, Digest: digestOf(image), Request: out.Image.Requested, RunID: "run-" + image}
	if _, err := w.images.Begin(ctx, run, persistence.Origin{}); err != nil {
		w.t.Fatal(err)
	}
	id := w.save(image, packages...)
	w.match(id)
	if err := w.images.Complete(ctx, run, id, noon, persistence.Origin{}); err != nil {
		w.t.Fatal(err)
	}
	return id
}

func (w *world) match(id int64) persistence.Matched {
	w.t.Helper()
	out, err := w.matches.MatchAnalysis(w.t.Context(), id, noon)
	if err != nil {
		w.t.Fatal(err)
	}
	return out
}

func npm(name, version, path string) persistence.PackageRow {
	return persistence.PackageRow{
		Identity: catalog.Identity{Type: catalog.TypeNpm, Name: name, Version: version},
		PURL:     "pkg:npm/" + name + "@" + version, Path: path,
	}
}

func deb(name, version string) persistence.PackageRow {
	return persistence.PackageRow{
		Identity: catalog.Identity{Type: catalog.TypeDpkg, Namespace: "debian:12", Name: name, Version: version, Arch: "amd64", Source: name, SourceVersion: version},
		PURL:     "pkg:deb/debian/" + name + "@" + version,
	}
}

// record is a vulnerability of one package below a fixed version; fixed "" means there is no fix.
func record(id string, severity feed.Severity, namespace, name, fixed string) feed.Record {
	state := feed.StateFixed
	if fixed == "" {
		state = feed.StateAffected
	}
	return feed.Record{
		Vulnerability: feed.Vulnerability{ID: id, Severity: severity, Summary: "flaw in " + name, Description: "long text", URL: "https://example.test/" + id},
		Advisories: []feed.Advisory{{
			ID: id, Namespace: namespace, Package: name, State: state, Ranges: []feed.Range{{Introduced: "0", Fixed: fixed}},
		}},
	}
}

func (w *world) commit(group string, records ...feed.Record) persistence.Committed {
	w.t.Helper()
	out, err := w.feeds.Commit(w.t.Context(), commitOf(group, records...))
	if err != nil {
		w.t.Fatal(err)
	}
	return out
}

func commitOf(group string, records ...feed.Record) persistence.CommitFeed {
	return persistence.CommitFeed{
		Source: "osv", Group: group, At: noon,
		Documents: []persistence.FetchedDocument{{Name: group, URL: "https://example.test/" + group, ETag: `"1"`}},
		Load: func(in *persistence.Staging) error {
			for _, r := range records {
				if err := in.Record(r); err != nil {
					return err
				}
			}
			return nil
		},
	}
}

// rules puts rules in force and applies them.
func (w *world) rules(r match.Rules) persistence.Rescanned {
	w.t.Helper()
	w.must(w.matches.SetRules(w.t.Context(), r))
	generation, err := w.matches.EnsureRules(w.t.Context())
	w.must(err)
	if generation == 0 {
		w.t.Fatal("other rules make no generation")
	}
	return w.rescan(generation, noon)
}

func (w *world) rescan(generation int64, at time.Time) persistence.Rescanned {
	w.t.Helper()
	out, err := w.matches.Rescan(w.t.Context(), generation, at, fmt.Sprintf("feed:%d", generation), func(int, int) {})
	if err != nil {
		w.t.Fatal(err)
	}
	return out
}

// findings renders what an image has, one line each.
func (w *world) findings(account, image string) []string {
	w.t.Helper()
	list, err := w.matches.Vulnerabilities(w.t.Context(), account, digestOf(image), persistence.VulnerabilityFilter{IncludeWontFix: true})
	if err != nil {
		w.t.Fatal(err)
	}
	out := make([]string, 0, len(list))
	for _, v := range list {
		out = append(out, fmt.Sprintf("%s %s %s@%s fix=%s path=%s", v.Severity, v.Vulnerability, v.PackageName, v.PackageVersion, cmp.Or(v.FixVersion, "none"), v.Path))
	}
	return out
}

// rowVersions identifies every row version of tables: any write shows, a mere lock does not.
func (w *world) rowVersions(tables ...string) string {
	w.t.Helper()
	var out string
	for _, table := range tables {
		var v *string
		err := w.pool.QueryRow(context.Background(), `SELECT string_agg(xmin::text || ctid::text, ',' ORDER BY ctid) FROM `+table).Scan(&v)
		if err != nil {
			w.t.Fatal(err)
		}
		out += table + ":"
		if v != nil {
			out += *v
		}
		out += "\n"
	}
	return out
}

// leftProgress is a line of progress that an analysis has left behind.
func (w *world) leftProgress(account, digest string) {
	w.t.Helper()
	_, err := w.pool.Exec(w.t.Context(), `INSERT INTO plimsoll.analysis_progress (account, digest, stage) VALUES ($1, $2, 'match')`, account, digest)
	w.must(err)
}

func (w *world) count(sql string, a ...any) (n int) {
	w.t.Helper()
	if err := w.pool.QueryRow(context.Background(), sql, a...).Scan(&n); err != nil {
		w.t.Fatal(err)
	}
	return n
}
