package activities_test

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"plimsoll/activities"
	"plimsoll/engine/policy"
	"plimsoll/persistence"
	"plimsoll/workflows"
)

// TestARescanTellsAndAlertsWhoSubscribed has a feed name a flaw of an image, and withdraw it.
func TestARescanTellsAndAlertsWhoSubscribed(t *testing.T) {
	t.Parallel()
	s := newSystemWith(t, func(d *activities.Deps) { d.Events = activities.Events{RetentionDays: 1} })
	s.publish("Debian", advisory("DSA-1", "Debian:12", "openssl", "1"))
	s.sync()
	s.push("team/app:1", layer(t, map[string]string{"etc/os-release": debian, "var/lib/dpkg/status": status}))
	in := s.add("acme", "team/app", "1")
	s.analyze(in)
	for _, kind := range []string{persistence.VulnUpdate, persistence.TagAlerts} {
		_, err := persistence.NewSubscriptions(s.pool).Create(t.Context(), persistence.NewSubscription{
			Account: "acme", Type: kind, Name: persistence.TagName{Registry: s.host, Repository: "team/app", Tag: "1"}, Active: true,
		}, func(string, string, string) persistence.Start { return persistence.Start{} })
		if err != nil {
			t.Fatal(err)
		}
	}
	for _, fixed := range []string{"9.0", "1"} {
		s.publish("Debian", advisory("DSA-1", "Debian:12", "openssl", fixed))
		generation := s.sync()["Debian"].Generation
		if err := s.run(workflows.RescanChangeSetName, workflows.RescanInput{Generation: generation}, &workflows.RescanResult{}); err != nil {
			t.Fatal(err)
		}
	}
	list, err := persistence.NewEvents(s.pool).List(t.Context(), "acme", persistence.EventFilter{}, 0, 100)
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, e := range list {
		if e.Host != "test" || e.RequestID == "" || e.ResourceType == "image_tag" && e.ResourceID != s.host+"/team/app:1" {
			t.Errorf("event %+v", e)
		}
		got = append(got, e.Service+" "+e.Type)
	}
	slices.Sort(got)
	want := []string{
		"catalog user.image.analysis.completed",
		"policy_engine user.alerts.compliance_violation.closed", "policy_engine user.alerts.compliance_violation.opened",
		"policy_engine user.checks.tag.policy_evaluation.update", "policy_engine user.checks.tag.policy_evaluation.update",
		"policy_engine user.checks.tag.vulnerabilities.update", "policy_engine user.checks.tag.vulnerabilities.update",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("events (-want +got):\n%s", diff)
	}
	if err := s.acts.ForgetEvents(t.Context()); err != nil {
		t.Fatal(err)
	}
	count := func() (events, alerts int) {
		t.Helper()
		err := s.pool.QueryRow(t.Context(), `SELECT (SELECT count(*) FROM plimsoll.event), (SELECT count(*) FROM plimsoll.alert)`).Scan(&events, &alerts)
		if err != nil {
			t.Fatal(err)
		}
		return events, alerts
	}
	if events, alerts := count(); events != len(want) || alerts != 1 {
		t.Errorf("%d events and %d alerts on the day itself", events, alerts)
	}
	yesterday := time.Now().Add(-25 * time.Hour)
	if _, err := s.pool.Exec(t.Context(), `UPDATE plimsoll.event SET created_at = $1`, yesterday); err != nil {
		t.Fatal(err)
	}
	if _, err := s.pool.Exec(t.Context(), `UPDATE plimsoll.alert SET updated_at = $1`, yesterday); err != nil {
		t.Fatal(err)
	}
	if err := s.acts.ForgetEvents(t.Context()); err != nil {
		t.Fatal(err)
	}
	if events, alerts := count(); events != 0 || alerts != 0 {
		t.Errorf("%d events and %d alerts a day later", events, alerts)
	}
}

// TestFeedSyncsAreToldToTheAdministrators has one sync bring something and one source fail.
func TestFeedSyncsAreToldToTheAdministrators(t *testing.T) {
	t.Parallel()
	s := newSystem(t)
	_, err := persistence.NewAccounts(s.pool).Bootstrap(t.Context(), persistence.Bootstrap{
		AdminPasswordHash: "$argon2id$x", Policy: persistence.NewPolicy{ID: "default", Name: "Default", Document: policy.Default()},
	})
	if err != nil {
		t.Fatal(err)
	}
	s.publish("Debian", advisory("DSA-1", "Debian:12", "openssl", "1"))
	s.sync()
	list, err := persistence.NewEvents(s.pool).List(t.Context(), persistence.AdminAccount, persistence.EventFilter{Type: "system.feeds"}, 0, 10)
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, e := range list {
		got = append(got, e.Type+" "+e.ResourceType)
	}
	if diff := cmp.Diff([]string{"system.feeds.sync.completed feeds", "system.feeds.sync.started feeds"}, got); diff != "" || !strings.Contains(string(list[0].Details), "1 groups changed") {
		t.Errorf("%s (-want +got):\n%s", list[0].Details, diff)
	}
}
