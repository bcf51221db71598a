package jsonlist_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"plimsoll/engine/feed/feedtest"
	"plimsoll/engine/feed/jsonlist"
)

type element struct {
	ID string `json:"id"`
	N  int    `json:"n"`
}

func read(ctx context.Context, text string, visit func(*element, error) error) error {
	return jsonlist.Each(ctx, feedtest.Doc("d", []byte(text)), jsonlist.Limits{Element: 100, Document: 1000}, "list", visit)
}

func TestElementsOfAnotherKindAreToldApart(t *testing.T) {
	t.Parallel()
	var got []string
	err := read(t.Context(), `{"before":[[1]],"list":[{"id":"a","n":1},{"id":"b","n":"two"},7,{"id":"c"}],"after":{}}`, func(e *element, wrong error) error {
		got = append(got, fmt.Sprint(e.ID, " ", e.N, " ", wrong != nil))
		return nil
	})
	if diff := cmp.Diff([]string{"a 1 false", "b 0 true", " 0 true", "c 0 false"}, got); diff != "" || err != nil {
		t.Errorf("%v; elements (-want +got):\n%s", err, diff)
	}
}

func TestOtherDocumentsAreErrors(t *testing.T) {
	t.Parallel()
	for name, text := range map[string]string{
		"nothing": "", "web page": "<html>", "array": "[]", "no list": `{"other":[]}`, "list of another kind": `{"list":{}}`, "cut short": `{"list":[{"id":"a"}`,
		"more after the end": `{"list":[]}{}`, "element too large": `{"list":["` + strings.Repeat("x", 200) + `"]}`,
		"document too large": `{"list":[` + strings.Repeat(" ", 2000) + `]}`, "half a gzip": "\x1f\x8b\x08",
	} {
		if err := read(t.Context(), text, func(*element, error) error { return nil }); !errors.Is(err, jsonlist.ErrDocument) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestErrorsOfTheVisitorAreReturnedAsTheyAre(t *testing.T) {
	t.Parallel()
	full := errors.New("full")
	if err := read(t.Context(), `{"list":[{"id":"a"}]}`, func(*element, error) error { return full }); err != full {
		t.Errorf("%v; want the visitor's error", err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	calls := 0
	err := read(ctx, `{"list":[{"id":"a"},{"id":"b"}]}`, func(*element, error) error { calls++; cancel(); return nil })
	if err != context.Canceled || calls != 1 {
		t.Errorf("%v after %d elements", err, calls)
	}
}
