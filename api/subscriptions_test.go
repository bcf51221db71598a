package api

import (
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"plimsoll/api/oas"
	"plimsoll/persistence"
	"plimsoll/workflows"
)

func lines(list []oas.Subscription) []string {
	return each(list, func(s oas.Subscription) string {
		return fmt.Sprintf("%s %s %v %s", s.SubscriptionKey, s.SubscriptionType, s.Active, orElse(s.SubscriptionValue, "null"))
	})
}

func (s *server) subscriptions(query string, options ...func(*http.Request)) []string {
	s.t.Helper()
	var list []oas.Subscription
	s.admin(http.MethodGet, "/v2/subscriptions"+query, "", options...).wants(http.StatusOK).decode(&list)
	return lines(list)
}

// synced counts the workflows asked for that bring schedules in line.
func (s *server) synced() (n int) {
	s.t.Helper()
	must(s.t, s.pool.QueryRow(s.t.Context(), `SELECT count(*) FROM plimsoll.outbox WHERE workflow = $1`, workflows.SyncWatchName).Scan(&n))
	return n
}

func TestSubscriptionsAreKeptByTheirKey(t *testing.T) {
	t.Parallel()
	s := newServer(t)
	var made []oas.Subscription
	s.admin(http.MethodPost, "/v2/subscriptions", `{"subscription_key":"library/ship:1","subscription_type":"tag_update","subscription_value":"x"}`).wants(http.StatusOK).decode(&made)
	if diff := cmp.Diff([]string{"docker.io/library/ship:1 tag_update true x"}, lines(made)); diff != "" {
		t.Error(diff)
	}
	at := "/v2/subscriptions/" + made[0].SubscriptionId
	s.admin(http.MethodPost, "/v2/subscriptions", `{"subscription_key":"docker.io/library/ship:1","subscription_type":"tag_update"}`).fails(http.StatusConflict, codeConflict)
	s.admin(http.MethodPost, "/v2/subscriptions", `{"subscription_key":"library/ship:1","subscription_type":"vuln_update"}`).wants(http.StatusOK)
	s.admin(http.MethodPost, "/v2/subscriptions", `{"subscription_key":"library/ship","subscription_type":"repo_update","subscription_value":"{\"autosubscribe\":true}"}`).wants(http.StatusOK)
	repo := `docker.io/library/ship repo_update true {"autosubscribe":true,"lookuptag":"latest","tagcount":0}`
	for query, want := range map[string][]string{
		"":                                     {repo, "docker.io/library/ship:1 tag_update true x", "docker.io/library/ship:1 vuln_update true null"},
		"?subscription_type=repo_update":       {repo},
		"?subscription_key=library/ship:1":     {"docker.io/library/ship:1 tag_update true x", "docker.io/library/ship:1 vuln_update true null"},
		"?subscription_key=library/ship":       {repo},
		"?subscription_key=nobody":             {},
		"?subscription_type=runtime_inventory": {},
	} {
		if diff := cmp.Diff(want, s.subscriptions(query)); diff != "" {
			t.Errorf("%s: %s", query, diff)
		}
	}
	if n := s.synced(); n != 2 {
		t.Errorf("%d schedules asked for, want those of the two that are watched", n)
	}
	s.admin(http.MethodPut, at, `{"active":false}`).wants(http.StatusOK)
	if got := s.subscriptions("?subscription_type=tag_update")[0]; !strings.Contains(got, "false x") {
		t.Errorf("switched off: %s", got)
	}
	stranger := s.user("globex", "eve", "full-control")
	for _, method := range []string{http.MethodGet, http.MethodDelete} {
		s.request(method, at, "", stranger).fails(http.StatusNotFound, codeNotFound)
	}
	s.request(http.MethodPut, at, `{"active":true}`, stranger).fails(http.StatusNotFound, codeNotFound)
	var foreign []oas.Subscription
	s.request(http.MethodGet, "/v2/subscriptions", "", stranger).wants(http.StatusOK).decode(&foreign)
	if len(foreign) != 0 {
		t.Errorf("another account sees %v", foreign)
	}
	s.admin(http.MethodDelete, at, "").wants(http.StatusNoContent)
	s.admin(http.MethodGet, at, "").fails(http.StatusNotFound, codeNotFound)
	for _, body := range []string{
		`{"subscription_key":"library/ship:1","subscription_type":"weather"}`, `{"subscription_key":"library/ship:1","subscription_type":"repo_update"}`,
		`{"subscription_key":"ship@sha256:1","subscription_type":"tag_update"}`, `{"subscription_type":"tag_update"}`,
		`{"subscription_key":"library/ship:1","subscription_type":"tag_update","active":true}`,
	} {
		if got := s.admin(http.MethodPost, "/v2/subscriptions", body); got.status != http.StatusBadRequest {
			t.Errorf("%s: %d", body, got.status)
		}
	}
}

func TestARepositoryIsListedAndWatched(t *testing.T) {
	t.Parallel()
	s := newServer(t)
	s.starter.tags = map[string][]string{"r.example:5000/team/app": {"1", "2", "latest"}}
	var answer []oas.Subscription
	at := "/v2/repositories?repository=r.example:5000/team/app"
	s.admin(http.MethodPost, at+"&dry_run=true&auto_subscribe=true", "").wants(http.StatusOK).decode(&answer)
	if diff := cmp.Diff([]string{"1", "2", "latest"}, *answer[0].Tags); diff != "" || answer[0].Active {
		t.Errorf("dry run: %+v %s", answer[0], diff)
	}
	if got := s.subscriptions(""); len(got) != 0 || s.synced() != 0 {
		t.Errorf("a dry run stores %v", got)
	}
	pending := func() (n int) {
		must(t, s.pool.QueryRow(t.Context(), `SELECT count(*) FROM plimsoll.watched_tag WHERE state = 'pending'`).Scan(&n))
		return n
	}
	s.admin(http.MethodPost, at+"&exclude_existing_tags=true", "").wants(http.StatusOK).decode(&answer)
	if !answer[0].Active || pending() != 0 || s.synced() == 0 {
		t.Errorf("without the tags it has: %+v, %d to be added", answer[0], pending())
	}
	s.starter.tags["r.example:5000/team/other"] = []string{"1", "2"}
	s.admin(http.MethodPost, "/v2/repositories?repository=r.example:5000/team/other&auto_subscribe=true", "").wants(http.StatusOK).decode(&answer)
	if pending() != 2 || !strings.Contains(*answer[0].SubscriptionValue, `"tagcount":2`) {
		t.Errorf("with the tags it has: %s, %d to be added", *answer[0].SubscriptionValue, pending())
	}
	s.admin(http.MethodPost, "/v2/repositories?repository=r.example:5000/team/none", "").fails(http.StatusBadRequest, codeRegistryNoImage)
	s.admin(http.MethodPost, "/v2/repositories?repository=team/app:1", "").fails(http.StatusBadRequest, codeInvalidReference)
	s.admin(http.MethodPost, "/v2/repositories", "").fails(http.StatusBadRequest, codeInvalidRequest)
}

func TestAddedTagsAreWatchedWhenAsked(t *testing.T) {
	t.Parallel()
	s := newServer(t)
	digest := s.known(testTag, "one")
	s.admin(http.MethodPost, "/v2/images?auto_subscribe=true", addTag).wants(http.StatusOK)
	s.analyze("admin", digest, npm)
	got := s.subscriptions("")
	if len(got) != 4 || !strings.Contains(strings.Join(got, ","), "tag_update true") {
		t.Errorf("subscriptions of the tag: %v", got)
	}
	var deleted oas.DeleteImageResponse
	s.admin(http.MethodDelete, "/v2/images/"+digest, "").decode(&deleted)
	if deleted.Status != deletionFailed || !strings.Contains(*deleted.Detail, "subscription") {
		t.Errorf("an image whose tag is watched is deleted: %+v", deleted)
	}
	s.admin(http.MethodDelete, "/v2/images/"+digest+"?force=true", "").wants(http.StatusOK).decode(&deleted)
	if deleted.Status != deletionStarted {
		t.Errorf("by force: %+v", deleted)
	}
	if got := s.subscriptions("?subscription_type=" + persistence.TagUpdate); !strings.Contains(got[0], "false") {
		t.Errorf("after the deletion: %v", got)
	}
}
