package activities_test

import (
	"bytes"
	"crypto/ed25519"
	"errors"
	"fmt"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"go.temporal.io/sdk/temporal"

	"plimsoll/activities"
	"plimsoll/engine/feed"
	"plimsoll/engine/feed/bundle"
	"plimsoll/persistence"
	"plimsoll/persistence/feedbundle"
	"plimsoll/persistence/pgtest"
	"plimsoll/workflows"
)

func signer(seed byte) ed25519.PrivateKey {
	return ed25519.NewKeyFromSeed(bytes.Repeat([]byte{seed}, ed25519.SeedSize))
}

// carrier is the feed store of an installation that has a network.
type carrier struct {
	t     *testing.T
	feeds *persistence.Feeds
	now   time.Time
}

func newCarrier(t *testing.T) *carrier {
	t.Helper()
	pool := pgtest.New(t)
	if _, err := pool.Exec(t.Context(), `UPDATE plimsoll_feeds.origin SET id = gen_random_uuid()`); err != nil {
		t.Fatal(err)
	}
	return &carrier{t, persistence.NewFeeds(pool), time.Now().Add(-24 * time.Hour)}
}

// say makes a group have so many records, with a word in each.
func (c *carrier) say(group string, records int, word string) {
	c.t.Helper()
	c.now = c.now.Add(time.Minute)
	_, err := c.feeds.Commit(c.t.Context(), persistence.CommitFeed{
		Source: "osv", Group: group, At: c.now, Force: true,
		Load: func(in *persistence.Staging) error {
			var faults error
			for i := range records {
				id := fmt.Sprintf("%s-%d", group, i)
				faults = errors.Join(faults, in.Record(feed.Record{
					Vulnerability: feed.Vulnerability{Source: "osv", ID: id, Description: word},
					Advisories:    []feed.Advisory{{Source: "osv", ID: id, Namespace: "npm", Package: id, Ranges: []feed.Range{{Introduced: "0", Fixed: "1"}}}},
				}))
			}
			return faults
		},
	})
	if err != nil {
		c.t.Fatal(err)
	}
}

func (c *carrier) bundle(key ed25519.PrivateKey, since string) (raw []byte, cursor string) {
	c.t.Helper()
	c.now = c.now.Add(time.Minute)
	var out bytes.Buffer
	m, err := feedbundle.Export{Key: key, Since: since, Scratch: c.t.TempDir(), Now: c.now}.Write(c.t.Context(), c.feeds, &out)
	if err != nil {
		c.t.Fatal(err)
	}
	return out.Bytes(), m.Cursor
}

// bring sends and takes over; nothing of what was sent must be left.
func (s *system) bring(raw []byte, in workflows.SyncFeedsInput) (map[string]workflows.GroupResult, error) {
	s.t.Helper()
	u, err := persistence.NewFeeds(s.pool).ReceiveUpload(s.t.Context(), bytes.NewReader(raw), time.Now())
	if err != nil {
		s.t.Fatal(err)
	}
	if in.Upload == nil {
		in.Upload = &workflows.FeedUpload{}
	}
	in.Upload.ID, in.Upload.Digest = u.ID, u.Digest
	var out workflows.SyncFeedsResult
	err = s.run(workflows.SyncFeedsName, in, &out)
	if n := s.count(`SELECT count(*) FROM plimsoll_feeds.upload`); n != 0 {
		s.t.Errorf("%d uploads left", n)
	}
	groups := make(map[string]workflows.GroupResult)
	for _, g := range out.Groups {
		groups[g.Group] = g
	}
	return groups, err
}

func (s *system) count(query string, args ...any) (n int) {
	s.t.Helper()
	if err := s.pool.QueryRow(s.t.Context(), query, args...).Scan(&n); err != nil {
		s.t.Fatal(err)
	}
	return n
}

// says counts the current records of a group with a word.
func (s *system) says(group, word string) int {
	s.t.Helper()
	return s.count(`SELECT count(*) FROM plimsoll_feeds.vulnerability WHERE group_name = $1 AND detail ->> 'description' = $2 AND valid_to IS NULL`, group, word)
}

func trusting(t *testing.T) *system {
	t.Helper()
	return newSystemWith(t, func(d *activities.Deps) {
		d.Trust = bundle.Trust{Keys: []ed25519.PublicKey{signer(1).Public().(ed25519.PublicKey)}}
	})
}

func failureOf(err error) string {
	var app *temporal.ApplicationError
	if errors.As(err, &app) {
		return app.Type()
	}
	return ""
}

func TestUploadedBundlesAreTakenOverWholeAndByWhatChanged(t *testing.T) {
	t.Parallel()
	c, s := newCarrier(t), trusting(t)
	c.say("npm", 120, "first")
	c.say("Debian", 3, "first")
	raw, cursor := c.bundle(signer(1), "")
	got, err := s.bring(raw, workflows.SyncFeedsInput{})
	if err != nil || got["npm"].Added != 120 || got["Debian"].Added != 3 || got["npm"].Generation == 0 {
		t.Fatalf("%+v, %v", got, err)
	}
	c.say("npm", 121, "first")
	delta, _ := c.bundle(signer(1), cursor)
	if got, err = s.bring(delta, workflows.SyncFeedsInput{Source: "osv"}); err != nil || got["npm"].Added != 1 || got["npm"].Records != 121 {
		t.Errorf("a delta: %+v, %v", got, err)
	}
	if got, err = s.bring(delta, workflows.SyncFeedsInput{}); err != nil || len(got) != 0 {
		t.Errorf("the delta again: %+v, %v", got, err)
	}
	runs, err := persistence.NewFeeds(s.pool).SyncRuns(t.Context(), persistence.RunFilter{Limit: 10})
	if err != nil {
		t.Fatal(err)
	}
	// The test environment gives every run the same id, so that there is one record, begun by the first.
	if len(runs) != 1 || runs[0].Kind != persistence.RunUpload || runs[0].Status != persistence.RunCompleted || runs[0].Groups != 2 {
		t.Errorf("runs %+v", runs)
	}
}

// Nothing of what is refused is taken over, and the reason is one people can read.
func TestBadUploadsLeaveTheLastGoodData(t *testing.T) {
	t.Parallel()
	c := newCarrier(t)
	c.say("Debian", 3, "old")
	c.say("npm", 120, "old")
	older, _ := c.bundle(signer(1), "")
	c.say("Debian", 3, "good")
	c.say("npm", 120, "good")
	good, _ := c.bundle(signer(1), "")
	c.say("Debian", 3, "bad")
	c.say("npm", 120, "middle")
	_, middle := c.bundle(signer(1), "")
	c.say("npm", 120, "bad")
	untrusted, _ := c.bundle(signer(2), "")
	gap, _ := c.bundle(signer(1), middle)
	whole, _ := c.bundle(signer(1), "")
	c.say("npm", 40, "bad")
	shrunk, _ := c.bundle(signer(1), "")
	flipped := bytes.Clone(whole)
	flipped[len(flipped)*2/3] ^= 1
	for name, tc := range map[string]struct {
		raw   []byte
		in    workflows.SyncFeedsInput
		code  string
		words string
	}{
		"nothing":            {nil, workflows.SyncFeedsInput{}, workflows.FailFeedBadResponse, "not an intact feed bundle"},
		"garbage":            {bytes.Repeat([]byte("junk"), 5000), workflows.SyncFeedsInput{}, workflows.FailFeedBadResponse, "not an intact feed bundle"},
		"cut":                {whole[:len(whole)*2/3], workflows.SyncFeedsInput{}, workflows.FailFeedBadResponse, "not an intact feed bundle"},
		"a flipped bit":      {flipped, workflows.SyncFeedsInput{}, workflows.FailFeedBadResponse, "not an intact feed bundle"},
		"another key":        {untrusted, workflows.SyncFeedsInput{}, workflows.FailFeedRefused, "not signed with a trusted key"},
		"another feed":       {whole, workflows.SyncFeedsInput{Source: "debian"}, workflows.FailFeedBadResponse, "brings another feed"},
		"older":              {older, workflows.SyncFeedsInput{}, workflows.FailFeedRefused, "older than what is there"},
		"a gap":              {gap, workflows.SyncFeedsInput{}, workflows.FailFeedRefused, "does not follow what is there"},
		"half of it is gone": {shrunk, workflows.SyncFeedsInput{}, workflows.FailFeedRefused, "40 records, had 120"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := trusting(t)
			if _, err := s.bring(good, workflows.SyncFeedsInput{}); err != nil {
				t.Fatal(err)
			}
			_, err := s.bring(tc.raw, tc.in)
			if failureOf(err) != tc.code || !strings.Contains(err.Error(), tc.words) {
				t.Errorf("%v, want %s: %s", err, tc.code, tc.words)
			}
			if npm, debian := s.says("npm", "good"), s.says("Debian", "good"); npm != 120 || debian != 3 {
				t.Errorf("%d and %d good records left", npm, debian)
			}
		})
	}
}

// What breaks off after the first group goes on where it ended, and nothing is half written.
func TestAnUploadThatBreaksOffInTheMiddleGoesOn(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		breaks int // attempts at npm, which comes after Debian
		word   string
	}{"once": {1, "new"}, "for good": {100, "good"}} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c, s := newCarrier(t), trusting(t)
			c.say("Debian", 3, "good")
			c.say("npm", 120, "good")
			raw, _ := c.bundle(signer(1), "")
			if _, err := s.bring(raw, workflows.SyncFeedsInput{}); err != nil {
				t.Fatal(err)
			}
			for _, statement := range []string{
				`CREATE SEQUENCE breaks`,
				fmt.Sprintf(`CREATE FUNCTION fall() RETURNS trigger LANGUAGE plpgsql AS $f$ BEGIN
IF NEW.group_name = 'npm' AND nextval('breaks') <= %d THEN RAISE 'the cable is pulled'; END IF; RETURN NEW; END $f$`, tc.breaks),
				`CREATE TRIGGER fall AFTER INSERT ON plimsoll_feeds.advisory FOR EACH ROW EXECUTE FUNCTION fall()`,
			} {
				if _, err := s.pool.Exec(t.Context(), statement); err != nil {
					t.Fatal(err)
				}
			}
			c.say("Debian", 3, "new")
			c.say("npm", 121, "new")
			raw, _ = c.bundle(signer(1), "")
			got, err := s.bring(raw, workflows.SyncFeedsInput{})
			if (err != nil) != (tc.word == "good") {
				t.Errorf("%+v, %v", got, err)
			}
			if npm, debian := s.says("npm", tc.word), s.says("Debian", "new"); npm < 120 || debian != 3 {
				t.Errorf("%d records of npm say %q, %d of Debian new", npm, tc.word, debian)
			}
			if n := s.count(`SELECT count(*) FROM plimsoll_feeds.generation WHERE group_name = 'Debian'`); n != 2 {
				t.Errorf("%d generations of Debian, want 2: it was taken once", n)
			}
			if n := s.count(`SELECT value::text::bigint FROM plimsoll.setting WHERE key = 'rescans_started_through'`); n < s.count(`SELECT max(id) FROM plimsoll_feeds.generation WHERE group_name = 'Debian'`) {
				t.Errorf("rescans started through %d", n)
			}
		})
	}
}

func TestAPublishersOwnDocumentCanBeUploaded(t *testing.T) {
	t.Parallel()
	s := newSystem(t)
	document := func() *workflows.FeedUpload { return &workflows.FeedUpload{Document: true} }
	in := workflows.SyncFeedsInput{Source: "osv", Group: "npm"}
	in.Upload = document()
	got, err := s.bring(archive(t, good()), in)
	if err != nil || got["npm"].Added != 120 {
		t.Fatalf("%+v, %v", got, err)
	}
	whole := archive(t, good())
	yesterday := time.Now().Add(-24 * time.Hour)
	for name, tc := range map[string]struct {
		raw           []byte
		source, group string
		built         *time.Time
		code, words   string
	}{
		"garbage":               {[]byte("junk"), "osv", "npm", nil, workflows.FailFeedBadResponse, "not a document of this feed group"},
		"cut":                   {whole[:len(whole)/2], "osv", "npm", nil, workflows.FailFeedBadResponse, "not a document of this feed group"},
		"no records":            {archive(t, map[string]string{}), "osv", "npm", nil, workflows.FailFeedBadResponse, "none of its 0 members is a record"},
		"few records":           {archive(t, map[string]string{"a.json": advisory("a", "npm", "a", "1")}), "osv", "npm", nil, workflows.FailFeedRefused, "1 records, had 120"},
		"older":                 {whole, "osv", "npm", &yesterday, workflows.FailFeedRefused, "older than what is there"},
		"no such group":         {whole, "osv", "nonesuch", nil, workflows.FailFeedBadResponse, "no such feed group"},
		"which group?":          {whole, "osv", "", nil, workflows.FailFeedBadResponse, "name one"},
		"read from several":     {whole, "debian", "tracker", nil, workflows.FailFeedBadResponse, "bring a bundle"},
		"no source of the sort": {whole, "nonesuch", "", nil, workflows.FailFeedBadResponse, "no such feed group"},
	} {
		in := workflows.SyncFeedsInput{Source: tc.source, Group: tc.group, Upload: document()}
		in.Upload.Built = tc.built
		_, err := s.bring(tc.raw, in)
		if failureOf(err) != tc.code || !strings.Contains(err.Error(), tc.words) {
			t.Errorf("%s: %v, want %s: %s", name, err, tc.code, tc.words)
		}
		if g := s.groups()["npm"]; g.RecordCount != 120 {
			t.Errorf("%s: %d records left", name, g.RecordCount)
		}
	}
	in.Upload, in.Force = document(), true
	if got, err = s.bring(archive(t, map[string]string{"a.json": advisory("a", "npm", "a", "1")}), in); err != nil || got["npm"].Records != 1 {
		t.Errorf("by force: %+v, %v", got, err)
	}
	s.publish("npm", advisory("GHSA-b", "npm", "b", "1"))
	if got := s.sync()["npm"]; got.Error != "" || got.Added != 1 || got.Removed != 1 {
		t.Errorf("the next sync reads the publisher again: %+v", got)
	}
}

// The cursor of a bundle means something to whoever wrote it, and nothing to a program or a publisher.
func TestTheCursorOfABundleIsHandedToNobody(t *testing.T) {
	t.Parallel()
	data := filepath.Join(t.TempDir(), "records.json")
	s := trusting(t)
	s.feeds(func(f *activities.Feeds) {
		f.External = []activities.External{{Name: "acme", Command: []string{sampleFeed(t), data}}}
		f.Only = []string{"acme"}
	})
	c := newCarrier(t)
	c.now = c.now.Add(time.Minute)
	_, err := c.feeds.Commit(t.Context(), persistence.CommitFeed{Source: "acme", Group: "records", At: c.now, Load: func(in *persistence.Staging) error {
		return in.Record(feed.Record{Vulnerability: feed.Vulnerability{Source: "acme", ID: "ACME-1"}})
	}})
	if err != nil {
		t.Fatal(err)
	}
	raw, cursor := c.bundle(signer(1), "")
	if _, err := s.bring(raw, workflows.SyncFeedsInput{Source: "acme"}); err != nil {
		t.Fatal(err)
	}
	if g := s.groups()["records"]; g.Cursor != cursor {
		t.Errorf("cursor %q, want %q: the next bundle may follow it", g.Cursor, cursor)
	}
	day := time.Date(2026, 8, 1, 0, 0, 0, 0, time.UTC)
	records(t, data, flaw("ACME-1", "left-pad", "1.3.1", day), flaw("ACME-2", "left-pad", "1.3.2", day))
	// The program refuses cursors it has not given.
	if r := s.sync()["records"]; r.Error != "" || r.Records != 2 {
		t.Errorf("the next sync: %+v", r)
	}
	if r := s.sync()["records"]; r.Error != "" || !r.Unchanged {
		t.Errorf("and the one after it: %+v", r)
	}
}

// Signatures of malware are files, each of which is all of its group: they need no bundle to cross an air gap.
func TestSignaturesCanBeUploaded(t *testing.T) {
	t.Parallel()
	const group = "signatures.example/own/test.ndb"
	s := newSystemOf(t, func(*activities.Deps) {}, func(f *activities.Feeds) {
		f.Only, f.ClamAV.Ecosystems, f.ClamAV.Extra = []string{"clamav_db"}, []string{"none"}, []string{group}
	})
	document := func() workflows.SyncFeedsInput {
		return workflows.SyncFeedsInput{Source: "clamav_db", Group: group, Upload: &workflows.FeedUpload{Document: true}}
	}
	if got, err := s.bring([]byte("Plimsoll.Test:0:*:58354f\n"), document()); err != nil || got[group].Added != 1 {
		t.Fatalf("%+v, %v", got, err)
	}
	if _, err := s.bring([]byte("no signatures"), document()); failureOf(err) != workflows.FailFeedBadResponse {
		t.Errorf("garbage: %v", err)
	}
	files, err := persistence.NewFeeds(s.pool).Files(t.Context(), "clamav_db")
	if err != nil || len(files) != 1 || files[0].Name != "test.ndb" {
		t.Errorf("files %+v, %v", files, err)
	}
}
