package echo

import (
	"errors"
	"testing"

	"plimsoll/engine/feed"
	"plimsoll/engine/feed/feedtest"
	"plimsoll/engine/feed/feedtest/golden"
)

func TestStatementsBecomeAdvisories(t *testing.T) {
	t.Parallel()
	golden.Run(t, Driver)
}

func TestADocumentThatIsSomethingElseIsAnError(t *testing.T) {
	t.Parallel()
	for name, content := range map[string]string{
		"nothing": "", "web page": "<html>busy</html>", "array": "[]", "other JSON": `{"error":"busy"}`, "empty": "{}",
		"packages without issues": `{"p":{}}`, "cut short": `{"p":{"CVE-2020-0001":{}`, "more after the end": `{"p":{"CVE-2020-0001":{}}} x`,
	} {
		var s feedtest.Sink
		in := feed.Input{Documents: []feed.Fetched{feedtest.Doc(Name, []byte(content))}}
		if err := Driver.Parse(t.Context(), in, &s); !errors.Is(err, ErrDocument) || len(s.Records) > 0 {
			t.Errorf("%s: %v with %d records", name, err, len(s.Records))
		}
	}
	if err := Driver.Parse(t.Context(), feed.Input{}, &feedtest.Sink{}); !errors.Is(err, ErrDocument) {
		t.Errorf("without a document: %v", err)
	}
}

func FuzzParse(f *testing.F) {
	for _, seed := range golden.Seeds(f) {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, content []byte) {
		var s feedtest.Sink
		if Driver.Parse(t.Context(), feed.Input{Documents: []feed.Fetched{feedtest.Doc(Name, content)}}, &s) == nil {
			golden.Storable(t, &s, Name)
		}
	})
}
