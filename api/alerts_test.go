package api

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"plimsoll/api/oas"
	"plimsoll/persistence"
)

const (
	alertsPath = "/v2/alerts/compliance-violations"
	// What testTag is made of.
	testRegistry, testRepository = "registry.example:5000", "team/ship"
)

// violating is a server with an image that the default policy stops, judged and subscribed to.
func violating(t *testing.T) (s *server, digest string) {
	t.Helper()
	s = newServer(t)
	s.advise()
	digest = s.known(testTag, "one")
	s.admin(http.MethodPost, "/v2/images", addTag).wants(http.StatusOK)
	s.analyze("admin", digest, npm, deb)
	s.subscribeAlerts(testTag)
	s.verdict(digest)
	return s, digest
}

func (s *server) subscribeAlerts(key string, options ...func(*http.Request)) oas.Subscription {
	s.t.Helper()
	var made []oas.Subscription
	s.admin(http.MethodPost, "/v2/subscriptions", `{"subscription_key":"`+key+`","subscription_type":"alerts"}`, options...).wants(http.StatusOK).decode(&made)
	return made[0]
}

// verdict has the active policy judge the image.
func (s *server) verdict(digest string, options ...func(*http.Request)) {
	s.t.Helper()
	s.admin(http.MethodGet, "/v2/images/"+digest+"/check?tag="+testTag, "", options...).wants(http.StatusOK)
}

func (s *server) alerts(query string, options ...func(*http.Request)) (out []oas.ComplianceViolationAlert) {
	s.t.Helper()
	s.admin(http.MethodGet, alertsPath+query, "", options...).wants(http.StatusOK).decode(&out)
	return out
}

func TestAnAlertIsListedClosedAndReopened(t *testing.T) {
	t.Parallel()
	s, digest := violating(t)
	open := s.alerts("")
	if len(open) != 1 {
		t.Fatalf("alerts %+v", open)
	}
	a := open[0]
	want := oas.ComplianceResource{
		ImageDigest: digest, ImageTag: testTag, Registry: testRegistry, Repository: testRepository, PolicyId: policyID(t),
		EvaluationId: a.Resource.EvaluationId, EvaluatedAt: a.Resource.EvaluatedAt,
	}
	if diff := cmp.Diff(want, a.Resource); diff != "" || a.ViolationsCount == 0 || a.ComplianceStatusReason != "policy_evaluation" || a.ClosedBy != nil || a.Resource.EvaluationId == "" {
		t.Errorf("alert %+v (-want +got):\n%s", a, diff)
	}
	var closed, reopened oas.ComplianceViolationAlert
	s.admin(http.MethodPatch, alertsPath+"/"+a.Uuid, `{"state":"closed","closed_reason":"accepted"}`).wants(http.StatusOK).decode(&closed)
	if closed.State != "closed" || *closed.ClosedBy != "admin" || *closed.ClosedReason != "accepted" {
		t.Errorf("closed %+v", closed)
	}
	s.verdict(digest)
	if open := s.alerts(""); len(open) != 0 {
		t.Errorf("open after a person closed it: %+v", open)
	}
	s.admin(http.MethodPatch, alertsPath+"/"+a.Uuid, `{"state":"open"}`).wants(http.StatusOK).decode(&reopened)
	if reopened.State != "open" || reopened.ClosedBy != nil || reopened.ClosedReason != nil {
		t.Errorf("reopened %+v", reopened)
	}
	s.admin(http.MethodDelete, "/v2/images/"+digest+"?force=true", "").wants(http.StatusOK)
	gone := s.alerts("?state=closed")
	if len(gone) != 1 || *gone[0].ClosedBy != "system" || *gone[0].ClosedReason != "image_deleted" {
		t.Errorf("after deletion: %+v", gone)
	}
	if got := s.admin(http.MethodPatch, alertsPath+"/"+a.Uuid, `{"state":"open"}`).fails(http.StatusConflict, codeConflict); !strings.Contains(got.Message, "cannot be reopened") {
		t.Errorf("reopened an alert about nothing: %s", got.Message)
	}
}

func TestAlertsAreFoundByWhatTheyAreAbout(t *testing.T) {
	t.Parallel()
	s, digest := violating(t)
	soon := url.QueryEscape(time.Now().Add(time.Hour).UTC().Format("2006-01-02 15:04:05.000000"))
	for query, want := range map[string]int{
		"?state=open": 1, "?state=closed": 0, "?resource_image_digest=" + digest: 1, "?resource_image_digest=sha256:" + strings.Repeat("0", 64): 0,
		"?resource_image_tag=" + testTag: 1, "?resource_image_tag=no:such": 0,
		"?resource_registry=" + testRegistry: 1, "?resource_registry=r.example": 0, "?resource_repository=" + testRepository: 1, "?resource_repository=x": 0,
		"?created_after=" + soon: 0, "?created_before=" + soon: 1, "?created_after=2020-01-01&created_before=" + soon: 1, "?page=2": 0, "?limit=1&page=1": 1,
	} {
		if got := s.alerts(query); len(got) != want {
			t.Errorf("%s finds %d, want %d", query, len(got), want)
		}
	}
	for query, want := range map[string]int{
		"": 1, "?type=compliance_violation": 1, "?resource_label=tag%3D" + testTag + "&resource_label=registry%3D" + testRegistry: 1, "?resource_label=registry%3Dx": 0,
		"?resource_label=registry%3Dx&resource_label=registry%3Ddocker.io": 0, "?resource_label=policy_id%3D" + policyID(t): 1, "?state=closed": 0,
	} {
		var got []oas.AlertSummary
		s.admin(http.MethodGet, "/v2/alerts/summaries"+query, "").wants(http.StatusOK).decode(&got)
		if len(got) != want {
			t.Errorf("summaries%s finds %d, want %d", query, len(got), want)
		}
	}
	for _, bad := range []string{
		alertsPath + "?state=ajar", alertsPath + "?limit=101", alertsPath + "?page=0", alertsPath + "?created_after=yesterday",
		alertsPath + "?created_after=2026-01-02&created_before=2026-01-01", "/v2/alerts/summaries?resource_label=colour%3Dred", "/v2/alerts/summaries?type=smoke",
	} {
		s.admin(http.MethodGet, bad, "").fails(http.StatusBadRequest, codeInvalidRequest)
	}
}

func TestAlertsBelongToTheirAccountAndToWhoMayChangeThem(t *testing.T) {
	t.Parallel()
	s, _ := violating(t)
	a := s.alerts("")[0]
	stranger := s.user("quay", "mate", "full-control")
	if got := s.alerts("", stranger); len(got) != 0 {
		t.Errorf("another account sees %+v", got)
	}
	for _, id := range []string{a.Uuid, "no-uuid"} {
		s.request(http.MethodGet, alertsPath+"/"+id, "", stranger).fails(http.StatusNotFound, codeNotFound)
		s.request(http.MethodPatch, alertsPath+"/"+id, `{"state":"closed"}`, stranger).fails(http.StatusNotFound, codeNotFound)
	}
	reader := s.user("quay", "reader", "read-only")
	s.request(http.MethodGet, alertsPath, "", reader).wants(http.StatusOK)
	s.request(http.MethodPatch, alertsPath+"/"+a.Uuid, `{"state":"closed"}`, reader).fails(http.StatusForbidden, codePermissionDenied)
	s.admin(http.MethodPatch, alertsPath+"/"+a.Uuid, `{"state":"closed","closed_by":"eve"}`).fails(http.StatusBadRequest, codeInvalidRequest)
}

func TestAlertsAreSubscribedToByTagOrRepository(t *testing.T) {
	t.Parallel()
	s := newServer(t)
	for key, want := range map[string]string{"library/ship:2": "docker.io/library/ship:2", "library/ship": "docker.io/library/ship", "r.example:5000/ship": "r.example:5000/ship"} {
		if got := s.subscribeAlerts(key); got.SubscriptionKey != want || !got.Active {
			t.Errorf("%s: %+v", key, got)
		}
	}
}

// plan writes the body of a plan about trigger ids.
func plan(digest, tag, more string, triggers ...string) string {
	ids, _ := json.Marshal(triggers)
	return fmt.Sprintf(`{"type":"notification","image_tag":%q,"image_digest":%q%s,"resolutions":[{"trigger_ids":%s,"content":"Splice the rope."}]}`, tag, digest, more, ids)
}

// findings are the trigger ids of an evaluation.
func (s *server) findings(digest string) (ids []string) {
	s.t.Helper()
	var answer oas.CheckImage200JSONResponse
	s.admin(http.MethodGet, "/v2/images/"+digest+"/check?tag="+testTag, "").wants(http.StatusOK).decode(&answer)
	for _, f := range answer.Evaluations[0].Details.Findings {
		ids = append(ids, f.TriggerId)
	}
	return ids
}

func TestAnActionPlanIsAboutFindingsThereAre(t *testing.T) {
	t.Parallel()
	s, digest := violating(t)
	ids := s.findings(digest)
	var made oas.Action
	more := `,"subject":"Rope","message":"Please splice.","endpoint":"jira","configuration_id":"c-1"`
	s.admin(http.MethodPost, "/v2/actions", plan(digest, testTag, more, ids...)).wants(http.StatusOK).decode(&made)
	if made.PolicyId != policyID(t) || made.Subject != "Rope" || made.Endpoint != "jira" || made.ConfigurationId != "c-1" || *made.CreatedBy != "admin" ||
		!cmp.Equal(made.Resolutions, []oas.ActionResolution{{TriggerIds: ids, Content: "Splice the rope."}}) {
		t.Errorf("stored %+v", made)
	}
	for query, want := range map[string]int{
		"": 1, "?image_tag=" + testTag: 1, "?image_tag=other:1": 0, "?image_digest=" + digest: 1, "?image_digest=sha256:" + strings.Repeat("0", 64): 0,
		"?created_after=2020-01-01T00:00:00Z": 1, "?created_after=2999-01-01": 0, "?page=2": 0,
	} {
		var got []oas.Action
		s.admin(http.MethodGet, "/v2/actions"+query, "").wants(http.StatusOK).decode(&got)
		if len(got) != want {
			t.Errorf("%s finds %d, want %d", query, len(got), want)
		}
	}
	var events oas.EventsList
	s.admin(http.MethodGet, "/v2/events?event_type=user.actions", "").wants(http.StatusOK).decode(&events)
	if len(events.Results) != 1 || events.Results[0].Event.Resource.Id != made.Uuid || events.Results[0].Event.Details["configuration_id"] != "c-1" {
		t.Errorf("events %+v", events.Results)
	}
	stranger := s.user("quay", "mate", "full-control")
	var theirs []oas.Action
	s.request(http.MethodGet, "/v2/actions", "", stranger).wants(http.StatusOK).decode(&theirs)
	if len(theirs) != 0 {
		t.Errorf("another account sees %+v", theirs)
	}
	s.request(http.MethodPost, "/v2/actions", plan(digest, testTag, "", ids...), stranger).fails(http.StatusNotFound, codeImageNotFound)
	s.request(http.MethodPost, "/v2/actions", plan(digest, testTag, "", ids...), s.user("quay", "reader", "read-only")).fails(http.StatusForbidden, codePermissionDenied)
}

func TestAnActionPlanAboutNothingIsRefused(t *testing.T) {
	t.Parallel()
	s, digest := violating(t)
	ids := s.findings(digest)
	s.admin(http.MethodPost, "/v2/policies", strictDocument).wants(http.StatusOK)
	for name, c := range map[string]struct {
		body, code, says string
		status           int
	}{
		"an unknown trigger":   {plan(digest, testTag, "", ids[0], "CVE-1+nothing"), codeInvalidRequest, "CVE-1+nothing", http.StatusBadRequest},
		"many unknown ones":    {plan(digest, testTag, "", strings.Split(strings.Repeat("x ", 3)+strings.Join(numbers(40), " "), " ")...), codeInvalidRequest, "and others", http.StatusBadRequest},
		"an unknown image":     {plan("sha256:"+strings.Repeat("0", 64), testTag, "", ids[0]), codeImageNotFound, "", http.StatusNotFound},
		"another tag":          {plan(digest, "library/other:1", "", ids[0]), codeInvalidRequest, "never seen", http.StatusBadRequest},
		"an unknown policy":    {plan(digest, testTag, `,"policy_id":"none"`, ids[0]), codePolicyNotFound, "", http.StatusNotFound},
		"no evaluation":        {plan(digest, testTag, `,"policy_id":"full"`, ids[0]), codeInvalidRequest, "not been evaluated", http.StatusBadRequest},
		"no trigger":           {plan(digest, testTag, "", []string{}...), codeInvalidRequest, "", http.StatusBadRequest},
		"another type":         {strings.Replace(plan(digest, testTag, "", ids[0]), "notification", "deletion", 1), codeInvalidRequest, "", http.StatusBadRequest},
		"an endless message":   {plan(digest, testTag, `,"message":"`+strings.Repeat("m", 65537)+`"`, ids[0]), codeInvalidRequest, "", http.StatusBadRequest},
		"an endless id":        {plan(digest, testTag, "", strings.Repeat("i", 1025)), codeInvalidRequest, "", http.StatusBadRequest},
		"a NUL in the message": {plan(digest, testTag, `,"message":"\u0000"`, ids[0]), codeInvalidRequest, "", http.StatusBadRequest},
	} {
		if got := s.admin(http.MethodPost, "/v2/actions", c.body).fails(c.status, c.code); !strings.Contains(got.Message, c.says) {
			t.Errorf("%s: %s", name, got.Message)
		}
	}
	if n := s.rows("plimsoll.action_plan"); n != 0 {
		t.Errorf("%d plans stored", n)
	}
}

func (s *server) rows(table string) (n int) {
	s.t.Helper()
	must(s.t, s.pool.QueryRow(s.t.Context(), `SELECT count(*) FROM `+table).Scan(&n))
	return n
}

func numbers(n int) (out []string) {
	for i := range n {
		out = append(out, fmt.Sprint(i))
	}
	return out
}

func TestEventsAreListedFilteredAndDeleted(t *testing.T) {
	t.Parallel()
	s, digest := violating(t)
	ask := func(query string, options ...func(*http.Request)) (out oas.EventsList) {
		t.Helper()
		s.admin(http.MethodGet, "/v2/events"+query, "", options...).wants(http.StatusOK).decode(&out)
		return out
	}
	all := ask("?event_type=user.alerts*")
	if all.ItemCount != 1 || all.NextPage || all.Page != 1 {
		t.Fatalf("events %+v", all)
	}
	e := all.Results[0]
	if e.Event.Category != "user" || e.Event.Type != "user.alerts.compliance_violation.opened" || e.Event.Source.ServiceName != serviceAPI ||
		e.Event.Source.HostId != "api-host" || e.Event.Source.RequestId == "" || e.Event.Resource.AccountName != "admin" || e.Event.Details["image_digest"] != digest {
		t.Errorf("event %+v", e)
	}
	for query, want := range map[string]int{
		"?resource_type=alert": 1, "?resource_type=ship": 0, "?resource_id=" + e.Event.Resource.Id: 1, "?event_type=user.alerts&level=info": 1, "?level=ERROR": 0,
		"?event_type=user.alerts&since=2020-01-01+00:00:00.5": 1, "?before=2020-01-01T00:00:00": 0, "?source_service_name=nobody": 0, "?source_host_id=nowhere": 0,
	} {
		if got := ask(query); got.ItemCount != want || len(got.Results) != want {
			t.Errorf("%s finds %d, want %d", query, got.ItemCount, want)
		}
	}
	total := ask("").ItemCount
	for n := 1; n <= total; n++ {
		page := ask(fmt.Sprintf("?limit=1&page=%d", n))
		if page.ItemCount != 1 || page.NextPage != (n < total) || page.Page != n {
			t.Errorf("page %d: %+v", n, page)
		}
	}
	stranger := s.user("quay", "mate", "full-control")
	if got := ask("", stranger); got.ItemCount != 0 {
		t.Errorf("another account sees %+v", got)
	}
	s.request(http.MethodGet, "/v2/events/"+e.EventId, "", stranger).fails(http.StatusNotFound, codeNotFound)
	s.request(http.MethodDelete, "/v2/events/"+e.EventId, "", stranger).fails(http.StatusNotFound, codeNotFound)
	s.admin(http.MethodGet, "/v2/events/no-uuid", "").fails(http.StatusNotFound, codeNotFound)
	s.request(http.MethodDelete, "/v2/events/"+e.EventId, "", s.user("quay", "reader", "read-only")).fails(http.StatusForbidden, codePermissionDenied)
	for _, bad := range []string{"?since=2026-01-02&before=2026-01-02", "?since=soon", "?event_type=User.Image", "?limit=0"} {
		s.admin(http.MethodGet, "/v2/events"+bad, "").fails(http.StatusBadRequest, codeInvalidRequest)
	}
	s.admin(http.MethodDelete, "/v2/events/"+e.EventId, "").wants(http.StatusOK)
	s.admin(http.MethodDelete, "/v2/events/"+e.EventId, "").fails(http.StatusNotFound, codeNotFound)
	var gone []string
	s.admin(http.MethodDelete, "/v2/events?level=error", "").wants(http.StatusOK).decode(&gone)
	if len(gone) != 0 {
		t.Errorf("deleted %v", gone)
	}
	s.admin(http.MethodDelete, "/v2/events", "").wants(http.StatusOK).decode(&gone)
	if len(gone) != total-1 || ask("").ItemCount != 0 {
		t.Errorf("deleted %v of %d", gone, total-1)
	}
}

func TestEveryTypeOfEventsIsDescribed(t *testing.T) {
	t.Parallel()
	s := newServer(t)
	var categories []oas.EventCategory
	s.admin(http.MethodGet, "/v2/event-types", "").wants(http.StatusOK).decode(&categories)
	seen := map[string]bool{}
	for _, c := range categories {
		for _, sub := range c.Subcategories {
			for _, e := range sub.Events {
				if seen[e.Type] || e.Type != c.Name+"."+sub.Name+"."+e.Name || c.Description == "" || sub.Description == "" || e.Message == "" || e.ResourceType == "" {
					t.Errorf("%s %s: %+v", c.Name, sub.Name, e)
				}
				seen[e.Type] = true
			}
		}
	}
	if len(seen) != len(persistence.EventTypes()) || len(categories) != 2 {
		t.Errorf("%d types in %d categories", len(seen), len(categories))
	}
}
