package persistence_test

import (
	"encoding/json"
	"errors"
	"strings"
	"testing"
	"time"

	"plimsoll/engine/feed"
	"plimsoll/persistence"
)

func TestARecordAddedAgainIsNotWhatARunOfItsPredecessorWorksFor(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	ctx := t.Context()
	old := w.submit(w.submission(admin, "app", "1")).Image.Requested
	run := persistence.Run{Account: admin, Digest: digestOf("app"), Request: old, RunID: "old"}
	_, err := w.images.Begin(ctx, run, persistence.Origin{})
	w.must(err)
	w.markDeleting("app", true)
	w.must(w.images.Delete(ctx, admin, digestOf("app")))
	again := w.submit(w.submission(admin, "app", "1"))
	if !again.Created || again.Image.Requested <= old {
		t.Errorf("request %d after %d: the old run would take it for its own", again.Image.Requested, old)
	}
	if _, err := w.images.Begin(ctx, run, persistence.Origin{}); !errors.Is(err, persistence.ErrSuperseded) {
		t.Errorf("a late begin of the old run: %v, want ErrSuperseded", err)
	}
}

func TestALateBeginDoesNotTakeTheRecordFromTheRunAfterACancel(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	ctx := t.Context()
	first := persistence.Run{Account: admin, Digest: digestOf("app"), Request: w.submit(w.submission(admin, "app", "1")).Image.Requested, RunID: "first"}
	_, err := w.images.Begin(ctx, first, persistence.Origin{})
	w.must(err)
	w.must(w.images.Cancel(ctx, first, persistence.Origin{}))
	if err := w.images.Cancel(ctx, first, persistence.Origin{}); err != nil && !errors.Is(err, persistence.ErrSuperseded) {
		t.Errorf("a repeated cancel: %v", err)
	}
	second := first
	second.RunID, second.Request = "second", w.submit(w.submission(admin, "app", "1")).Image.Requested
	_, err = w.images.Begin(ctx, second, persistence.Origin{})
	w.must(err)
	if _, err := w.images.Begin(ctx, first, persistence.Origin{}); !errors.Is(err, persistence.ErrSuperseded) {
		t.Errorf("late begin of the cancelled run: %v, want ErrSuperseded", err)
	}
	w.must(w.images.Complete(ctx, second, w.save("app"), noon, persistence.Origin{}))
}

// A cancelled workflow does not wait for the step that is under way.
func TestACancelThatOvertakesTheBeginKeepsTheRunOut(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	ctx := t.Context()
	run := persistence.Run{Account: admin, Digest: digestOf("app"), Request: w.submit(w.submission(admin, "app", "1")).Image.Requested, RunID: "run"}
	w.must(w.images.Cancel(ctx, run, persistence.Origin{}))
	if _, err := w.images.Begin(ctx, run, persistence.Origin{}); !errors.Is(err, persistence.ErrSuperseded) {
		t.Errorf("begin after the cancel: %v, want ErrSuperseded: nobody would ever end that run", err)
	}
	if again := w.submit(w.submission(admin, "app", "1")); !again.Due {
		t.Errorf("submitted again: %+v, want an analysis to be due", again)
	}
}

func TestAVerdictFromOlderFactsDoesNotReplaceANewerOne(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	ctx := t.Context()
	id := w.analyzed(admin, "app", "1")
	verdict := func(action string, generation int64, at time.Time) persistence.NewEvaluation {
		return persistence.NewEvaluation{
			EvaluationKey: persistence.EvaluationKey{Account: admin, ImageDigest: digestOf("app"), Tag: "docker.io/library/app:1", PolicyID: "default"},
			Generation:    generation, AnalysisID: id, FinalAction: action, Status: "pass", Result: json.RawMessage(`{}`), Cause: "test", EvaluatedAt: at,
		}
	}
	save := func(n persistence.NewEvaluation) (persistence.Evaluation, bool) {
		t.Helper()
		changed, err := w.evaluations.Save(ctx, n)
		w.must(err)
		now, err := w.evaluations.Latest(ctx, n.EvaluationKey)
		w.must(err)
		return now, changed
	}
	save(verdict("stop", 6, noon))
	for name, late := range map[string]persistence.NewEvaluation{
		"of an older generation": verdict("go", 5, noon.Add(time.Hour)),
		"begun earlier":          verdict("go", 6, noon.Add(-time.Second)),
	} {
		if kept, changed := save(late); changed || kept.FinalAction != "stop" || kept.Generation != 6 {
			t.Errorf("%s: %+v, changed %t; want the newer verdict kept", name, kept, changed)
		}
	}
	if now, changed := save(verdict("go", 6, noon.Add(time.Second))); !changed || now.FinalAction != "go" {
		t.Errorf("a newer verdict of the same generation: %+v, %t", now, changed)
	}
	edited := verdict("stop", 6, noon)
	edited.PolicyDigest = "another policy"
	if now, changed := save(edited); !changed || now.FinalAction != "stop" {
		t.Errorf("a verdict under an edited policy: %+v, %t", now, changed)
	}
	if now, changed := save(verdict("go", 7, noon)); !changed || now.Generation != 7 {
		t.Errorf("a verdict of a newer generation: %+v, %t", now, changed)
	}
}

func TestVerdictsAndAnnotationsHoldAnyText(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	in := w.submission(admin, "app", "1")
	in.Annotations = map[string]any{"note": "a\x00b"}
	w.submit(in)
	id := w.analyzed(admin, "app", "1")
	_, err := w.evaluations.Save(t.Context(), persistence.NewEvaluation{
		EvaluationKey: persistence.EvaluationKey{Account: admin, ImageDigest: digestOf("app"), Tag: "t", PolicyID: "default"},
		AnalysisID:    id, FinalAction: "stop", Status: "fail", Result: json.RawMessage(`{"message":"package \u0000 has \\u0000"}`), EvaluatedAt: noon,
	})
	if err != nil {
		t.Errorf("a package name with NUL keeps the verdict from being stored: %v", err)
	}
}

// A run that dies between storing an analysis and matching it leaves dictionary entries of others unmatched.
func TestRescanReachesPackagesAnUnfinishedAnalysisLeftUnmatched(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.commit("npm", record("GHSA-1", feed.High, "npm", "left-pad", "1.3.0"), record("GHSA-2", feed.Low, "npm", "koa", "1.0.0"))
	w.save("unfinished", npm("left-pad", "1.2.0", "/p"))
	c := w.commit("npm", record("GHSA-2", feed.Low, "npm", "koa", "1.0.0"), record("GHSA-3", feed.Low, "npm", "left-pad", "9.0.0"))
	if out := w.rescan(c.Generation, noon); out.Opened != 1 {
		t.Errorf("the rescan found %+v", out)
	}
	w.analyzed(admin, "app", "1", npm("left-pad", "1.2.0", "/p"))
	if got := strings.Join(w.findings(admin, "app"), "\n"); !strings.Contains(got, "GHSA-3") || strings.Contains(got, "GHSA-1") {
		t.Errorf("after the rescan the image has:\n%s", got)
	}
	if k := w.counts("app"); k.Low != 1 || k.Total() != 1 {
		t.Errorf("counter %+v", k)
	}
}

func TestMatchingOutwaitsARescanOfAnyLength(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	ctx := t.Context()
	id := w.save("app", npm("left-pad", "1.2.0", "/p"))
	cfg := persistence.DefaultConfig()
	cfg.StatementTimeout = 100 * time.Millisecond
	pool, err := persistence.Open(ctx, w.pool.Config().ConnString(), cfg)
	w.must(err)
	defer pool.Close()
	commit, err := w.pool.Begin(ctx)
	w.must(err)
	defer func() { _ = commit.Rollback(ctx) }()
	const lockRescan = 0x504c0002
	_, err = commit.Exec(ctx, `SELECT pg_advisory_xact_lock($1, 0)`, lockRescan)
	w.must(err)
	matched := make(chan error, 1)
	go func() {
		_, err := persistence.NewMatches(pool, pool).MatchAnalysis(ctx, id, noon)
		matched <- err
	}()
	for w.count(`SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND NOT granted AND classid::bigint = $1 AND database = (
		SELECT oid FROM pg_database WHERE datname = current_database())`, int64(lockRescan)) == 0 {
		select {
		case err := <-matched:
			t.Fatalf("matching did not wait: %v", err)
		default:
		}
	}
	_, err = commit.Exec(ctx, `SELECT pg_sleep(0.3)`)
	w.must(err)
	w.must(commit.Commit(ctx))
	if err := <-matched; err != nil {
		t.Errorf("matching gave up during a feed commit: %v", err)
	}
}
