package main

import (
	"bytes"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
)

// run executes the command line against a server that gives one answer to everything.
func run(t *testing.T, status int, contentType, body string, args ...string) (stdout string, code int) {
	t.Helper()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", contentType)
		w.WriteHeader(status)
		fmt.Fprint(w, body)
	}))
	defer server.Close()
	root := newRoot()
	var out, diagnostics bytes.Buffer
	root.SetOut(&out)
	root.SetErr(&diagnostics)
	root.SetArgs(append([]string{"--url", server.URL, "--config", writeConfig(t)}, args...))
	err := root.ExecuteContext(t.Context())
	if err != nil {
		out.WriteString(err.Error())
	}
	return out.String(), exitCode(err)
}

func TestExitCodesAndWhatIsSaid(t *testing.T) {
	t.Parallel()
	const problem = `{"code":%d,"error_type":"CODE","message":"what happened","detail":{"error_codes":["CODE"]},"httpcode":%d}`
	evaluation := func(status string) string {
		return `{"policy_id":"p","image_digest":"sha256:` + strings.Repeat("a", 64) + `","evaluated_tag":"r/a:1","evaluations":[{"status":"` + status +
			`","final_action":"stop","final_action_reason":"policy_evaluation","evaluation_time":"2026-01-01T00:00:00Z","number_of_findings":0,` +
			`"evaluation_problems":[],"image_allowlisted":false,"image_denylisted":false,"image_mapped_to_rule":true,"details":null}],` +
			// The same answer serves the look-up of the image before.
			`"items":[],"account_name":"admin","analysis_status":"analyzed","image_status":"active","annotations":{},"parent_digest":"","record_version":"1",` +
			`"created_at":"2026-01-01T00:00:00Z","last_updated":"2026-01-01T00:00:00Z","image_content":{"metadata":{}},"image_detail":[]}`
	}
	digest := "sha256:" + strings.Repeat("a", 64)
	for _, tt := range []struct {
		name              string
		status            int
		contentType, body string
		args              []string
		code              int
		says              string
	}{
		{"success", 200, "application/json", `{"items":[]}`, []string{"image", "list"}, 0, "TAG"},
		{"a refusal", 404, "application/json", fmt.Sprintf(problem, 404, 404), []string{"image", "list"}, 1, "what happened (CODE, HTTP 404)"},
		{"no login", 401, "application/json", fmt.Sprintf(problem, 401, 401), []string{"image", "list"}, 2, "what happened"},
		{"a broken server", 500, "application/json", fmt.Sprintf(problem, 500, 500), []string{"image", "list"}, 2, "what happened"},
		{"an unknown route", 404, "application/problem+json", `{"title":"Not Found","detail":"The requested URL was not found","status":404}`, []string{"image", "list"}, 2, "this client's version"},
		{"another kind of server", 200, "text/html", "<html>hello</html>", []string{"image", "list"}, 2, "not a Plimsoll server"},
		{"garbage", 200, "application/json", "{", []string{"image", "list"}, 2, "cannot be read"},
		{"a passed check", 200, "application/json", evaluation("pass"), []string{"image", "check", digest, "--tag", "r/a:1"}, 0, "pass"},
		{"a failed check", 200, "application/json", evaluation("fail"), []string{"image", "check", digest, "--tag", "r/a:1"}, 1, "fail"},
		{"a failed check that must not fail", 200, "application/json", evaluation("fail"), []string{"image", "check", digest, "--tag", "r/a:1", "--fail-based-on-results=false"}, 0, "fail"},
		{"an unknown image", 200, "application/json", `{"items":[]}`, []string{"image", "get", "r/a:1"}, 1, "r/a:1 is not known"},
		{"wrong usage", 200, "application/json", `{}`, []string{"image", "get"}, 2, "arg"},
		{"a wrong output form", 200, "application/json", `{}`, []string{"image", "list", "-o", "xml"}, 2, "text or json"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			said, code := run(t, tt.status, tt.contentType, tt.body, tt.args...)
			if code != tt.code || !strings.Contains(said, tt.says) {
				t.Errorf("exit code %d, said %q; want %d and %q", code, said, tt.code, tt.says)
			}
		})
	}
}

func TestCellsCannotSteerTheTerminal(t *testing.T) {
	t.Parallel()
	body := `[{"name":"vulnerabilities","enabled":true,"groups":[{"name":"evil\u001b]0;title\u0007\u009b31m","enabled":true,"record_count":1,"last_sync":null}]}]`
	said, code := run(t, 200, "application/json", body, "feeds", "list")
	if code != 0 || strings.ContainsAny(said, "\x1b\x07\u009b") {
		t.Errorf("exit code %d, control characters in %q", code, said)
	}
}
