package jsonstream_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"plimsoll/engine/feed/jsonstream"
)

// visited walks an object of objects of numbers and lists what it meets.
func visited(in string, limit int) ([]string, error) {
	r := jsonstream.New(strings.NewReader(in), limit)
	var seen []string
	err := r.Object(func(outer string) error {
		err := r.Object(func(inner string) error {
			var n int
			err := r.Value(&n)
			if errors.Is(err, jsonstream.ErrKind) {
				seen = append(seen, outer+"."+inner+" is no number")
				return nil
			}
			seen = append(seen, fmt.Sprint(outer, ".", inner, "=", n))
			return err
		})
		if errors.Is(err, jsonstream.ErrKind) {
			seen = append(seen, outer+" is no object")
			return nil
		}
		return err
	})
	if err != nil {
		return seen, err
	}
	return seen, r.End()
}

func TestValuesOfAnotherKindArePassedOver(t *testing.T) {
	t.Parallel()
	got, err := visited(`{"a":{"x":1,"y":"one","z":[[]]},"b":[{"x":1},[2]],"c":null,"d":{},"e":{"x":2}} `, 64)
	if err != nil {
		t.Fatal(err)
	}
	want := []string{"a.x=1", "a.y is no number", "a.z is no number", "b is no object", "c is no object", "e.x=2"}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("visited (-want +got):\n%s", diff)
	}
}

func TestDamagedDocumentsEndTheWalk(t *testing.T) {
	t.Parallel()
	long := strings.Repeat("9", 200)
	for in, want := range map[string]error{
		"":                                  jsonstream.ErrSyntax,
		"<html>":                            jsonstream.ErrSyntax,
		`{"a":{"x":1`:                       jsonstream.ErrSyntax,
		`{"a":}`:                            jsonstream.ErrSyntax,
		`{"a":{"x":1}} {}`:                  jsonstream.ErrSyntax,
		`{"a":{"x":` + long + `}}`:          jsonstream.ErrTooLarge,
		`{"` + long + `":{}}`:               jsonstream.ErrTooLarge,
		`{"a":` + strings.Repeat("[", 5000): jsonstream.ErrTooLarge,
		`[]`:                                jsonstream.ErrKind,
	} {
		if _, err := visited(in, 64); !errors.Is(err, want) {
			t.Errorf("%.30q: %v; want %v", in, err, want)
		}
	}
}

func TestSkipPassesOverWhatIsTooLargeToHold(t *testing.T) {
	t.Parallel()
	r := jsonstream.New(strings.NewReader(`{"big":[`+strings.Repeat("1234567,", 1000)+`1],"n":7}`), 64)
	n := 0
	err := r.Object(func(key string) error {
		if key == "big" {
			return r.Skip()
		}
		return r.Value(&n)
	})
	if err != nil || n != 7 {
		t.Errorf("n = %d, %v", n, err)
	}
}

func TestAnErrorOfTheVisitorIsReturnedAsItIs(t *testing.T) {
	t.Parallel()
	full := errors.New("full")
	r := jsonstream.New(strings.NewReader(`[1,2]`), 64)
	if err := r.Array(func() error { return full }); err != full {
		t.Errorf("%v; want the visitor's error", err)
	}
}
