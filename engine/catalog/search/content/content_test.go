package content

import (
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"plimsoll/engine/catalog"
	"plimsoll/engine/catalog/search"
)

func TestHitsPerLine(t *testing.T) {
	t.Parallel()
	a, err := Analyzer(Settings{MaxBytes: 1000, Values: true, Expressions: []search.Expression{
		{Name: "start", Regex: `^listen = \d+$`}, {Name: "anywhere", Regex: `(?i)todo`},
	}})
	if err != nil {
		t.Fatal(err)
	}
	text := "listen = 80\r\nx listen = 81\n# ToDo todo\nlisten = 82"
	e, err := a.Analyze(t.Context(), &catalog.File{Entry: catalog.Entry{Path: "/x", Size: int64(len(text))}, Content: strings.NewReader(text)})
	want := []catalog.SearchHit{
		{Search: catalog.SearchContent, Name: "start", Line: 1, Value: "listen = 80"},
		{Search: catalog.SearchContent, Name: "anywhere", Line: 3, Value: "ToDo"},
		{Search: catalog.SearchContent, Name: "start", Line: 4, Value: "listen = 82"},
	}
	if diff := cmp.Diff(want, e.Hits); diff != "" || err != nil {
		t.Error(err, diff)
	}
	for _, tt := range []struct {
		size int64
		head string
		want bool
	}{{1000, "a", true}, {1001, "a", false}, {0, "", false}, {5, "\x00", false}} {
		if got := a.Wants(catalog.Candidate{Entry: catalog.Entry{Type: catalog.Regular, Size: tt.size}, Head: []byte(tt.head)}); got != tt.want {
			t.Errorf("%+v: got %v", tt, got)
		}
	}
}

func TestAnUnusableExpressionIsNamed(t *testing.T) {
	t.Parallel()
	_, err := Analyzer(Settings{Expressions: []search.Expression{{Name: "fine", Regex: "a"}, {Name: "broken", Regex: "a("}}})
	if !errors.Is(err, search.ErrExpression) || !errors.Is(err, ErrSettings) || !strings.Contains(err.Error(), `"broken"`) || strings.Contains(err.Error(), `"fine"`) {
		t.Errorf("got %v", err)
	}
}

func FuzzContent(f *testing.F) {
	f.Add("a\nb\r\n\xff\n")
	f.Add(strings.Repeat("todo", 100) + "\n\ntodo")
	a, err := Analyzer(Settings{MaxBytes: 1 << 20, Expressions: []search.Expression{{Name: "todo", Regex: `(?i)to+do$`}}})
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, text string) {
		e, err := a.Analyze(t.Context(), &catalog.File{Entry: catalog.Entry{Path: "/x", Size: int64(len(text))}, Content: strings.NewReader(text)})
		if len(e.Hits) > search.MaxHits || len(e.Hits) < search.MaxHits && err != nil {
			t.Fatalf("%d hits, %v", len(e.Hits), err)
		}
		for i, h := range e.Hits {
			if h.Line < 1 || h.Line > 1+strings.Count(text, "\n") || i > 0 && e.Hits[i-1].Line >= h.Line {
				t.Fatalf("got %+v", e.Hits)
			}
		}
	})
}
