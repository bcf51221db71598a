package facts_test

import (
	"fmt"
	"testing"

	"plimsoll/engine/catalog"
	"plimsoll/engine/feed"
	"plimsoll/persistence"
	"plimsoll/persistence/blob"
	"plimsoll/persistence/facts"
	"plimsoll/persistence/pgtest"
)

// BenchmarkVulnerabilities tells what the ratings of 500 findings cost beside the findings themselves, and what remembering
// them saves.
func BenchmarkVulnerabilities(b *testing.B) {
	const findings = 500
	ctx := b.Context()
	pool := pgtest.New(b)
	blobs := blob.NewPostgres(pool)
	must := func(err error) {
		b.Helper()
		if err != nil {
			b.Fatal(err)
		}
	}
	_, err := persistence.NewAccounts(pool).Create(ctx, persistence.NewAccount{Name: account, Policy: persistence.NewPolicy{ID: "p", Name: "p", Document: []byte(`{}`)}})
	must(err)
	commit := func(source string, load func(*persistence.Staging, int) error) {
		_, err := persistence.NewFeeds(pool).Commit(ctx, persistence.CommitFeed{Source: source, Group: source, At: noon, Load: func(in *persistence.Staging) error {
			for i := range findings {
				if err := load(in, i); err != nil {
					return err
				}
			}
			return nil
		}})
		must(err)
	}
	cve := func(i int) string { return fmt.Sprintf("CVE-2026-%d", i) }
	score := 7.5
	commit("osv", func(in *persistence.Staging, i int) error {
		return in.Record(feed.Record{
			Vulnerability: feed.Vulnerability{ID: cve(i), Severity: feed.High},
			Advisories:    []feed.Advisory{{ID: cve(i), Namespace: "npm", Package: fmt.Sprint("p", i%100), State: feed.StateFixed, Ranges: []feed.Range{{Introduced: "0", Fixed: "9.0"}}}},
		})
	})
	commit("nvd", func(in *persistence.Staging, i int) error {
		return in.Record(feed.Record{Vulnerability: feed.Vulnerability{ID: cve(i), Severity: feed.High, CVSS: []feed.CVSS{{Version: "3.1", Base: &score}}}})
	})
	commit("epss", func(in *persistence.Staging, i int) error {
		return in.Score(feed.Score{ID: cve(i), Probability: 0.1, Percentile: 0.5, Date: noon})
	})
	commit("kev", func(in *persistence.Staging, i int) error { return in.Exploited(feed.Exploited{ID: cve(i)}) })
	document, err := blobs.Put(ctx, []byte(`{}`))
	must(err)
	digest := blob.Digest([]byte("image"))
	submitted, err := persistence.NewImages(pool).Submit(ctx, persistence.SubmitImage{
		Account: account, Digest: digest, ImageID: digest[7:], ManifestBlob: document, ConfigBlob: document, Registry: "docker.io", Repository: "app", Tag: "1",
		DetectedAt: noon, Start: func(int64) persistence.Start { return persistence.Start{Workflow: "AnalyzeImage"} },
	})
	must(err)
	analysis := persistence.NewAnalysis{
		ImageDigest: digest, AnalyzerSet: set, ImageID: digest[7:], ManifestBlob: document, ConfigBlob: document, Content: []byte(`{}`),
		OS: "linux", Arch: "amd64", LayerDigests: []string{digest}, AnalyzedAt: noon,
	}
	for i := range 100 {
		analysis.Packages = append(analysis.Packages, persistence.PackageRow{Identity: catalog.Identity{Type: "npm", Name: fmt.Sprint("p", i), Version: "1.0.0"}, Path: "/p"})
	}
	saved, err := persistence.NewAnalyses(pool).Save(ctx, analysis)
	must(err)
	_, err = persistence.NewMatches(pool, pool).MatchAnalysis(ctx, saved.ID, noon)
	must(err)
	run := persistence.Run{Account: account, Digest: digest, Request: submitted.Image.Requested, RunID: "r"}
	_, err = persistence.NewImages(pool).Begin(ctx, run, persistence.Origin{})
	must(err)
	must(persistence.NewImages(pool).Complete(ctx, run, saved.ID, noon, persistence.Origin{}))
	_, err = pool.Exec(ctx, "ANALYZE") // as the database does by itself some time after
	must(err)

	once := facts.New(pool, pool, blobs, facts.Config{})
	for _, bc := range []struct {
		name   string
		loader *facts.Loader
		rated  bool
	}{{"plain", once, false}, {"rated", once, true}, {"plain remembered", once.Remembering(), false}, {"rated remembered", once.Remembering(), true}} {
		b.Run(bc.name, func(b *testing.B) {
			for b.Loop() {
				f, err := bc.loader.Of(ctx, account, digest)
				must(err)
				load := f.Vulnerabilities
				if bc.rated {
					load = f.RatedVulnerabilities
				}
				list, err := load(ctx)
				must(err)
				if len(list) != findings {
					b.Fatalf("%d findings", len(list))
				}
			}
		})
	}
}
