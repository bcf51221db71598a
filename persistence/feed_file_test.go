package persistence_test

import (
	"bytes"
	"errors"
	"io"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"plimsoll/engine/feed"
	"plimsoll/persistence"
	"plimsoll/persistence/blob"
)

// passOn commits a group of clamav_db that is one file.
func (w *world) passOn(group, name, version string, content []byte) persistence.Committed {
	w.t.Helper()
	out, err := w.feeds.Commit(w.t.Context(), persistence.CommitFeed{
		Source: "clamav_db", Group: group, At: noon,
		Load: func(in *persistence.Staging) error {
			return in.File(feed.File{Name: name, Version: version, Built: &noon, Content: io.NewSectionReader(bytes.NewReader(content), 0, int64(len(content)))})
		},
	})
	if err != nil {
		w.t.Fatal(err)
	}
	return out
}

func (w *world) files() []persistence.FeedFile {
	w.t.Helper()
	list, err := w.feeds.Files(w.t.Context(), "clamav_db")
	if err != nil {
		w.t.Fatal(err)
	}
	return list
}

func (w *world) contents() int {
	return w.count(`SELECT count(*) FROM plimsoll_feeds.content`)
}

func TestFeedFilesAreStoredByTheirContent(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	large := bytes.Repeat([]byte("plimsoll"), 300_001) // two parts and a bit
	first := w.passOn("main", "main.cvd", "62", large)
	if first.Generation == 0 || first.Added != 1 || first.Records != 1 {
		t.Errorf("first commit %+v", first)
	}
	want := []persistence.FeedFile{{Group: "main", Name: "main.cvd", Digest: blob.Digest(large), Size: int64(len(large)), Version: "62", BuiltAt: &noon, FetchedAt: noon}}
	if diff := cmp.Diff(want, w.files()); diff != "" {
		t.Errorf("files (-want +got):\n%s", diff)
	}
	in, err := w.feeds.OpenFile(t.Context(), blob.Digest(large))
	if err != nil {
		t.Fatal(err)
	}
	got, err := io.ReadAll(in)
	if err != nil || !bytes.Equal(got, large) || in.Size() != int64(len(large)) {
		t.Errorf("%d bytes, %v; want %d", len(got), err, len(large))
	}
	tables := []string{"plimsoll_feeds.file", "plimsoll_feeds.content", "plimsoll_feeds.content_part", "plimsoll_feeds.generation"}
	before := w.rowVersions(tables...)
	if again := w.passOn("main", "main.cvd", "62", large); !again.Unchanged || again.Records != 1 {
		t.Errorf("the same again: %+v", again)
	}
	if after := w.rowVersions(tables...); after != before {
		t.Errorf("rows were written:\nbefore %s\nafter  %s", before, after)
	}
	w.passOn("other", "copy.ndb", "", large)
	if n := w.contents(); n != 1 {
		t.Errorf("%d contents, want the one both files have", n)
	}
	w.passOn("main", "main.cvd", "63", nil) // an empty file is one, too
	if list := w.files(); len(list) != 2 || list[1].Version != "63" || list[1].Size != 0 || w.contents() != 2 {
		t.Errorf("files %+v", list)
	}
	w.passOn("other", "renamed.ndb", "", []byte("x"))
	if list := w.files(); len(list) != 2 || list[1].Name != "renamed.ndb" || w.contents() != 2 {
		t.Errorf("files %+v and %d contents: what nobody refers to is to go", list, w.contents())
	}
	if _, err := w.feeds.OpenFile(t.Context(), blob.Digest(large)); !errors.Is(err, persistence.ErrNotFound) {
		t.Errorf("a content that is gone: %v", err)
	}
}

func TestDamagedFeedFilesAreNotServed(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	content := []byte("Plimsoll.Test:0:*:58354f\n")
	for name, damage := range map[string]string{
		"other bytes": `UPDATE plimsoll_feeds.content_part SET data = 'plimsoll.test:0:*:58354f\012'`,
		"too many":    `UPDATE plimsoll_feeds.content_part SET data = data || 'x'`,
		"none":        `DELETE FROM plimsoll_feeds.content_part`,
	} {
		w.passOn("own", "own.ndb", "", content)
		in, err := w.feeds.OpenFile(t.Context(), blob.Digest(content))
		if err != nil {
			t.Fatal(err)
		}
		if _, err := w.pool.Exec(t.Context(), damage); err != nil {
			t.Fatal(err)
		}
		if _, err := io.ReadAll(in); !errors.Is(err, blob.ErrCorrupt) {
			t.Errorf("%s: %v", name, err)
		}
		w.passOn("own", "own.ndb", "", []byte(name))
	}
}

func TestFilesOfGroupsNoDriverOffersAreNotPassedOn(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.passOn("main", "main.cvd", "1", []byte("a"))
	w.passOn("own", "own.ndb", "", []byte("b"))
	if err := w.feeds.Ensure(t.Context(), persistence.Offer{Source: "clamav_db", Groups: []string{"main"}, Enabled: true}); err != nil {
		t.Fatal(err)
	}
	if list := w.files(); len(list) != 1 || list[0].Name != "main.cvd" {
		t.Errorf("files %+v", list)
	}
}

func TestSignaturesDoNotMakeVulnerabilityDataOld(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.commit("npm", record("GHSA-1", feed.High, "npm", "left-pad", "1.3.0"))
	if err := w.feeds.Ensure(t.Context(), persistence.Offer{Source: "clamav_db", Groups: []string{"main"}, Enabled: true}); err != nil {
		t.Fatal(err)
	}
	status, err := w.feeds.Status(t.Context())
	if err != nil || !status.LastSync.Equal(noon) {
		t.Errorf("last sync %s, %v; want %s", status.LastSync, err, noon.Format(time.RFC3339))
	}
}
