package jsonstream_test

import (
	"encoding/json"
	"errors"
	"strings"
	"testing"

	"plimsoll/engine/feed/jsonstream"
)

// FuzzReader walks any text in every way there is. What the walk accepts has to be JSON, with the members it was shown.
func FuzzReader(f *testing.F) {
	for _, seed := range []string{
		`{"a":[1,"x",{"b":null}],"c":{"d":[]}}`, `{"a":[[[[]]]],"a":1e999}`, `[]`, `{"a":`, `{}{}`, "\xff", `{"a":"` + strings.Repeat("x", 300) + `"}`, strings.Repeat("[", 2000),
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		in := jsonstream.New(strings.NewReader(text), 200)
		keys := map[string]bool{}
		err := in.Object(func(key string) error {
			keys[key] = true
			switch len(keys) % 3 {
			case 0:
				return in.Skip()
			case 1:
				err := in.Array(func() error {
					var v any
					return tolerant(in.Value(&v))
				})
				return tolerant(err)
			}
			return tolerant(in.Object(func(string) error { return in.Skip() }))
		})
		if err == nil {
			err = in.End()
		}
		switch {
		case err == nil:
			var whole map[string]json.RawMessage
			if err := json.Unmarshal([]byte(text), &whole); err != nil {
				t.Fatalf("%q was walked through: %v", text, err)
			}
			if len(whole) != len(keys) {
				t.Fatalf("%q: %d members, shown %d", text, len(whole), len(keys))
			}
		case !errors.Is(err, jsonstream.ErrSyntax) && !errors.Is(err, jsonstream.ErrKind) && !errors.Is(err, jsonstream.ErrTooLarge):
			t.Fatalf("%q: an error of no kind: %v", text, err)
		}
	})
}

// tolerant goes on behind a value of another kind.
func tolerant(err error) error {
	if errors.Is(err, jsonstream.ErrKind) {
		return nil
	}
	return err
}
