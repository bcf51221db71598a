package main

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"plimsoll/engine/catalog"
	"plimsoll/engine/feed"
	"plimsoll/engine/policy"
)

// now is a moment without meaning.
var now = time.Date(2026, 6, 10, 12, 0, 0, 0, time.UTC)

// filesPerPackage is about what a distribution's packages bring.
const filesPerPackage = 20

// image makes facts of every kind. Each one is sound; many would fire.
func image(packages, findings int) *policy.Static {
	facts := &policy.Static{
		ImageFacts: policy.Image{
			Digest: "sha256:" + strings.Repeat("1", 64), ID: strings.Repeat("1", 64), OS: "linux", Arch: "amd64", Size: 1 << 30,
			Distro: &catalog.Distro{ID: "debian", VersionID: "12"}, Layers: []string{"sha256:a", "sha256:b"},
		},
		ConfigFacts: policy.Config{User: "app", ExposedPorts: []string{"22/tcp", "8080/tcp"}},
		DockerfileFacts: policy.Dockerfile{Mode: policy.DockerfileActual, Text: "FROM debian:12\nEXPOSE 22 8080\n" +
			strings.Repeat("RUN apt-get update && sudo apt-get install -y something\n", 40) + "USER app\n"},
		Feeds:        policy.FeedStatus{LastSync: now.Add(-time.Hour), Namespaces: []string{"debian:12", "npm"}, Exploited: true, Predicted: true},
		Before:       &policy.Predecessor{Digest: "sha256:before"},
		Indexes:      map[string]policy.PackageIndex{},
		STIGStored:   []time.Time{now.AddDate(0, 0, -3)},
		BuiltOn:      []policy.Ancestor{{Digest: "sha256:" + strings.Repeat("2", 64), Tags: []string{"docker.io/library/debian:12"}, Base: true}},
		MadeFrom:     []policy.Source{{Name: "https://code.example/web"}},
		Entries:      []catalog.Entry{{Path: "/", Type: catalog.Directory, Mode: 0o755}},
		PackageFacts: make([]catalog.Package, 0, packages),
	}
	for _, kind := range []string{catalog.TypeNpm, catalog.TypeGem} {
		facts.Indexes[kind] = policy.PackageIndex{Known: true, Packages: map[string]policy.PublishedPackage{}}
	}
	for i := range packages {
		addPackage(facts, i)
	}
	slices.SortFunc(facts.Entries, func(a, b catalog.Entry) int { return strings.Compare(a.Path, b.Path) }) // as they are stored
	for i := range findings {
		addFinding(facts, i)
	}
	facts.Found = policy.Findings{
		Hits:      []policy.Hit{{SearchHit: catalog.SearchHit{Search: catalog.SearchSecret, Name: "PRIV_KEY"}, Path: "/etc/key"}},
		Retrieved: []policy.Retrieved{{Path: "/etc/passwd", Content: []byte(strings.Repeat("app:x:1000:1000::/home/app:/bin/sh\n", 40))}},
	}
	facts.Scans = policy.Malware{Scanned: true}
	return facts
}

var kinds = []string{catalog.TypeDpkg, catalog.TypeDpkg, catalog.TypeNpm, catalog.TypeNpm, catalog.TypeJava, catalog.TypePython, catalog.TypeGem, catalog.TypeGo}

func addPackage(facts *policy.Static, i int) {
	kind := kinds[i%len(kinds)]
	p := catalog.Package{Type: kind, Name: fmt.Sprintf("package-%d", i), Version: fmt.Sprintf("1.%d.3", i%40), Licenses: []string{"MIT", "GPL-2.0-only"}}
	if !catalog.IsOS(kind) {
		p.Location = fmt.Sprintf("/srv/app/node_modules/p%d/package.json", i)
	}
	facts.PackageFacts = append(facts.PackageFacts, p)
	before := p
	if i%10 == 0 {
		before.Version = "1.0.0"
	}
	if i%50 != 0 {
		facts.Before.Packages = append(facts.Before.Packages, before)
		facts.MadeFrom[0].Packages = append(facts.MadeFrom[0].Packages, before)
	}
	if index, ok := facts.Indexes[kind]; ok && i%3 != 0 {
		index.Packages[p.Name] = policy.PublishedPackage{Latest: "1.40.3", Versions: []string{"1.0.0", "1.40.3"}}
	}
	for j := range filesPerPackage {
		facts.Entries = append(facts.Entries, catalog.Entry{
			Path: fmt.Sprintf("/usr/share/p%d/file-%d", i, j), Type: catalog.Regular, Mode: 0o644, Size: 1000, SHA256: strings.Repeat("a", 64),
		})
	}
}

func addFinding(facts *policy.Static, i int) {
	p := &facts.PackageFacts[i*7%len(facts.PackageFacts)]
	base, exploit := float64(i%100)/10, float64(i%40)/10
	scores := []feed.CVSS{{Version: "3.1", Base: &base, Exploitability: &exploit, Impact: &exploit}}
	v := policy.Vulnerability{
		ID: fmt.Sprintf("CVE-2026-%d", i), Severity: feed.Severity(i % 6), FeedGroup: "debian:12", URL: "https://example.test/vulnerability",
		Package:    policy.AffectedPackage{Name: p.Name, Version: p.Version, Type: p.Type, Location: p.Location},
		DetectedAt: now.AddDate(0, 0, -i%100), NVD: scores, Vendor: scores, EPSS: &policy.EPSS{Score: float64(i%100) / 100, Percentile: 0.5},
		Exploited: i%50 == 0, WillNotFix: i%10 == 0,
	}
	if i%2 == 0 {
		v.FixedIn = []string{fmt.Sprintf("1.%d.4", 40+i%9)}
	}
	facts.Matches = append(facts.Matches, v)
	if i%3 == 0 {
		facts.BaseMatches = append(facts.BaseMatches, v)
	}
}
