package policy

import (
	"errors"
	"strings"
	"testing"
	"time"
)

func TestParseReference(t *testing.T) {
	t.Parallel()
	tests := map[string]reference{
		"docker.io/library/nginx:1.27":         {"docker.io", "library/nginx", "1.27"},
		"nginx":                                {"docker.io", "nginx", "latest"},
		"nginx:1":                              {"docker.io", "nginx", "1"},
		"acme/web:1":                           {"docker.io", "acme/web", "1"},
		"dockerhub/acme/web:1":                 {"docker.io", "acme/web", "1"},
		"localhost/web":                        {"localhost", "web", "latest"},
		"localhost:5000/web":                   {"localhost:5000", "web", "latest"},
		"registry:5000/a/b/c:v1":               {"registry:5000", "a/b/c", "v1"},
		"quay.io/a:1@sha256:00":                {"quay.io", "a", "1"},
		"docker.io/a@sha256:00":                {"docker.io", "a", "latest"},
		"registry.example.org:443/team/app:v2": {"registry.example.org:443", "team/app", "v2"},
	}
	for full, want := range tests {
		if got, err := parseReference(full); err != nil || got != want {
			t.Errorf("%s = %v, %v, want %v", full, got, err, want)
		}
	}
	for _, full := range []string{"", "a b", "quay.io/", "a:", "/a", ":1", "quay.io/:1", strings.Repeat("a", 2000)} {
		if got, err := parseReference(full); !errors.Is(err, ErrTag) {
			t.Errorf("%.40q = %v, %v, want ErrTag", full, got, err)
		}
	}
}

func TestSelectorMatches(t *testing.T) {
	t.Parallel()
	image := Image{Digest: "sha256:aaaa", ID: "bbbb"}
	ref := reference{"quay.io", "acme/web", "v1"}
	tests := []struct {
		name, registry, repository string
		image                      ImageRef
		want, asks                 bool
	}{
		{"all wildcards", "*", "*", ImageRef{SelectTag, "*"}, true, false},
		{"parts of each", "quay.*", "acme/*", ImageRef{SelectTag, "v*"}, true, false},
		{"regular expression", "regexp:(quay|docker).io", "*", ImageRef{SelectTag, "regexp:v[0-9]$"}, true, false},
		{"other registry", "docker.io", "*", ImageRef{SelectTag, "*"}, false, false},
		{"other repository", "*", "acme", ImageRef{SelectTag, "*"}, false, false},
		{"other tag", "*", "*", ImageRef{SelectTag, "v2"}, false, false},
		{"digest", "*", "*", ImageRef{SelectDigest, "sha256:aaaa"}, true, true},
		{"digest has no wildcards", "*", "*", ImageRef{SelectDigest, "sha256:*"}, false, true},
		{"digest of another repository", "*", "other", ImageRef{SelectDigest, "sha256:aaaa"}, false, false},
		{"id", "*", "*", ImageRef{SelectID, "bbbb"}, true, true},
		{"id with algorithm", "*", "*", ImageRef{SelectID, "sha256:bbbb"}, false, true},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			s, err := compileSelector(tt.registry, tt.repository, tt.image)
			if err != nil {
				t.Fatal(err)
			}
			asked := false
			got, err := s.match(ref, func() (Image, error) { asked = true; return image, nil })
			if err != nil || got != tt.want || asked != tt.asks {
				t.Errorf("matched %v, asked for the image %v, %v; want %v, %v", got, asked, err, tt.want, tt.asks)
			}
		})
	}
}

func TestAllowlistClaimsWithFirstUnexpiredItem(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 6, 10, 12, 0, 0, 0, time.UTC)
	past, present, future := "2026-06-10T11:59:59Z", "2026-06-10T12:00:00Z", "2026-06-10T12:00:01Z"
	item := func(id string, expires *string) AllowlistItem {
		return AllowlistItem{ID: id, Gate: "Vulnerabilities", TriggerID: id, ExpiresOn: expires}
	}
	tests := []struct {
		name  string
		items []AllowlistItem
		want  int
	}{
		{"no item", nil, -1},
		{"exact", []AllowlistItem{item("CVE-2+y", nil), item("CVE-1+x", nil)}, 1},
		{"wildcard before exact", []AllowlistItem{item("CVE-1+*", nil), item("CVE-1+x", nil)}, 0},
		{"exact before wildcard", []AllowlistItem{item("CVE-1+x", nil), item("*", nil)}, 0},
		{"expired exact, later exact", []AllowlistItem{item("CVE-1+x", &past), item("CVE-1+x", &future)}, 1},
		{"expires now", []AllowlistItem{item("CVE-1+x", &present)}, -1},
		{"expired wildcard, exact", []AllowlistItem{item("*", &past), item("CVE-1+x", nil)}, 1},
		{"expired exact, wildcard", []AllowlistItem{item("CVE-1+x", &past), item("*+x", &future)}, 1},
		{"other gate", []AllowlistItem{{ID: "i", Gate: "files", TriggerID: "*"}}, -1},
		{"case of the id", []AllowlistItem{item("cve-1+x", nil)}, -1},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			list, err := compileAllowlist(&Allowlist{Items: tt.items})
			if err != nil {
				t.Fatal(err)
			}
			if got := list.claim("vulnerabilities", "CVE-1+x", now); got != tt.want {
				t.Errorf("item %d claims, want %d", got, tt.want)
			}
		})
	}
}

func TestParameterTypes(t *testing.T) {
	t.Parallel()
	tests := []struct {
		kind      Type
		good, bad []string
	}{
		{String, []string{"", "x"}, nil},
		{Boolean, []string{"true", "FALSE", "True"}, []string{"", "1", "yes", " true"}},
		{Integer, []string{"0", "007", " 12 "}, []string{"", "-1", "+1", "1.5", "1e3", "99999999999", "٣"}},
		{Float, []string{"7", "7.5", ".5", "-1", "7."}, []string{"", ".", "-", "1e3", "NaN", "Inf", "0x1p-2", "1_0"}},
		{List, []string{"a", "a,b , c", "a b"}, []string{"", " ", ",", "a,", ",a", "a,,b", "a, ,b"}},
		{ListOrEmpty, []string{"", "a,b"}, []string{" ", "a,"}},
		{Numbers, []string{"80", "80, 443 "}, []string{"", "80/tcp", "1-2", "80,", "-1"}},
		{Mode, []string{"644", "00644", "0o644", "7777", "0"}, []string{"", "0o", "8", "10000", "0x1", "u+s"}},
		{Regexp, []string{"", ".*"}, []string{"(", "(?!.*a)"}},
		{Enum("a", "b"), []string{"a"}, []string{"", "A", "c"}},
	}
	for _, tt := range tests {
		for _, value := range tt.good {
			if _, err := tt.kind.parse(value); err != nil {
				t.Errorf("%s refuses %q: %v", tt.kind.Name, value, err)
			}
		}
		for _, value := range tt.bad {
			if got, err := tt.kind.parse(value); err == nil {
				t.Errorf("%s takes %q for %v", tt.kind.Name, value, got)
			}
		}
	}
}
