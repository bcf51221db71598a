package main

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"plimsoll/api/client"
)

const oneAlert = `{"uuid":"u-1","type":"compliance_violation","state":"closed","resource":{"image_digest":"sha256:aa","image_tag":"r.example/app:1","registry":"r.example",
	"repository":"app","policy_id":"p","evaluation_id":"7","evaluated_at":"2026-01-01T00:00:00Z"},"closed_by":"ann","closed_reason":"accepted \u001b[31m","created_at":"2026-01-01T00:00:00Z",
	"last_updated":"2026-01-02T00:00:00Z","compliance_status_reason":"policy_evaluation","violations_count":3}`

// recorded is a server that gives every request of a method and path the same answer, and keeps what it was asked.
func recorded(t *testing.T, answers map[string]string) (url string, asked map[string]string) {
	t.Helper()
	asked = map[string]string{}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		key := r.Method + " " + r.URL.Path
		asked[key] = r.URL.Query().Encode() + string(body)
		w.Header().Set("Content-Type", "application/json")
		answer, ok := answers[key]
		if !ok {
			w.WriteHeader(http.StatusNotFound)
			answer = `{"code":404,"error_type":"NOT_FOUND","message":"no such thing","detail":{},"httpcode":404}`
		}
		fmt.Fprint(w, answer)
	}))
	t.Cleanup(server.Close)
	return server.URL, asked
}

func TestAlertsAreListedShownAndClosed(t *testing.T) {
	t.Parallel()
	const path = "/v2/alerts/compliance-violations"
	url, asked := recorded(t, map[string]string{"GET " + path: "[" + oneAlert + "]", "GET " + path + "/u-1": oneAlert, "PATCH " + path + "/u-1": oneAlert})
	for _, c := range []struct {
		args, says []string
		key, with  string
	}{
		{[]string{"alert", "list", "--state", "closed", "--tag", "r.example/app:1", "--since", "2026-01-01"}, []string{"u-1", "r.example/app:1", "ann accepted", "3"}, "GET " + path,
			"created_after=2026-01-01&limit=100&page=1&resource_image_tag=r.example%2Fapp%3A1&state=closed"},
		{[]string{"alert", "show", "u-1"}, []string{"Evaluation:", "7", "Closed because:"}, "GET " + path + "/u-1", ""},
		{[]string{"alert", "close", "u-1", "--reason", "accepted"}, []string{"State:", "closed"}, "PATCH " + path + "/u-1", `{"closed_reason":"accepted","state":"closed"}`},
		{[]string{"alert", "open", "u-1"}, []string{"u-1"}, "PATCH " + path + "/u-1", `{"state":"open"}`},
	} {
		out, _, err := perform(t, url, c.args...)
		if err != nil || strings.ContainsRune(out, '\x1b') {
			t.Errorf("%v: %v\n%q", c.args, err, out)
		}
		for _, want := range c.says {
			if !strings.Contains(out, want) {
				t.Errorf("%v: %q is missing in\n%s", c.args, want, out)
			}
		}
		if diff := cmp.Diff(c.with, asked[c.key]); diff != "" {
			t.Errorf("%v (-want +asked):\n%s", c.args, diff)
		}
	}
	out, _, err := perform(t, url, "alert", "list", "-o", "json")
	var list []client.ComplianceViolationAlert
	if e := json.Unmarshal([]byte(out), &list); err != nil || e != nil || len(list) != 1 {
		t.Errorf("%v, %v: %s", err, e, out)
	}
	if _, _, err := perform(t, url, "alert", "show", "none"); err == nil || !strings.Contains(err.Error(), "no such thing") {
		t.Errorf("an alert that is not there: %v", err)
	}
}

func TestAPlanIsMadeOfWhatTheEvaluationSuggests(t *testing.T) {
	t.Parallel()
	digest := "sha256:" + strings.Repeat("a", 64)
	evaluation := func(remediations string) string {
		return `{"policy_id":"p","image_digest":"` + digest + `","evaluated_tag":"r.example/app:1","evaluations":[{"status":"fail","final_action":"stop","final_action_reason":"policy_evaluation",
		"evaluation_time":"2026-01-01T00:00:00Z","number_of_findings":3,"evaluation_problems":[],"image_allowlisted":false,"image_denylisted":false,"image_mapped_to_rule":true,
		"details":{"findings":[],"policy":null,"policy_action":"stop","remediations":` + remediations + `}}]}`
	}
	const suggestions = `[{"trigger_ids":["a","b"],"suggestions":[{"message":"wait","preferred":false},{"message":"update rope","preferred":true}]},
		{"trigger_ids":["c"],"suggestions":[{"message":"add HEALTHCHECK","preferred":true}]}]`
	for name, c := range map[string]struct {
		remediations string
		args         []string
		want         []client.ActionResolution
	}{
		"some findings": {suggestions, []string{"--trigger-id", "x", "--trigger-id", "b", "--message", "please"}, []client.ActionResolution{
			{TriggerIds: []string{"b"}, Content: "update rope"}, {TriggerIds: []string{"x"}, Content: "please"},
		}},
		"all there is a suggestion for": {suggestions, []string{"--suggested"}, []client.ActionResolution{
			{TriggerIds: []string{"a", "b"}, Content: "update rope"}, {TriggerIds: []string{"c"}, Content: "add HEALTHCHECK"},
		}},
		"words of one's own":    {"null", []string{"--trigger-id", "a", "--content", "do it"}, []client.ActionResolution{{TriggerIds: []string{"a"}, Content: "do it"}}},
		"nothing is suggested":  {"null", []string{"--suggested"}, nil},
		"no finding is named":   {suggestions, nil, nil},
		"both ways to name one": {suggestions, []string{"--suggested", "--trigger-id", "a"}, nil},
	} {
		url, asked := recorded(t, map[string]string{
			"GET /v2/images/" + digest:            `{"image_digest":"` + digest + `","analysis_status":"analyzed","image_content":{"metadata":{}},"annotations":{},"image_detail":[{"full_tag":"r.example/app:1","image_id":"abc"}]}`,
			"GET /v2/images/" + digest + "/check": evaluation(c.remediations),
			"POST /v2/actions": `{"uuid":"u-2","type":"notification","image_tag":"r.example/app:1","image_digest":"` + digest + `","policy_id":"p","resolutions":[{"trigger_ids":["a"],"content":"x"}],
				"subject":"","message":"","endpoint":"jira","configuration_id":"","created_at":"2026-01-01T00:00:00Z","last_updated":"2026-01-01T00:00:00Z"}`,
		})
		out, _, err := perform(t, url, append([]string{"action", "add", digest, "--endpoint", "jira"}, c.args...)...)
		if c.want == nil {
			if err == nil || asked["POST /v2/actions"] != "" {
				t.Errorf("%s: stored %s", name, asked["POST /v2/actions"])
			}
			continue
		}
		var sent client.ActionRequest
		if err != nil || json.Unmarshal([]byte(asked["POST /v2/actions"]), &sent) != nil || !strings.Contains(out, "u-2") {
			t.Fatalf("%s: %v\n%s", name, err, out)
		}
		if diff := cmp.Diff(c.want, sent.Resolutions); diff != "" || *sent.Endpoint != "jira" || *sent.PolicyId != "p" || sent.ImageTag != "r.example/app:1" {
			t.Errorf("%s: %+v (-want +sent):\n%s", name, sent, diff)
		}
	}
}

func TestEventsAreListedShownAndDeleted(t *testing.T) {
	t.Parallel()
	const event = `{"event_id":"e-1","created_at":"2026-01-01T00:00:00Z","event":{"source":{"service_name":"catalog","host_id":"h","request_id":"r"},"resource":{"account_name":"a","id":"r.example/app:1","type":"image_tag"},
		"type":"user.image.analysis.completed","category":"user","level":"INFO","message":"Image analysed","details":{"image_digest":"sha256:aa"},"timestamp":"2026-01-01T00:00:00Z"}}`
	url, asked := recorded(t, map[string]string{
		"GET /v2/events": `{"results":[` + event + `],"next_page":true,"item_count":1,"page":2}`, "GET /v2/events/e-1": event, "DELETE /v2/events/e-1": "", "DELETE /v2/events": `["e-1","e-2"]`,
		"GET /v2/event-types": `[{"name":"user","description":"d","subcategories":[{"name":"image","description":"d","events":[{"name":"analysis.completed","type":"user.image.analysis.completed","message":"Image analysed","resource_type":"image_tag"}]}]}]`,
	})
	out, diagnostics, err := perform(t, url, "event", "list", "r.example/app:1", "--event-type", "user.image*", "--page", "2", "--limit", "1")
	if err != nil || !strings.Contains(out, "user.image.analysis.completed") || !strings.Contains(diagnostics, "--page 3") {
		t.Errorf("%v\n%s%s", err, out, diagnostics)
	}
	if want := "event_type=user.image%2A&limit=1&page=2&resource_id=r.example%2Fapp%3A1"; asked["GET /v2/events"] != want {
		t.Errorf("asked %s, want %s", asked["GET /v2/events"], want)
	}
	if out, _, err := perform(t, url, "event", "get", "e-1"); err != nil || !strings.Contains(out, `"image_digest": "sha256:aa"`) {
		t.Errorf("%v\n%s", err, out)
	}
	if out, _, err := perform(t, url, "event", "types"); err != nil || !strings.Contains(out, "image_tag") {
		t.Errorf("%v\n%s", err, out)
	}
	if _, _, err := perform(t, url, "event", "delete", "e-1"); err != nil {
		t.Error(err)
	}
	if out, _, err := perform(t, url, "event", "delete", "--level", "ERROR"); err != nil || !strings.Contains(out, "2 events deleted") || asked["DELETE /v2/events"] != "level=ERROR" {
		t.Errorf("%v\n%s\nasked %s", err, out, asked["DELETE /v2/events"])
	}
	delete(asked, "DELETE /v2/events")
	for _, unclear := range [][]string{{}, {"e-1", "--all"}, {"e-1", "--level", "INFO"}, {"--all", "--since", "2026-01-01"}} {
		if _, _, err := perform(t, url, append([]string{"event", "delete"}, unclear...)...); err == nil {
			t.Errorf("%v deletes", unclear)
		}
	}
	if _, deleted := asked["DELETE /v2/events"]; deleted {
		t.Error("an unclear request deletes events")
	}
}
