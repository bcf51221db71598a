package feedbundle_test

import (
	"archive/tar"
	"bytes"
	"crypto/ed25519"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"runtime"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"plimsoll/engine/feed"
	"plimsoll/engine/feed/bundle"
	"plimsoll/persistence"
	"plimsoll/persistence/feedbundle"
	"plimsoll/persistence/pgtest"
)

var key = ed25519.NewKeyFromSeed(bytes.Repeat([]byte{7}, ed25519.SeedSize))

// store is a feed store with a clock of its own.
type store struct {
	t     testing.TB
	pool  *pgxpool.Pool
	feeds *persistence.Feeds
	now   time.Time
}

func newStore(t testing.TB) *store {
	t.Helper()
	pool := pgtest.New(t)
	// Databases of tests are copies of one: none has a name of its own yet.
	if _, err := pool.Exec(t.Context(), `UPDATE plimsoll_feeds.origin SET id = gen_random_uuid()`); err != nil {
		t.Fatal(err)
	}
	return &store{t: t, pool: pool, feeds: persistence.NewFeeds(pool), now: time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)}
}

func (s *store) commit(group string, load func(*persistence.Staging) error) {
	s.t.Helper()
	s.now = s.now.Add(time.Hour)
	_, err := s.feeds.Commit(s.t.Context(), persistence.CommitFeed{Source: "osv", Group: group, At: s.now, Force: true, Load: load})
	if err != nil {
		s.t.Fatal(err)
	}
}

func record(id, pkg string, severity feed.Severity, text string) feed.Record {
	return feed.Record{
		Vulnerability: feed.Vulnerability{Source: "osv", ID: id, Severity: severity, Description: text},
		Advisories: []feed.Advisory{{
			Source: "osv", ID: id, Namespace: "npm", Package: pkg, State: feed.StateFixed, Ranges: []feed.Range{{Introduced: "0", Fixed: "1.2.3"}},
		}},
	}
}

// content is what a store says now, with hashes and counts.
func (s *store) content() []string {
	s.t.Helper()
	rows, err := s.pool.Query(s.t.Context(), `
SELECT concat_ws(' ', 'v', source, group_name, vulnerability_id, detail, encode(content_hash, 'hex')) FROM plimsoll_feeds.vulnerability WHERE valid_to IS NULL
UNION ALL SELECT concat_ws(' ', 'a', source, group_name, advisory_id, namespace, package, scope, ranges, state, detail, encode(content_hash, 'hex')) FROM plimsoll_feeds.advisory WHERE valid_to IS NULL
UNION ALL SELECT concat_ws(' ', 'f', source, group_name, kind, key, encode(content_hash, 'hex')) FROM plimsoll_feeds.fact WHERE valid_to IS NULL
UNION ALL SELECT concat_ws(' ', 's', source, group_name, id, probability, percentile, scored_on) FROM plimsoll_feeds.score ORDER BY 1`)
	if err != nil {
		s.t.Fatal(err)
	}
	out, err := pgx.CollectRows(rows, pgx.RowTo[string])
	if err != nil {
		s.t.Fatal(err)
	}
	return out
}

func (s *store) export(since string) ([]byte, bundle.Manifest) {
	s.t.Helper()
	s.now = s.now.Add(time.Hour)
	var out bytes.Buffer
	m, err := feedbundle.Export{Key: key, Since: since, Scratch: s.t.TempDir(), Now: s.now}.Write(s.t.Context(), s.feeds, &out)
	if err != nil {
		s.t.Fatal(err)
	}
	return out.Bytes(), m
}

func (s *store) take(raw []byte, force bool) (feedbundle.Taken, error) {
	s.t.Helper()
	s.now = s.now.Add(time.Hour)
	trust := bundle.Trust{Keys: []ed25519.PublicKey{key.Public().(ed25519.PublicKey)}}
	return feedbundle.Import{Trust: trust, Force: force, Now: s.now}.Take(s.t.Context(), s.feeds, bytes.NewReader(raw), int64(len(raw)))
}

// random loads what a group says at a moment of a random history.
func random(r *rand.Rand, group string) func(*persistence.Staging) error {
	return func(in *persistence.Staging) error {
		for i := range 12 {
			if i > 0 && r.IntN(3) == 0 {
				continue
			}
			id := fmt.Sprintf("%s-%d", group, i)
			var err error
			switch group {
			case "scores":
				err = in.Score(feed.Score{ID: id, Probability: r.Float64(), Percentile: r.Float64(), Date: time.Date(2026, 3, 1, 0, 0, 0, 0, time.UTC)})
			case "facts":
				err = in.Exploited(feed.Exploited{ID: id, Notes: strconv.Itoa(r.IntN(3))})
			default:
				err = in.Record(record(id, fmt.Sprintf("p%d", r.IntN(4)), feed.Severity(r.IntN(6)), "<&>"))
			}
			if err != nil {
				return err
			}
		}
		return nil
	}
}

// An import of an export is the original, and deltas on their base are what a whole export is.
func TestWhatIsImportedIsWhatWasExported(t *testing.T) {
	t.Parallel()
	for seed := range uint64(3) {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			t.Parallel()
			r := rand.New(rand.NewPCG(seed, 9))
			sender, receiver := newStore(t), newStore(t)
			groups := []string{"npm", "pypi", "scores", "facts"}
			for _, g := range groups {
				sender.commit(g, random(r, g))
			}
			base := ""
			for round := range 5 {
				raw, m := sender.export(base)
				taken, err := receiver.take(raw, false)
				if err != nil {
					t.Fatalf("round %d: %v", round, err)
				}
				if diff := cmp.Diff(sender.content(), receiver.content()); diff != "" {
					t.Fatalf("round %d (-sender +receiver):\n%s", round, diff)
				}
				if taken.SignedBy != bundle.KeyID(key.Public().(ed25519.PublicKey)) {
					t.Errorf("signed by %q", taken.SignedBy)
				}
				if again, err := receiver.take(raw, false); err != nil || len(again.Groups) > 0 {
					t.Errorf("round %d: taken twice: %+v, %v", round, again.Groups, err)
				}
				whole, _ := sender.export("")
				if forced, err := receiver.take(whole, true); err != nil || changed(forced) {
					t.Errorf("round %d: the whole differs from its parts: %+v, %v", round, forced.Groups, err)
				}
				base = m.Cursor
				for range 1 + r.IntN(3) {
					g := groups[r.IntN(len(groups))]
					sender.commit(g, random(r, g))
				}
			}
			note, err := receiver.feeds.LatestBundle(t.Context())
			if err != nil || note.Checksum == "" || !note.ReceivedAt.After(note.BuiltAt.Add(-time.Hour*1000)) {
				t.Errorf("note %+v, %v", note, err)
			}
		})
	}
}

func changed(t feedbundle.Taken) bool {
	for _, g := range t.Groups {
		if !g.Unchanged {
			return true
		}
	}
	return false
}

func TestDataIsAsFreshAsItsSenderHadIt(t *testing.T) {
	t.Parallel()
	sender, receiver := newStore(t), newStore(t)
	sender.commit("npm", random(rand.New(rand.NewPCG(1, 1)), "npm"))
	raw, _ := sender.export("")
	receiver.now = receiver.now.AddDate(0, 6, 0)
	if _, err := receiver.take(raw, false); err != nil {
		t.Fatal(err)
	}
	theirs, err := sender.feeds.Group(t.Context(), "osv", "npm")
	if err != nil {
		t.Fatal(err)
	}
	ours, err := receiver.feeds.Group(t.Context(), "osv", "npm")
	if err != nil || ours.LastSync == nil || !ours.LastSync.Equal(*theirs.LastSync) || ours.RecordCount != theirs.RecordCount {
		t.Errorf("%+v, %v, want the last sync of the sender, %s", ours, err, theirs.LastSync)
	}
}

func TestOlderBundlesAndGapsAreRefused(t *testing.T) {
	t.Parallel()
	r := rand.New(rand.NewPCG(3, 1))
	sender, receiver, other := newStore(t), newStore(t), newStore(t)
	sender.commit("npm", random(r, "npm"))
	first, m1 := sender.export("")
	sender.commit("npm", random(r, "npm"))
	_, m2 := sender.export(m1.Cursor)
	sender.commit("npm", random(r, "npm"))
	gap, _ := sender.export(m2.Cursor)
	latest, _ := sender.export("")
	if _, err := receiver.take(first, false); err != nil {
		t.Fatal(err)
	}
	before := receiver.content()
	if _, err := receiver.take(gap, true); !errors.Is(err, bundle.ErrBase) {
		t.Errorf("a gap: %v, want ErrBase", err)
	}
	if diff := cmp.Diff(before, receiver.content()); diff != "" {
		t.Error(diff)
	}
	if _, err := receiver.take(latest, false); err != nil {
		t.Fatal(err)
	}
	before = receiver.content()
	if _, err := receiver.take(first, false); !errors.Is(err, bundle.ErrOlder) {
		t.Errorf("a replay: %v, want ErrOlder", err)
	}
	if diff := cmp.Diff(before, receiver.content()); diff != "" {
		t.Error(diff)
	}
	if _, err := receiver.take(first, true); err != nil {
		t.Errorf("a replay that is meant: %v", err)
	}
	// A store that syncs by itself is not set back either.
	other.now = sender.now.AddDate(0, 0, 1)
	other.commit("npm", random(r, "npm"))
	if _, err := other.take(latest, false); !errors.Is(err, bundle.ErrOlder) {
		t.Errorf("over newer data of the publisher: %v, want ErrOlder", err)
	}
	if _, err := (feedbundle.Export{Since: m1.Cursor, Now: other.now}).Write(t.Context(), other.feeds, io.Discard); !errors.Is(err, bundle.ErrBase) {
		t.Errorf("export since another store's cursor: %v, want ErrBase", err)
	}
}

func TestNothingIsTakenOfADamagedBundle(t *testing.T) {
	t.Parallel()
	r := rand.New(rand.NewPCG(5, 1))
	sender, receiver := newStore(t), newStore(t)
	for _, g := range []string{"a", "b", "c"} {
		sender.commit(g, random(r, g))
	}
	raw, _ := sender.export("")
	last := int64(0) // where the last content file begins
	in := bytes.NewReader(raw)
	for archive := tar.NewReader(in); ; {
		h, err := archive.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		if strings.HasSuffix(h.Name, ".zst") {
			last = int64(len(raw)) - int64(in.Len())
		}
	}
	damaged := bytes.Clone(raw)
	damaged[last+8] ^= 1
	for name, bad := range map[string][]byte{"damaged": damaged, "cut": raw[:last+8]} {
		if _, err := receiver.take(bad, true); !errors.Is(err, bundle.ErrBundle) {
			t.Errorf("%s: %v, want ErrBundle", name, err)
		}
	}
	var unsigned bytes.Buffer
	if _, err := (feedbundle.Export{Now: sender.now}).Write(t.Context(), sender.feeds, &unsigned); err != nil {
		t.Fatal(err)
	}
	if _, err := receiver.take(unsigned.Bytes(), true); !errors.Is(err, bundle.ErrUntrusted) {
		t.Errorf("unsigned: %v, want ErrUntrusted", err)
	}
	if list, err := receiver.feeds.Groups(t.Context()); err != nil || len(list) > 0 {
		t.Errorf("left behind: %+v, %v", list, err)
	}
}

// TestADeltaOfADayIsSmall also measures; PLIMSOLL_TEST_BUNDLE_RECORDS says with how many records. A day changes one in a hundred.
func TestADeltaOfADayIsSmall(t *testing.T) {
	t.Parallel()
	records := 2000
	if text := os.Getenv("PLIMSOLL_TEST_BUNDLE_RECORDS"); text != "" {
		records, _ = strconv.Atoi(text)
	}
	load := func(day int) func(*persistence.Staging) error {
		return func(in *persistence.Staging) error {
			for i := range records {
				r := rand.New(rand.NewPCG(uint64(i), uint64(day*btoi(i%100 == day))))
				words := make([]string, 60)
				for w := range words {
					words[w] = strconv.FormatUint(uint64(r.Uint32N(5000)), 36)
				}
				id := fmt.Sprintf("GHSA-%07d", i)
				if err := in.Record(record(id, fmt.Sprintf("p%d", i%5000), feed.High, strings.Join(words, " "))); err != nil {
					return err
				}
			}
			return nil
		}
	}
	sender, receiver := newStore(t), newStore(t)
	sender.commit("npm", load(0))
	began := time.Now()
	full, m := sender.export("")
	exported := time.Since(began)
	began = time.Now()
	if _, err := receiver.take(full, false); err != nil {
		t.Fatal(err)
	}
	var memory runtime.MemStats
	runtime.ReadMemStats(&memory)
	t.Logf("%d records: export %s, import %s, %d bytes, %d MiB from the system", records, exported, time.Since(began), len(full), memory.Sys>>20)
	sender.commit("npm", load(1))
	delta, _ := sender.export(m.Cursor)
	if len(delta)*10 > len(full) {
		t.Errorf("a day's change takes %d bytes, everything %d", len(delta), len(full))
	}
	if _, err := receiver.take(delta, false); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(sender.content(), receiver.content()); diff != "" {
		t.Error("the receiver differs")
	}
}

func btoi(b bool) int {
	if b {
		return 1
	}
	return 0
}
