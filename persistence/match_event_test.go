package persistence_test

import (
	"encoding/json"
	"fmt"
	"testing"

	"github.com/google/go-cmp/cmp"

	"plimsoll/engine/feed"
	"plimsoll/persistence"
)

// TestAGenerationIsToldOnceToEachSubscribedTag has a feed add, change and withdraw, and looks at who hears what.
func TestAGenerationIsToldOnceToEachSubscribedTag(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.account("theirs")
	w.commit("npm", record("CVE-1", feed.Low, "npm", "rope", "2.0"), record("CVE-2", feed.Low, "npm", "rope", "2.0"))
	w.analyzed(admin, "one", "1", npm("rope", "1.0", "/p"))
	w.submit(w.submission(admin, "one", "2"))
	w.submit(w.submission(admin, "one", "3"))
	w.analyzed("theirs", "one", "1", npm("rope", "1.0", "/p"))
	w.analyzed(admin, "two", "9", npm("sail", "1.0", "/p"))
	subs := persistence.NewSubscriptions(w.pool)
	for tag, active := range map[string]bool{"1": true, "2": true, "3": false, "9": true} {
		_, err := subs.Create(t.Context(), persistence.NewSubscription{
			Account: admin, Type: persistence.VulnUpdate, Name: persistence.TagName{Registry: "docker.io", Repository: "library/app", Tag: tag}, Active: active,
		}, syncWatch)
		w.must(err)
	}
	second := w.commit("npm", record("CVE-1", feed.High, "npm", "rope", "2.1"), record("CVE-3", feed.Critical, "npm", "rope", ""))
	w.rescan(second.Generation, noon)
	all := []persistence.ImageRef{{Account: admin, Digest: digestOf("one")}, {Account: admin, Digest: digestOf("two")}, {Account: "theirs", Digest: digestOf("one")}, {Account: admin, Digest: digestOf("none")}}
	for range 2 { // a step that is repeated
		n, err := w.matches.Tell(t.Context(), second.Generation, all)
		if err != nil || n != 2 {
			t.Errorf("told %d, %v", n, err)
		}
	}
	list, err := persistence.NewEvents(w.pool).List(t.Context(), admin, persistence.EventFilter{Type: persistence.EventVulnerabilities.Type}, 0, 10)
	w.must(err)
	got := map[string]string{}
	for _, e := range list {
		var d struct {
			Added, Updated, Removed []map[string]any
			AddedCount              int `json:"added_count"`
		}
		w.must(json.Unmarshal(e.Details, &d))
		if d.AddedCount != 1 {
			t.Errorf("%d added", d.AddedCount)
		}
		for kind, changes := range map[string][]map[string]any{"added": d.Added, "updated": d.Updated, "removed": d.Removed} {
			for _, c := range changes {
				got[e.ResourceID+" "+kind] += fmt.Sprintf("%s %s %v -> %v", c["vulnerability_id"], c["package"], severityOf(c["was"]), severityOf(c["is"]))
			}
		}
	}
	want := map[string]string{}
	for _, tag := range []string{"1", "2"} {
		full := "docker.io/library/app:" + tag
		want[full+" added"], want[full+" updated"], want[full+" removed"] = "CVE-3 rope <nil> -> Critical", "CVE-1 rope Low -> High", "CVE-2 rope Low -> <nil>"
	}
	if diff := cmp.Diff(want, got); diff != "" || len(list) != 2 {
		t.Errorf("%d events (-want +got):\n%s", len(list), diff)
	}
	if got := w.happened("theirs", persistence.EventFilter{Type: persistence.EventVulnerabilities.Type}); got != nil {
		t.Errorf("an account without a subscription hears %q", got)
	}
}

func severityOf(state any) any {
	if m, ok := state.(map[string]any); ok {
		return m["severity"]
	}
	return nil
}
