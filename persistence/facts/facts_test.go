package facts_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"plimsoll/engine/catalog"
	"plimsoll/engine/feed"
	"plimsoll/engine/image"
	"plimsoll/engine/policy"
	"plimsoll/engine/verify"
	"plimsoll/persistence"
	"plimsoll/persistence/blob"
	"plimsoll/persistence/facts"
	"plimsoll/persistence/pgtest"
)

const (
	account = "team"
	set     = "set-1"
	config  = `{"config":{"User":"app","ExposedPorts":{"8080/tcp":{},"22/tcp":{}}},"history":[{"created_by":"/bin/sh -c #(nop) USER app"}]}`
)

// content and found are what an analysis stores: the package with the purl of the verification, a removed file with
// malware, one the scanner left out, one another analyzer left out.
var (
	content = image.Image{
		Packages: []catalog.Package{{Type: "npm", Name: "left-pad", Version: "1.2.0", Location: "/p", PURL: "pkg:npm/left-pad@1.2.0"}},
		Scans:    []image.Scan{{Scanner: "ClamAV 1.4.3", Layers: 1}},
		Malware: []image.Malware{{
			MalwareReport: catalog.MalwareReport{Scanner: "ClamAV 1.4.3", Database: "27100", Signatures: []string{"Eicar-Signature"}},
			Path:          "/tmp/eicar", Layer: "sha256:1", Removed: true,
		}},
		Incomplete: []catalog.Incompleteness{
			{Path: "/srv/dump", Analyzer: catalog.ScannerClamAV, Reason: catalog.ReasonTooLarge, Detail: "9 bytes"},
			{Path: "/srv/dump", Analyzer: "java-archive", Reason: catalog.ReasonTooLarge},
			{Reason: catalog.ReasonTooMany, Detail: "more than 1 thing"},
		},
		Verified: []image.Verification{{
			Package: "pkg:npm/left-pad@1.2.0", Files: 3, Truncated: true,
			Deviations: []image.Deviation{{Path: "/a", Missing: true, Config: true}, {Path: "/b", Changed: []verify.Aspect{verify.Mode, verify.Digest}}},
		}},
	}
	found = image.Findings{
		Hits: []image.Hit{
			{SearchHit: catalog.SearchHit{Search: catalog.SearchSecret, Name: "PRIV_KEY", Line: 3}, Path: "/k", Layer: "sha256:1", Removed: true},
			{SearchHit: catalog.SearchHit{Search: catalog.SearchContent, Name: "TODO", Line: 1, Value: "TODO"}, Path: "/c", Layer: "sha256:1"},
		},
		Retrieved: []image.Retrieved{{Path: "/etc/passwd", RetrievedFile: catalog.RetrievedFile{Content: []byte("root:x:0:0\xff")}}},
	}
)

var noon = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

func TestFactsOfAStoredImage(t *testing.T) {
	t.Parallel()
	ctx := t.Context()
	pool := pgtest.New(t)
	blobs := blob.NewPostgres(pool)
	loader := facts.New(pool, pool, blobs, facts.Config{})
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
		Content: encoded(t, content), Findings: encoded(t, found), OS: "linux", Arch: "amd64", ImageSize: 9, LayerDigests: []string{base}, AnalyzedAt: noon,
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
	matched, err := f.Vulnerabilities(ctx)
	must(err)
	if len(matched) != 1 || matched[0].ID != "GHSA-1" || !slices.Equal(matched[0].FixedIn, []string{"1.3.0"}) || !matched[0].DetectedAt.Equal(noon) || matched[0].Package.Location != "/p" {
		t.Errorf("vulnerabilities %+v", matched)
	}
	evidence(t, f)
	if status, err := f.FeedStatus(ctx); err != nil || !status.LastSync.Equal(noon) || !slices.Equal(status.Namespaces, []string{"npm"}) {
		t.Errorf("feed status %+v, %v", status, err)
	}
	if _, err := loader.Of(ctx, "other", digest); !errors.Is(err, persistence.ErrNotFound) {
		t.Errorf("another account: %v, want ErrNotFound", err)
	}
}

// evidence compares what content and found say with what policies are told.
func evidence(t *testing.T, f policy.Facts) {
	t.Helper()
	findings, err := f.Findings(t.Context())
	if diff := cmp.Diff(policy.Findings{
		Hits: []policy.Hit{
			{SearchHit: catalog.SearchHit{Search: catalog.SearchSecret, Name: "PRIV_KEY", Line: 3}, Path: "/k", Removed: true},
			{SearchHit: catalog.SearchHit{Search: catalog.SearchContent, Name: "TODO", Line: 1, Value: "TODO"}, Path: "/c"},
		},
		Retrieved: []policy.Retrieved{{Path: "/etc/passwd", Content: []byte("root:x:0:0\xff")}},
	}, findings); err != nil || diff != "" {
		t.Errorf("findings %v (-want +got):\n%s", err, diff)
	}
	malware, err := f.Malware(t.Context())
	if diff := cmp.Diff(policy.Malware{
		Scanned: true,
		Reports: []policy.MalwareReport{{
			MalwareReport: catalog.MalwareReport{Scanner: "ClamAV 1.4.3", Database: "27100", Signatures: []string{"Eicar-Signature"}},
			Path:          "/tmp/eicar", Removed: true,
		}},
		Skipped: []policy.SkippedFile{{Scanner: "clamav", Path: "/srv/dump", Reason: catalog.ReasonTooLarge}},
	}, malware); err != nil || diff != "" {
		t.Errorf("malware %v (-want +got):\n%s", err, diff)
	}
	verified, err := f.Verified(t.Context())
	if diff := cmp.Diff([]policy.Verification{{
		Package:    policy.AffectedPackage{Name: "left-pad", Version: "1.2.0", Type: "npm", Location: "/p"},
		Deviations: []policy.Deviation{{Path: "/a", Missing: true, Config: true}, {Path: "/b", Changed: []string{"mode", "digest"}}},
		Truncated:  true,
	}}, verified); err != nil || diff != "" {
		t.Errorf("verified %v (-want +got):\n%s", err, diff)
	}
}

func encoded(t *testing.T, document any) []byte {
	t.Helper()
	data, err := json.Marshal(document)
	if err != nil {
		t.Fatal(err)
	}
	return data
}
