package exclusion

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"plimsoll/engine/feed"
	"plimsoll/engine/feed/feedtest"
)

func listed(t *testing.T, documents ...string) (*feedtest.Sink, error) {
	var s feedtest.Sink
	var in feed.Input
	for i, d := range documents {
		in.Documents = append(in.Documents, feedtest.Doc(fmt.Sprint(i), []byte(d)))
	}
	return &s, Driver.Parse(t.Context(), in, &s)
}

const full = `
exclusions:
  - id: setuptools-patched
    vulnerabilities: [CVE-2022-40897, GHSA-r9hx-vwmv-q579, CVE-2022-40897]
    namespace: pypi
    package_type: python
    package: "setup*"
    versions: ["59.6.0", "53.0.0"]
    reason: patched by the distribution
`

func TestYAMLAndJSONAreRead(t *testing.T) {
	t.Parallel()
	got, err := listed(t, full, `{"exclusions":[{"id":"b","vulnerabilities":["CVE-2024-0001"],"package":"curl"}]}`, "exclusions: []")
	if err != nil || got.Skipped != nil {
		t.Fatalf("%v, skipped %q", err, got.Skipped)
	}
	want := []feed.Exclusion{
		{
			ID: "setuptools-patched", Vulnerabilities: []string{"CVE-2022-40897", "GHSA-r9hx-vwmv-q579"}, Namespace: "pypi", PackageType: "python",
			Package: "setup*", Versions: []string{"53.0.0", "59.6.0"}, Reason: "patched by the distribution",
		},
		{ID: "b", Vulnerabilities: []string{"CVE-2024-0001"}, Package: "curl"},
	}
	if diff := cmp.Diff(want, got.Exclusions); diff != "" {
		t.Errorf("exclusions (-want +got):\n%s", diff)
	}
}

func TestAnEntryThatMightExcludeTooMuchIsRefused(t *testing.T) {
	t.Parallel()
	for name, entry := range map[string]string{
		"unknown key":         `{id: a, vulnerabilities: [CVE-1], package: p, arch: arm64}`,
		"no package":          `{id: a, vulnerabilities: [CVE-1], versions: ["1"]}`,
		"no vulnerability":    `{id: a, package: p}`,
		"odd vulnerability":   `{id: a, vulnerabilities: ["*"], package: p}`,
		"no id":               `{vulnerabilities: [CVE-1], package: p}`,
		"empty version":       `{id: a, vulnerabilities: [CVE-1], package: p, versions: [""]}`,
		"key twice":           `{id: a, vulnerabilities: [CVE-1], package: p, package: q}`,
		"versions in no list": `{id: a, vulnerabilities: [CVE-1], package: p, versions: {a: b}}`,
		"an alias":            `{id: &x a, vulnerabilities: [CVE-1], package: *x}`,
		"no mapping":          `[CVE-1]`,
		"NUL":                 `{id: a, vulnerabilities: [CVE-1], package: "p\0"}`,
		"too many":            `{id: a, package: p, vulnerabilities: [` + strings.Repeat("CVE-1,", maxList+1) + `]}`,
		"too many keys":       `{` + strings.Repeat("id: a, ", maxKeys+1) + `}`,
	} {
		got, err := listed(t, "exclusions: ["+entry+", {id: good, vulnerabilities: [CVE-2], package: p}]")
		if err != nil || len(got.Skipped) != 1 || len(got.Exclusions) != 1 || got.Exclusions[0].ID != "good" {
			t.Errorf("%s: %v; %+v, skipped %q", name, err, got.Exclusions, got.Skipped)
		}
	}
}

func TestADocumentThatIsSomethingElseIsAnError(t *testing.T) {
	t.Parallel()
	for name, content := range map[string]string{
		"nothing": "", "web page": "<html>busy</html>", "list": "[]", "other keys": "exclusions: []\nversion: 1\n", "no list": "exclusions: {}", "no YAML": "exclusions: [",
		"too large": "exclusions: []\n#" + strings.Repeat("x", maxDocument), "scalar": "exclusions",
	} {
		if _, err := listed(t, content); !errors.Is(err, ErrDocument) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestDocumentsAreThoseConfigured(t *testing.T) {
	t.Parallel()
	if got := Driver.Groups(feed.Settings{Enabled: true}); got != nil {
		t.Errorf("groups without a document: %v", got)
	}
	s := feed.Settings{Extra: []string{"feeds.example.org/a/exclusions.yaml", "example.org/b.json"}}
	groups := Driver.Groups(s)
	p, err := Driver.Plan(t.Context(), feed.Request{Group: groups[0], Settings: s}, nil)
	want := []feed.Document{{Name: "0", Host: "feeds.example.org", Path: "a/exclusions.yaml"}, {Name: "1", Host: "example.org", Path: "b.json"}}
	if diff := cmp.Diff(want, p.Documents); diff != "" || err != nil || len(groups) != 1 {
		t.Errorf("%v; documents (-want +got):\n%s", err, diff)
	}
	for _, bad := range []string{"example.org", "/x", "https://example.org/x", "example.org/a/../b", ""} {
		s.Extra = []string{bad}
		if _, err := Driver.Plan(t.Context(), feed.Request{Settings: s}, nil); !errors.Is(err, ErrAddress) {
			t.Errorf("%q: %v", bad, err)
		}
	}
}

func FuzzParse(f *testing.F) {
	f.Add(full)
	f.Add(`{"exclusions":[{"id":"b","vulnerabilities":["CVE-2024-0001"],"package":"curl"}]}`)
	f.Fuzz(func(t *testing.T, content string) {
		got, _ := listed(t, content)
		for _, x := range got.Exclusions {
			if x.ID == "" || len(x.Vulnerabilities) == 0 || x.Namespace+x.PackageType+x.Package == "" || strings.Contains(fmt.Sprint(x), "\x00") {
				t.Fatalf("exclusion %+v", x)
			}
		}
	})
}
