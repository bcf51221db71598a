package persistence_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sync/errgroup"

	"plimsoll/persistence"
)

// ledger is what alerts should be, worked out from what happened to one account, step by step.
type ledger struct {
	active   string                    // policy
	version  map[string]int            // of policies
	subs     map[string]bool           // by tag; "" is the repository
	image    map[string]string         // by tag; "" when it is gone
	verdicts map[string]ledgerVerdict  // newest, by image, tag and policy
	alerts   map[string][]*ledgerAlert // by tag, oldest first
	mute     map[string]string         // image a person closed the alert of, by tag
}

type ledgerVerdict struct{ violations, version int }

type ledgerAlert struct {
	image, state, by, why string
	violations            int
}

func newLedger() *ledger {
	return &ledger{
		active: "default", version: map[string]int{}, subs: map[string]bool{}, image: map[string]string{},
		verdicts: map[string]ledgerVerdict{}, alerts: map[string][]*ledgerAlert{}, mute: map[string]string{},
	}
}

func (l *ledger) open(tag string) *ledgerAlert {
	for _, a := range l.alerts[tag] {
		if a.state == persistence.AlertOpen {
			return a
		}
	}
	return nil
}

// settle looks at a tag once more.
func (l *ledger) settle(tag string) {
	now := l.open(tag)
	end := func(why string) {
		delete(l.mute, tag)
		if now != nil {
			now.state, now.by, now.why = persistence.AlertClosed, persistence.ClosedBySystem, why
		}
	}
	watched, own := l.subs[tag]
	if !own {
		watched = l.subs[""]
	}
	image := l.image[tag]
	v, judged := l.verdicts[image+tag+l.active]
	switch {
	case !watched:
		end(persistence.ClosedNotSubscribed)
	case image == "":
		end(persistence.ClosedImageGone)
	case !judged || v.version != l.version[l.active]:
	case v.violations == 0:
		end(persistence.ClosedComplies)
	case now != nil:
		now.image, now.violations = image, v.violations
	case l.mute[tag] != image:
		delete(l.mute, tag)
		l.alerts[tag] = append(l.alerts[tag], &ledgerAlert{image: image, state: persistence.AlertOpen, violations: v.violations})
	}
}

func (l *ledger) settleAll() {
	for tag := range l.image {
		l.settle(tag)
	}
}

func (l *ledger) String() string {
	var lines []string
	for tag, list := range l.alerts {
		for i, a := range list {
			lines = append(lines, fmt.Sprintf("%s#%d %s %s violations=%d %s %s", tag, i, a.state, a.image, a.violations, a.by, a.why))
		}
	}
	slices.Sort(lines)
	return strings.Join(lines, "\n")
}

// stored renders the same of the database.
func (w *world) stored(account string) string {
	list, err := persistence.NewAlerts(w.pool).List(w.t.Context(), account, persistence.AlertFilter{}, 0, 1000)
	w.must(err)
	slices.Reverse(list)
	names := map[string]string{}
	for _, image := range ledgerImages {
		names[digestOf(image)] = image
	}
	count := map[string]int{}
	var lines []string
	for _, a := range list {
		lines = append(lines, fmt.Sprintf("%s#%d %s %s violations=%d %s %s", a.Tag, count[a.Tag], a.State, names[a.ImageDigest], a.Violations, a.ClosedBy, a.ClosedReason))
		count[a.Tag]++
	}
	slices.Sort(lines)
	return strings.Join(lines, "\n")
}

var (
	ledgerImages   = []string{"one", "two"}
	ledgerTags     = []string{"1", "2"}
	ledgerPolicies = []string{"default", "other"}
)

func pick[T any](r *rand.Rand, list []T) T { return list[r.IntN(len(list))] }

// history makes random steps in one account and in its ledger.
type history struct {
	*world
	*ledger
	account string
	r       *rand.Rand
	at      func() time.Time
	ids     map[string]int64 // analyses
}

func (w *world) history(account string, seed uint64) *history {
	h := &history{world: w, ledger: newLedger(), account: account, r: rand.New(rand.NewPCG(seed, 7)), at: later(), ids: map[string]int64{}}
	other := policyNamed("other")
	other.Account = account
	_, err := w.policies.Create(w.t.Context(), other)
	w.must(err)
	for _, image := range ledgerImages {
		h.ids[image] = w.analyzed(account, image, "")
	}
	for _, tag := range ledgerTags {
		h.move(tag, "one")
	}
	h.switchAlerts("")
	return h
}

func (h *history) move(tag, image string) {
	in := h.submission(h.account, image, tag)
	in.DetectedAt = h.at()
	h.submit(in)
	h.image[tag] = image
	h.settle(tag)
}

// step does one thing and tells what.
func (h *history) step() string {
	ctx, tag, image, policyID := h.t.Context(), pick(h.r, ledgerTags), pick(h.r, ledgerImages), pick(h.r, ledgerPolicies)
	switch h.r.IntN(16) {
	case 0:
		h.move(tag, image)
		return "tag " + tag + " means " + image
	case 1:
		key := pick(h.r, append([]string{""}, ledgerTags...))
		return h.switchAlerts(key)
	case 2:
		return h.close(tag)
	case 3:
		_, _, err := h.policies.Activate(ctx, h.account, policyID, judgePolicy)
		h.must(err)
		h.active = policyID
		h.settleAll()
		return policyID + " is active"
	case 4:
		return h.edit(policyID)
	case 5:
		if h.r.IntN(3) > 0 {
			return ""
		}
		h.remove(image)
		return image + " is deleted"
	default:
		n := max(h.r.IntN(5)-1, 0)
		if h.r.IntN(3) > 0 && h.image[tag] != "" { // what decides
			image, policyID = h.image[tag], h.active
		}
		h.verdict(h.account, image, tag, policyID, h.ids[image], n, h.at())
		h.verdicts[image+tag+policyID] = ledgerVerdict{n, h.version[policyID]}
		h.settle(tag)
		return fmt.Sprintf("%s says %d of %s as %s", policyID, n, image, tag)
	}
}

func (h *history) switchAlerts(key string) string {
	on, known := h.subs[key]
	subs := persistence.NewSubscriptions(h.pool)
	full := persistence.SubscriptionKey(persistence.TagName{Registry: "docker.io", Repository: "library/app", Tag: key})
	id := persistence.SubscriptionID(h.account, persistence.TagAlerts, full)
	did := "deleted"
	switch {
	case !known:
		h.alertsOn(h.account, key)
		h.subs[key], did = true, "created"
	case h.r.IntN(3) == 0:
		h.must(subs.Delete(h.t.Context(), h.account, id, syncWatch))
		delete(h.subs, key)
	default:
		h.alertsSwitch(persistence.Subscription{Account: h.account, ID: id}, !on)
		h.subs[key], did = !on, fmt.Sprintf("switched to %t", !on)
	}
	if key == "" {
		h.settleAll()
	} else {
		h.settle(key)
	}
	return fmt.Sprintf("subscription %q %s", key, did)
}

func (h *history) close(tag string) string {
	now := h.open(tag)
	if now == nil {
		return ""
	}
	list, err := persistence.NewAlerts(h.pool).List(h.t.Context(), h.account, persistence.AlertFilter{State: persistence.AlertOpen, FullTag: "docker.io/library/app:" + tag}, 0, 2)
	h.must(err)
	if len(list) != 1 {
		h.t.Fatalf("%d open alerts of %s", len(list), tag)
	}
	_, err = persistence.NewAlerts(h.pool).Close(h.t.Context(), h.account, list[0].ID, "ann", "seen")
	h.must(err)
	now.state, now.by, now.why = persistence.AlertClosed, "ann", "seen"
	h.mute[tag] = now.image
	return "ann closes the alert of " + tag
}

func (h *history) edit(policyID string) string {
	h.version[policyID]++
	changed := policyNamed(policyID)
	changed.Account = h.account
	changed.Document = json.RawMessage(fmt.Sprintf(`{"id":%q,"version":"2","comment":"%d"}`, policyID, h.version[policyID]))
	_, _, err := h.policies.Update(h.t.Context(), changed, false, judgePolicy)
	h.must(err)
	return policyID + " is edited"
}

// remove deletes an image, and adds it again without tags.
func (h *history) remove(image string) {
	ctx := h.t.Context()
	_, err := h.images.MarkDeleting(ctx, h.account, digestOf(image), true, persistence.Start{Workflow: "DeleteImage"}, syncWatch)
	h.must(err)
	h.must(h.images.Delete(ctx, h.account, digestOf(image)))
	for _, tag := range ledgerTags {
		if h.image[tag] == image {
			h.image[tag] = ""
			h.settle(tag)
		}
		for _, policyID := range ledgerPolicies {
			delete(h.verdicts, image+tag+policyID)
		}
	}
	h.ids[image] = h.analyzed(h.account, image, "")
}

// TestAlertsAreWhatHappenedSays compares alerts with a ledger after each of many random steps, in two accounts at once.
func TestAlertsAreWhatHappenedSays(t *testing.T) {
	t.Parallel()
	for seed := range uint64(3) {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			w.account("theirs")
			histories := []*history{w.history(admin, seed), w.history("theirs", seed+100)}
			var said []string
			raised := 0
			for range 200 {
				h := pick(histories[0].r, histories)
				said = append(said, h.account+": "+h.step())
				for _, h := range histories {
					if diff := cmp.Diff(h.ledger.String(), w.stored(h.account)); diff != "" {
						t.Fatalf("alerts of %s (-want +got):\n%s\nafter:\n%s", h.account, diff, strings.Join(said[max(0, len(said)-12):], "\n"))
					}
				}
			}
			events := map[string]int{}
			for _, h := range histories {
				for _, list := range h.ledger.alerts {
					raised += len(list)
				}
				for _, e := range w.happened(h.account, persistence.EventFilter{Type: "user.alerts"}) {
					events[strings.Fields(e)[1]]++
				}
			}
			closed := w.count(`SELECT count(*) FROM plimsoll.alert WHERE state = 'closed'`)
			if events[persistence.EventAlertOpened.Type] != raised || events[persistence.EventAlertClosed.Type] != closed || raised < 10 {
				t.Errorf("%v for %d alerts, %d of them closed", events, raised, closed)
			}
		})
	}
}

// TestAlertsHoldWhenEverythingHappensAtOnce changes all that alerts follow from concurrently. Afterwards each tag has an open
// alert exactly if it is watched, judged and not muted.
func TestAlertsHoldWhenEverythingHappensAtOnce(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	h := w.history(admin, 1)
	sub := persistence.Subscription{Account: admin, ID: persistence.SubscriptionID(admin, persistence.TagAlerts, "docker.io/library/app")}
	alerts := persistence.NewAlerts(w.pool)
	g, ctx := errgroup.WithContext(t.Context())
	for worker := range 4 {
		g.Go(func() error {
			r := rand.New(rand.NewPCG(uint64(worker), 3))
			for range 40 {
				if err := concurrentStep(ctx, w, h, r, alerts, sub); err != nil {
					return err
				}
			}
			return nil
		})
	}
	if err := g.Wait(); err != nil {
		t.Fatal(err)
	}
	wrong := w.count(`
SELECT count(*) FROM plimsoll.image_tag t
JOIN plimsoll.policy p ON p.account = t.account AND p.active
JOIN LATERAL (SELECT * FROM plimsoll.evaluation e WHERE e.account = t.account AND e.image_digest = t.digest AND e.policy_id = p.policy_id
  AND e.tag = t.registry || '/' || t.repository || ':' || t.tag ORDER BY e.id DESC LIMIT 1) e ON e.policy_digest = p.digest
CROSS JOIN LATERAL (SELECT s.active FROM plimsoll.subscription s WHERE s.account = t.account AND s.type = 'alerts') s
CROSS JOIN LATERAL (SELECT count(*) FILTER (WHERE a.state = 'open') AS open, count(*) FILTER (WHERE a.acknowledged AND a.image_digest = t.digest) AS muted
  FROM plimsoll.alert a WHERE a.account = t.account AND a.tag = t.tag) a
WHERE t.current AND (a.open = 1) <> (s.active AND e.status = 'fail' AND a.muted = 0)`)
	if wrong != 0 {
		t.Errorf("%d tags whose alert is not what it should be:\n%s", wrong, w.stored(admin))
	}
}

func concurrentStep(ctx context.Context, w *world, h *history, r *rand.Rand, alerts *persistence.Alerts, sub persistence.Subscription) error {
	tag, image := pick(r, ledgerTags), pick(r, ledgerImages)
	switch r.IntN(6) {
	case 0:
		on := r.IntN(2) == 0
		_, err := persistence.NewSubscriptions(w.pool).Change(ctx, sub.Account, sub.ID, persistence.SubscriptionChange{Active: &on}, syncWatch)
		return err
	case 1:
		list, err := alerts.List(ctx, admin, persistence.AlertFilter{State: persistence.AlertOpen}, 0, 1)
		if err == nil && len(list) > 0 {
			_, err = alerts.Close(ctx, admin, list[0].ID, "ann", "")
		}
		return err
	case 2:
		in := w.submission(admin, image, tag)
		in.DetectedAt = noon.Add(time.Hour)
		_, err := w.images.Submit(ctx, in)
		return err
	case 3:
		_, _, err := w.policies.Activate(ctx, admin, pick(r, ledgerPolicies), judgePolicy)
		return err
	}
	n := persistence.NewEvaluation{
		EvaluationKey: persistence.EvaluationKey{Account: admin, ImageDigest: digestOf(image), Tag: "docker.io/library/app:" + tag, PolicyID: pick(r, ledgerPolicies)},
		AnalysisID:    h.ids[image], FinalAction: "go", Status: "pass", Result: json.RawMessage(`{}`), EvaluatedAt: time.Now(), Reason: persistence.AlertByPolicy,
	}
	if r.IntN(2) == 0 {
		n.FinalAction, n.Status, n.Violations = "stop", "fail", 1
	}
	p, err := w.policies.Get(ctx, admin, n.PolicyID)
	if err != nil {
		return err
	}
	n.PolicyDigest = p.Digest
	if _, err = w.evaluations.Save(ctx, n); errors.Is(err, persistence.ErrNotFound) {
		return nil
	}
	return err
}
