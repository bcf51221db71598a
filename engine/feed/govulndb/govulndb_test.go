package govulndb

import (
	"errors"
	"testing"

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

const member = "ID/GO-2024-0001.json"

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
