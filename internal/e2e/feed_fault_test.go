package e2e

import (
	"bytes"
	"context"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/jackc/pgx/v5/pgxpool"
	temporalclient "go.temporal.io/sdk/client"

	"plimsoll/api/client"
	"plimsoll/internal/sample"
	"plimsoll/workflows"
)

const lodash = "GHSA-4xc9-xhrj-v574"

// feedFault is a moment at which a worker is killed, held open by a lock of the test's own.
type feedFault struct {
	name    string
	lock    string // statement that holds the worker there
	waiting string // how its statement begins that waits then
	moved   bool   // matches have moved by then
	again   bool   // the step is one of the sync, which is then tried twice
}

// feedFaults are in the middle of a sync, with everything read and nothing committed; in a rescan before its first batch; and
// after the batches, when the counters are still those of before.
var feedFaults = []feedFault{
	{name: "before the commit", lock: `SELECT FROM plimsoll_feeds.feed_group WHERE source = 'osv' AND group_name = 'npm' FOR UPDATE`, waiting: "feed.lock_group", again: true},
	{name: "before matches move", lock: `SELECT pg_advisory_xact_lock(x'504c0002'::int, 0)`, waiting: "lock.exclusive"},
	{name: "before counters move", lock: `SELECT pg_advisory_xact_lock(x'504c0007'::int, 0)`, waiting: "lock.exclusive", moved: true},
}

// A worker may die at any moment of a sync or of a rescan: what is answered stays what it was until the next is whole, another
// worker finishes it, and nothing is lost or there twice.
func TestAKilledWorkersFeedSyncAndRescanAreFinishedByAnother(t *testing.T) {
	t.Parallel()
	i := newInstallation(t)
	worker := i.worker(t)
	c := admin(t, i.api)
	ready(t, c)
	syncFeeds(t, c)
	registry := newSource(t)
	digest := submit(t, c, registry.push(t, sampleImage(t), "sample/app:1"), false).ImageDigest
	status(t, c, digest, "analyzed")
	db, err := pgxpool.New(t.Context(), i.database)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(db.Close)
	for step, f := range feedFaults {
		before := answers(t, c, digest)
		i.publish(t, step)
		release := f.hold(t, db)
		synced := make(chan string, 1)
		go func() { synced <- feedSync(t.Context(), c) }()
		f.await(t, db)
		worker.kill(t)
		if diff := cmp.Diff(before, answers(t, c, digest)); diff != "" && !f.moved {
			t.Errorf("%s: the answer has moved (-before +now):\n%s", f.name, diff)
		}
		release()
		if diff := cmp.Diff(before, answers(t, c, digest)); diff != "" && !f.moved {
			t.Errorf("%s: the answer moves without a worker (-before +now):\n%s", f.name, diff)
		}
		worker = i.worker(t)
		if failed := <-synced; failed != "" {
			t.Fatalf("%s: the sync ended with %s", f.name, failed)
		}
		want := expected(before, step)
		eventually(t, startTimeout, f.name+": the new answer", func() (bool, error) {
			return slices.Equal(want, answers(t, c, digest)), nil
		})
		wantOnce(t, db, f)
	}
	wantSameWhenRecomputed(t, c, db, digest)
	wantInterruptedTask(t, i, worker, c, db)
}

// publish changes the mirror: the flaw of lodash gets another fix, and each step brings another flaw.
func (i *installation) publish(t testing.TB, step int) {
	t.Helper()
	records, err := sample.Advisories()
	if err != nil {
		t.Fatal(err)
	}
	original := records["npm"][lodash]
	fixed := bytes.ReplaceAll(original, []byte(`"4.17.11"`), fmt.Appendf(nil, `"4.18.%d"`, step))
	if bytes.Equal(fixed, original) {
		t.Fatal("the sample has no such fix")
	}
	records["npm"][lodash] = fixed
	for n := range step + 1 {
		another := bytes.ReplaceAll(original, []byte(lodash), fmt.Appendf(nil, "GHSA-test-%d", n))
		records["npm"][fmt.Sprintf("GHSA-test-%d", n)] = bytes.ReplaceAll(another, []byte("CVE-2018-16487"), fmt.Appendf(nil, "CVE-2099-%d", 1000+n))
	}
	if err := sample.WriteMirror(i.mirror, records); err != nil {
		t.Fatal(err)
	}
}

// answers are the lines of an image's vulnerabilities.
func answers(t testing.TB, c *client.ClientWithResponses, digest string) (out []string) {
	t.Helper()
	r, err := c.GetImageVulnerabilitiesWithResponse(t.Context(), digest, "all", &client.GetImageVulnerabilitiesParams{})
	if err != nil || r.JSON200 == nil {
		t.Fatalf("vulnerabilities: %v %+v", err, r)
	}
	for _, v := range r.JSON200.Vulnerabilities {
		out = append(out, strings.Join([]string{v.Vuln, v.Package, v.PackagePath, v.Severity, v.Fix}, " "))
	}
	slices.Sort(out)
	return out
}

// expected is the answer after a step.
func expected(before []string, step int) (out []string) {
	for _, line := range before {
		if strings.HasPrefix(line, lodash) {
			stem := line[:strings.LastIndex(line, " ")]
			out = append(out, strings.Replace(stem, lodash, fmt.Sprintf("GHSA-test-%d", step), 1)+" 4.17.11")
			line = stem + fmt.Sprintf(" 4.18.%d", step)
		}
		out = append(out, line)
	}
	slices.Sort(out)
	return out
}

// hold takes the lock until release is called.
func (f feedFault) hold(t testing.TB, db *pgxpool.Pool) (release func()) {
	t.Helper()
	tx, err := db.Begin(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if _, err := tx.Exec(t.Context(), f.lock); err != nil {
		t.Fatal(err)
	}
	release = func() { _ = tx.Rollback(context.WithoutCancel(t.Context())) }
	t.Cleanup(release)
	return release
}

// await waits until the worker waits for the lock.
func (f feedFault) await(t testing.TB, db *pgxpool.Pool) {
	t.Helper()
	eventually(t, answerTimeout, f.name+": somebody waits", func() (bool, error) {
		var n int
		err := db.QueryRow(t.Context(), `SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND query LIKE '%' || $1 || '%' AND pid <> pg_backend_pid()`, f.waiting).Scan(&n)
		return n > 0, err
	})
}

// feedSync syncs and tells what went wrong.
func feedSync(ctx context.Context, c *client.ClientWithResponses) string {
	r, err := c.SyncFeedsWithResponse(ctx, &client.SyncFeedsParams{})
	switch {
	case err != nil:
		return err.Error()
	case r.JSON200 == nil:
		return string(r.Body)
	case !strings.Contains(r.JSON200.Message, " 0 failed"):
		return r.JSON200.Message
	}
	return ""
}

// wantOnce checks that nothing is there twice, counters fit, and the records of the sync say what happened.
func wantOnce(t testing.TB, db *pgxpool.Pool, f feedFault) {
	t.Helper()
	for what, sql := range map[string]string{
		"open matches that are there twice":    `SELECT count(*) FROM (SELECT FROM plimsoll.package_match WHERE valid_to IS NULL GROUP BY package_id, vulnerability HAVING count(*) > 1) x`,
		"current records that are there twice": `SELECT count(*) FROM (SELECT FROM plimsoll_feeds.vulnerability WHERE valid_to IS NULL GROUP BY source, group_name, vulnerability_id HAVING count(*) > 1) x`,
		"matches of records that are gone": `SELECT count(*) FROM plimsoll.package_match m WHERE m.valid_to IS NULL AND NOT EXISTS (
			SELECT FROM plimsoll_feeds.vulnerability v WHERE v.valid_to IS NULL AND (v.source, v.group_name, v.vulnerability_id) = (m.source, m.group_name, m.vulnerability))`,
		"rows of generations nobody committed": `SELECT count(*) FROM plimsoll_feeds.vulnerability v WHERE NOT EXISTS (SELECT FROM plimsoll_feeds.generation g WHERE g.id = v.valid_from)`,
	} {
		var n int
		if err := db.QueryRow(t.Context(), sql).Scan(&n); err != nil || n != 0 {
			t.Errorf("%s: %d %s, %v; want none", f.name, n, what, err)
		}
	}
	var attempts int
	var state string
	err := db.QueryRow(t.Context(), `SELECT attempts, status FROM plimsoll_feeds.driver_run WHERE group_name = 'npm' ORDER BY id DESC LIMIT 1`).Scan(&attempts, &state)
	if err != nil || state != "completed" || (attempts > 1) != f.again {
		t.Errorf("%s: the run of npm is %s after %d attempts, %v", f.name, state, attempts, err)
	}
}

// wantSameWhenRecomputed has every record written and every package matched anew: nothing may move.
func wantSameWhenRecomputed(t testing.TB, c *client.ClientWithResponses, db *pgxpool.Pool, digest string) {
	t.Helper()
	before := answers(t, c, digest)
	var matches, generation int
	scan := func(into *int, sql string, args ...any) {
		t.Helper()
		if err := db.QueryRow(t.Context(), sql, args...).Scan(into); err != nil {
			t.Fatal(err)
		}
	}
	scan(&matches, `SELECT count(*) FROM plimsoll.package_match`)
	scan(&generation, `SELECT max(id) FROM plimsoll_feeds.generation`)
	flush := true
	r, err := c.SyncFeedsWithResponse(t.Context(), &client.SyncFeedsParams{Flush: &flush})
	if err != nil || r.JSON200 == nil || !strings.Contains(r.JSON200.Message, " 0 unchanged, 0 failed") {
		t.Fatalf("flush: %v %s", err, r.Body)
	}
	eventually(t, answerTimeout, "rescans of the flush done", func() (bool, error) {
		var names, left int
		scan(&names, `SELECT count(DISTINCT generation) FROM plimsoll_feeds.change WHERE generation > $1`, generation)
		scan(&left, `SELECT count(*) FROM plimsoll.rescan_image`)
		return names == len(strings.Split(ecosystems, ",")) && left == 0, nil
	})
	var after int
	scan(&after, `SELECT count(*) FROM plimsoll.package_match`)
	if diff := cmp.Diff(before, answers(t, c, digest)); diff != "" || after != matches {
		t.Errorf("recomputed: %d matches were written, and (-incremental +recomputed):\n%s", after-matches, diff)
	}
}

// wantInterruptedTask ends a sync's workflow behind its back: after a restart no task counts as running.
func wantInterruptedTask(t testing.TB, i *installation, worker *process, c *client.ClientWithResponses, db *pgxpool.Pool) {
	t.Helper()
	i.publish(t, len(feedFaults))
	f := feedFaults[0]
	release := f.hold(t, db)
	go feedSync(t.Context(), c)
	f.await(t, db)
	worker.kill(t)
	flow, err := temporalclient.Dial(temporalclient.Options{HostPort: i.flow.addr(), Namespace: i.want.Namespace})
	if err != nil {
		t.Fatal(err)
	}
	defer flow.Close()
	if err := flow.TerminateWorkflow(t.Context(), workflows.SyncFeedsID, "", "test"); err != nil {
		t.Fatal(err)
	}
	release()
	running := client.ListFeedSyncTasksParams{Status: new(client.ListFeedSyncTasksParamsStatus("running"))}
	tasks := func(p client.ListFeedSyncTasksParams) []client.FeedSyncTask {
		t.Helper()
		r, err := c.ListFeedSyncTasksWithResponse(t.Context(), &p)
		if err != nil || r.StatusCode() != http.StatusOK {
			t.Fatalf("tasks: %v %s", err, r.Body)
		}
		return *r.JSON200
	}
	if n := len(tasks(running)); n != 1 {
		t.Fatalf("%d tasks run, want the one that was cut off", n)
	}
	i.worker(t)
	eventually(t, answerTimeout, "no task counts as running", func() (bool, error) { return len(tasks(running)) == 0, nil })
	if last := tasks(client.ListFeedSyncTasksParams{})[0]; last.Status != "failed" || !strings.Contains(*last.Message, "interrupted") {
		t.Errorf("task %+v", last)
	}
	if failed := feedSync(t.Context(), c); failed != "" {
		t.Errorf("the next sync: %s", failed)
	}
}
