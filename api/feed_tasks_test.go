package api

import (
	"net/http"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"plimsoll/api/oas"
	"plimsoll/engine/feed"
	"plimsoll/persistence"
	"plimsoll/workflows"
)

func TestFeedsAreSwitchedAtRunTime(t *testing.T) {
	t.Parallel()
	s := newServer(t)
	must(t, persistence.NewFeeds(s.pool).Ensure(t.Context(), persistence.Offer{Source: "osv", Groups: []string{"Debian", "npm"}, Enabled: true}))
	must(t, persistence.NewFeeds(s.pool).Ensure(t.Context(), persistence.Offer{Source: "wolfi", Groups: []string{"wolfi"}}))
	flip := func(path string) (state oas.FeedMetadata, on []string) {
		t.Helper()
		s.admin(http.MethodPut, "/v2/system/feeds/"+path, "").wants(http.StatusOK).decode(&state)
		for _, g := range state.Groups {
			if g.Enabled {
				on = append(on, g.Name)
			}
		}
		return state, on
	}
	for _, c := range []struct {
		path string
		want []string
	}{
		{"osv?enabled=false&group=npm", nil},
		{"wolfi?enabled=true", []string{"wolfi"}},
		{"osv?enabled=true", []string{"Debian", "npm"}},
		{"vulnerabilities?enabled=false&group=Debian", nil},
	} {
		if _, got := flip(c.path); !cmp.Equal(got, c.want) {
			t.Errorf("%s: enabled %q, want %q", c.path, got, c.want)
		}
	}
	if state, on := flip("vulnerabilities?enabled=false"); state.Enabled || !slices.Equal(on, []string{"npm", "wolfi"}) {
		t.Errorf("everything off: enabled %v, groups %q as they were", state.Enabled, on)
	}
	for _, path := range []string{"nonesuch?enabled=true", "osv?enabled=true&group=nonesuch"} {
		s.admin(http.MethodPut, "/v2/system/feeds/"+path, "").fails(http.StatusNotFound, codeNotFound)
	}
	s.admin(http.MethodPut, "/v2/system/feeds/osv", "").fails(http.StatusBadRequest, codeInvalidRequest)
	s.request(http.MethodPut, "/v2/system/feeds/osv?enabled=true", "", s.user("harbour", "mate1", "full-control")).fails(http.StatusForbidden, codePermissionDenied)
}

func TestWhatASyncIsAbout(t *testing.T) {
	t.Parallel()
	s := newServer(t)
	must(t, persistence.NewFeeds(s.pool).Ensure(t.Context(), persistence.Offer{Source: "osv", Groups: []string{"npm"}, Enabled: true}))
	s.starter.sync = func() (workflows.SyncFeedsResult, bool, error) {
		return workflows.SyncFeedsResult{Groups: []workflows.GroupResult{{Source: "osv", Group: "npm"}}}, true, nil
	}
	for _, path := range []string{"?feed=osv&group=npm&force_sync=true", "?feed=vulnerabilities&flush=true"} {
		s.admin(http.MethodPost, "/v2/system/feeds"+path, "").wants(http.StatusOK)
	}
	for _, path := range []string{"/osv?group=npm", "/vulnerabilities"} {
		s.admin(http.MethodDelete, "/v2/system/feeds"+path, "").wants(http.StatusOK)
	}
	want := []workflows.SyncFeedsInput{
		{Source: "osv", Group: "npm", Force: true}, {Flush: true}, {Source: "osv", Group: "npm", Delete: true}, {Delete: true},
	}
	if diff := cmp.Diff(want, s.starter.synced); diff != "" {
		t.Errorf("asked for (-want +got):\n%s", diff)
	}
	s.admin(http.MethodPost, "/v2/system/feeds?feed=nonesuch", "").fails(http.StatusNotFound, codeNotFound)
	s.admin(http.MethodDelete, "/v2/system/feeds/osv?group=nonesuch", "").fails(http.StatusNotFound, codeNotFound)
	mate := s.user("harbour", "mate1", "full-control")
	s.request(http.MethodDelete, "/v2/system/feeds/osv", "", mate).fails(http.StatusForbidden, codePermissionDenied)
}

func TestFeedAlarmsAreListed(t *testing.T) {
	t.Parallel()
	s := newServer(t)
	feeds := persistence.NewFeeds(s.pool)
	s.advise()
	must(t, feeds.Failed(t.Context(), "osv", "all", workflows.FailFeedRefused+": shrank", true, time.Now()))
	if body := s.admin(http.MethodGet, "/v2/system/feeds", "").wants(http.StatusOK).body; !strings.Contains(body, `"alarms":["refused"]`) {
		t.Errorf("feeds %s", body)
	}
}

func TestFeedTasksAreListed(t *testing.T) {
	t.Parallel()
	s := newServer(t)
	feeds := persistence.NewFeeds(s.pool)
	at := time.Date(2026, 8, 1, 12, 0, 0, 0, time.UTC)
	for i, run := range []string{"a", "b"} {
		must(t, feeds.BeginSync(t.Context(), persistence.SyncRun{WorkflowRun: run, Kind: persistence.RunSync, StartedAt: at}))
		for _, source := range []string{"osv", "kev"} {
			must(t, feeds.BeginDriver(t.Context(), run, source, "all", at))
		}
		must(t, feeds.EndDriver(t.Context(), run, persistence.DriverRun{Source: "osv", Group: "all", Status: persistence.RunCompleted, Generation: int64(7 + i), Added: 3}, at))
		must(t, feeds.EndDriver(t.Context(), run, persistence.DriverRun{Source: "kev", Group: "all", Status: persistence.RunFailed, Error: "503"}, at))
	}
	var tasks []oas.FeedSyncTask
	s.admin(http.MethodGet, "/v2/system/feed-tasks", "").wants(http.StatusOK).decode(&tasks)
	if len(tasks) != 2 || tasks[0].Id <= tasks[1].Id || tasks[0].Status != "running" || tasks[1].Status != "failed" || tasks[1].Added != 3 || tasks[1].FailedGroups != 1 {
		t.Fatalf("tasks %+v", tasks)
	}
	first, last := strconv.FormatInt(tasks[1].Id, 10), strconv.FormatInt(tasks[0].Id, 10)
	for query, want := range map[string]int{
		"/executions": 4, "/executions?driver=kev": 2, "/executions?driver=kev&status=failed&limit=1": 1, "/executions?status=running": 0,
		"/executions?task=" + first: 2, "/executions?from_id=2&to_id=3": 2, "?status=running": 1, "?to_id=" + first: 1, "?from_id=" + last: 1,
	} {
		var list []any
		s.admin(http.MethodGet, "/v2/system/feed-tasks"+query, "").wants(http.StatusOK).decode(&list)
		if len(list) != want {
			t.Errorf("%s: %d, want %d", query, len(list), want)
		}
	}
	s.admin(http.MethodGet, "/v2/system/feed-tasks?status=odd", "").fails(http.StatusBadRequest, codeInvalidRequest)
	s.request(http.MethodGet, "/v2/system/feed-tasks", "", s.user("harbour", "mate1", "full-control")).fails(http.StatusForbidden, codePermissionDenied)
}

func TestARecordTellsItsHistory(t *testing.T) {
	t.Parallel()
	s := newServer(t)
	s.advise()
	s.rate(feed.Low)
	var got oas.VulnerabilityHistory
	s.admin(http.MethodGet, "/v2/query/vulnerabilities/history?id=GHSA-rope&limit=1", "").wants(http.StatusOK).decode(&got)
	if len(got.Changes) != 1 || got.Changes[0].Kind != "changed" || got.NextBefore == nil || !slices.ContainsFunc(got.Changes[0].Fields, func(f oas.FieldChange) bool { return f.Name == "severity" }) {
		t.Fatalf("history %+v", got)
	}
	var rest oas.VulnerabilityHistory
	s.admin(http.MethodGet, "/v2/query/vulnerabilities/history?id=GHSA-rope&before="+strconv.FormatInt(*got.NextBefore, 10), "").wants(http.StatusOK).decode(&rest)
	if len(rest.Changes) != 2 || rest.Changes[0].Kind != "added" || rest.NextBefore != nil {
		t.Errorf("older %+v", rest)
	}
	var none oas.VulnerabilityHistory
	s.admin(http.MethodGet, "/v2/query/vulnerabilities/history?id=nonesuch", "").wants(http.StatusOK).decode(&none)
	if len(none.Changes) != 0 {
		t.Errorf("of nothing: %+v", none)
	}
}

func TestTheSupportOfADistributionIsToldWithItsVulnerabilities(t *testing.T) {
	t.Parallel()
	s, digest, _ := harbour(t)
	ask := func(query string) *oas.DistroSupport {
		t.Helper()
		var got oas.ImagePackageVulnerabilityResponse
		s.admin(http.MethodGet, "/v2/images/"+digest+"/vuln/all"+query, "").wants(http.StatusOK).decode(&got)
		return got.DistroSupport
	}
	if got := ask(""); got != nil {
		t.Errorf("nothing is published, and yet %+v", got)
	}
	end := time.Date(2020, 1, 2, 0, 0, 0, 0, time.UTC)
	_, err := persistence.NewFeeds(s.pool).Commit(t.Context(), persistence.CommitFeed{
		Source: "endoflife.date", Group: "products", At: time.Now(),
		Load: func(in *persistence.Staging) error {
			return in.Lifecycle(feed.Lifecycle{Product: "debian", Cycle: "12", EndOfLife: &end})
		},
	})
	must(t, err)
	if got := ask(""); got == nil || got.State != "ended" || got.Product != "debian" || got.Release != "12" || !got.EndOfLife.Equal(end) {
		t.Errorf("support %+v", got)
	}
}
