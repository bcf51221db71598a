package persistence_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"plimsoll/persistence"
)

// verdict saves what a policy says about an image under a tag of docker.io/library/app; violations 0 is a pass.
func (w *world) verdict(account, image, tag, policyID string, analysis int64, violations int, at time.Time) {
	w.t.Helper()
	n := persistence.NewEvaluation{
		EvaluationKey: persistence.EvaluationKey{Account: account, ImageDigest: digestOf(image), Tag: "docker.io/library/app:" + tag, PolicyID: policyID},
		AnalysisID:    analysis, FinalAction: "go", Status: "pass", Result: json.RawMessage(fmt.Sprintf(`{"violations":%d}`, violations)),
		Cause: "analysis", EvaluatedAt: at, Reason: persistence.AlertByPolicy, Violations: violations,
	}
	if violations > 0 {
		n.FinalAction, n.Status = "stop", "fail"
	}
	p, err := w.policies.Get(w.t.Context(), account, policyID)
	w.must(err)
	n.PolicyDigest = p.Digest
	if _, err := w.evaluations.Save(w.t.Context(), n); err != nil && !errors.Is(err, persistence.ErrNotFound) {
		w.t.Fatal(err)
	}
}

func (w *world) alertsOn(account, tag string) persistence.Subscription {
	w.t.Helper()
	sub, err := persistence.NewSubscriptions(w.pool).Create(w.t.Context(), persistence.NewSubscription{
		Account: account, Type: persistence.TagAlerts, Name: persistence.TagName{Registry: "docker.io", Repository: "library/app", Tag: tag}, Active: true,
	}, syncWatch)
	w.must(err)
	return sub
}

func (w *world) alertsSwitch(sub persistence.Subscription, on bool) {
	w.t.Helper()
	_, err := persistence.NewSubscriptions(w.pool).Change(w.t.Context(), sub.Account, sub.ID, persistence.SubscriptionChange{Active: &on}, syncWatch)
	w.must(err)
}

// alerts renders an account's alerts, oldest first.
func (w *world) alerts(account string) []string {
	w.t.Helper()
	list, err := persistence.NewAlerts(w.pool).List(w.t.Context(), account, persistence.AlertFilter{}, 0, 1000)
	w.must(err)
	slices.Reverse(list)
	var out []string
	for _, a := range list {
		line := fmt.Sprintf("%s %s %s violations=%d", a.Tag, a.State, a.Reason, a.Violations)
		for _, image := range []string{"one", "two"} {
			if a.ImageDigest == digestOf(image) {
				line += " image=" + image
			}
		}
		out = append(out, strings.TrimSpace(line+" "+a.ClosedBy+" "+a.ClosedReason))
	}
	return out
}

func (w *world) wantAlerts(when, account string, want ...string) {
	w.t.Helper()
	if diff := cmp.Diff(want, w.alerts(account)); diff != "" {
		w.t.Errorf("%s (-want +got):\n%s", when, diff)
	}
}

func (w *world) newestAlert(account string) string {
	w.t.Helper()
	list, err := persistence.NewAlerts(w.pool).List(w.t.Context(), account, persistence.AlertFilter{}, 0, 1)
	w.must(err)
	return list[0].ID
}

// later are moments one after the other.
func later() func() time.Time {
	at := noon
	return func() time.Time { at = at.Add(time.Second); return at }
}

func TestAnAlertFollowsTheVerdictOfATag(t *testing.T) {
	t.Parallel()
	w, at := newWorld(t), later()
	w.account("theirs")
	id := w.analyzed(admin, "one", "1")
	w.analyzed("theirs", "one", "1")
	w.verdict(admin, "one", "1", "default", id, 2, at())
	w.wantAlerts("without a subscription", admin)
	w.alertsOn(admin, "1")
	w.wantAlerts("subscribed while the tag violates", admin, "1 open policy_evaluation violations=2 image=one")
	w.verdict(admin, "one", "1", "default", id, 5, at())
	w.wantAlerts("another count is the same alert", admin, "1 open policy_evaluation violations=5 image=one")
	w.verdict(admin, "one", "1", "default", id, 0, at())
	w.wantAlerts("complied", admin, "1 closed policy_evaluation violations=5 image=one system tag_complies")
	w.verdict(admin, "one", "1", "default", id, 1, at())
	w.wantAlerts("violates again", admin,
		"1 closed policy_evaluation violations=5 image=one system tag_complies", "1 open policy_evaluation violations=1 image=one")
	w.wantAlerts("another account with the same image", "theirs")
	want := []string{
		"user.alerts.compliance_violation.opened violations=1", "user.alerts.compliance_violation.closed violations=0", "user.alerts.compliance_violation.opened violations=2",
	}
	var got []string
	list, err := persistence.NewEvents(w.pool).List(t.Context(), admin, persistence.EventFilter{Type: "user.alerts"}, 0, 10)
	w.must(err)
	for _, e := range list {
		var details struct {
			ImageTag   string `json:"image_tag"`
			Violations int    `json:"violations_count"`
		}
		w.must(json.Unmarshal(e.Details, &details))
		if details.ImageTag != "docker.io/library/app:1" {
			t.Errorf("event about %q", details.ImageTag)
		}
		got = append(got, fmt.Sprintf("%s violations=%d", e.Type, details.Violations))
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("events (-want +got):\n%s", diff)
	}
}

func TestAnAlertTellsWhyTheTagDoesNotComply(t *testing.T) {
	t.Parallel()
	w, at := newWorld(t), later()
	w.alertsOn(admin, "1")
	id := w.analyzed(admin, "one", "1")
	w.verdict(admin, "one", "1", "default", id, 2, at())
	for _, c := range []struct {
		reason     string
		violations int
		want       string
	}{
		{persistence.AlertByDenylist, 0, "1 open denylisted violations=0 image=one"},
		{persistence.AlertByDenylist, 3, "1 open denylisted violations=3 image=one"},
		{persistence.AlertByPolicy, 0, "1 open errors violations=0 image=one"},
		{persistence.AlertByPolicy, 1, "1 open policy_evaluation violations=1 image=one"},
	} {
		latest, err := w.evaluations.Latest(t.Context(), persistence.EvaluationKey{Account: admin, ImageDigest: digestOf("one"), Tag: "docker.io/library/app:1", PolicyID: "default"})
		w.must(err)
		n := latest.NewEvaluation
		n.Reason, n.Violations, n.EvaluatedAt = c.reason, c.violations, at()
		_, err = w.evaluations.Save(t.Context(), n)
		w.must(err)
		w.wantAlerts(c.reason, admin, c.want)
	}
}

func TestAnAlertStaysUntilTheVerdictOfTheNewImageOrPolicyIsKnown(t *testing.T) {
	t.Parallel()
	w, at := newWorld(t), later()
	ctx := t.Context()
	w.alertsOn(admin, "1")
	id := w.analyzed(admin, "one", "1")
	w.verdict(admin, "one", "1", "default", id, 2, at())
	moved := w.submission(admin, "two", "1")
	moved.DetectedAt = noon.Add(time.Hour)
	w.submit(moved)
	w.wantAlerts("the tag means an image nobody has judged", admin, "1 open policy_evaluation violations=2 image=one")
	two := w.analyzed(admin, "two", "1")
	w.verdict(admin, "two", "1", "default", two, 3, at())
	w.wantAlerts("the new image violates, too", admin, "1 open policy_evaluation violations=3 image=two")
	w.verdict(admin, "one", "1", "default", id, 0, at())
	w.wantAlerts("the old image is not what the tag means", admin, "1 open policy_evaluation violations=3 image=two")

	other := policyNamed("other")
	other.Account = admin
	_, err := w.policies.Create(ctx, other)
	w.must(err)
	w.verdict(admin, "two", "1", "other", two, 0, at())
	w.wantAlerts("another policy is not active", admin, "1 open policy_evaluation violations=3 image=two")
	_, _, err = w.policies.Activate(ctx, admin, "other", judgePolicy)
	w.must(err)
	const closed = "1 closed policy_evaluation violations=3 image=two system tag_complies"
	w.wantAlerts("now it is", admin, closed)
	changed := other
	changed.Document = json.RawMessage(`{"id":"other","version":"2","comment":"edited"}`)
	_, _, err = w.policies.Update(ctx, changed, false, judgePolicy)
	w.must(err)
	_, _, err = w.policies.Activate(ctx, admin, "default", judgePolicy)
	w.must(err)
	const again = "1 open policy_evaluation violations=3 image=two"
	w.wantAlerts("the first one again", admin, closed, again)
	_, _, err = w.policies.Activate(ctx, admin, "other", judgePolicy)
	w.must(err)
	w.wantAlerts("its verdict is of what it said before", admin, closed, again)
	w.verdict(admin, "two", "1", "other", two, 0, at())
	w.wantAlerts("judged by what it says now", admin, closed, closed)
}

func TestAnAlertEndsWithItsImageOrSubscription(t *testing.T) {
	t.Parallel()
	w, at := newWorld(t), later()
	whole := w.alertsOn(admin, "")
	id := w.analyzed(admin, "one", "1")
	w.submit(w.submission(admin, "one", "2"))
	w.verdict(admin, "one", "1", "default", id, 1, at())
	w.verdict(admin, "one", "2", "default", id, 1, at())
	open := func(tag string) string { return tag + " open policy_evaluation violations=1 image=one" }
	closed := func(tag, why string) string {
		return tag + " closed policy_evaluation violations=1 image=one system " + why
	}
	w.wantAlerts("the repository is subscribed to", admin, open("1"), open("2"))
	own := w.alertsOn(admin, "2")
	w.alertsSwitch(own, false)
	w.wantAlerts("the tag's own subscription decides", admin, open("1"), closed("2", "subscription_inactive"))
	w.must(persistence.NewSubscriptions(w.pool).Delete(t.Context(), admin, own.ID, syncWatch))
	w.wantAlerts("without one it is the repository's", admin, open("1"), closed("2", "subscription_inactive"), open("2"))
	w.alertsSwitch(whole, false)
	w.wantAlerts("nobody wants to hear of it", admin, closed("1", "subscription_inactive"), closed("2", "subscription_inactive"), closed("2", "subscription_inactive"))
	w.alertsSwitch(whole, true)
	_, err := w.images.MarkDeleting(t.Context(), admin, digestOf("one"), true, persistence.Start{Workflow: "DeleteImage"}, syncWatch)
	w.must(err)
	got := w.alerts(admin)
	if diff := cmp.Diff([]string{closed("1", "image_deleted"), closed("2", "image_deleted")}, got[len(got)-2:]); diff != "" {
		t.Errorf("the image is deleted (-want +got):\n%s", diff)
	}
	w.verdict(admin, "one", "1", "default", id, 1, at())
	if n := w.count(`SELECT count(*) FROM plimsoll.alert WHERE state = 'open'`); n != 0 {
		t.Errorf("%d alerts about a deleted image", n)
	}
}

func TestAPersonsClosingHoldsForTheImageUntilTheTagComplied(t *testing.T) {
	t.Parallel()
	w, at := newWorld(t), later()
	ctx, alerts := t.Context(), persistence.NewAlerts(w.pool)
	w.account("theirs")
	sub := w.alertsOn(admin, "1")
	id := w.analyzed(admin, "one", "1")
	w.verdict(admin, "one", "1", "default", id, 1, at())
	first := w.newestAlert(admin)
	for name, err := range map[string]error{
		"get": second(alerts.Get(ctx, "theirs", first)), "close": second(alerts.Close(ctx, "theirs", first, "eve", "")), "reopen": second(alerts.Reopen(ctx, "theirs", first)),
	} {
		if !errors.Is(err, persistence.ErrNotFound) {
			t.Errorf("%s of another account's alert: %v", name, err)
		}
	}
	for range 2 {
		a, err := alerts.Close(ctx, admin, first, "ann", "accepted until March")
		if err != nil || a.State != persistence.AlertClosed || a.ClosedBy != "ann" {
			t.Errorf("closed: %+v, %v", a, err)
		}
	}
	const byAnn = "1 closed policy_evaluation violations=1 image=one ann accepted until March"
	w.verdict(admin, "one", "1", "default", id, 7, at())
	w.wantAlerts("the same image goes on violating", admin, byAnn)
	back, err := alerts.Reopen(ctx, admin, first)
	if err != nil || back.State != persistence.AlertOpen || back.Violations != 7 || back.ClosedBy != "" {
		t.Errorf("reopened: %+v, %v", back, err)
	}
	_, err = alerts.Close(ctx, admin, first, "ann", "")
	w.must(err)
	w.verdict(admin, "one", "1", "default", id, 0, at())
	if _, err := alerts.Reopen(ctx, admin, first); !errors.Is(err, persistence.ErrState) {
		t.Errorf("reopened while the tag complies: %v", err)
	}
	const closed = "1 closed policy_evaluation violations=7 image=one ann"
	w.verdict(admin, "one", "1", "default", id, 2, at())
	w.wantAlerts("violates again after having complied", admin, closed, "1 open policy_evaluation violations=2 image=one")
	if _, err := alerts.Reopen(ctx, admin, first); !errors.Is(err, persistence.ErrExists) {
		t.Errorf("reopened beside another one: %v", err)
	}
	_, err = alerts.Close(ctx, admin, w.newestAlert(admin), "ann", "later")
	w.must(err)
	moved := w.submission(admin, "two", "1")
	moved.DetectedAt = noon.Add(time.Hour)
	w.submit(moved)
	w.verdict(admin, "two", "1", "default", w.analyzed(admin, "two", "1"), 4, at())
	w.wantAlerts("another image violates", admin, closed, "1 closed policy_evaluation violations=2 image=one ann later", "1 open policy_evaluation violations=4 image=two")
	_, err = alerts.Close(ctx, admin, w.newestAlert(admin), "ann", "no")
	w.must(err)
	w.alertsSwitch(sub, false)
	w.alertsSwitch(sub, true)
	if got := w.alerts(admin); got[len(got)-1] != "1 open policy_evaluation violations=4 image=two" || len(got) != 4 {
		t.Errorf("asked for anew: %q", got)
	}
	old, err := alerts.Forget(ctx, time.Now().Add(time.Hour))
	if err != nil || old != 3 || len(w.alerts(admin)) != 1 {
		t.Errorf("forgot %d, %v", old, err)
	}
}
