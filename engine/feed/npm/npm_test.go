package npm

import (
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"plimsoll/engine/feed"
	"plimsoll/engine/feed/feedtest"
	"plimsoll/engine/version"
)

func parsed(t testing.TB, name, text string) (*feedtest.Sink, error) {
	t.Helper()
	var s feedtest.Sink
	err := Driver.Parse(t.Context(), feed.Input{Documents: []feed.Fetched{feedtest.Doc(name, []byte(text))}}, &s)
	return &s, err
}

func TestMetadataTellsVersionsAndTheLatest(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		text string
		want []feed.Release
	}{
		"@scope/name": {
			`{"versions":{"1.10.0":{"dist":{"tarball":"x"}},"1.9.0":{},"2.0.0-rc.1":null,"soon":{}},"name":"@scope/name","modified":"2024-01-01","dist-tags":{"next":"2.0.0-rc.1","latest":"1.10.0"}}`,
			[]feed.Release{{Namespace: "npm", Package: "@scope/name", Latest: "1.10.0", Versions: []string{"1.9.0", "1.10.0", "2.0.0-rc.1"}}},
		},
		"odd":         {`{"name":"odd","dist-tags":{"latest":"newest"},"versions":{"1.0.0":{}}}`, []feed.Release{{Namespace: "npm", Package: "odd", Versions: []string{"1.0.0"}}}},
		"unpublished": {`{"name":"unpublished","versions":{}}`, nil},
	} {
		got, err := parsed(t, name, c.text)
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		if diff := cmp.Diff(c.want, got.Releases); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
	}
	for _, text := range []string{"", "<html>", "[]", `{"name":"b","versions":{"1.0.0":{}}}`, `{"name":"a","versions":{"1.0.0":`, `{"name":"a","versions":[]}`, `{"error":"not found"}`} {
		if _, err := parsed(t, "a", text); !errors.Is(err, ErrDocument) {
			t.Errorf("%q: %v", text, err)
		}
	}
}

func TestTheSettingsNameThePackages(t *testing.T) {
	t.Parallel()
	ask := func(names ...string) (feed.Plan, error) {
		s := feed.Settings{Extra: append([]string{"registry=npm.example:8080"}, names...)}
		return Driver.Plan(t.Context(), feed.Request{Group: Driver.Groups(s)[0], Settings: s}, nil)
	}
	got, err := ask("lodash", "@angular/core", "lodash")
	if err != nil {
		t.Fatal(err)
	}
	accept := map[string]string{"Accept": "application/vnd.npm.install-v1+json"}
	want := feed.Plan{Documents: []feed.Document{
		{Name: "@angular/core", Host: "npm.example:8080", Path: "@angular/core", Header: accept, Optional: true},
		{Name: "lodash", Host: "npm.example:8080", Path: "lodash", Header: accept, Optional: true},
	}}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("plan (-want +got):\n%s", diff)
	}
	for _, names := range [][]string{nil, {"../x"}, {"a/b"}, {".hidden"}, {"a b"}, {""}, {strings.Repeat("a", 600)}} {
		if _, err := ask(names...); !errors.Is(err, ErrPackages) {
			t.Errorf("%.40q: %v", names, err)
		}
	}
	for _, registry := range []string{"", "registry=", "registry=https://npm.example", "registry=npm.example/x", "registry=u@npm.example"} {
		s := feed.Settings{Extra: []string{"lodash", registry}}
		if _, err := Driver.Plan(t.Context(), feed.Request{Group: Driver.Groups(s)[0], Settings: s}, nil); !errors.Is(err, ErrPackages) {
			t.Errorf("%q: %v", registry, err)
		}
	}
}

func FuzzMetadata(f *testing.F) {
	f.Add(`{"name":"a","dist-tags":{"latest":"1.0.0"},"versions":{"1.0.0":{},"1.0.1":{"a":[1]}}}`)
	f.Fuzz(func(t *testing.T, text string) {
		r, err := read("a", strings.NewReader(text))
		if err != nil {
			return
		}
		for _, v := range r.Versions {
			if !version.Valid(version.Semver, v) || strings.Contains(v, "\x00") {
				t.Errorf("version %q", v)
			}
		}
	})
}
