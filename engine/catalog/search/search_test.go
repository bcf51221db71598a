package search

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"plimsoll/engine/catalog"
)

// naive finds words the plain way.
func naive(text []byte, words []string) []string {
	text = bytes.Clone(text)
	for i, b := range text { // bytes.ToLower would make three bytes of one that is no UTF-8
		if 'A' <= b && b <= 'Z' {
			text[i] += 'a' - 'A'
		}
	}
	var out []string
	for at := range text {
		for n, w := range words {
			if len(w) >= MinKeyword && bytes.HasPrefix(text[at:], []byte(strings.ToLower(w))) {
				out = append(out, fmt.Sprint(at, " ", n))
			}
		}
	}
	slices.Sort(out)
	return out
}

func places(k *Keywords, text []byte) []string {
	var out []string
	k.Each(text, func(at, number int) bool {
		out = append(out, fmt.Sprint(at, " ", number))
		return true
	})
	slices.Sort(out)
	return out
}

func TestKeywordsFindsEveryPlace(t *testing.T) {
	t.Parallel()
	words := []string{"abab", "BABA", "aaaa", "ab:ab", "bab-a", "aab", "abab"}
	k := NewKeywords(words)
	for seed := range uint64(500) {
		random := rand.New(rand.NewPCG(seed, 3))
		text := make([]byte, random.IntN(60))
		for i := range text {
			text[i] = "aAbB:-"[random.IntN(6)]
		}
		if diff := cmp.Diff(naive(text, words), places(k, text)); diff != "" {
			t.Fatalf("%q: %s", text, diff)
		}
	}
}

func TestKeywordsEndsWhenTold(t *testing.T) {
	t.Parallel()
	calls := 0
	NewKeywords([]string{"abcd"}).Each([]byte("abcd abcd abcd"), func(int, int) bool { calls++; return calls < 2 })
	if calls != 2 {
		t.Errorf("called %d times", calls)
	}
}

func FuzzKeywords(f *testing.F) {
	words := []string{"ghp_", "api_key", "-----BEGIN", "AKIA"}
	k := NewKeywords(words)
	f.Add([]byte("xghp_API_KEY-----begin"))
	f.Add([]byte("akiAKIA"))
	f.Fuzz(func(t *testing.T, text []byte) {
		got := places(k, text)
		for _, want := range naive(text, words) { // others differ by what folding makes alike
			if !slices.Contains(got, want) {
				t.Fatalf("%q: %s is missing in %v", text, want, got)
			}
		}
	})
}

func BenchmarkKeywords(b *testing.B) {
	k := NewKeywords([]string{"ghp_", "api_key", "-----BEGIN", "AKIA", "secret_access_key", "xoxb-", "glpat-"})
	text := bytes.Repeat([]byte("The quick brown fox jumps over the lazy dog, and nothing secret happens in api docs.\n"), 12000)
	b.SetBytes(int64(len(text)))
	for b.Loop() {
		k.Each(text, func(int, int) bool { return true })
	}
}

func TestLinesCountFromOneInAnyOrder(t *testing.T) {
	t.Parallel()
	l := NewLines([]byte("a\nb\r\n\nd"))
	for _, tt := range [][2]int{{0, 1}, {1, 1}, {2, 2}, {5, 3}, {6, 4}, {2, 2}, {0, 1}} {
		if got := l.At(tt[0]); got != tt[1] {
			t.Errorf("position %d: line %d, want %d", tt[0], got, tt[1])
		}
	}
}

func TestEachLine(t *testing.T) {
	t.Parallel()
	long := strings.Repeat("x", MaxLine+1)
	var got []string
	err := EachLine(t.Context(), []byte("a\r\n\n"+long+"\nlast"), func(line []byte, number int) {
		got = append(got, fmt.Sprint(number, " ", len(line)))
	})
	if diff := cmp.Diff([]string{"1 1", "2 0", fmt.Sprint("3 ", MaxLine), "3 1", "4 4"}, got); diff != "" || err != nil {
		t.Error(err, diff)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := EachLine(ctx, bytes.Repeat([]byte("\n"), 5000), func([]byte, int) {}); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
}

func TestTextPassesOverWhatIsNone(t *testing.T) {
	t.Parallel()
	for content, want := range map[string]bool{"text": true, "a\x00": false, strings.Repeat("a", sniffed) + "\x00": true} {
		looked := false
		f := &catalog.File{Entry: catalog.Entry{Path: "/x", Size: int64(len(content))}, Content: strings.NewReader(content)}
		err := Text(f, func(text []byte) error {
			looked = string(text) == content
			return nil
		})
		if looked != want || err != nil {
			t.Errorf("%.10q: %v, %v", content, looked, err)
		}
	}
	short := &catalog.File{Entry: catalog.Entry{Path: "/x", Size: 9}, Content: strings.NewReader("short")}
	if err := Text(short, func([]byte) error { return nil }); err == nil {
		t.Error("a file that ends early is read")
	}
}

func TestHitsKeepNoValueUnlessWanted(t *testing.T) {
	t.Parallel()
	for _, values := range []bool{false, true} {
		h := NewHits(catalog.SearchContent, values)
		h.Add("b", 2, []byte("second\x00"))
		h.Add("a", 2, []byte(strings.Repeat("v", MaxValue+1)))
		h.Add("a", 2, []byte("again in the line"))
		h.Add("z", 1, []byte("first"))
		e, err := h.Result("/x", nil)
		want := []catalog.SearchHit{{Search: "content", Name: "z", Line: 1}, {Search: "content", Name: "a", Line: 2}, {Search: "content", Name: "b", Line: 2}}
		if values {
			want[0].Value, want[1].Value, want[2].Value = "first", strings.Repeat("v", MaxValue), "second"
		}
		if diff := cmp.Diff(want, e.Hits); diff != "" || err != nil {
			t.Error(values, err, diff)
		}
	}
}
