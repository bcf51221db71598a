package fetch_test

import (
	"context"
	"errors"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"plimsoll/activities/fetch"
)

func shell(script string) fetch.Plugin {
	return fetch.Plugin{Name: "acme", Command: []string{"/bin/sh", "-c", script}, Timeout: 30 * time.Second}
}

func ask(t *testing.T, p fetch.Plugin) (text string, scratch string, err error) {
	t.Helper()
	f, scratch := fetcher(t, "")
	doc, err := f.Ask(t.Context(), p, []byte("question\n"), func(int64, int64) {})
	if err != nil {
		return "", scratch, err
	}
	defer doc.Close()
	return textOf(t, doc), scratch, nil
}

func empty(t *testing.T, folder string) {
	t.Helper()
	left, err := os.ReadDir(folder)
	if err != nil || len(left) > 0 {
		t.Errorf("left in the scratch folder: %v %v", left, err)
	}
}

func TestAProgramIsAskedAndItsOutputIsTheDocument(t *testing.T) {
	t.Setenv("PLIMSOLL_SECRET_OF_OURS", "x")
	p := shell(`cat; echo "$TOKEN"; pwd | sed 's/.*plugin-.*/own folder/'; env | grep -c PLIMSOLL; echo note >&2`)
	p.Env = []string{"TOKEN=t"}
	got, scratch, err := ask(t, p)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff("question\nt\nown folder\n0\n", got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	empty(t, scratch)
}

func TestAProgramThatFailsSaysWhy(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		plugin fetch.Plugin
		kind   error
		says   string
	}{
		"exit status":       {shell(`echo half; echo "licence expired for key s3cret" >&2; exit 3`), fetch.ErrUnreachable, "acme failed (exit status 3): licence expired for key [redacted]"},
		"silent":            {shell(`exit 1`), fetch.ErrUnreachable, "nothing to standard error"},
		"killed":            {shell(`kill -9 $$`), fetch.ErrUnreachable, "signal: killed"},
		"too much":          {shell(`while :; do echo 0123456789; done`), fetch.ErrTooLarge, "larger than 1000 bytes"},
		"a flood of notes":  {shell(`i=0; while [ $i -lt 5000 ]; do echo 0123456789 >&2; i=$((i+1)); done; echo last words >&2; exit 1`), fetch.ErrUnreachable, "last words"},
		"no such program":   {fetch.Plugin{Name: "acme", Command: []string{"/nowhere/driver"}, Timeout: time.Minute}, fetch.ErrResponse, "there is no program /nowhere/driver"},
		"not an executable": {fetch.Plugin{Name: "acme", Command: []string{os.DevNull}, Timeout: time.Minute}, fetch.ErrResponse, "no program"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c.plugin.Secrets = []string{"s3cret", ""}
			_, scratch, err := ask(t, c.plugin)
			if !errors.Is(err, c.kind) || !strings.Contains(err.Error(), c.says) || strings.Contains(err.Error(), "s3cret") {
				t.Errorf("%v, want %v with %q", err, c.kind, c.says)
			}
			empty(t, scratch)
		})
	}
}

// running reports whether the process whose number a file holds still exists.
func running(t *testing.T, file string) bool {
	t.Helper()
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	pid, err := strconv.Atoi(strings.TrimSpace(string(text)))
	if err != nil {
		t.Fatal(err)
	}
	stat, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/stat")
	if err == nil && strings.Contains(string(stat), ") Z ") {
		return false // killed, and its new parent has not looked yet
	}
	return syscall.Kill(pid, 0) == nil
}

func TestNothingOfAProgramOutlivesItsTime(t *testing.T) {
	t.Parallel()
	for name, how := range map[string]func(*fetch.Plugin, context.CancelCauseFunc){
		"time limit": func(p *fetch.Plugin, _ context.CancelCauseFunc) { p.Timeout = 300 * time.Millisecond },
		"cancelled": func(_ *fetch.Plugin, cancel context.CancelCauseFunc) {
			time.AfterFunc(300*time.Millisecond, func() { cancel(context.Canceled) })
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			child := filepath.Join(t.TempDir(), "child")
			p := shell(`sleep 300 & echo $! > ` + child + `; echo started; wait`)
			f, scratch := fetcher(t, "")
			ctx, cancel := context.WithCancelCause(t.Context())
			how(&p, cancel)
			_, err := f.Ask(ctx, p, nil, func(int64, int64) {})
			switch {
			case name == "time limit" && (!errors.Is(err, fetch.ErrUnreachable) || !strings.Contains(err.Error(), "time limit of 300ms")),
				name == "cancelled" && !errors.Is(err, context.Canceled):
				t.Errorf("error %v", err)
			}
			if running(t, child) {
				t.Error("its child still runs")
			}
			empty(t, scratch)
		})
	}
}

func TestWhatAProgramLeavesRunningEndsWithIt(t *testing.T) {
	t.Parallel()
	child := filepath.Join(t.TempDir(), "child")
	got, _, err := ask(t, shell(`sleep 300 & echo $! > `+child+`; echo answer`))
	if err != nil || got != "answer\n" || running(t, child) {
		t.Errorf("%q %v, child runs: %v", got, err, running(t, child))
	}
}

func TestAnEndpointIsAsked(t *testing.T) {
	t.Parallel()
	up := newUpstream(t)
	p := fetch.Plugin{Name: "acme", URL: up.URL + "/feed", Header: map[string]string{"Authorization": "Bearer s3cret"}, Timeout: time.Minute, Secrets: []string{"s3cret"}}
	up.answer = func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		io.WriteString(w, r.Method+" "+r.Header.Get("Authorization")+" "+r.Header.Get("Content-Type")+" "+string(body))
	}
	got, _, err := ask(t, p)
	if want := "POST Bearer s3cret application/json question\n"; err != nil || got != want {
		t.Errorf("%q %v, want %q", got, err, want)
	}
	for name, c := range map[string]struct {
		answer http.HandlerFunc
		kind   error
	}{
		"redirect": {func(w http.ResponseWriter, r *http.Request) {
			http.Redirect(w, r, "/other", http.StatusTemporaryRedirect)
		}, fetch.ErrResponse},
		"unavailable": {func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusServiceUnavailable) }, fetch.ErrUnreachable},
		"unknown":     {func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusUnauthorized) }, fetch.ErrResponse},
		"cut short": {func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Length", "100")
			w.Header().Set("ETag", `"strong"`)
			io.WriteString(w, "half")
		}, fetch.ErrUnreachable},
	} {
		up.answer = c.answer
		if _, scratch, err := ask(t, p); !errors.Is(err, c.kind) || strings.Contains(err.Error(), "s3cret") {
			t.Errorf("%s: %v, want %v", name, err, c.kind)
		} else {
			empty(t, scratch)
		}
	}
}
