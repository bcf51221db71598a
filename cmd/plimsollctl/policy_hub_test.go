package main

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"plimsoll/engine/policy/packs"
)

// policyServer stores policies; those with the ids given are there already.
func policyServer(t *testing.T, there ...string) (url string, sent *[]string) {
	t.Helper()
	sent = new([]string)
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			t.Error(err)
		}
		*sent = append(*sent, r.Method+" "+r.URL.RequestURI()+" "+string(body))
		w.Header().Set("Content-Type", "application/json")
		for _, id := range there {
			if r.Method == http.MethodPost && strings.Contains(string(body), `"`+id+`"`) {
				w.WriteHeader(http.StatusConflict)
				fmt.Fprint(w, `{"code":409,"error_type":"POLICY_EXISTS","message":"it exists","detail":{},"httpcode":409}`)
				return
			}
		}
		fmt.Fprint(w, `{"policy_id":"p","name":"P","active":false,"account_name":"a","policy_source":"local"}`)
	}))
	t.Cleanup(server.Close)
	return server.URL, sent
}

func methods(sent []string) string {
	var out []string
	for _, s := range sent {
		out = append(out, strings.Join(strings.Fields(s)[:2], " "))
	}
	return strings.Join(out, ", ")
}

func TestPacksAreShownAndInstalled(t *testing.T) {
	t.Parallel()
	all, err := packs.All()
	if err != nil {
		t.Fatal(err)
	}
	starter := all[0].ID
	stdout, _, err := perform(t, nowhere, "policy", "pack", "list")
	if err != nil || !strings.Contains(stdout, "starter") || !strings.Contains(stdout, "hardened") {
		t.Errorf("%v\n%s", err, stdout)
	}
	dir := t.TempDir()
	for name, args := range map[string][]string{"starter.yaml": {"starter"}, "starter_test.yaml": {"starter", "--tests"}} {
		if stdout, _, err = perform(t, nowhere, append([]string{"policy", "pack", "show"}, args...)...); err != nil {
			t.Fatal(err)
		}
		writeFile(t, dir, name, stdout)
	}
	if stdout, _, err = perform(t, nowhere, "policy", "test", dir); err != nil {
		t.Errorf("a pack's tests: %v\n%s", err, stdout)
	}
	url, sent := policyServer(t)
	if _, _, err := perform(t, url, "policy", "pack", "install", "starter", "--activate"); err != nil {
		t.Error(err)
	}
	if got := methods(*sent); got != "POST /v2/policies, PUT /v2/policies/p?active=true" {
		t.Errorf("sent %s", got)
	}
	url, sent = policyServer(t, starter)
	if _, _, err := perform(t, url, "policy", "pack", "install", "starter"); exitCode(err) != exitRefused || !strings.Contains(err.Error(), "--update") {
		t.Errorf("a pack that is there: %v", err)
	}
	if _, _, err := perform(t, url, "policy", "pack", "install", "starter", "--update"); err != nil {
		t.Error(err)
	}
	if got := methods(*sent); got != "POST /v2/policies, POST /v2/policies, GET /v2/policies/"+starter+"?detail=true, PUT /v2/policies/p" {
		t.Errorf("sent %s", got)
	}
	if _, _, err := perform(t, nowhere, "policy", "pack", "install", "sails"); err == nil || !strings.Contains(err.Error(), "starter") {
		t.Errorf("an unknown pack: %v", err)
	}
}

func TestPublishedPoliciesAreTakenByTheirHash(t *testing.T) {
	t.Parallel()
	sum := sha256.Sum256([]byte(rootPolicy))
	good := hex.EncodeToString(sum[:])
	mux := http.NewServeMux()
	published := httptest.NewServer(mux)
	t.Cleanup(published.Close)
	serve := func(path, text string) {
		mux.HandleFunc(path, func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, text) })
	}
	serve("/hub/root.yaml", rootPolicy)
	serve("/hub/index.json", fmt.Sprintf(`{"policies":[{"name":"no-root","version":"1","description":"No root","location":"root.yaml","sha256":%q},
		{"name":"forged","location":"root.yaml","sha256":%q},{"name":"gone","location":"/nowhere.json","sha256":%q},{"name":"file","location":"file:///etc/passwd","sha256":%q}]}`,
		good, strings.Repeat("0", 64), good, good))
	serve("/twice.json", fmt.Sprintf(`{"policies":[{"name":"a","location":"x","sha256":%q},{"name":"a","location":"x","sha256":%q}]}`, good, good))
	serve("/bare.json", `{"policies":[{"name":"a","location":"x","sha256":"abc"}]}`)
	serve("/huge.json", strings.Repeat(" ", maxHubIndex+1))
	hubOf := func(server, index string, args ...string) (string, error) {
		stdout, _, err := perform(t, server, append([]string{"policy", "hub", "--index", published.URL + index}, args...)...)
		return stdout, err
	}
	if stdout, err := hubOf(nowhere, "/hub/index.json", "list"); err != nil || !strings.Contains(stdout, "No root") {
		t.Errorf("%v\n%s", err, stdout)
	}
	if stdout, err := hubOf(nowhere, "/hub/index.json", "get", "no-root"); err != nil || stdout != rootPolicy {
		t.Errorf("%v\n%s", err, stdout)
	}
	url, sent := policyServer(t)
	if _, err := hubOf(url, "/hub/index.json", "install", "no-root"); err != nil || methods(*sent) != "POST /v2/policies" || !strings.Contains((*sent)[0], `"no-root"`) {
		t.Errorf("%v, sent %v", err, *sent)
	}
	for name, tt := range map[string]struct{ index, policy, says string }{
		"another document":   {"/hub/index.json", "forged", "not the one the index names"},
		"a missing document": {"/hub/index.json", "gone", "404"},
		"a local file":       {"/hub/index.json", "file", "not fetched"},
		"an unknown policy":  {"/hub/index.json", "sails", "no policy sails"},
		"a name twice":       {"/twice.json", "a", "name of its own"},
		"no hash":            {"/bare.json", "a", "sha256"},
		"a huge index":       {"/huge.json", "a", "larger than"},
		"no index":           {"/hub/root.yaml", "a", "not an index"},
	} {
		if _, err := hubOf(nowhere, tt.index, "install", tt.policy); err == nil || !strings.Contains(err.Error(), tt.says) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, _, err := perform(t, nowhere, "policy", "hub", "list"); err == nil || !strings.Contains(err.Error(), hubVariable) {
		t.Errorf("without an index: %v", err)
	}
}
