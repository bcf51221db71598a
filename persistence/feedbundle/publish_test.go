package feedbundle_test

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"plimsoll/engine/feed"
	"plimsoll/engine/feed/bundle"
	"plimsoll/persistence"
	"plimsoll/persistence/feedbundle"
)

func (s *store) publish(dir string, keep int) []bundle.Entry {
	s.t.Helper()
	s.now = s.now.Add(time.Hour)
	out, err := feedbundle.Publish{Dir: dir, Keep: keep, Key: key, Now: s.now}.Run(s.t.Context(), s.feeds)
	if err != nil {
		s.t.Fatal(err)
	}
	return out
}

// many loads records of which one says something else in each round.
func many(round int) func(*persistence.Staging) error {
	return func(in *persistence.Staging) error {
		r := rand.New(rand.NewPCG(1, 2))
		for i := range 200 {
			text := fmt.Sprint(r.Perm(100))
			if i == 100 {
				text += string(rune('A' + round))
			}
			if err := in.Record(record(time.Unix(int64(i), 0).UTC().Format("CVE-150405"), "rope", feed.High, text)); err != nil {
				return err
			}
		}
		return nil
	}
}

func digest(raw []byte) string {
	sum := sha256.Sum256(raw)
	return hex.EncodeToString(sum[:])
}

func names(t *testing.T, dir string) (out []string) {
	t.Helper()
	list, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range list {
		out = append(out, e.Name())
	}
	return out
}

// consistent wants the folder to hold the listing, what it names, as it says, and nothing else but what else is ours.
func consistent(t *testing.T, dir string, others ...string) bundle.Listing {
	t.Helper()
	l, _, err := feedbundle.ReadListing(dir)
	if err != nil {
		t.Fatal(err)
	}
	want := append([]string{bundle.ListingName}, others...)
	for _, e := range l.Bundles {
		want = append(want, e.Path)
		raw, err := os.ReadFile(filepath.Join(dir, e.Path))
		if err != nil || int64(len(raw)) != e.Size || digest(raw) != e.SHA256 {
			t.Errorf("%s: %d bytes, %v", e.Path, len(raw), err)
		}
	}
	slices.Sort(want)
	if diff := cmp.Diff(want, names(t, dir)); diff != "" {
		t.Error(diff)
	}
	return l
}

func TestPublishedIsWhatChanged(t *testing.T) {
	t.Parallel()
	sender, receiver := newStore(t), newStore(t)
	dir := filepath.Join(t.TempDir(), "new", "folder")
	sender.commit("npm", many(0))
	first := sender.publish(dir, 5)
	if len(first) != 1 || first[0].Kind != bundle.Full || first[0].SignedBy != bundle.KeyID(bundle.Public(key)) || !first[0].BuiltAt.Equal(sender.now) {
		t.Fatalf("first publication %+v", first)
	}
	before, raw, err := feedbundle.ReadListing(dir)
	if err != nil {
		t.Fatal(err)
	}
	if again := sender.publish(dir, 5); len(again) > 0 {
		t.Errorf("nothing changed, yet there is %+v", again)
	}
	if _, same, err := feedbundle.ReadListing(dir); err != nil || string(same) != string(raw) {
		t.Errorf("nothing changed, yet the listing did: %v", err)
	}
	sender.commit("npm", many(1))
	second := sender.publish(dir, 5)
	if len(second) != 2 || second[1].Kind != bundle.Delta || second[1].From != before.Newest().To || second[1].To != second[0].To || second[1].Name != second[0].Name {
		t.Fatalf("second publication %+v", second)
	}
	if second[1].Size*5 > second[0].Size {
		t.Errorf("one of 200 changed; the delta has %d bytes, everything %d", second[1].Size, second[0].Size)
	}
	l := consistent(t, dir)
	if diff := cmp.Diff(append(second, first...), l.Bundles); diff != "" {
		t.Error(diff)
	}
	for _, e := range []bundle.Entry{first[0], second[1]} {
		if raw, err := os.ReadFile(filepath.Join(dir, e.Path)); err != nil {
			t.Fatal(err)
		} else if _, err := receiver.take(raw, false); err != nil {
			t.Fatal(err)
		}
	}
	if diff := cmp.Diff(sender.content(), receiver.content()); diff != "" {
		t.Error(diff)
	}
}

func TestOldPublicationsGo(t *testing.T) {
	t.Parallel()
	sender := newStore(t)
	dir := t.TempDir()
	own := "plimsoll-feeds-20260301T120000Z-1.tar"
	if err := os.WriteFile(filepath.Join(dir, own), nil, 0o600); err != nil { // somebody else's
		t.Fatal(err)
	}
	for round := range 4 {
		sender.commit("npm", many(round))
		sender.publish(dir, 2)
	}
	l := consistent(t, dir, own)
	var kinds []bundle.Kind
	for _, e := range l.Bundles {
		kinds = append(kinds, e.Kind)
	}
	if diff := cmp.Diff([]bundle.Kind{bundle.Full, bundle.Delta, bundle.Full, bundle.Delta}, kinds); diff != "" {
		t.Error(diff)
	}
	for _, keep := range []int{0, bundle.MaxKeep + 1} {
		if _, err := (feedbundle.Publish{Dir: dir, Keep: keep, Now: sender.now}).Run(t.Context(), sender.feeds); !errors.Is(err, feedbundle.ErrKeep) {
			t.Errorf("keep %d: %v", keep, err)
		}
	}
}

func TestAnInterruptedPublicationLeavesTheOldListing(t *testing.T) {
	t.Parallel()
	sender := newStore(t)
	dir := t.TempDir()
	sender.commit("npm", many(0))
	sender.publish(dir, 5)
	_, before, err := feedbundle.ReadListing(dir)
	if err != nil {
		t.Fatal(err)
	}
	sender.commit("npm", many(1))
	stop := errors.New("stop")
	p := feedbundle.Publish{Dir: dir, Keep: 5, Key: key, Now: sender.now}
	for _, kind := range []bundle.Kind{bundle.Full, bundle.Delta} {
		p.Wrote = func(e bundle.Entry) error {
			if _, err := (feedbundle.Publish{Dir: dir, Keep: 5, Now: sender.now}).Run(t.Context(), sender.feeds); !errors.Is(err, feedbundle.ErrPublishing) {
				t.Errorf("a second one at the same time: %v", err)
			}
			if e.Kind == kind {
				return stop
			}
			return nil
		}
		if _, err := p.Run(t.Context(), sender.feeds); !errors.Is(err, stop) {
			t.Fatalf("after the %s bundle: %v", kind, err)
		}
		if _, after, err := feedbundle.ReadListing(dir); err != nil || string(after) != string(before) {
			t.Errorf("after the %s bundle the listing is another one: %v", kind, err)
		}
	}
	if err := os.WriteFile(filepath.Join(dir, ".publish-1"), []byte("half"), 0o600); err != nil { // of one that was killed
		t.Fatal(err)
	}
	if out := sender.publish(dir, 5); len(out) != 2 {
		t.Errorf("the next one writes %+v", out)
	}
	if l := consistent(t, dir); len(l.Bundles) != 3 {
		t.Errorf("%d bundles", len(l.Bundles))
	}
}

func TestNoListingIsOverwrittenThatIsNotUnderstood(t *testing.T) {
	t.Parallel()
	sender := newStore(t)
	sender.commit("npm", many(0))
	dir := t.TempDir()
	if _, _, err := feedbundle.ReadListing(dir); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("an empty folder: %v", err)
	}
	file := filepath.Join(dir, bundle.ListingName)
	if err := os.WriteFile(file, []byte(`{"mine":1}`), 0o600); err != nil {
		t.Fatal(err)
	}
	_, err := feedbundle.Publish{Dir: dir, Keep: 5, Now: sender.now}.Run(t.Context(), sender.feeds)
	if raw, _ := os.ReadFile(file); !errors.Is(err, bundle.ErrListing) || string(raw) != `{"mine":1}` || len(names(t, dir)) != 1 {
		t.Errorf("%v, %s", err, raw)
	}
}

// Another key, a lost file and another store are each reason to publish everything again, and a delta none.
func TestWhatIsPublishedCanAlwaysBeTaken(t *testing.T) {
	t.Parallel()
	sender := newStore(t)
	sender.commit("npm", many(0))
	dir := t.TempDir()
	sender.publish(dir, 5)
	full := func(why string, out []bundle.Entry, err error) {
		t.Helper()
		if err != nil || len(out) != 1 || out[0].Kind != bundle.Full {
			t.Errorf("%s: %+v, %v", why, out, err)
		}
		consistent(t, dir)
	}
	out, err := feedbundle.Publish{Dir: dir, Keep: 5, Now: sender.now.Add(1)}.Run(t.Context(), sender.feeds)
	full("without a key", out, err)
	if err := os.Remove(filepath.Join(dir, out[0].Path)); err != nil {
		t.Fatal(err)
	}
	out, err = feedbundle.Publish{Dir: dir, Keep: 5, Now: sender.now.Add(2)}.Run(t.Context(), sender.feeds)
	full("a lost file", out, err)
	other := newStore(t)
	other.commit("npm", many(1))
	full("another store", other.publish(dir, 5), nil)
}
