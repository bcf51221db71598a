package api

import (
	"bytes"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"reflect"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"plimsoll/api/client"
	"plimsoll/api/oas"
	"plimsoll/persistence"
	"plimsoll/workflows"
)

// strictDocument is a policy that uses every key a policy may have.
const strictDocument = `{"id":"full","name":"Full","version":"2","description":"d","last_updated":1700000000,
	"rule_sets":[{"id":"rs","name":"rules","version":"2","description":"d","artifact_type":"image","rules":[
		{"id":"r1","gate":"vulnerabilities","trigger":"package","action":"STOP","description":"d","recommendation":"Splice it.",
			"params":[{"name":"package_type","value":"all"},{"name":"severity_comparison","value":">="},{"name":"severity","value":"high"}]},
		{"id":"r2","gate":"dockerfile","trigger":"instruction","action":"WARN","params":[{"name":"instruction","value":"HEALTHCHECK"},{"name":"check","value":"not_exists"}]},
		{"id":"r3","gate":"dockerfile","trigger":"effective_user","action":"GO","params":[{"name":"users","value":"root"},{"name":"type","value":"denylist"}]}]},
		{"id":"ss","name":"of sources","version":"2","description":"d","artifact_type":"source","rules":[
		{"id":"r1","gate":"vulnerabilities","trigger":"package","action":"STOP","params":[{"name":"package_type","value":"all"}]}]}],
	"allowlists":[{"id":"al","name":"allowed","version":"2","description":"d","items":[
		{"id":"i1","gate":"vulnerabilities","trigger_id":"GHSA-rope+*","expires_on":"2999-01-01T00:00:00Z","description":"d"},
		{"id":"i2","gate":"dockerfile","trigger_id":"none","expires_on":null}]}],
	"source_mappings":[{"id":"sm","name":"sources","host":"*","repository":"*","rule_set_ids":["ss"],"allowlist_ids":[],"description":"d"}],
	"mappings":[{"id":"m","name":"all","registry":"*","repository":"*","image":{"type":"tag","value":"*"},"rule_set_ids":["rs"],"allowlist_ids":["al"],"description":"d"}],
	"allowlisted_images":[{"id":"ai","name":"never","registry":"x.example","repository":"x","image":{"type":"tag","value":"x"},"description":"d"}],
	"denylisted_images":[{"id":"di","name":"never","registry":"*","repository":"*","image":{"type":"id","value":"x"}}]}`

// listed replaces the image lists of strictDocument by one that matches everything.
func listed(list string) string {
	all := `"` + list + `":[{"id":"l","name":"all","registry":"*","repository":"*","image":{"type":"tag","value":"*"},"description":"d"}]`
	kept, _, _ := strings.Cut(strictDocument, `"allowlisted_images"`)
	return strings.Replace(kept, `"id":"full"`, `"id":"`+list+`"`, 1) + all + "}"
}

// harbour is a server with rows in every table an answer is made from: images in each state, packages of each kind, feeds, services.
func harbour(t *testing.T) (s *server, digest, base string) {
	t.Helper()
	s = newServer(t)
	s.advise()
	s.distribute("own.ndb", "", "Plimsoll.Test:0:*:58354f")
	s.starter.sync = func() (workflows.SyncFeedsResult, bool, error) {
		return workflows.SyncFeedsResult{Groups: []workflows.GroupResult{{Source: "osv", Group: "all"}}}, true, nil
	}
	for _, name := range []string{"api", "analyzer"} {
		must(t, persistence.NewServices(s.pool).Heartbeat(t.Context(), persistence.Service{
			HostID: name + "-1", Name: name, BaseURL: "http://" + name, Version: "1", StartedAt: time.Now(),
		}))
	}
	base = s.known("docker.io/library/base:1", "base")
	s.admin(http.MethodPost, "/v2/images", `{"source":{"tag":{"pull_string":"library/base:1"}}}`).wants(http.StatusOK)
	s.analyze("admin", base, deb)
	digest = s.known(testTag, "one")
	s.admin(http.MethodPost, "/v2/images?auto_subscribe=true", addTag).wants(http.StatusOK)
	s.analyzeLayers("admin", digest, []string{"layer", "above"}, npm, deb, jar)
	return s, digest, base
}

// Every operation of the document answers as the published API does. The comparison itself is part of server.request.
func TestEveryOperationConforms(t *testing.T) {
	t.Parallel()
	s, digest, base := harbour(t)
	image := "/v2/images/" + digest
	ask := func(path string) { t.Helper(); s.admin(http.MethodGet, path, "").wants(http.StatusOK) }
	for _, path := range []string{
		"/", "/health", "/version", "/status", "/system", "/system/error-codes", "/system/services", "/system/services/api",
		"/system/services/api/api-1", "/system/feeds", "/system/feeds/vulnerabilities", "/system/feeds/clamav_db/files", "/system/feeds/clamav_db/files/own.ndb", "/system/policy-spec", "/system/policy-schema", "/account", "/user", "/accounts", "/accounts?state=enabled",
		"/accounts/admin", "/accounts/admin/users", "/accounts/admin/users/admin", "/rbac-manager/roles", "/images", "/images?history=true&image_status=all",
		"/images?full_tag=" + testTag, "/policies", "/policies?detail=true", "/policies/" + policyID(t), "/policies/" + policyID(t) + "?detail=false",
	} {
		ask("/v2" + path)
	}
	for _, path := range []string{
		"", "/ancestors", "/content", "/content/files", "/content/java", "/content/malware", "/artifacts/secret-search", "/artifacts/file-content-search", "/artifacts/retrieved-files", "/content/os", "/content/npm", "/content/gem", "/metadata", "/metadata/manifest",
		"/metadata/docker_history", "/metadata/dockerfile", "/metadata/labels", "/metadata/docker_inspect", "/analysis", "/content-summary", "/content/licenses", "/referrers", "/sboms/native-json", "/sboms/spdx-json", "/sboms/cyclonedx-json", "/sboms/cyclonedx-xml", "/sboms/spdx-tag-value", "/vuln",
		"/vuln/all", "/vuln/os?vendor_only=False", "/vuln/non-os?include_vuln_description=true&force_refresh=TRUE", "/vuln/all?base_digest=" + base,
		"/vuln/all?as_of=2999-01-01T00:00:00Z", "/vulnerability-changes", "/vulnerability-explanations/GHSA-rope",
		"/check?tag=" + testTag, "/check?tag=" + testTag + "&detail=false", "/check?tag=" + testTag + "&history=true&base_digest=" + base,
	} {
		ask(image + path)
	}
	for _, path := range []string{
		"/images/by-package?name=rigging", "/images/by-vulnerability?vulnerability_id=GHSA-rope", "/vulnerabilities?id=GHSA-rope,CVE-2026-1,CVE-1",
	} {
		ask("/v2/query" + path)
	}
	s.admin(http.MethodPost, "/v2/vulnerability-scan", importedPackages).wants(http.StatusOK)
	s.annotateAll(digest)
	s.starter.tags = map[string][]string{"docker.io/library/ship": {"1"}}
	s.admin(http.MethodPost, "/v2/repositories?repository=library/ship", "").wants(http.StatusOK)
	var subscribed []oas.Subscription
	s.admin(http.MethodPost, "/v2/subscriptions", `{"subscription_key":"library/ship:2","subscription_type":"tag_update"}`).wants(http.StatusOK).decode(&subscribed)
	ask("/v2/subscriptions")
	ask("/v2/subscriptions/" + subscribed[0].SubscriptionId)
	s.admin(http.MethodPut, "/v2/subscriptions/"+subscribed[0].SubscriptionId, `{"active":false}`).wants(http.StatusOK)
	s.admin(http.MethodDelete, "/v2/subscriptions/"+subscribed[0].SubscriptionId, "").wants(http.StatusNoContent)
	s.subscribeAlerts(testTag)
	s.verdict(digest)
	alert := s.alerts("")[0].Uuid
	ask("/v2/alerts/compliance-violations/" + alert)
	s.admin(http.MethodPatch, alertsPath+"/"+alert, `{"state":"closed","closed_reason":"seen"}`).wants(http.StatusOK)
	s.admin(http.MethodPatch, alertsPath+"/"+alert, `{"state":"open"}`).wants(http.StatusOK)
	ask("/v2/alerts/summaries")
	s.admin(http.MethodPost, "/v2/actions", plan(digest, testTag, "", s.findings(digest)[0])).wants(http.StatusOK)
	ask("/v2/actions")
	ask("/v2/event-types")
	var happened oas.EventsList
	s.admin(http.MethodGet, "/v2/events", "").wants(http.StatusOK).decode(&happened)
	ask("/v2/events/" + happened.Results[0].EventId)
	s.admin(http.MethodDelete, "/v2/events/"+happened.Results[0].EventId, "").wants(http.StatusOK)
	s.admin(http.MethodDelete, "/v2/events", "").wants(http.StatusOK)
	var corrected oas.Correction
	s.admin(http.MethodPost, "/v2/corrections", mendRigging).wants(http.StatusOK).decode(&corrected)
	ask("/v2/corrections")
	ask("/v2/corrections/" + corrected.Uuid)
	s.admin(http.MethodPut, "/v2/corrections/"+corrected.Uuid, mendRigging).wants(http.StatusOK)
	s.admin(http.MethodDelete, "/v2/corrections/"+corrected.Uuid, "").wants(http.StatusNoContent)
	s.admin(http.MethodPost, "/v2/system/feeds?force_sync=false", "").wants(http.StatusOK)

	bundle := s.admin(http.MethodGet, "/v2/system/feeds/osv/bundle", "").wants(http.StatusOK).body
	sent, typed := form(t, nil, []byte(bundle))
	s.admin(http.MethodPost, "/v2/system/feeds/osv", sent, typed).wants(http.StatusAccepted)
	must(t, persistence.NewFeeds(s.pool).BeginSync(t.Context(), persistence.SyncRun{WorkflowRun: "run", Kind: persistence.RunSync, StartedAt: time.Now()}))
	must(t, persistence.NewFeeds(s.pool).BeginDriver(t.Context(), "run", "osv", "all", time.Now()))
	ask("/v2/system/feed-tasks")
	ask("/v2/system/feed-tasks?workflow_run=run")
	ask("/v2/system/feed-tasks/executions?driver=osv")
	ask("/v2/query/vulnerabilities/history?id=GHSA-rope")
	s.admin(http.MethodPut, "/v2/system/feeds/osv?enabled=false", "").wants(http.StatusOK)
	s.admin(http.MethodDelete, "/v2/system/feeds/osv", "").wants(http.StatusOK)

	mate := s.user("quay", "mate1", "full-control")
	s.request(http.MethodGet, "/v2/user", "", mate).wants(http.StatusOK)
	s.request(http.MethodGet, "/v2/rbac-manager/my-roles", "", mate).wants(http.StatusOK)
	s.admin(http.MethodGet, "/v2/rbac-manager/roles/full-control/members", "").wants(http.StatusOK)
	s.admin(http.MethodDelete, "/v2/rbac-manager/roles/full-control/members?username=mate1&for_account=quay", "").wants(http.StatusNoContent)
	s.admin(http.MethodDelete, "/v2/accounts/quay/users/mate1", "").wants(http.StatusNoContent)
	s.admin(http.MethodPut, "/v2/accounts/quay/state", `{"state":"disabled"}`).wants(http.StatusOK)

	registry := `{"registry":"h.example:5000/team/*","registry_user":"u","registry_pass":"p","registry_type":"docker_v2","registry_name":"n","registry_verify":true}`
	s.admin(http.MethodPost, "/v2/registries?validate=false", registry).wants(http.StatusOK)
	s.admin(http.MethodPut, "/v2/registries/h.example:5000/team/*?validate=false", registry).wants(http.StatusOK)
	ask("/v2/registries")
	ask("/v2/registries/h.example:5000%2Fteam%2F%2A")
	s.admin(http.MethodDelete, "/v2/registries/h.example:5000/team/*", "").wants(http.StatusNoContent)

	s.admin(http.MethodPost, "/v2/policies", strictDocument).wants(http.StatusOK)
	ask(image + "/check?policy_id=full&tag=" + testTag)
	s.admin(http.MethodPost, image+"/check?tag="+testTag, strictDocument).wants(http.StatusOK)
	var trial oas.WhatIf
	s.admin(http.MethodPost, "/v2/policies/what-if", `{"policy_id":"full","selector":{"tag":"*"}}`).wants(http.StatusAccepted).decode(&trial)
	must(t, persistence.NewWhatIfs(s.pool).Save(t.Context(), "admin", trial.TrialId, []persistence.WhatIfOutcome{
		{ImageDigest: digest, Tag: testTag, Before: "go", After: "stop", Causes: json.RawMessage(`[{"side":"draft","rule_id":"r","findings":1,"examples":[{"trigger_id":"i","message":"m"}]}]`)},
		{ImageDigest: base, Tag: testTag, Rank: 3, Reason: "unknown"},
	}))
	for _, path := range []string{"", "/" + trial.TrialId, "/" + trial.TrialId + "/outcomes", "/" + trial.TrialId + "/outcomes?change=newly_failing&limit=1"} {
		ask("/v2/policies/what-if" + path)
	}
	s.admin(http.MethodDelete, "/v2/policies/what-if/"+trial.TrialId, "").wants(http.StatusNoContent)
	s.admin(http.MethodPut, "/v2/policies/full", recordOf("full", `,"active":false,"policy":`+strictDocument)).wants(http.StatusOK)
	s.admin(http.MethodDelete, "/v2/policies/full", "").wants(http.StatusNoContent)

	waiting := s.known("docker.io/library/ship:waiting", "waiting")
	s.admin(http.MethodPost, "/v2/images", `{"source":{"tag":{"pull_string":"library/ship:waiting"}}}`).wants(http.StatusOK)
	s.admin(http.MethodPost, "/v2/images/"+waiting+"/cancel", "").wants(http.StatusOK)

	s.admin(http.MethodDelete, "/v2/images/"+base+"?force=true", "").wants(http.StatusOK)
	s.admin(http.MethodDelete, "/v2/images?image_digests="+digest+",sha256:"+strings.Repeat("0", 64), "").wants(http.StatusOK)
	ask("/v2/images?image_status=deleting")

	s.importSample(t)
	published, err := publishedShapes()
	must(t, err)
	for key := range s.api.operations {
		method, path, _ := strings.Cut(key, " ")
		if path = strings.TrimPrefix(path, basePath); path == "" {
			path = "/"
		}
		if s.answered[method+" "+path] == nil {
			t.Errorf("%s %s was never asked", method, path)
		}
	}
	for key := range published.operations {
		if s.answered[key] == nil {
			t.Errorf("testdata/shapes.txt has %s, which is not served", key)
		}
	}
	decodedByClient(t, s)
}

// decodedByClient hands each answer to the method of the generated client that asks for it. What the client understood must,
// written out again, be what the server said.
func decodedByClient(t *testing.T, s *server) {
	t.Helper()
	for key, recorder := range s.answered {
		method, path, _ := strings.Cut(key, " ")
		name := s.api.doc.Paths.Find(path).GetOperation(method).OperationID
		name = strings.ToUpper(name[:1]) + name[1:] + "WithResponse"
		c, err := client.NewClientWithResponses("http://harbour.example/v2", client.WithHTTPClient(canned{recorder}))
		must(t, err)
		call := reflect.ValueOf(c).MethodByName(name)
		if !call.IsValid() { // of a body that is no JSON
			call = reflect.ValueOf(c).MethodByName(strings.Replace(name, "WithResponse", "WithBodyWithResponse", 1))
		}
		if !call.IsValid() {
			t.Errorf("the client has no method %s", name)
			continue
		}
		values := []reflect.Value{reflect.ValueOf(t.Context())}
		for i := 1; i < call.Type().NumIn()-1; i++ { // the last are options
			values = append(values, reflect.Zero(call.Type().In(i)))
		}
		results := call.Call(values)
		if err, _ := results[1].Interface().(error); err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		understood := results[0].Elem().FieldByName("JSON" + strconv.Itoa(recorder.Code))
		if !strings.HasPrefix(recorder.Header().Get("Content-Type"), "application/json") {
			if got := results[0].Elem().FieldByName("Body").Bytes(); !bytes.Equal(got, recorder.Body.Bytes()) {
				t.Errorf("%s hands over %q", name, got)
			}
			continue
		}
		if recorder.Body.Len() == 0 {
			continue
		}
		if !understood.IsValid() || understood.IsNil() {
			t.Errorf("%s does not understand %s", name, recorder.Body)
			continue
		}
		written, err := json.Marshal(understood.Interface())
		must(t, err)
		var said, heard any
		must(t, json.Unmarshal(recorder.Body.Bytes(), &said))
		must(t, json.Unmarshal(written, &heard))
		if diff := cmp.Diff(said, heard); diff != "" {
			t.Errorf("%s: %s", name, diff)
		}
	}
}

// canned answers every request of a client with what a server said before.
type canned struct{ recorder *httptest.ResponseRecorder }

func (c canned) Do(*http.Request) (*http.Response, error) {
	return &http.Response{
		StatusCode: c.recorder.Code, Header: c.recorder.Header(), Body: io.NopCloser(bytes.NewReader(c.recorder.Body.Bytes())),
	}, nil
}

// deviant answers in place of the server, to show that the comparison of server.request would notice.
func TestDeviatingAnswersAreNoticed(t *testing.T) {
	t.Parallel()
	s := newServer(t)
	for name, c := range map[string]struct {
		status      int
		contentType string
		body        string
	}{
		"missing key":    {http.StatusOK, "application/json", `{}`},
		"undeclared key": {http.StatusOK, "application/json", `{"items":[],"total":0}`},
		"bare list":      {http.StatusOK, "application/json", `[]`},
		"status":         {http.StatusCreated, "application/json", `{"items":[]}`},
		"content type":   {http.StatusOK, "text/html", `{"items":[]}`},
		"error body":     {http.StatusNotFound, "application/json", `{"message":"no"}`},
		"error type":     {http.StatusNotFound, "text/plain", `no`},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			recorder := httptest.NewRecorder()
			recorder.Header().Set("Content-Type", c.contentType)
			recorder.WriteHeader(c.status)
			recorder.Body.WriteString(c.body)
			noticed := &faultCounter{TB: t}
			conforms(noticed, s.api, httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/v2/images", http.NoBody), recorder)
			if noticed.faults == 0 {
				t.Error("was not noticed")
			}
		})
	}
}

// faultCounter is a testing.TB on which faults are expected.
type faultCounter struct {
	testing.TB
	faults int
}

func (f *faultCounter) Errorf(string, ...any) { f.faults++ }
