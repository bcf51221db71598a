package api

import (
	"bytes"
	"encoding/json"
	"strings"
	"time"

	"plimsoll/engine/catalog"
	"plimsoll/engine/feed"
	"plimsoll/engine/image"
	"plimsoll/persistence"
	"plimsoll/persistence/blob"
	"plimsoll/workflows"
)

const (
	testTag      = "registry.example:5000/team/ship:1.0"
	testManifest = `{"schemaVersion":2}`
	testConfig   = `{"os":"linux","architecture":"amd64","config":{"User":"root"},"history":[{"created_by":"/bin/sh -c #(nop)  CMD [\"sail\"]"}]}`
	addTag       = `{"source":{"tag":{"pull_string":"` + testTag + `"}},"annotations":{"berth":"7"}}`
)

// known makes the registry have an image under the reference and returns its digest.
func (s *server) known(ref, name string) string {
	s.t.Helper()
	manifest, err := s.blobs.Put(s.t.Context(), []byte(testManifest))
	must(s.t, err)
	config, err := s.blobs.Put(s.t.Context(), []byte(testConfig))
	must(s.t, err)
	digest := blob.Digest([]byte(name))
	s.starter.resolved[ref] = workflows.ResolveImageResult{
		Digest: digest, ImageID: config[7:], MediaType: "application/vnd.oci.image.manifest.v1+json",
		ManifestBlob: manifest, ConfigBlob: config, Layers: 1, Size: 10,
	}
	return digest
}

// npm is a package of the tests, vulnerable in version 1.0.0.
var npm = catalog.Package{
	Type: catalog.TypeNpm, Name: "rigging", Version: "1.0.0", PURL: "pkg:npm/rigging@1.0.0", Location: "/app/package.json",
	Licenses: []string{"MIT"}, Metadata: map[string]string{"integrity": "x"}, MetadataType: "NpmPackage",
}

var deb = catalog.Package{
	Type: catalog.TypeDpkg, Namespace: "debian:12", Name: "hull", Version: "2-1", Source: "hull", SourceVersion: "2-1",
	PURL: "pkg:deb/debian/hull@2-1", Location: "/var/lib/dpkg/status", Size: 4096,
}

var jar = catalog.Package{
	Type: catalog.TypeJava, Namespace: "org.sea", Name: "anchor", Version: "3", PURL: "pkg:maven/org.sea/anchor@3", Location: "/a.jar",
	Metadata: map[string]string{"implementation-version": "3.1"},
}

// analyze does what a worker does for the newest submission of an image of one layer.
func (s *server) analyze(account, digest string, packages ...catalog.Package) {
	s.t.Helper()
	s.analyzeLayers(account, digest, []string{"layer"}, packages...)
}

// analyzeLayers does the same for an image of the named layers.
func (s *server) analyzeLayers(account, digest string, names []string, packages ...catalog.Package) {
	s.t.Helper()
	ctx, images, by := s.t.Context(), persistence.NewImages(s.pool), persistence.Origin{HostID: "host", Service: "analyzer", Version: "1"}
	record, err := images.Get(ctx, account, digest)
	must(s.t, err)
	run := persistence.Run{Account: account, Digest: digest, Request: record.Requested, RunID: "run"}
	_, err = images.Begin(ctx, run, by)
	must(s.t, err)
	layers := each(names, s.layer)
	content, err := json.Marshal(image.Image{
		Packages: packages, FileCount: 3, Size: 20,
		Layers: each(layers, func(digest string) image.LayerSummary { return image.LayerSummary{Digest: digest} }),
	})
	must(s.t, err)
	rows := make([]persistence.PackageRow, len(packages))
	for i := range packages {
		p := &packages[i]
		rows[i] = persistence.PackageRow{Identity: p.Identity(), PURL: p.PURL}
		if !catalog.IsOS(p.Type) {
			rows[i].Path = p.Location
		}
	}
	findings, err := json.Marshal(found)
	must(s.t, err)
	saved, err := persistence.NewAnalyses(s.pool).Save(ctx, persistence.NewAnalysis{
		ImageDigest: digest, AnalyzerSet: "set", ImageID: record.ImageID, ManifestBlob: record.ManifestBlob, ConfigBlob: record.ConfigBlob,
		Content: content, Findings: findings, OS: "linux", Arch: "amd64", Distro: "debian", DistroVersion: "12", ImageSize: 20, LayerDigests: layers,
		FileCount: 3, AnalyzedAt: time.Now(), Packages: rows,
	})
	must(s.t, err)
	_, err = persistence.NewMatches(s.pool, s.pool).MatchAnalysis(ctx, saved.ID, time.Now())
	must(s.t, err)
	must(s.t, images.Complete(ctx, run, saved.ID, time.Now(), by))
}

// layer stores the result of a layer with two files.
func (s *server) layer(name string) string {
	s.t.Helper()
	var entries, evidence bytes.Buffer
	must(s.t, image.EncodeEntries(&entries, []catalog.Entry{
		{Path: "/app", Type: catalog.Directory, Mode: 0o755},
		{Path: "/app/big", Type: catalog.Regular, Mode: 0o4755, UID: -1 << 40, GID: 1 << 40, Size: 1 << 40, SHA256: strings.Repeat("a", 64)},
		{Path: "/link", Type: catalog.Symlink, Mode: 0o777, Link: "/app/big"},
	}))
	must(s.t, image.EncodeEvidence(&evidence, nil, nil))
	digest := blob.Digest([]byte(name))
	must(s.t, persistence.NewLayers(s.pool).Save(s.t.Context(), persistence.NewLayer{
		Digest: digest, AnalyzerSet: "set", DiffID: digest, EntryCount: 3, Entries: entries.Bytes(), Evidence: evidence.Bytes(),
	}))
	return digest
}

// advise loads advisories for the packages of the tests: npm has a fix, deb none and will not get one.
func (s *server) advise() {
	s.t.Helper()
	s.rate(feed.Critical)
}

// rate loads those advisories with a severity for the flaw of npm.
func (s *server) rate(severity feed.Severity) {
	s.t.Helper()
	base := 9.8
	records := []feed.Record{{
		Vulnerability: feed.Vulnerability{
			Source: "osv", ID: "GHSA-rope", Severity: severity, URL: "https://example.test/GHSA-rope", Description: "The rope tears.",
			CVSS: []feed.CVSS{{Version: "3.1", Vector: "CVSS:3.1/AV:N", Base: &base}},
		},
		Advisories: []feed.Advisory{{
			Source: "osv", ID: "GHSA-rope", Namespace: "npm", Package: "rigging", State: feed.StateFixed, Ranges: []feed.Range{{Introduced: "0", Fixed: "1.0.1"}},
		}},
	}, {
		Vulnerability: feed.Vulnerability{Source: "osv", ID: "CVE-2026-1", Severity: feed.Low},
		Advisories: []feed.Advisory{{
			Source: "osv", ID: "CVE-2026-1", Namespace: "debian:12", Package: "hull", State: feed.StateWontFix, Ranges: []feed.Range{{Introduced: "0"}},
		}},
	}}
	_, err := persistence.NewFeeds(s.pool).Commit(s.t.Context(), persistence.CommitFeed{
		Source: "osv", Group: "all", At: time.Now(),
		Load: func(in *persistence.Staging) error {
			for _, r := range records {
				if err := in.Record(r); err != nil {
					return err
				}
			}
			return nil
		},
	})
	must(s.t, err)
}
