package ghsa

import (
	"errors"
	"testing"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/tools/txtar"

	"plimsoll/engine/feed"
	"plimsoll/engine/feed/feedtest"
	"plimsoll/engine/feed/feedtest/golden"
	"plimsoll/engine/feed/osv"
)

func TestRecordsComeOutInNormalForm(t *testing.T) {
	t.Parallel()
	golden.Run(t, Driver)
}

const member = "d/advisories/github-reviewed/2024/01/x.json"

func TestADocumentThatIsSomethingElseIsAnError(t *testing.T) {
	t.Parallel()
	other := golden.Tar(t, []txtar.File{{Name: "!README.md", Data: []byte("hello")}})
	broken := golden.Tar(t, []txtar.File{{Name: "!" + member, Data: []byte("<html>")}})
	for name, in := range map[string]feed.Input{
		"no document":     {},
		"a web page":      {Documents: []feed.Fetched{feedtest.Doc(document, []byte("<html>"))}},
		"another archive": {Documents: []feed.Fetched{feedtest.Doc(document, other)}},
		"broken records":  {Documents: []feed.Fetched{feedtest.Doc(document, broken)}},
	} {
		if err := Driver.Parse(t.Context(), in, &feedtest.Sink{}); !errors.Is(err, osv.ErrArchive) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestATokenGoesIntoTheHeaderOnly(t *testing.T) {
	t.Parallel()
	r := feed.Request{Group: Driver.Groups(feed.Settings{})[0], Settings: feed.Settings{Token: "secret"}}
	p, err := Driver.Plan(t.Context(), r, nil)
	if err != nil || len(p.Documents) != 1 {
		t.Fatalf("%+v, %v", p, err)
	}
	want := feed.Document{Name: document, Host: host, Path: archivePath, Header: map[string]string{"Authorization": "Bearer secret"}}
	if diff := cmp.Diff(want, p.Documents[0]); diff != "" {
		t.Errorf("document (-want +got):\n%s", diff)
	}
}

func TestEcosystemsCanBeChosen(t *testing.T) {
	t.Parallel()
	raw := `{"id":"GHSA-1","affected":[{"package":{"ecosystem":"npm","name":"a"},"versions":["1.0.0"]},{"package":{"ecosystem":"PyPI","name":"a"},"versions":["1.0"]}]}`
	doc := feedtest.Doc(document, golden.Tar(t, []txtar.File{{Name: "!" + member, Data: []byte(raw)}}))
	got := feedtest.Parse(t, Driver, feed.Input{Settings: feed.Settings{Ecosystems: []string{"npm"}}, Documents: []feed.Fetched{doc}})
	if diff := cmp.Diff([]string{"GHSA-1 npm a [1.0.0] affected"}, got.Lines()); diff != "" {
		t.Errorf("advisories (-want +got):\n%s", diff)
	}
}
