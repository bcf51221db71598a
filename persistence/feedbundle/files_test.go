package feedbundle_test

import (
	"bytes"
	"errors"
	"io"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"plimsoll/engine/feed"
	"plimsoll/engine/feed/bundle"
	"plimsoll/engine/feed/clamav"
	"plimsoll/persistence"
)

// sign makes a group of signatures pass a file on.
func (s *store) sign(source, group, name, text string) {
	s.t.Helper()
	s.now = s.now.Add(1)
	ctx := s.t.Context()
	if err := s.feeds.Ensure(ctx, persistence.Offer{Source: source, Groups: []string{"own", "other"}, Enabled: true}); err != nil {
		s.t.Fatal(err)
	}
	_, err := s.feeds.Commit(ctx, persistence.CommitFeed{Source: source, Group: group, At: s.now, Force: true, Load: func(in *persistence.Staging) error {
		return in.File(feed.File{Name: name, Content: io.NewSectionReader(strings.NewReader(text), 0, int64(len(text)))})
	}})
	if err != nil {
		s.t.Fatal(err)
	}
}

// signatures are the files of a store with their content.
func (s *store) signatures() map[string]string {
	s.t.Helper()
	list, err := s.feeds.Files(s.t.Context(), clamav.Name)
	if err != nil {
		s.t.Fatal(err)
	}
	out := map[string]string{}
	for _, f := range list {
		r, err := s.feeds.OpenFile(s.t.Context(), f.Digest)
		if err != nil {
			s.t.Fatal(err)
		}
		text, err := io.ReadAll(r)
		if err != nil {
			s.t.Fatal(err)
		}
		out[f.Group+"/"+f.Name] = string(text)
	}
	return out
}

func TestSignaturesAreCarriedAsTheyAre(t *testing.T) {
	t.Parallel()
	from, to := newStore(t), newStore(t)
	if err := to.feeds.Ensure(t.Context(), persistence.Offer{Source: clamav.Name, Groups: []string{"own", "other"}, Enabled: true}); err != nil {
		t.Fatal(err)
	}
	long := strings.Repeat("Plimsoll.Test:0:*:58354f\n", 100_000) // some parts of the store
	from.sign(clamav.Name, "own", "own.ndb", long)
	from.sign(clamav.Name, "other", "other.ndb", "Plimsoll.Other:0:*:58354f\n")
	from.commit("npm", func(in *persistence.Staging) error { return in.Record(record("CVE-1", "rope", feed.High, "x")) })
	whole, m := from.export("")
	if _, err := to.take(whole, false); err != nil {
		t.Fatal(err)
	}
	want := map[string]string{"own/own.ndb": long, "other/other.ndb": "Plimsoll.Other:0:*:58354f\n"}
	if diff := cmp.Diff(want, to.signatures()); diff != "" {
		t.Error(diff)
	}
	from.sign(clamav.Name, "own", "own.ndb", "Plimsoll.New:0:*:58354f\n")
	delta, second := from.export(m.Cursor)
	for _, g := range second.Groups {
		if whole := g.Base == ""; whole != (g.Name == "own") || (len(g.Files) == 1) != whole {
			t.Errorf("group %+v", g)
		}
	}
	if _, err := to.take(delta, false); err != nil {
		t.Fatal(err)
	}
	want["own/own.ndb"] = "Plimsoll.New:0:*:58354f\n"
	if diff := cmp.Diff(want, to.signatures()); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff(from.content(), to.content()); diff != "" {
		t.Error(diff)
	}
	flipped := bytes.Clone(whole)
	flipped[bytes.LastIndex(flipped, []byte("Plimsoll.Other"))] ^= 1
	if _, err := newStore(t).take(flipped, true); !errors.Is(err, bundle.ErrBundle) {
		t.Errorf("another file: %v, want ErrBundle", err)
	}
}

// Who signed may be mistaken: files are given names in a folder, and clamd reads them.
func TestFilesThatNobodyShouldReadAreRefused(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct{ source, file, text string }{
		"a path":        {clamav.Name, "../own.ndb", "Plimsoll.Test:0:*:58354f\n"},
		"no signatures": {clamav.Name, "own.ndb", "no signatures"},
		"another name":  {clamav.Name, "own.exe", "Plimsoll.Test:0:*:58354f\n"},
		"other source":  {"osv", "own.ndb", "Plimsoll.Test:0:*:58354f\n"},
	} {
		from, to := newStore(t), newStore(t)
		from.sign(c.source, "own", c.file, c.text)
		raw, _ := from.export("")
		if _, err := to.take(raw, true); !errors.Is(err, bundle.ErrBundle) || len(to.signatures()) > 0 {
			t.Errorf("%s: %v, want ErrBundle", name, err)
		}
	}
}
