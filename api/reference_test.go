package api

import (
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"plimsoll/persistence"
)

func TestParseTag(t *testing.T) {
	t.Parallel()
	for in, want := range map[string]persistence.TagName{
		"nginx":                          {Registry: "docker.io", Repository: "nginx", Tag: "latest"},
		"nginx:1.27":                     {Registry: "docker.io", Repository: "nginx", Tag: "1.27"},
		"library/nginx":                  {Registry: "docker.io", Repository: "library/nginx", Tag: "latest"},
		"docker.io/nginx:a":              {Registry: "docker.io", Repository: "nginx", Tag: "a"},
		"dockerhub/library/nginx:a":      {Registry: "docker.io", Repository: "library/nginx", Tag: "a"},
		"dockerhub.example/x":            {Registry: "dockerhub.example", Repository: "x", Tag: "latest"},
		"localhost/x:y":                  {Registry: "localhost", Repository: "x", Tag: "y"},
		"localhost:5000/team/x":          {Registry: "localhost:5000", Repository: "team/x", Tag: "latest"},
		"registry.example.com/a/b-c_d:T": {Registry: "registry.example.com", Repository: "a/b-c_d", Tag: "T"},
		"10.0.0.1:5000/a:v1.0-rc.1":      {Registry: "10.0.0.1:5000", Repository: "a", Tag: "v1.0-rc.1"},
	} {
		got, err := parseTag(in)
		if err != nil {
			t.Errorf("%s: %v", in, err)
			continue
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s: %s", in, diff)
		}
	}
	for _, in := range []string{
		"", ":", "a:", "UPPER/case:x", "docker.io/", "a b", "a.b/c:d e", "a.b/../c", "a.b/c:" + strings.Repeat("x", 129), "a@sha256:" + strings.Repeat("0", 64),
		"https://a.b/c", "a.b:99999999/c", "a.b/" + strings.Repeat("x", 256), "a.b/c:-x", "a.b//c", "-a.b/c", "a.b/c\n",
	} {
		var problem *ProblemError
		if _, err := parseTag(in); !errors.As(err, &problem) || problem.Code != codeInvalidReference {
			t.Errorf("%q: %v, want %s", in, err, codeInvalidReference)
		}
	}
}

func TestParseDigest(t *testing.T) {
	t.Parallel()
	digest := "sha256:" + strings.Repeat("AB", 32)
	for _, in := range []string{"a.b/c@" + digest, "a.b/c:tag@" + digest} {
		registry, repository, got, err := parseDigest(in)
		if err != nil || registry != "a.b" || repository != "c" || got != strings.ToLower(digest) {
			t.Errorf("%s: %s %s %s %v", in, registry, repository, got, err)
		}
	}
	for _, in := range []string{"a.b/c", "a.b/c@sha256:ab", "a.b/c@md5:" + strings.Repeat("a", 32), "@" + digest, "a.b/c@" + digest + "@" + digest} {
		if _, _, _, err := parseDigest(in); err == nil {
			t.Errorf("%q was taken", in)
		}
	}
}

func FuzzParseTag(f *testing.F) {
	for _, seed := range []string{"nginx", "localhost:5000/a/b:c", "a.b/c@sha256:0", ":::", "a/b/c.d:e"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, in string) {
		tag, err := parseTag(in)
		if err != nil {
			return
		}
		again, err := parseTag(fullTag(tag))
		if err != nil || again != tag {
			t.Fatalf("%q is %+v, which written out is %+v, %v", in, tag, again, err)
		}
	})
}

func TestParseTime(t *testing.T) {
	t.Parallel()
	for in, want := range map[string]string{
		"2026-01-31T12:00:00Z":       "2026-01-31T12:00:00Z",
		"2026-01-31T12:00:00+02:00":  "2026-01-31T10:00:00Z",
		"2026-01-31T12:00:00":        "2026-01-31T12:00:00Z",
		"2026-01-31 12:00:00.250000": "2026-01-31T12:00:00.25Z",
		"2026-01-31":                 "2026-01-31T00:00:00Z",
	} {
		got, err := parseTime(in)
		if err != nil || got.UTC().Format("2006-01-02T15:04:05.999Z07:00") != want {
			t.Errorf("%s: %s, %v; want %s", in, got.UTC(), err, want)
		}
	}
	if _, err := parseTime("yesterday"); err == nil {
		t.Error("yesterday was taken for a time")
	}
}
