package persistence_test

import (
	"encoding/json"
	"errors"
	"strconv"
	"testing"

	"plimsoll/persistence"
	"plimsoll/persistence/seal"
)

func portOf(port uint16) string { return strconv.Itoa(int(port)) }

// TestAccountsDoNotSeeEachOther asks every account-owned question for what only another account has.
func TestAccountsDoNotSeeEachOther(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	ctx := t.Context()
	w.account("mine")
	w.account("theirs")
	w.commit("npm", record("GHSA-1", 4, "npm", "left-pad", "1.3.0"))
	id := w.analyzed("theirs", "app", "1", npm("left-pad", "1.2.0", "/p"))
	digest := digestOf("app")
	users := persistence.NewUsers(w.pool)
	registries := persistence.NewRegistries(w.pool, newSealer(t, seal.GenerateKey()))
	_, err := users.Create(ctx, persistence.NewUser{Username: "eve", Account: "theirs", PasswordHash: "h"})
	w.must(err)
	_, err = registries.Create(ctx, persistence.RegistryWrite{Account: "theirs", Registry: "docker.io", Password: "p"})
	w.must(err)
	secret := policyNamed("secret")
	secret.Account = "theirs"
	_, err = w.policies.Create(ctx, secret)
	w.must(err)
	key := persistence.EvaluationKey{Account: "theirs", ImageDigest: digest, Tag: "t", PolicyID: "secret"}
	_, err = w.evaluations.Save(ctx, persistence.NewEvaluation{EvaluationKey: key, FinalAction: "go", Result: json.RawMessage(`{}`), EvaluatedAt: noon, AnalysisID: id})
	w.must(err)
	w.leftProgress("theirs", digest)
	w.must(persistence.NewReferrers(w.pool).Store(ctx, "theirs", digest, persistence.ReferrerListing{ListedAt: noon, Referrers: []persistence.Referrer{{Subject: digest, Referrer: digestOf("sbom")}}}))
	_, err = w.pool.Exec(ctx, `UPDATE plimsoll.image SET labels = '{"team":"theirs"}'`)
	w.must(err)
	subs := persistence.NewSubscriptions(w.pool)
	watch, err := subs.WatchRepository(ctx, persistence.RepositoryWatch{Account: "theirs", Name: persistence.TagName{Registry: "r.example", Repository: "x"}, Tags: []string{"1"}}, syncWatch)
	w.must(err)
	w.must(subs.TagRefused(ctx, "theirs", watch.ID, "1", persistence.WatchFailure{Code: "X"}))
	before := w.rowVersions("plimsoll.subscription", "plimsoll.watched_tag", "plimsoll.image", "plimsoll.image_tag", "plimsoll.policy", "plimsoll.registry", "plimsoll.app_user", "plimsoll.evaluation", "plimsoll.analysis_progress", "plimsoll.image_transition")

	digests := []string{digest}
	mineKey := key
	mineKey.Account = "mine"
	tag := &persistence.TagName{Registry: "docker.io", Repository: "library/app", Tag: "1"}
	run := persistence.Run{Account: "mine", Digest: digest, Request: 1, RunID: "run-app"}
	by := persistence.Origin{}
	size := func(n int, err error) error {
		if err == nil && n == 0 {
			return persistence.ErrNotFound
		}
		return err
	}
	list := func(f persistence.ImageFilter) error {
		l, err := w.images.List(ctx, "mine", f)
		return size(len(l), err)
	}
	for name, err := range map[string]error{
		"image":             second(w.images.Get(ctx, "mine", digest)),
		"image list":        list(persistence.ImageFilter{}),
		"image by digest":   list(persistence.ImageFilter{Digest: digest}),
		"image by id":       list(persistence.ImageFilter{ImageID: digest[7:]}),
		"image by tag":      list(persistence.ImageFilter{Tag: tag}),
		"image by tag ever": list(persistence.ImageFilter{Tag: tag, History: true}),
		"transitions":       func() error { m, err := w.images.Transitions(ctx, "mine", digests); return size(len(m), err) }(),
		"progress":          func() error { m, err := w.progress.Read(ctx, "mine", digests); return size(len(m), err) }(),
		"referrers": func() error {
			l, err := persistence.NewReferrers(w.pool).List(ctx, "mine", digest)
			return size(len(l.Referrers), err)
		}(),
		"image by label": list(persistence.ImageFilter{Labels: map[string]string{"team": "theirs"}}),
		"withdrawal":     second(w.images.Withdraw(ctx, "mine", digest, by, func(int64) persistence.Start { return persistence.Start{} })),
		"analysis run": func() error {
			r, err := w.analyses.RunOf(ctx, "mine", digest)
			if r == nil && err == nil {
				return persistence.ErrNotFound
			}
			return err
		}(),
		"mark deleting":     second(w.images.MarkDeleting(ctx, "mine", digest, true, persistence.Start{}, syncWatch)),
		"analysis":          second(w.analyses.OfImage(ctx, "mine", digest)),
		"vulnerabilities":   second(w.matches.Vulnerabilities(ctx, "mine", digest, persistence.VulnerabilityFilter{})),
		"counters":          func() error { m, err := w.matches.Counters(ctx, "mine", digests); return size(len(m), err) }(),
		"subscription":      second(subs.Get(ctx, "mine", watch.ID)),
		"subscriptions":     func() error { l, err := subs.List(ctx, "mine", ""); return size(len(l), err) }(),
		"watch":             second(subs.Watch(ctx, "mine", watch.ID)),
		"tags to be added":  func() error { l, n, err := subs.PendingTags(ctx, "mine", watch.ID, 9); return size(len(l)+n, err) }(),
		"refused tags":      func() error { l, err := subs.RefusedTags(ctx, "mine", watch.ID, 9); return size(len(l), err) }(),
		"tags of a watch":   second(subs.NoteTags(ctx, "mine", watch.ID, []string{"2"})),
		"a changed watch":   second(subs.Change(ctx, "mine", watch.ID, persistence.SubscriptionChange{}, syncWatch)),
		"a deleted watch":   subs.Delete(ctx, "mine", watch.ID, syncWatch),
		"policy":            second(w.policies.Get(ctx, "mine", "secret")),
		"policy activation": third(w.policies.Activate(ctx, "mine", "secret", judgePolicy)),
		"policy update":     third(w.policies.Update(ctx, persistence.NewPolicy{Account: "mine", ID: "secret", Name: "x", Document: json.RawMessage(`{}`)}, true, judgePolicy)),
		"policy deletion":   w.policies.Delete(ctx, "mine", "secret"),
		"evaluation":        second(w.evaluations.Latest(ctx, mineKey)),
		"evaluations":       func() error { l, err := w.evaluations.History(ctx, mineKey, 9); return size(len(l), err) }(),
		"user":              second(users.Get(ctx, "mine", "eve")),
		"users":             func() error { l, err := users.List(ctx, "mine"); return size(len(l), err) }(),
		"password":          users.SetPassword(ctx, "mine", "eve", "owned"),
		"user deletion":     users.Delete(ctx, "mine", "eve"),
		"registry":          second(registries.Get(ctx, "mine", "docker.io")),
		"registries":        func() error { l, err := registries.List(ctx, "mine"); return size(len(l), err) }(),
		"credentials":       func() error { l, err := registries.Credentials(ctx, "mine"); return size(len(l), err) }(),
		"registry update":   second(registries.Update(ctx, persistence.RegistryWrite{Account: "mine", Registry: "docker.io"})),
		"registry deletion": registries.Delete(ctx, "mine", "docker.io"),
	} {
		if !errors.Is(err, persistence.ErrNotFound) {
			t.Errorf("%s: %v, want ErrNotFound", name, err)
		}
	}
	for name, err := range map[string]error{
		"begin":    second(w.images.Begin(ctx, run, by)),
		"complete": w.images.Complete(ctx, run, id, noon, by),
		"fail":     w.images.Fail(ctx, run, "X", "y", by),
		"cancel":   w.images.Cancel(ctx, run, by),
	} {
		if !errors.Is(err, persistence.ErrSuperseded) {
			t.Errorf("%s: %v, want ErrSuperseded", name, err)
		}
	}
	w.must(subs.Seen(ctx, "mine", watch.ID, digest))
	w.must(subs.Failed(ctx, "mine", watch.ID, persistence.WatchFailure{Code: "X", PausedUntil: noon}))
	w.must(subs.TagAdded(ctx, "mine", watch.ID, "1"))
	w.must(w.images.Delete(ctx, "mine", digest))
	w.must(w.progress.Clear(ctx, "mine", digest))
	if after := w.rowVersions("plimsoll.subscription", "plimsoll.watched_tag", "plimsoll.image", "plimsoll.image_tag", "plimsoll.policy", "plimsoll.registry", "plimsoll.app_user", "plimsoll.evaluation", "plimsoll.analysis_progress", "plimsoll.image_transition"); after != before {
		t.Error("one account wrote what belongs to another")
	}
	if got := w.findings("theirs", "app"); len(got) != 1 {
		t.Errorf("the owner sees %v", got)
	}
}

func second[T any](_ T, err error) error { return err }
