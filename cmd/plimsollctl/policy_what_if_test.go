package main

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"sync"
	"testing"
)

// trials is a server on which a trial takes three looks, and has this many images that would fail.
func trials(t *testing.T, failing int, state string) (url string, sent *[]string) {
	t.Helper()
	sent = new([]string)
	var mu sync.Mutex
	looks := 0
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		mu.Lock()
		defer mu.Unlock()
		body, err := io.ReadAll(r.Body)
		if err != nil {
			t.Error(err)
		}
		*sent = append(*sent, r.Method+" "+r.URL.RequestURI()+" "+string(body))
		w.Header().Set("Content-Type", "application/json")
		now, done := "running", looks
		if looks >= 3 {
			now = state
		}
		trial := fmt.Sprintf(`{"trial_id":"t1","state":%q,"failure":"no disk","policy":{"policy_id":"no-root","name":"No root","digest":"d"},"baseline":{"policy_id":"b","name":"Base","digest":"e"},
			"selector":{},"requested_by":"me","requested_at":"2026-01-01T00:00:00Z","total":3,"done":%d,"newly_failing":%d,"newly_passing":0,"changed":0,"unchanged":1,"not_evaluable":1,
			"transitions":[{"before":"go","after":"stop","tags":%d}]}`, now, done, failing, failing)
		switch {
		case r.Method == http.MethodPost:
			w.WriteHeader(http.StatusAccepted)
			fmt.Fprint(w, trial)
		case r.Method == http.MethodDelete:
			w.WriteHeader(http.StatusNoContent)
		case strings.HasSuffix(r.URL.Path, "/outcomes") && r.URL.Query().Get("page") == "":
			fmt.Fprint(w, `{"returned_count":1,"next_page":"p2","items":[{"image_digest":"sha256:a","tag":"r/a:1","change":"newly_failing","before":"go","after":"stop",
				"causes":[{"side":"draft","rule_id":"root","gate":"dockerfile","trigger":"effective_user","findings":2,"examples":[{"trigger_id":"abc","message":"m"}]}]}]}`)
		case strings.HasSuffix(r.URL.Path, "/outcomes"):
			fmt.Fprint(w, `{"returned_count":2,"items":[{"image_digest":"sha256:b","tag":"r/b:1","change":"not_evaluable","reason":"not analysed","causes":[]},
				{"image_digest":"sha256:c","tag":"r/c:1","change":"unchanged","before":"go","after":"go","causes":[]}]}`)
		case r.URL.Path == "/v2/policies/what-if":
			fmt.Fprintf(w, `{"items":[%s]}`, trial)
		default:
			looks++
			fmt.Fprint(w, trial)
		}
	}))
	t.Cleanup(server.Close)
	return server.URL, sent
}

func TestAPolicyIsTriedAndItsFlipsAreShown(t *testing.T) {
	t.Parallel()
	file := filepath.Join(policyFolder(t, map[string]string{"policy.yaml": rootPolicy}), "policy.yaml")
	url, sent := trials(t, 1, "done")
	args := []string{"policy", "what-if", file, "--baseline", "b", "--repository", "team/*", "--image", "sha256:a", "--interval", "1ms"}
	stdout, stderr, err := perform(t, url, args...)
	if err != nil || !strings.Contains(stdout, "go -> stop: 1") || !strings.Contains(stdout, "dockerfile.effective_user (rule root) finds 2: m [abc]; …") ||
		!strings.Contains(stdout, "not analysed") || strings.Contains(stdout, "r/c:1") || !strings.Contains(stderr, "1 of 3") {
		t.Errorf("%v\n%s\n%s", err, stdout, stderr)
	}
	var asked struct {
		Policy         struct{ ID string }
		BaselinePolicy string `json:"baseline_policy_id"`
		Selector       struct {
			Repository string
			Images     []string `json:"image_digests"`
		}
	}
	_, body, _ := strings.Cut((*sent)[0], "{")
	if e := json.Unmarshal([]byte("{"+body), &asked); e != nil || asked.Policy.ID != "no-root" || asked.BaselinePolicy != "b" || asked.Selector.Repository != "team/*" || len(asked.Selector.Images) != 1 {
		t.Errorf("%v: asked %s", e, (*sent)[0])
	}
	if _, _, err = perform(t, url, append(args, "--fail-on-flip")...); exitCode(err) != exitRefused {
		t.Errorf("images that would fail: %v", err)
	}
	calm, _ := trials(t, 0, "done")
	if _, _, err = perform(t, calm, append(args, "--fail-on-flip")...); err != nil {
		t.Errorf("no image would fail: %v", err)
	}
	failed, _ := trials(t, 0, "failed")
	if _, _, err = perform(t, failed, args...); err == nil || !strings.Contains(err.Error(), "no disk") {
		t.Errorf("a trial that failed: %v", err)
	}
}

func TestTrialsAreManaged(t *testing.T) {
	t.Parallel()
	url, sent := trials(t, 1, "done")
	for _, args := range [][]string{{"stored-policy", "--wait=false"}, {"list"}, {"show", "t1"}, {"delete", "t1"}, {"stored-policy", "--keep=false", "--interval", "1ms"}} {
		if stdout, _, err := perform(t, url, append([]string{"policy", "what-if"}, args...)...); err != nil {
			t.Errorf("%v: %v\n%s", args, err, stdout)
		}
	}
	all := strings.Join(*sent, "\n")
	if strings.Count(all, "DELETE /v2/policies/what-if/t1") != 2 || !strings.Contains(all, `"policy_id":"stored-policy"`) {
		t.Errorf("sent %s", all)
	}
}

func TestTwoPoliciesAreToldApartByFacts(t *testing.T) {
	t.Parallel()
	dir := policyFolder(t, map[string]string{"a.txt": strings.Replace(rootPolicy, "STOP", "WARN", 1), "b.txt": rootPolicy})
	images := policyFolder(t, map[string]string{"root.yaml": rootFacts, "app.json": `{"dockerfile":{"mode":"Actual","text":"FROM scratch\nUSER app\n"}}`})
	args := []string{"policy", "diff", filepath.Join(dir, "a.txt"), filepath.Join(dir, "b.txt"), "--facts", images}
	stdout, _, err := perform(t, nowhere, append(args, "--tag", "r.example/a:1")...)
	if err != nil || !strings.Contains(stdout, "warn -> stop") || !strings.Contains(stdout, "1 of 2 differ") {
		t.Errorf("%v\n%s", err, stdout)
	}
	if _, _, err := perform(t, nowhere, args...); err == nil {
		t.Error("without a tag")
	}
	url, sent := trials(t, 1, "done")
	if stdout, _, err = perform(t, url, "policy", "diff", "one", "two", "--interval", "1ms"); err != nil {
		t.Errorf("%v\n%s", err, stdout)
	}
	if !strings.Contains((*sent)[0], `"baseline_policy_id":"one"`) || !strings.Contains((*sent)[0], `"policy_id":"two"`) {
		t.Errorf("sent %s", (*sent)[0])
	}
}
