package serve_test

import (
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"plimsoll/internal/serve"
)

func listen(t *testing.T) net.Listener {
	t.Helper()
	l, err := serve.Listen(context.Background(), "127.0.0.1:0", "X")
	if err != nil {
		t.Fatal(err)
	}
	return l
}

func TestRunningRequestsFinishAfterTheSignal(t *testing.T) {
	t.Parallel()
	l := listen(t)
	ctx, stop := context.WithCancel(context.Background())
	entered, release := make(chan struct{}), make(chan struct{})
	handler := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		close(entered)
		<-release
		if r.Context().Err() != nil {
			w.WriteHeader(http.StatusTeapot)
		}
	})
	served := make(chan error, 1)
	go func() { served <- serve.HTTP(ctx, l, handler, serve.DefaultConfig()) }()
	status := make(chan int, 1)
	go func() {
		res, err := http.Get("http://" + l.Addr().String())
		if err != nil {
			t.Error(err)
			status <- 0
			return
		}
		res.Body.Close()
		status <- res.StatusCode
	}()
	<-entered
	stop()
	close(release)
	if got := <-status; got != http.StatusOK {
		t.Errorf("the running request ended with %d", got)
	}
	if err := <-served; err != nil {
		t.Errorf("HTTP() = %v", err)
	}
	if _, err := net.Dial("tcp", l.Addr().String()); err == nil {
		t.Error("still listening")
	}
}

func TestRequestsThatNeverEndAreCutOff(t *testing.T) {
	t.Parallel()
	l := listen(t)
	ctx, stop := context.WithCancel(context.Background())
	entered, release := make(chan struct{}), make(chan struct{})
	defer close(release)
	handler := http.HandlerFunc(func(http.ResponseWriter, *http.Request) {
		close(entered)
		<-release
	})
	cfg := serve.DefaultConfig()
	cfg.DrainTimeout = 10 * time.Millisecond
	served := make(chan error, 1)
	go func() { served <- serve.HTTP(ctx, l, handler, cfg) }()
	go func() {
		if res, err := http.Get("http://" + l.Addr().String()); err == nil {
			res.Body.Close()
		}
	}()
	<-entered
	stop()
	if err := <-served; !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("HTTP() = %v, want the drain deadline", err)
	}
}

func TestTakenAddressNamesTheSetting(t *testing.T) {
	t.Parallel()
	l := listen(t)
	defer l.Close()
	if _, err := serve.Listen(context.Background(), l.Addr().String(), "PLIMSOLL_API_ADDR"); err == nil || !strings.Contains(err.Error(), "PLIMSOLL_API_ADDR") {
		t.Errorf("Listen() = %v", err)
	}
}

func TestOperationalRoutes(t *testing.T) {
	t.Parallel()
	var schema error
	handler := serve.Operate(serve.NewRegistry(), map[string]string{"version": "v9"},
		serve.Check{Name: "database", Run: func(context.Context) error { return schema }})
	get := func(path string) (int, string) {
		rec := httptest.NewRecorder()
		handler.ServeHTTP(rec, httptest.NewRequest(http.MethodGet, path, nil))
		body, err := io.ReadAll(rec.Result().Body)
		if err != nil {
			t.Fatal(err)
		}
		return rec.Code, string(body)
	}
	want := func(path string, status int, text string) {
		t.Helper()
		if code, body := get(path); code != status || !strings.Contains(body, text) {
			t.Errorf("GET %s = %d %q, want %d with %q", path, code, body, status, text)
		}
	}
	want("/health", http.StatusOK, "")
	want("/version", http.StatusOK, `"v9"`)
	want("/ready", http.StatusOK, `"database":"ok"`)
	want("/metrics", http.StatusOK, "plimsoll_build_info")
	want("/else", http.StatusNotFound, "")
	schema = errors.New("schema 3 of db.internal is too old")
	want("/ready", http.StatusServiceUnavailable, `"database":"failed"`)
	if _, body := get("/ready"); strings.Contains(body, "db.internal") {
		t.Error("readiness shows internals")
	}
}

func TestConfigReportsEveryFault(t *testing.T) {
	t.Parallel()
	if err := serve.DefaultConfig().Validate(); err != nil {
		t.Error(err)
	}
	err := serve.Config{}.Validate()
	for _, key := range []string{"read_header_timeout", "read_timeout", "write_timeout", "idle_timeout", "drain_timeout", "max_header_bytes"} {
		if err == nil || !strings.Contains(err.Error(), key) {
			t.Errorf("no fault for %s in %v", key, err)
		}
	}
}
