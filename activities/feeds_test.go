package activities_test

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"plimsoll/persistence"
	"plimsoll/workflows"
)

func (s *system) groups() map[string]persistence.FeedGroup {
	s.t.Helper()
	list, err := persistence.NewFeeds(s.pool).Groups(s.t.Context())
	if err != nil {
		s.t.Fatal(err)
	}
	out := make(map[string]persistence.FeedGroup)
	for _, g := range list {
		if g.Enabled {
			out[g.Name] = g
		}
	}
	return out
}

func TestConfiguredFeedGroupsShowBeforeTheFirstSync(t *testing.T) {
	t.Parallel()
	s := newSystem(t)
	register := func() bool {
		t.Helper()
		untried, err := s.acts.RegisterFeeds(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		return untried
	}
	if !register() {
		t.Error("a new installation has nothing to try")
	}
	if g := s.groups(); len(g) != 2 || !g["Debian"].Enabled || !g["npm"].Enabled {
		t.Errorf("groups %+v, want the configured ones", g)
	}
	s.publish("Debian", advisory("DSA-1", "Debian:12", "openssl", "1"))
	s.sync() // npm fails: it has been tried all the same
	if register() {
		t.Error("every group was tried, one without success, and counts as new")
	}
	if _, err := s.pool.Exec(t.Context(), `DELETE FROM plimsoll_feeds.feed_group WHERE group_name = 'npm'`); err != nil {
		t.Fatal(err)
	}
	if !register() {
		t.Error("an ecosystem that was added waits for the schedule")
	}
}

func TestARefusedFeedSaysSoOnItsGroupAndKeepsItsData(t *testing.T) {
	t.Parallel()
	s := newSystem(t)
	s.publish("Debian", advisory("DSA-1", "Debian:12", "openssl", "1"))
	var many []string
	for _, id := range strings.Split(strings.Repeat("x", 119), "") {
		many = append(many, advisory("GHSA-"+strings.Repeat(id, len(many)+1), "npm", "left-pad", "1.3.1"))
	}
	s.publish("npm", many...)
	s.sync()
	s.publish("npm", many[:10]...)
	if g := s.sync()["npm"]; !strings.Contains(g.Error, "shrank") {
		t.Errorf("result %+v, want the refusal", g)
	}
	npm := s.groups()["npm"]
	if !strings.HasPrefix(npm.LastError, workflows.FailFeedRefused+": ") || npm.RecordCount != 119 {
		t.Errorf("group %+v, want the refusal beside 119 records", npm)
	}
	s.publish("npm", many...)
	if g := s.sync()["npm"]; !g.Unchanged {
		t.Errorf("after the repair: %+v", g)
	}
	if diff := cmp.Diff("", s.groups()["npm"].LastError); diff != "" {
		t.Error("the error outlives its cause", diff)
	}
}

// A document that did not change is read once more after a change of how it is read, and not again.
func TestAnotherRevisionOfADriverReadsItsDocumentsOnceMore(t *testing.T) {
	t.Parallel()
	s := newSystem(t)
	s.publish("npm", advisory("GHSA-1", "npm", "rope", "1.0.0"), advisory("GHSA-2", "npm", "mast", "1.0.0"))
	s.sync()
	if r := s.sync()["npm"]; !r.Unchanged || r.Generation != 0 {
		t.Fatalf("the same document: %+v", r)
	}
	for _, statement := range []string{ // as an earlier program read it
		`UPDATE plimsoll_feeds.feed_group SET revision = 0 WHERE group_name = 'npm'`,
		`UPDATE plimsoll_feeds.advisory SET content_hash = '\x00' WHERE advisory_id = 'GHSA-1'`,
	} {
		if _, err := s.pool.Exec(t.Context(), statement); err != nil {
			t.Fatal(err)
		}
	}
	if r := s.sync()["npm"]; r.Error != "" || r.Unchanged || r.Changed != 1 || r.Added+r.Removed != 0 {
		t.Errorf("the first sync of the later program: %+v", r)
	}
	if r := s.sync()["npm"]; !r.Unchanged || r.Generation != 0 || s.groups()["npm"].Revision == 0 {
		t.Errorf("the second one: %+v, %+v", r, s.groups()["npm"])
	}
}
