package external

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"plimsoll/engine/feed"
	"plimsoll/engine/feed/feedtest"
	"plimsoll/engine/feed/feedtest/golden"
)

const name = "acme"

func TestRecordsComeOutInNormalForm(t *testing.T) {
	t.Parallel()
	golden.Run(t, New(name))
}

func parsed(t testing.TB, delta bool, answer []byte) (*feedtest.Sink, error) {
	t.Helper()
	var s feedtest.Sink
	in := feed.Input{Delta: delta, Documents: []feed.Fetched{feedtest.Doc(document, answer)}}
	return &s, New(name).Parse(t.Context(), in, &s)
}

func answer(lines ...string) []byte { return []byte(strings.Join(lines, "\n") + "\n") }

func TestWhatIsWrittenIsRead(t *testing.T) {
	t.Parallel()
	var text bytes.Buffer
	w, err := NewWriter(&text, true)
	if err != nil {
		t.Fatal(err)
	}
	err = errors.Join(
		w.Record(Record{ID: "V-1", Severity: "low", Advisories: []Advisory{{Namespace: "npm", Package: "p", Ranges: []feed.Range{{Fixed: "1.0.0"}}}}}),
		w.Removed("V-2"), w.Removed("V-3"), w.End("next"),
	)
	if err != nil {
		t.Fatal(err)
	}
	plan, err := Plan(t.Context(), feedtest.Doc("any", text.Bytes()))
	if err != nil {
		t.Fatal(err)
	}
	want := feed.Plan{Documents: []feed.Document{{Name: document}}, Delta: true, Cursor: "next", Removed: []string{"V-2", "V-3"}}
	if diff := cmp.Diff(want, plan); diff != "" {
		t.Errorf("plan (-want +got):\n%s", diff)
	}
	got, err := parsed(t, true, text.Bytes())
	if err != nil || len(got.Skipped) > 0 {
		t.Fatalf("%v, skipped %q", err, got.Skipped)
	}
	if diff := cmp.Diff([]string{"V-1 npm p [0,1.0.0) fixed"}, got.Lines()); diff != "" {
		t.Errorf("advisories (-want +got):\n%s", diff)
	}
}

func TestAProgramIsAskedWithTheCursor(t *testing.T) {
	t.Parallel()
	body, err := Ask("then")
	if err != nil || string(body) != `{"protocol":1,"cursor":"then"}`+"\n" {
		t.Errorf("%s, %v", body, err)
	}
}

const (
	begins  = `{"begin":{"protocol":1,"delta":false}}`
	changes = `{"begin":{"protocol":1,"delta":true}}`
	one     = `{"record":{"id":"V-1","severity":"low"}}`
	ends    = `{"end":{"records":1,"removed":0}}`
)

func TestAnAnswerThatBreaksTheContractIsNotUsed(t *testing.T) {
	t.Parallel()
	for what, text := range map[string][]byte{
		"nothing":            nil,
		"a web page":         []byte("<html>busy</html>"),
		"cut short":          answer(begins, one),
		"cut in a line":      answer(begins, one, ends)[:60],
		"no begin":           answer(one, ends),
		"begin twice":        answer(begins, begins, one, ends),
		"wrong count":        answer(begins, one, `{"end":{"records":2,"removed":0}}`),
		"more after the end": answer(begins, one, ends, one),
		"another protocol":   answer(`{"begin":{"protocol":2,"delta":false}}`, one, ends),
		"removed in full":    answer(begins, one, `{"removed":"V-2"}`, `{"end":{"records":1,"removed":1}}`),
		"unknown member":     answer(begins, one, `{"note":"x"}`, ends),
		"two members":        answer(begins, `{"record":{},"removed":"x"}`, ends),
		"empty line":         answer(begins, "", one, ends),
		"empty object":       answer(begins, "{}", one, ends),
		"no object":          answer(begins, "7", one, ends),
		"two values":         answer(begins, one+one, ends),
		"two cursors":        answer(begins, one, `{"cursor":"a"}`, `{"cursor":"b"}`, ends),
		"strange cursor":     answer(begins, one, `{"cursor":"a\u0000"}`, ends),
		"strange id":         answer(changes, `{"removed":"a b"}`, `{"end":{"records":0,"removed":1}}`),
		"a line too long":    answer(begins, `{"record":{"id":"`+strings.Repeat("a", maxLine)+`"}}`, ends),
		"too many values":    answer(begins, `{"record":{"advisories":[`+strings.Repeat("null,", maxValues+1)+`null]}}`, ends),
	} {
		_, err := Plan(t.Context(), feedtest.Doc("any", text))
		if !errors.Is(err, ErrStream) {
			t.Errorf("%s: planned: %v", what, err)
		}
		for _, delta := range []bool{false, true} {
			if _, err := parsed(t, delta, text); !errors.Is(err, ErrStream) {
				t.Errorf("%s: %v", what, err)
			}
		}
	}
	for what, c := range map[string]struct {
		delta bool
		text  []byte
	}{
		"no record":        {false, answer(begins, `{"end":{"records":0,"removed":0}}`)},
		"no usable record": {true, answer(changes, `{"record":{}}`, ends)},
		"unplanned delta":  {false, answer(changes, one, ends)},
		"planned delta":    {true, answer(begins, one, ends)},
	} {
		if _, err := parsed(t, c.delta, c.text); !errors.Is(err, ErrStream) {
			t.Errorf("%s: %v", what, err)
		}
	}
	if got, err := parsed(t, true, answer(changes, `{"end":{"records":0,"removed":0}}`)); err != nil || got.Records != nil {
		t.Errorf("nothing changed: %v", err)
	}
}

func TestTheProgramsOwnErrorIsPassedOn(t *testing.T) {
	t.Parallel()
	text := answer(begins, one, `{"error":"the licence\u0000 has expired"}`)
	if _, err := Plan(t.Context(), feedtest.Doc("any", text)); !errors.Is(err, ErrSource) || !strings.Contains(err.Error(), "the licence has expired") {
		t.Errorf("planned: %v", err)
	}
	if _, err := parsed(t, false, text); !errors.Is(err, ErrSource) {
		t.Errorf("parsed: %v", err)
	}
}

type full struct {
	feedtest.Sink
	err error
}

func (f *full) Record(feed.Record) error { return f.err }

func TestTheReceiversErrorEndsTheReading(t *testing.T) {
	t.Parallel()
	refused := errors.New("full")
	in := feed.Input{Documents: []feed.Fetched{feedtest.Doc(document, answer(begins, one, ends))}}
	if err := New(name).Parse(t.Context(), in, &full{err: refused}); err != refused {
		t.Errorf("%v; want the receiver's error", err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := New(name).Parse(ctx, in, &feedtest.Sink{}); !errors.Is(err, context.Canceled) {
		t.Errorf("cancelled: %v", err)
	}
}

func FuzzRecord(f *testing.F) {
	for _, seed := range golden.Seeds(f) {
		for line := range bytes.Lines(seed) {
			f.Add(line)
		}
	}
	f.Fuzz(func(t *testing.T, raw []byte) {
		var l line
		if decode(raw, &l) != nil || l.Record == nil {
			l.Record = json.RawMessage(raw)
		}
		rec, err := convert(name, l.Record)
		if err != nil {
			return
		}
		var s feedtest.Sink
		if err := s.Record(rec); err != nil {
			t.Fatal(err)
		}
		s.Check(t, name)
		text, err := json.Marshal(rec)
		if err != nil {
			t.Fatalf("record cannot be stored: %v", err)
		}
		if bytes.Contains(bytes.ReplaceAll(text, []byte(`\\`), nil), []byte(`\u0000`)) {
			t.Errorf("NUL in %s", text)
		}
	})
}

func FuzzAnswer(f *testing.F) {
	f.Add(string(answer(begins, one, ends)))
	f.Add(string(answer(changes, one, `{"removed":"V-2"}`, `{"cursor":"c"}`, `{"end":{"records":1,"removed":1}}`)))
	f.Fuzz(func(t *testing.T, text string) {
		plan, err := Plan(t.Context(), feedtest.Doc("any", []byte(text)))
		if err != nil {
			return
		}
		if len(plan.Removed) > 0 && !plan.Delta || strings.Contains(plan.Cursor, "\x00") {
			t.Errorf("plan %+v", plan)
		}
		// What can be planned is read with the same outcome, or has no usable record.
		if _, err := parsed(t, plan.Delta, []byte(text)); err != nil && !errors.Is(err, ErrStream) {
			t.Errorf("planned, but %v", err)
		}
	})
}
