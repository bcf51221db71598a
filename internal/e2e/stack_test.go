// Package e2e drives the built binaries from outside: over HTTP, against a real PostgreSQL, a real Temporal
// server and a real registry, on the sample image. It also kills parts of the system while an image is being
// analysed and expects exactly one result.
package e2e

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"plimsoll/api/client"
	"plimsoll/internal/sample"
)

const (
	adminPassword = "correct horse battery staple"
	startTimeout  = 2 * time.Minute
	answerTimeout = 90 * time.Second
)

var binary struct {
	sync.Once
	path string
	err  error
}

func TestMain(m *testing.M) {
	dir, err := os.MkdirTemp("", "plimsoll-e2e-")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	binary.path = filepath.Join(dir, "plimsoll")
	code := m.Run()
	_ = os.RemoveAll(dir)
	os.Exit(code)
}

// plimsoll builds the server once.
func plimsoll(t testing.TB) string {
	t.Helper()
	binary.Do(func() {
		out, err := exec.Command("go", "build", "-buildvcs=false", "-o", binary.path, "plimsoll/cmd/plimsoll").CombinedOutput()
		if err != nil {
			binary.err = fmt.Errorf("build plimsoll: %w: %s", err, out)
		}
	})
	if binary.err != nil {
		t.Fatal(binary.err)
	}
	return binary.path
}

// temporal finds the Temporal server that `make setup` provides.
func temporal(t testing.TB) string {
	t.Helper()
	if named := os.Getenv("PLIMSOLL_TEST_TEMPORAL"); named != "" {
		return named
	}
	if found, err := exec.LookPath("temporal"); err == nil {
		return found
	}
	built, err := filepath.Abs(filepath.Join("..", "..", ".cache", "bin", "temporal"))
	if err == nil {
		_, err = os.Stat(built)
	}
	if err != nil {
		t.Fatalf("no temporal command: run `make setup` (%v)", err)
	}
	return built
}

// process is one running child; its output is shown when the test fails.
type process struct {
	cmd  *exec.Cmd
	done chan struct{}
	err  error
}

type logBuffer struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (b *logBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buf.Write(p)
}

func (b *logBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buf.String()
}

func launch(t testing.TB, env []string, name string, args ...string) *process {
	t.Helper()
	out := &logBuffer{}
	cmd := exec.Command(name, args...)
	cmd.Env = append(os.Environ(), env...)
	cmd.Stdout, cmd.Stderr = out, out
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	if err := cmd.Start(); err != nil {
		t.Fatalf("start %s: %v", name, err)
	}
	p := &process{cmd: cmd, done: make(chan struct{})}
	go func() {
		p.err = cmd.Wait()
		close(p.done)
	}()
	t.Cleanup(func() {
		p.stop(t)
		if t.Failed() {
			text := out.String()
			if len(text) > 20000 {
				text = "..." + text[len(text)-20000:]
			}
			t.Logf("output of %s %s:\n%s", filepath.Base(name), strings.Join(args, " "), text)
		}
	})
	return p
}

// stop asks the process to end and waits; a process that does not end in time is killed and fails the test.
func (p *process) stop(t testing.TB) {
	t.Helper()
	_ = p.cmd.Process.Signal(syscall.SIGTERM)
	select {
	case <-p.done:
	case <-time.After(60 * time.Second):
		t.Errorf("%s did not end after SIGTERM", p.cmd.Path)
		_ = syscall.Kill(-p.cmd.Process.Pid, syscall.SIGKILL)
		<-p.done
	}
}

// kill is kill -9.
func (p *process) kill(t testing.TB) {
	t.Helper()
	if err := p.cmd.Process.Kill(); err != nil {
		t.Fatalf("kill: %v", err)
	}
	<-p.done
}

// eventually asks until yes; asking is bounded by a deadline and not by a count of sleeps.
func eventually(t testing.TB, limit time.Duration, what string, ask func() (bool, error)) {
	t.Helper()
	deadline := time.NewTimer(limit)
	defer deadline.Stop()
	tick := time.NewTicker(100 * time.Millisecond)
	defer tick.Stop()
	var last error
	for {
		yes, err := ask()
		if yes {
			return
		}
		last = err
		select {
		case <-deadline.C:
			t.Fatalf("%s: not within %s (last: %v)", what, limit, last)
		case <-t.Context().Done():
			t.Fatalf("%s: %v", what, t.Context().Err())
		case <-tick.C:
		}
	}
}

// mirror writes the sample advisories and returns the mirror's base.
func mirror(t testing.TB) (dir, base string) {
	t.Helper()
	records, err := sample.Advisories()
	if err != nil {
		t.Fatal(err)
	}
	dir = t.TempDir()
	if err := sample.WriteMirror(dir, records); err != nil {
		t.Fatal(err)
	}
	return dir, "file://" + dir
}

const ecosystems = "Debian,npm,PyPI,Maven,Go"

// user is a client that acts as somebody.
func user(t testing.TB, addr, username, password, account string) *client.ClientWithResponses {
	t.Helper()
	c, err := client.NewClientWithResponses("http://"+addr+"/v2", client.WithHTTPClient(&http.Client{Timeout: answerTimeout}),
		client.WithRequestEditorFn(func(_ context.Context, r *http.Request) error {
			r.SetBasicAuth(username, password)
			if account != "" {
				r.Header.Set("x-anchore-account", account)
			}
			return nil
		}))
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func admin(t testing.TB, addr string) *client.ClientWithResponses {
	t.Helper()
	return user(t, addr, "admin", adminPassword, "")
}

// ready waits until every service an analysis needs is up.
func ready(t testing.TB, c *client.ClientWithResponses) {
	t.Helper()
	eventually(t, startTimeout, "system ready", func() (bool, error) {
		r, err := c.GetSystemWithResponse(t.Context())
		if err != nil {
			return false, err
		}
		if r.JSON200 == nil {
			return false, client.Failure(r.StatusCode(), r.Body)
		}
		up := map[string]bool{}
		for _, s := range r.JSON200.ServiceStates {
			up[s.ServiceName] = up[s.ServiceName] || s.ServiceDetail.Up
		}
		for _, name := range []string{"api", "catalog", "analyzer", "policy_engine", "simplequeue"} {
			if !up[name] {
				return false, errors.New(name + " is not up")
			}
		}
		return true, nil
	})
}

func syncFeeds(t testing.TB, c *client.ClientWithResponses) {
	t.Helper()
	eventually(t, answerTimeout, "feed sync", func() (bool, error) {
		r, err := c.SyncFeedsWithResponse(t.Context(), &client.SyncFeedsParams{})
		if err != nil {
			return false, err
		}
		return r.StatusCode() == http.StatusOK, client.Failure(r.StatusCode(), r.Body)
	})
}

func submit(t testing.TB, c *client.ClientWithResponses, image string, force bool) *client.AnchoreImage {
	t.Helper()
	r, err := c.AddImageWithResponse(t.Context(), &client.AddImageParams{Force: &force}, client.ImageAnalysisRequest{
		Source: client.ImageSource{Tag: &client.RegistryTagSource{PullString: image}},
	})
	if err != nil {
		t.Fatal(err)
	}
	if r.JSON200 == nil {
		t.Fatalf("submit %s: %v", image, client.Failure(r.StatusCode(), r.Body))
	}
	return r.JSON200
}

// status waits until the image is in one of the states and returns it.
func status(t testing.TB, c *client.ClientWithResponses, digest string, states ...string) *client.AnchoreImage {
	t.Helper()
	var image *client.AnchoreImage
	eventually(t, startTimeout, "image "+strings.Join(states, " or "), func() (bool, error) {
		r, err := c.GetImageWithResponse(t.Context(), digest, &client.GetImageParams{})
		if err != nil {
			return false, err
		}
		if r.JSON200 == nil {
			return false, client.Failure(r.StatusCode(), r.Body)
		}
		image = r.JSON200
		for _, s := range states {
			if image.AnalysisStatus == s {
				return true, nil
			}
		}
		if e := image.AnalysisError; e != nil {
			return false, errors.New(image.AnalysisStatus + ": " + e.Code + " " + e.Message)
		}
		return false, errors.New(image.AnalysisStatus)
	})
	return image
}
