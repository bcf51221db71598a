package facts_test

import (
	"bytes"
	"errors"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"plimsoll/engine/catalog"
	"plimsoll/engine/feed"
	"plimsoll/engine/image"
	"plimsoll/engine/policy"
	"plimsoll/persistence"
	"plimsoll/persistence/blob"
	"plimsoll/persistence/facts"
	"plimsoll/persistence/pgtest"
)

const (
	account = "team"
	set     = "set-1"
	config  = `{"config":{"User":"app","ExposedPorts":{"8080/tcp":{},"22/tcp":{}}},"history":[{"created_by":"/bin/sh -c #(nop) USER app"}]}`
	content = `{"packages":[{"type":"npm","name":"left-pad","version":"1.2.0","location":"/p"}]}`
)

var noon = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

func TestFactsOfAStoredImage(t *testing.T) {
	t.Parallel()
	ctx := t.Context()
	pool := pgtest.New(t)
	blobs := blob.NewPostgres(pool)
	loader := facts.New(pool, pool, blobs)
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	digest, base := blob.Digest([]byte("image")), blob.Digest([]byte("base"))
	_, err := persistence.NewAccounts(pool).Create(ctx, persistence.NewAccount{Name: account, Policy: persistence.NewPolicy{ID: "p", Name: "p", Document: []byte(`{}`)}})
	must(err)
	_, err = persistence.NewFeeds(pool).Commit(ctx, persistence.CommitFeed{
		Source: "osv", Group: "npm", At: noon,
		Load: func(in *persistence.Staging) error {
			return in.Record(feed.Record{
				Vulnerability: feed.Vulnerability{ID: "GHSA-1", Severity: feed.High, URL: "https://example.test/1"},
				Advisories:    []feed.Advisory{{ID: "GHSA-1", Namespace: "npm", Package: "left-pad", State: feed.StateFixed, Ranges: []feed.Range{{Introduced: "0", Fixed: "1.3.0"}}}},
			})
		},
	})
	must(err)
	configBlob, err := blobs.Put(ctx, []byte(config))
	must(err)
	submitted, err := persistence.NewImages(pool).Submit(ctx, persistence.SubmitImage{
		Account: account, Digest: digest, ImageID: digest[7:], ManifestBlob: configBlob, ConfigBlob: configBlob,
		Registry: "docker.io", Repository: "app", Tag: "1", DetectedAt: noon,
		Start: func(int64) persistence.Start { return persistence.Start{Workflow: "AnalyzeImage"} },
	})
	must(err)
	if _, err := loader.Of(ctx, account, digest); !errors.Is(err, persistence.ErrNotAnalyzed) {
		t.Errorf("before the analysis: %v, want ErrNotAnalyzed", err)
	}
	var entries bytes.Buffer
	must(image.EncodeEntries(&entries, []catalog.Entry{{Path: "/bin", Type: catalog.Directory, Mode: 0o755}, {Path: "/bin/su", Type: catalog.Regular, Mode: 0o4755}}))
	must(persistence.NewLayers(pool).Save(ctx, persistence.NewLayer{Digest: base, AnalyzerSet: set, Entries: entries.Bytes(), Evidence: []byte("{}")}))
	saved, err := persistence.NewAnalyses(pool).Save(ctx, persistence.NewAnalysis{
		ImageDigest: digest, AnalyzerSet: set, ImageID: digest[7:], ManifestBlob: configBlob, ConfigBlob: configBlob,
		Content: []byte(content), OS: "linux", Arch: "amd64", ImageSize: 9, LayerDigests: []string{base}, AnalyzedAt: noon,
		Packages: []persistence.PackageRow{{
			Identity: catalog.Identity{Type: "npm", Name: "left-pad", Version: "1.2.0"}, Path: "/p",
		}},
	})
	must(err)
	_, err = persistence.NewMatches(pool, pool).MatchAnalysis(ctx, saved.ID, noon)
	must(err)
	run := persistence.Run{Account: account, Digest: digest, Request: submitted.Image.Requested, RunID: "r"}
	_, err = persistence.NewImages(pool).Begin(ctx, run, persistence.Origin{})
	must(err)
	must(persistence.NewImages(pool).Complete(ctx, run, saved.ID, noon, persistence.Origin{}))

	f, err := loader.Of(ctx, account, digest)
	must(err)
	img, err := f.Image(ctx)
	must(err)
	if diff := cmp.Diff(policy.Image{Digest: digest, ID: digest[7:], OS: "linux", Arch: "amd64", Size: 9, Layers: []string{base}}, img); diff != "" {
		t.Errorf("image (-want +got):\n%s", diff)
	}
	cfg, err := f.Config(ctx)
	must(err)
	if diff := cmp.Diff(policy.Config{User: "app", ExposedPorts: []string{"22/tcp", "8080/tcp"}}, cfg); diff != "" {
		t.Errorf("config (-want +got):\n%s", diff)
	}
	if d, err := f.Dockerfile(ctx); err != nil || d.Mode != policy.DockerfileGuessed || d.Text == "" {
		t.Errorf("Dockerfile %+v, %v", d, err)
	}
	files, err := f.Files(ctx)
	must(err)
	var paths []string
	for e := range files {
		paths = append(paths, e.Path)
	}
	if !slices.Equal(paths, []string{"/bin", "/bin/su"}) {
		t.Errorf("files %v", paths)
	}
	if packages, err := f.Packages(ctx); err != nil || len(packages) != 1 || packages[0].Name != "left-pad" {
		t.Errorf("packages %v, %v", packages, err)
	}
	found, err := f.Vulnerabilities(ctx)
	must(err)
	if len(found) != 1 || found[0].ID != "GHSA-1" || !slices.Equal(found[0].FixedIn, []string{"1.3.0"}) || !found[0].DetectedAt.Equal(noon) || found[0].Package.Location != "/p" {
		t.Errorf("vulnerabilities %+v", found)
	}
	if status, err := f.FeedStatus(ctx); err != nil || !status.LastSync.Equal(noon) || !slices.Equal(status.Namespaces, []string{"npm"}) {
		t.Errorf("feed status %+v, %v", status, err)
	}
	if _, err := loader.Of(ctx, "other", digest); !errors.Is(err, persistence.ErrNotFound) {
		t.Errorf("another account: %v, want ErrNotFound", err)
	}
}
