package main

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
)

// carrier is a server that takes and gives feed data; task is how the last upload stands at each question.
type carrier struct {
	*httptest.Server
	t        *testing.T
	tasks    []string
	asked    atomic.Int64
	got      []byte
	checksum string
	query    string
	give     http.HandlerFunc
}

func newCarrier(t *testing.T) *carrier {
	t.Helper()
	c := &carrier{t: t}
	mux := http.NewServeMux()
	mux.HandleFunc("POST /v2/system/feeds/{feed}", c.take)
	mux.HandleFunc("GET /v2/system/feeds/{feed}/bundle", func(w http.ResponseWriter, r *http.Request) {
		c.query = r.URL.RawQuery
		c.give(w, r)
	})
	mux.HandleFunc("GET /v2/system/feed-tasks", func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		n := min(int(c.asked.Add(1)), len(c.tasks))
		_, _ = io.WriteString(w, c.tasks[n-1])
	})
	mux.HandleFunc("GET /v2/system/feed-tasks/executions", func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		_, _ = io.WriteString(w, `[{"id":9,"task":7,"driver":"osv","group":"npm","status":"completed","attempts":1,"started_at":"2026-08-01T12:00:00Z","unchanged":false,"records":120,"skipped":0,"added":3,"changed":2,"removed":1}]`)
	})
	c.Server = httptest.NewServer(mux)
	t.Cleanup(c.Close)
	return c
}

func (c *carrier) take(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Content-Type", "application/json")
	if r.PathValue("feed") == "refused" { // before a byte of it is read
		w.WriteHeader(http.StatusBadRequest)
		_, _ = io.WriteString(w, `{"code":400,"error_type":"FEED_DATA_OLDER","message":"older than what is there","httpcode":400}`)
		return
	}
	c.query = r.URL.RawQuery
	file, _, err := r.FormFile("data")
	if err != nil {
		c.t.Error(err)
		return
	}
	c.got, _ = io.ReadAll(file)
	c.checksum = r.FormValue("checksum")
	w.WriteHeader(http.StatusAccepted)
	_, _ = io.WriteString(w, `{"message":"ok","workflow_run":"run-1","checksum":"sha256:`+c.checksum+`","size":1}`)
}

func (c *carrier) run(args ...string) (said string, code int) {
	c.t.Helper()
	root := newRoot()
	var out, diagnostics bytes.Buffer
	root.SetOut(&out)
	root.SetErr(&diagnostics)
	root.SetArgs(append([]string{"--url", c.URL, "--config", writeConfig(c.t)}, args...))
	err := root.ExecuteContext(c.t.Context())
	if err != nil {
		out.WriteString(err.Error())
	}
	return out.String(), exitCode(err)
}

func task(status, message string) string {
	return fmt.Sprintf(`[{"id":7,"kind":"upload","status":%q,"scheduled":false,"force":false,"started_at":"2026-08-01T12:00:00Z","groups":1,"failed_groups":0,"added":3,"changed":2,"removed":1,"message":%q}]`, status, message)
}

func TestAnImportSendsTheFileAndFollowsItsTask(t *testing.T) {
	t.Parallel()
	raw := bytes.Repeat([]byte("bundle"), 1<<18)
	name := filepath.Join(t.TempDir(), "feeds.tar")
	if err := os.WriteFile(name, raw, 0o600); err != nil {
		t.Fatal(err)
	}
	c := newCarrier(t)
	c.tasks = []string{`[]`, task("running", ""), task("completed", "1 groups changed")}
	said, code := c.run("feeds", "import", name, "--feed", "osv", "--document", "--group", "npm")
	sum := sha256.Sum256(raw)
	if code != 0 || !strings.Contains(said, "3/2/1") || !strings.Contains(said, "1 groups changed") || !bytes.Equal(c.got, raw) || c.checksum != hex.EncodeToString(sum[:]) {
		t.Errorf("exit code %d: %s; %d bytes, checksum %s", code, said, len(c.got), c.checksum)
	}
	if !strings.Contains(c.query, "format=document") || !strings.Contains(c.query, "group=npm") {
		t.Errorf("query %s", c.query)
	}
	for _, tc := range []struct {
		tasks string
		code  int
		says  string
		args  []string
	}{
		{task("failed", "FEED_REFUSED: older"), 2, "FEED_REFUSED: older", []string{name}},
		{task("completed", ""), 0, `"executions"`, []string{name, "-o", "json"}},
		{`[]`, 0, "run-1", []string{name, "--wait=false"}},
		{`[]`, 2, "gave up waiting", []string{name, "--timeout", "50ms"}},
		{`[]`, 1, "older than what is there (FEED_DATA_OLDER", []string{name, "--feed", "refused"}},
		{`[]`, 2, "open the data", []string{name + ".nonesuch"}},
		{`[]`, 2, "is not a file", []string{filepath.Dir(name)}},
	} {
		c := newCarrier(t)
		c.tasks = []string{tc.tasks}
		if said, code := c.run(append([]string{"feeds", "import"}, tc.args...)...); code != tc.code || !strings.Contains(said, tc.says) {
			t.Errorf("%q: exit code %d, %s; want %d and %q", tc.args[1:], code, said, tc.code, tc.says)
		}
	}
}

func TestAnExportIsAFileOnlyWhenItIsWhole(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		give http.HandlerFunc
		code int
		says string
	}{
		"whole": {func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", "application/x-tar")
			w.Header().Set("Plimsoll-Feed-Cursor", "o/7")
			_, _ = io.WriteString(w, "bundle")
		}, 0, "--since o/7"},
		"broken off": {func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", "application/x-tar")
			_, _ = io.WriteString(w, "bund")
			_ = http.NewResponseController(w).Flush()
			panic(http.ErrAbortHandler)
		}, 2, "broke off after 4 bytes"},
		"refused": {func(w http.ResponseWriter, _ *http.Request) {
			w.WriteHeader(http.StatusConflict)
			_, _ = io.WriteString(w, `{"code":409,"error_type":"FEED_KEY_MISSING","message":"no key","httpcode":409}`)
		}, 1, "no key (FEED_KEY_MISSING"},
		"a stranger": {func(w http.ResponseWriter, _ *http.Request) {
			_, _ = io.WriteString(w, "<html>")
		}, 2, "not a Plimsoll server"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c := newCarrier(t)
			c.give = tc.give
			dir := t.TempDir()
			said, code := c.run("feeds", "export", filepath.Join(dir, "feeds.tar"), "--feed", "osv", "--since", "6")
			if code != tc.code || !strings.Contains(said, tc.says) || c.query != "since=6" {
				t.Errorf("exit code %d, %s, query %s; want %d and %q", code, said, c.query, tc.code, tc.says)
			}
			files, err := os.ReadDir(dir)
			if err != nil || (len(files) == 1) != (tc.code == 0) {
				t.Errorf("files %v, %v", files, err)
			}
		})
	}
}
