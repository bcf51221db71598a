package persistence_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/jackc/pgx/v5"

	"plimsoll/persistence"
)

// happened renders events newest first: type, resource and details, with names for digests.
func (w *world) happened(account string, f persistence.EventFilter) []string {
	w.t.Helper()
	list, err := persistence.NewEvents(w.pool).List(w.t.Context(), account, f, 0, 1000)
	w.must(err)
	var out []string
	for _, e := range list {
		out = append(out, fmt.Sprintf("%s %s %s:%s %s", e.Level, e.Type, e.ResourceType, e.ResourceID, e.Details))
	}
	return out
}

func (w *world) failed(account, image, tag string) {
	w.t.Helper()
	in := w.submission(account, image, tag)
	in.Force = true
	out := w.submit(in)
	run := persistence.Run{Account: account, Digest: digestOf(image), Request: out.Image.Requested, RunID: "again-" + image}
	_, err := w.images.Begin(w.t.Context(), run, persistence.Origin{})
	w.must(err)
	for range 2 { // the second time nothing happens any more
		w.must(w.images.Fail(w.t.Context(), run, "IMAGE_TOO_LARGE", "layer \x00 too large", persistence.Origin{}))
	}
}

// TestAnalysesAreToldOnceForEachTag looks at an image with two tags, one without any, and one of another account.
func TestAnalysesAreToldOnceForEachTag(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.account("theirs")
	w.submit(w.submission(admin, "app", "2"))
	w.analyzed(admin, "app", "1")
	w.failed(admin, "app", "1")
	w.analyzed("theirs", "app", "3")
	bare := w.submission(admin, "bare", "")
	w.submit(bare)
	w.failed(admin, "bare", "")
	tagged := func(level, what, tag, more string) string {
		return level + " user.image.analysis." + what + " image_tag:docker.io/library/app:" + tag + ` {` + more + `"image_digest": "` + digestOf("app") + `"}`
	}
	fault := `"error_code": "IMAGE_TOO_LARGE", `
	message := `, "error_message": "layer � too large"}`
	want := []string{
		`ERROR user.image.analysis.failed image_digest:` + digestOf("bare") + ` {` + fault + `"image_digest": "` + digestOf("bare") + `"` + message,
		strings.TrimSuffix(tagged("ERROR", "failed", "2", fault), "}") + message,
		strings.TrimSuffix(tagged("ERROR", "failed", "1", fault), "}") + message,
		tagged("INFO", "completed", "2", ""), tagged("INFO", "completed", "1", ""),
	}
	if diff := cmp.Diff(want, w.happened(admin, persistence.EventFilter{})); diff != "" {
		t.Errorf("events of the account (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff([]string{tagged("INFO", "completed", "3", "")}, w.happened("theirs", persistence.EventFilter{})); diff != "" {
		t.Errorf("events of the other account (-want +got):\n%s", diff)
	}
}

// TestEventsAreFoundAndDeletedByWhatTheyAre asks each filter, and deletes within them only.
func TestEventsAreFoundAndDeletedByWhatTheyAre(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	ctx, events := persistence.WithSource(t.Context(), persistence.Source{Service: "analyzer", Host: "w-1", RequestID: "r-1"}), persistence.NewEvents(w.pool)
	w.account("theirs")
	at := func(hour int) *time.Time { when := noon.Add(time.Duration(hour) * time.Hour); return &when }
	for i, h := range []persistence.Happening{
		{Account: admin, Type: persistence.EventAnalysisCompleted, Resource: "r.example/a:1"},
		{Account: admin, Type: persistence.EventAnalysisFailed, Resource: "r.example/b:1"},
		{Account: admin, Type: persistence.EventPolicyActivated, Resource: "p%"},
		{Account: "theirs", Type: persistence.EventPolicyActivated, Resource: "p"},
	} {
		w.must(w.emit(ctx, h))
		_, err := w.pool.Exec(t.Context(), `UPDATE plimsoll.event SET created_at = $1 WHERE number = (SELECT max(number) FROM plimsoll.event)`, *at(i))
		w.must(err)
	}
	ids := func(list []persistence.Event) (out []string) {
		for _, e := range list {
			out = append(out, e.ResourceID)
		}
		return out
	}
	for name, c := range map[string]struct {
		f    persistence.EventFilter
		want []string
	}{
		"everything":           {persistence.EventFilter{}, []string{"p%", "r.example/b:1", "r.example/a:1"}},
		"service and host":     {persistence.EventFilter{Service: "analyzer", Host: "w-1"}, []string{"p%", "r.example/b:1", "r.example/a:1"}},
		"another service":      {persistence.EventFilter{Service: "catalog"}, nil},
		"another host":         {persistence.EventFilter{Host: "w-2"}, nil},
		"beginning of a type":  {persistence.EventFilter{Type: "user.image"}, []string{"r.example/b:1", "r.example/a:1"}},
		"type with a wildcard": {persistence.EventFilter{Type: "*.failed"}, []string{"r.example/b:1"}},
		"no wildcard of SQL":   {persistence.EventFilter{Type: "user_image"}, nil},
		"kind of resource":     {persistence.EventFilter{ResourceType: "policy"}, []string{"p%"}},
		"resource":             {persistence.EventFilter{ResourceID: "r.example/a:1"}, []string{"r.example/a:1"}},
		"level":                {persistence.EventFilter{Level: persistence.LevelError}, []string{"r.example/b:1"}},
		"since includes":       {persistence.EventFilter{Since: at(1)}, []string{"p%", "r.example/b:1"}},
		"before excludes":      {persistence.EventFilter{Before: at(1)}, []string{"r.example/a:1"}},
	} {
		list, err := events.List(ctx, admin, c.f, 0, 10)
		w.must(err)
		if diff := cmp.Diff(c.want, ids(list)); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
	}
	var paged []string
	for offset := range 4 {
		list, err := events.List(ctx, admin, persistence.EventFilter{}, offset, 1)
		w.must(err)
		paged = append(paged, ids(list)...)
	}
	if diff := cmp.Diff([]string{"p%", "r.example/b:1", "r.example/a:1"}, paged); diff != "" {
		t.Errorf("pages (-want +got):\n%s", diff)
	}
	theirs, err := events.List(ctx, "theirs", persistence.EventFilter{}, 0, 10)
	w.must(err)
	if _, err := events.Get(ctx, admin, theirs[0].ID); !errors.Is(err, persistence.ErrNotFound) {
		t.Errorf("event of another account: %v", err)
	}
	if err := events.Delete(ctx, admin, theirs[0].ID); !errors.Is(err, persistence.ErrNotFound) {
		t.Errorf("delete event of another account: %v", err)
	}
	if one, err := events.Get(ctx, "theirs", theirs[0].ID); err != nil || one.RequestID != "r-1" || string(one.Details) != "{}" {
		t.Errorf("one event: %+v, %v", one, err)
	}
	gone, err := events.DeleteAll(ctx, admin, persistence.EventFilter{Level: persistence.LevelInfo, Since: at(1)})
	if err != nil || len(gone) != 1 {
		t.Errorf("deleted %v, %v", gone, err)
	}
	if got := w.happened(admin, persistence.EventFilter{}); len(got) != 2 || slices.ContainsFunc(got, func(s string) bool { return strings.Contains(s, "p%") }) {
		t.Errorf("left: %q", got)
	}
	n, err := events.Forget(ctx, *at(1))
	if err != nil || n != 1 || len(w.happened(admin, persistence.EventFilter{})) != 1 || len(w.happened("theirs", persistence.EventFilter{})) != 1 {
		t.Errorf("forgot %d, %v", n, err)
	}
}

// TestEventsWithAKeyAreRecordedOnce repeats a step in the same and in another account.
func TestEventsWithAKeyAreRecordedOnce(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.account("theirs")
	once := persistence.Happening{Account: admin, Type: persistence.EventVulnerabilities, Resource: "t", Key: "k"}
	theirs := once
	theirs.Account = "theirs"
	w.must(w.emit(t.Context(), once, once, theirs))
	w.must(w.emit(t.Context(), once, theirs))
	if n := w.count(`SELECT count(*) FROM plimsoll.event`); n != 2 {
		t.Errorf("%d events, want one of each account", n)
	}
}

func TestEveryTypeOfEventsIsListedOnce(t *testing.T) {
	t.Parallel()
	seen := map[string]bool{}
	for _, e := range persistence.EventTypes() {
		if seen[e.Type] || e.Category()+"."+e.Subcategory()+"."+e.Name() != e.Type || e.Message == "" || e.Resource == "" {
			t.Errorf("type %+v", e)
		}
		seen[e.Type] = true
	}
}

func (w *world) emit(ctx context.Context, happened ...persistence.Happening) error {
	_, err := persistence.InTx(ctx, w.pool, func(tx pgx.Tx) (struct{}, error) { return struct{}{}, persistence.Emit(ctx, tx, happened...) })
	return err
}

// TestFailuresOfWatchersAreToldOnceInARow fails watchers of a tag and a repository.
func TestFailuresOfWatchersAreToldOnceInARow(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	subs := persistence.NewSubscriptions(w.pool)
	ship := persistence.TagName{Registry: "r.example", Repository: "ship"}
	repository, err := subs.WatchRepository(t.Context(), persistence.RepositoryWatch{Account: admin, Name: ship}, syncWatch)
	w.must(err)
	tag, err := subs.Create(t.Context(), persistence.NewSubscription{Account: admin, Type: persistence.TagUpdate, Name: shipTag, Active: true}, syncWatch)
	w.must(err)
	fail := func(id, code string) {
		t.Helper()
		w.must(subs.Failed(t.Context(), admin, id, persistence.WatchFailure{Code: code, Message: "no \x00 answer"}))
	}
	fail(repository.ID, "REGISTRY_UNREACHABLE")
	fail(repository.ID, "REGISTRY_UNREACHABLE")
	fail(tag.ID, "REGISTRY_DENIED")
	fail(repository.ID, "REGISTRY_DENIED")
	w.must(subs.Seen(t.Context(), admin, tag.ID, digestOf("ship")))
	fail(tag.ID, "REGISTRY_DENIED")
	fail("none", "REGISTRY_DENIED")
	var got []string
	for _, e := range w.happened(admin, persistence.EventFilter{}) {
		kind, _, _ := strings.Cut(e, " {")
		got = append(got, kind)
	}
	const lookup, listing = "ERROR system.image_analysis.registry_lookup_failed image_reference:r.example/ship:1", "ERROR system.repository.list_tags_fail repository:r.example/ship"
	if diff := cmp.Diff([]string{lookup, listing, lookup, listing}, got); diff != "" {
		t.Errorf("events (-want +got):\n%s", diff)
	}
}
