package main

import (
	"strings"
	"testing"
	"time"

	"plimsoll/api/client"
)

func TestFeedListHidesWhatIsOffAndEmpty(t *testing.T) {
	t.Parallel()
	body := `[{"name":"vulnerabilities","enabled":true,"groups":[
		{"name":"npm","source":"osv","enabled":true,"last_sync":null,"record_count":3,"skipped_count":0,"alarms":["stale","refused"]},
		{"name":"wolfi","source":"wolfi","enabled":false,"last_sync":null,"record_count":0,"skipped_count":0},
		{"name":"kept","source":"echo","enabled":false,"last_sync":null,"record_count":5,"skipped_count":0}]}]`
	said, code := run(t, 200, "application/json", body, "feeds", "list")
	if code != 0 || !strings.Contains(said, "stale,refused") || !strings.Contains(said, "kept") || strings.Contains(said, "wolfi") {
		t.Errorf("exit code %d: %s", code, said)
	}
	if said, _ := run(t, 200, "application/json", body, "feeds", "list", "--all"); !strings.Contains(said, "wolfi") {
		t.Errorf("all: %s", said)
	}
}

func TestFeedCommandsPrintWhatTheServerSays(t *testing.T) {
	t.Parallel()
	const (
		at    = `"2026-08-01T12:00:00Z"`
		task  = `[{"id":7,"kind":"sync","status":"completed","scheduled":true,"force":false,"started_at":` + at + `,"groups":2,"failed_groups":0,"added":3,"changed":2,"removed":1}]`
		one   = `[{"id":9,"task":7,"driver":"osv","group":"npm","status":"failed","attempts":6,"started_at":` + at + `,"unchanged":false,"records":0,"skipped":0,"added":0,"changed":0,"removed":0,"error":"503"}]`
		steps = `{"id":"GHSA-1","changes":[{"source":"osv","group":"npm","namespace":"npm","package":"koa","generation":5,"committed_at":` + at + `,"kind":"changed","fields":[{"name":"state","before":"affected","after":"fixed"}]},
			{"source":"osv","group":"npm","generation":4,"committed_at":` + at + `,"kind":"added","fields":[{"name":"id","after":"GHSA-1"}]}]}`
		state = `{"name":"vulnerabilities","enabled":true,"groups":[{"name":"npm","source":"osv","enabled":false,"last_sync":null,"record_count":0,"skipped_count":0}]}`
	)
	for _, c := range []struct {
		body, says string
		args       []string
	}{
		{`{"message":"1 groups changed"}`, "1 groups changed", []string{"feeds", "delete", "osv", "--group", "npm"}},
		{`{"message":"1 groups changed"}`, "1 groups changed", []string{"feeds", "sync", "--feed", "osv", "--flush"}},
		{state, "npm", []string{"feeds", "disable", "osv"}},
		{task, "3/2/1", []string{"feeds", "tasks", "list", "--status", "completed"}},
		{one, "503", []string{"feeds", "tasks", "executions", "--driver", "osv"}},
		{steps, `"affected"`, []string{"query", "vulnerability-history", "GHSA-1"}},
	} {
		if said, code := run(t, 200, "application/json", c.body, c.args...); code != 0 || !strings.Contains(said, c.says) {
			t.Errorf("%q: exit code %d, %s", c.args, code, said)
		}
	}
}

func TestTheEndOfSupportStandsAboveTheVulnerabilities(t *testing.T) {
	t.Parallel()
	for state, want := range map[string]string{
		"ended": "debian 12 gets no security fixes any more, since 2026-07-11\n", "extended": "by extended support only, since 2026-07-11 and until 2028-06-30\n", "supported": "",
	} {
		var out strings.Builder
		if err := writeSupport(&out, supportOf(t, state)); err != nil || !strings.Contains(out.String(), want) || (want == "") != (out.Len() == 0) {
			t.Errorf("%s: %q %v, want %q", state, out.String(), err, want)
		}
	}
}

func supportOf(t *testing.T, state string) *client.DistroSupport {
	t.Helper()
	day := func(text string) *time.Time {
		at, err := time.Parse(time.DateOnly, text)
		if err != nil {
			t.Fatal(err)
		}
		return &at
	}
	return &client.DistroSupport{
		Product: "debian", Release: "12", State: client.DistroSupportState(state), EndOfLife: day("2026-07-11"), EndOfExtendedSupport: day("2028-06-30"),
	}
}
