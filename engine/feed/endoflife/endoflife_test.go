package endoflife

import (
	"bytes"
	"encoding/json"
	"errors"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"plimsoll/engine/feed"
	"plimsoll/engine/feed/feedtest"
	"plimsoll/engine/feed/jsonlist"
)

func read(t *testing.T, content string) (*feedtest.Sink, error) {
	var s feedtest.Sink
	in := feed.Input{Documents: []feed.Fetched{feedtest.Doc("products", []byte(content))}}
	return &s, Driver.Parse(t.Context(), in, &s)
}

const ubuntu = `{"name":"ubuntu","identifiers":[{"type":"cpe","id":"cpe:2.3:o:canonical:ubuntu_linux"},{"type":"cpe","id":"cpe:/o:canonical:ubuntu_linux"},
  {"type":"purl","id":"pkg:docker/library/ubuntu"},{"type":"repology","id":"ubuntu"},{"type":"cpe","id":""}],
 "releases":[
  {"name":"24.04","codename":"Noble Numbat","releaseDate":"2024-04-25","isLts":true,"isEol":false,"eolFrom":"2029-04-25","isEoes":false,"eoesFrom":"2036-04-25","latest":{"name":"24.04.2","date":"2025-02-20"}},
  {"name":"4.10","codename":null,"releaseDate":null,"isEol":true,"eolFrom":null,"latest":null},
  {"name":""}]}`

func TestReleasesAreRead(t *testing.T) {
	t.Parallel()
	got, err := read(t, `{"schema_version":"1.2.0","total":1,"result":[`+ubuntu+`,{"name":"x y"},{"name":"p","releases":{}},"x"]}`)
	if err != nil {
		t.Fatal(err)
	}
	date := func(y int, m time.Month, d int) *time.Time { return new(time.Date(y, m, d, 0, 0, 0, 0, time.UTC)) }
	purls, cpes := []string{"pkg:docker/library/ubuntu"}, []string{"cpe:/o:canonical:ubuntu_linux", "cpe:2.3:o:canonical:ubuntu_linux"}
	want := []feed.Lifecycle{
		{
			Product: "ubuntu", Cycle: "24.04", Codename: "Noble Numbat", Latest: "24.04.2", PURLs: purls, CPEs: cpes,
			Released: date(2024, 4, 25), EndOfLife: date(2029, 4, 25), EndOfExtended: date(2036, 4, 25),
		},
		{Product: "ubuntu", Cycle: "4.10", PURLs: purls, CPEs: cpes, Ended: true},
	}
	if diff := cmp.Diff(want, got.Lifecycles); diff != "" {
		t.Errorf("releases (-want +got):\n%s", diff)
	}
	if len(got.Skipped) != 4 {
		t.Errorf("skipped %q; want four", got.Skipped)
	}
}

func TestADocumentThatIsSomethingElseIsAnError(t *testing.T) {
	t.Parallel()
	for name, content := range map[string]string{
		"nothing": "", "web page": "<html>busy</html>", "other JSON": `{"error":"busy"}`, "no product": `{"result":[]}`,
		"one product": ubuntu, "no release": `{"result":[{"name":"p"}]}`, "cut short": `{"result":[` + ubuntu,
	} {
		if got, err := read(t, content); !errors.Is(err, jsonlist.ErrDocument) {
			t.Errorf("%s: %v with %d releases", name, err, len(got.Lifecycles))
		}
	}
	if err := Driver.Parse(t.Context(), feed.Input{}, &feedtest.Sink{}); !errors.Is(err, jsonlist.ErrDocument) {
		t.Errorf("without a document: %v", err)
	}
}

func FuzzParse(f *testing.F) {
	f.Add([]byte(`{"result":[` + ubuntu + `]}`))
	f.Fuzz(func(t *testing.T, content []byte) {
		got, err := read(t, string(content))
		if err == nil && len(got.Lifecycles) == 0 {
			t.Fatal("no release and no error")
		}
		if text, err := json.Marshal(got.Lifecycles); err != nil || bytes.Contains(bytes.ReplaceAll(text, []byte(`\\`), nil), []byte(`\u0000`)) {
			t.Fatalf("releases cannot be stored: %s, %v", text, err)
		}
	})
}
