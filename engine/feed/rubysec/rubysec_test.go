package rubysec

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/tools/txtar"

	"plimsoll/engine/feed"
	"plimsoll/engine/feed/feedtest"
	"plimsoll/engine/feed/feedtest/golden"
	"plimsoll/engine/version"
)

func TestRecordsComeOutInNormalForm(t *testing.T) {
	t.Parallel()
	golden.Run(t, Driver)
}

// affectedBy writes the ranges a list of patched and of unaffected requirements leaves.
func affectedBy(patched, unaffected []string) string {
	a := advisory{Patched: patched, Unaffected: unaffected}
	ranges, err := a.ranges()
	if err != nil {
		return err.Error()
	}
	var out []string
	for _, r := range ranges {
		out = append(out, fmt.Sprintf("%s%s..%s%s%s", r.Introduced, r.After, r.Fixed, r.Before, r.LastAffected))
	}
	return strings.Join(out, " ")
}

func TestEverythingButPatchedAndUnaffectedVersionsIsAffected(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name                string
		patched, unaffected []string
		want                string
	}{
		{"never patched", nil, nil, "0.."},
		{"one fix", []string{">= 1.2.3"}, nil, "0..1.2.3"},
		{"a fix per branch", []string{"~> 1.15.6", ">= 1.16.2"}, nil, "0..1.15.6 1.16.a..1.16.2"},
		{"a fix inside a branch", []string{"~> 2.3.9, >= 2.3.9.1", ">= 3.0.2"}, nil, "0..2.3.9.1 2.4.a..3.0.2"},
		{"older versions are clean", []string{">= 4.0.5"}, []string{"< 4.0"}, "4.0..4.0.5"},
		{"behind an exclusive bound", []string{"> 0.16.0"}, nil, "0..0.16.0"},
		{"unaffected is no fix", nil, []string{"> 4.2.2"}, "0..4.2.2"},
		{"unaffected from a version on is no fix", nil, []string{">= 5.0"}, "0..5.0"},
		{"up to and with", []string{">= 2.0"}, []string{"<= 1.4.0"}, "1.4.0..2.0"},
		{"one version", []string{"= 1.6.0"}, nil, "0..1.6.0 1.6.0.."},
		{"two clauses", []string{">= 1.10.5, < 2.0.0", ">= 2.1"}, nil, "0..1.10.5 2.0.0..2.1"},
		{"short", []string{"~> 2"}, nil, "0..2 3.a.."},
		{"contradiction", []string{">= 2, < 1"}, nil, "0.."},
		{"all are clean", nil, []string{">= 0"}, ""},
		{"overlap", []string{">= 1.0, < 1.5", ">= 1.2, < 1.3"}, nil, "0..1.0 1.5.."},
	} {
		if got := affectedBy(c.patched, c.unaffected); got != c.want {
			t.Errorf("%s: %s; want %s", c.name, got, c.want)
		}
	}
	for _, bad := range []string{"", "soon", "!= 1.0", ">= ", ">= 1.0 beta", "~> 99999999999.1", ">= 1\x00"} {
		if got := affectedBy([]string{bad}, nil); !strings.Contains(got, errRequirement.Error()) {
			t.Errorf("%q is a requirement: %s", bad, got)
		}
	}
}

// satisfied evaluates a requirement as Gem::Requirement does, clause by clause.
func satisfied(t *testing.T, requirement, v string) bool {
	t.Helper()
	compare := func(a, b string) int {
		c, err := version.Compare(version.RubyGems, a, b)
		if err != nil {
			t.Fatal(err)
		}
		return c
	}
	for part := range strings.SplitSeq(requirement, ", ") {
		operator, bound, _ := strings.Cut(part, " ")
		c := compare(v, bound)
		ok := map[string]bool{
			"=": c == 0, ">": c > 0, ">=": c >= 0, "<": c < 0, "<=": c <= 0,
			"~>": c >= 0 && strings.HasPrefix(numbers.FindString(v)+".", bound[:strings.LastIndexByte(bound, '.')]+"."),
		}[operator]
		if !ok {
			return false
		}
	}
	return true
}

func TestAVersionIsAffectedWhenNoRequirementAcceptsIt(t *testing.T) {
	t.Parallel()
	requirements := []string{
		">= 1.2.0", "~> 1.1.2", "~> 1.0.0", "< 1.0.1", "<= 1.0.1", "> 1.2.0", ">= 1.1.0, < 1.1.2", "= 1.1.0", "~> 1.1.0, >= 1.1.0.1", "~> 1.1",
	}
	var versions []string
	for minor := range 4 {
		for patch := range 3 {
			v := fmt.Sprintf("1.%d.%d", minor, patch)
			versions = append(versions, v, v+".1", v+".pre", v+".rc1", v+".beta.2")
		}
	}
	for _, a := range requirements {
		for _, b := range requirements {
			ranges, err := (&advisory{Patched: []string{a}, Unaffected: []string{b}}).ranges()
			if err != nil {
				t.Fatal(err)
			}
			for _, v := range versions {
				got := false
				for _, r := range ranges {
					in, err := r.Contains(version.RubyGems, v)
					if err != nil {
						t.Fatal(err)
					}
					got = got || in
				}
				if want := !satisfied(t, a, v) && !satisfied(t, b, v); got != want {
					t.Errorf("patched %s, unaffected %s: %s affected is %t; want %t (%v)", a, b, v, got, want, ranges)
				}
			}
		}
	}
}

func parsed(t testing.TB, files ...txtar.File) (*feedtest.Sink, error) {
	t.Helper()
	var s feedtest.Sink
	err := Driver.Parse(t.Context(), feed.Input{Documents: []feed.Fetched{feedtest.Doc(document, golden.Tar(t, files))}}, &s)
	return &s, err
}

func file(name, content string) txtar.File {
	return txtar.File{Name: "!db/gems/x/" + name + ".yml", Data: []byte(content)}
}

func TestABadFileIsReportedAndSkipped(t *testing.T) {
	t.Parallel()
	keys := make([]string, 20_000)
	for i := range keys {
		keys[i] = "a:"
	}
	got, err := parsed(t,
		file("CVE-2024-0001", "gem: x\npatched_versions: ['>= 1.0']"),
		file("bomb", "a: &a [x,x,x,x,x,x,x,x]\nb: &b [*a,*a,*a,*a,*a]\ngem: x\nc: [*b,*b]"),
		file("keys", strings.Join(keys, "\n")),
		file("deep", "gem: "+strings.Repeat("[", 100)+strings.Repeat("]", 100)),
		file("requirement", "gem: x\npatched_versions: [soon]"),
		file("nobody", "title: no gem"),
		file("list", "- gem"),
		file("brokén", "gem: x"),
		file("no", "\tyaml: ["),
		file("long", strings.Repeat("#", int(limits.Member)+1)),
	)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]string{"CVE-2024-0001 rubygems x [0,1.0) fixed"}, got.Lines()); diff != "" {
		t.Errorf("advisories (-want +got):\n%s", diff)
	}
	if len(got.Skipped) != 9 {
		t.Errorf("skipped %d: %.400q", len(got.Skipped), got.Skipped)
	}
}

func TestADocumentThatIsSomethingElseIsAnError(t *testing.T) {
	t.Parallel()
	if _, err := parsed(t, txtar.File{Name: "!README.md", Data: []byte("hello")}); !errors.Is(err, ErrDocument) {
		t.Errorf("another archive: %v", err)
	}
	if _, err := parsed(t, file("CVE-2024-0001", "<html>")); !errors.Is(err, ErrDocument) {
		t.Errorf("no advisory: %v", err)
	}
	for _, docs := range [][]feed.Fetched{nil, {feedtest.Doc(document, []byte("<html>"))}} {
		if err := Driver.Parse(t.Context(), feed.Input{Documents: docs}, &feedtest.Sink{}); !errors.Is(err, ErrDocument) {
			t.Errorf("%d documents: %v", len(docs), err)
		}
	}
}

func FuzzAdvisory(f *testing.F) {
	for _, seed := range golden.Seeds(f) {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		e, err := read("CVE-2024-0001", data)
		if err != nil {
			return
		}
		golden.Storable(t, &feedtest.Sink{Records: []feed.Record{join([]entry{e, e})}}, Name)
	})
}
