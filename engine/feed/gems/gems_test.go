package gems

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"plimsoll/engine/feed"
	"plimsoll/engine/feed/feedtest"
	"plimsoll/engine/version"
)

const heading = "created_at: 2024-04-01T00:00:05Z\n---\n"

func parsed(t testing.TB, text string) (*feedtest.Sink, error) {
	t.Helper()
	var s feedtest.Sink
	err := Driver.Parse(t.Context(), feed.Input{Documents: []feed.Fetched{feedtest.Doc(document, []byte(text))}}, &s)
	return &s, err
}

func TestLinesOfAGemAddUp(t *testing.T) {
	t.Parallel()
	got, err := parsed(t, heading+strings.Join([]string{
		"rack 1.9.0,1.10.0,2.0.0.rc1,1.10.0-java aaaa",
		"nokogiri 1.15.0,1.15.0-x86_64-linux,1.15.0-java bbbb",
		"_ 1.0 cccc",
		"early 0.1.a,0.1.b dddd",
		"gone 1.0,1.1 eeee",
		"rack 1.11.0 ffff",
		"rack -1.11.0,1.2.0 aaab",
		"nokogiri -1.15.0-java bbbc",
		"gone -1.0,-1.1 eeef",
		"odd 1.0,v2,soon,1.1 abcd",
		"broken 1.0",
		"bro\x00ken 1.0 abcd",
	}, "\n"))
	if err != nil {
		t.Fatal(err)
	}
	want := []feed.Release{
		{Namespace: "rubygems", Package: "_", Latest: "1.0", Versions: []string{"1.0"}},
		{Namespace: "rubygems", Package: "early", Latest: "0.1.b", Versions: []string{"0.1.a", "0.1.b"}},
		{Namespace: "rubygems", Package: "nokogiri", Latest: "1.15.0", Versions: []string{"1.15.0"}},
		{Namespace: "rubygems", Package: "odd", Latest: "1.1", Versions: []string{"1.0", "1.1"}},
		{Namespace: "rubygems", Package: "rack", Latest: "1.10.0", Versions: []string{"1.2.0", "1.9.0", "1.10.0", "2.0.0.rc1"}},
	}
	if diff := cmp.Diff(want, got.Releases); diff != "" {
		t.Errorf("releases (-want +got):\n%s", diff)
	}
	if len(got.Skipped) != 2 {
		t.Errorf("skipped %q", got.Skipped)
	}
}

func TestADocumentThatIsSomethingElseIsAnError(t *testing.T) {
	t.Parallel()
	for _, text := range []string{"", "<html>", heading, "rack 1.0 aaaa\n", heading + strings.Repeat("a", maxLine+1)} {
		if _, err := parsed(t, text); !errors.Is(err, ErrDocument) {
			t.Errorf("%.40q: %v", text, err)
		}
	}
	if err := Driver.Parse(t.Context(), feed.Input{}, &feedtest.Sink{}); !errors.Is(err, ErrDocument) {
		t.Errorf("no document: %v", err)
	}
}

func FuzzVersions(f *testing.F) {
	f.Add("rack 1.9.0,1.10.0,-1.9.0 aaaa\nrack 2.0.rc1 b")
	f.Fuzz(func(t *testing.T, lines string) {
		got, err := parsed(t, heading+lines)
		if err != nil {
			return
		}
		for _, r := range got.Releases {
			if strings.Contains(fmt.Sprint(r), "\x00") || r.Latest == "" || !version.Valid(version.RubyGems, r.Latest) {
				t.Errorf("release %+v", r)
			}
		}
	})
}
