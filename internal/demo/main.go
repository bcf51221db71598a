// Demo is what `make demo` runs: it starts bin/plimsoll standalone, builds and pushes a small real image (or
// takes the one named on the command line), loads a small set of advisories, submits the image over REST,
// follows the analysis and prints what was found and the verdict. Then it leaves the system running until
// Ctrl-C.
//
// It is a client like any other: it knows the API and nothing of the server's inside.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"plimsoll/api/client"
	"plimsoll/internal/sample"
)

const (
	readyTimeout    = 3 * time.Minute
	analysisTimeout = 30 * time.Minute
	stopTimeout     = 45 * time.Second
)

func main() {
	once := flag.Bool("once", false, "stop after printing the result")
	dataDir := flag.String("data-dir", ".cache/demo", "data directory of the system")
	flag.Usage = func() {
		fmt.Fprintln(flag.CommandLine.Output(), "usage: go run ./internal/demo [-once] [-data-dir DIR] [IMAGE]")
		flag.PrintDefaults()
	}
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := run(ctx, *dataDir, flag.Arg(0), *once); err != nil && !errors.Is(err, context.Canceled) {
		fmt.Fprintln(os.Stderr, "demo:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, dataDir, image string, once bool) error {
	dataDir, err := filepath.Abs(dataDir)
	if err != nil {
		return err
	}
	mirror, err := adviceMirror(dataDir)
	if err != nil {
		return err
	}
	system, err := start(dataDir, mirror)
	if err != nil {
		return err
	}
	defer system.stop()
	ctx, cancel := context.WithCancelCause(ctx)
	go func() { cancel(fmt.Errorf("plimsoll standalone ended: %w", system.wait())) }()

	err = func() error {
		api, err := connect(ctx, dataDir)
		if err != nil {
			return err
		}
		if image == "" {
			step("building the sample image and pushing it to a registry in this process")
			if image, err = sample.Serve(ctx); err != nil {
				return err
			}
		}
		if err := loadAdvisories(ctx, api); err != nil {
			return err
		}
		return show(ctx, api, image)
	}()
	if err != nil {
		if cause := context.Cause(ctx); cause != nil && !errors.Is(cause, context.Canceled) {
			return cause
		}
		return err
	}
	addresses(dataDir)
	if once {
		return nil
	}
	fmt.Println("\nRunning until Ctrl-C.")
	<-ctx.Done()
	return nil
}

func step(format string, args ...any) { fmt.Printf("=> "+format+"\n", args...) }

const mirrorVariable = "PLIMSOLL_FEEDS_MIRROR_URL"

// adviceMirror writes the repository's sample advisories where the feed sync will look for them, unless the
// environment names a mirror already.
func adviceMirror(dataDir string) (string, error) {
	if named := os.Getenv(mirrorVariable); named != "" {
		return named, nil
	}
	records, err := sample.Advisories()
	if err != nil {
		return "", err
	}
	dir := filepath.Join(filepath.Dir(dataDir), "demo-feeds")
	if err := sample.WriteMirror(dir, records); err != nil {
		return "", fmt.Errorf("write the sample advisories: %w", err)
	}
	return "file://" + dir, nil
}

// system is the running plimsoll standalone.
type system struct {
	cmd  *exec.Cmd
	done chan struct{}
	err  error
}

func start(dataDir, mirror string) (*system, error) {
	cmd := exec.CommandContext(context.Background(), "bin/plimsoll", "standalone", "--data-dir", dataDir)
	cmd.Stdout, cmd.Stderr = os.Stdout, os.Stderr
	cmd.Env = os.Environ()
	if os.Getenv(mirrorVariable) == "" { // the samples are of one source
		cmd.Env = append(cmd.Env, mirrorVariable+"="+mirror, "PLIMSOLL_FEEDS_ONLY=osv", "PLIMSOLL_FEEDS_OSV_ECOSYSTEMS=Debian,npm,PyPI,Maven,Go")
	}
	// A group of its own: Ctrl-C reaches it through stop, once, in order.
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	if err := cmd.Start(); err != nil {
		return nil, fmt.Errorf("start bin/plimsoll (make demo builds it): %w", err)
	}
	s := &system{cmd: cmd, done: make(chan struct{})}
	go func() {
		s.err = cmd.Wait()
		close(s.done)
	}()
	return s, nil
}

func (s *system) wait() error {
	<-s.done
	return s.err
}

func (s *system) stop() {
	_ = s.cmd.Process.Signal(syscall.SIGTERM)
	select {
	case <-s.done:
	case <-time.After(stopTimeout):
		_ = s.cmd.Process.Kill()
		<-s.done
	}
}

func apiAddress() string {
	if addr := os.Getenv("PLIMSOLL_API_ADDR"); addr != "" {
		return addr
	}
	return "127.0.0.1:8228"
}

func address(variable, fallback string) string {
	if addr := os.Getenv(variable); addr != "" {
		return addr
	}
	return fallback
}

// connect waits until the API answers and every service is up.
func connect(ctx context.Context, dataDir string) (*client.ClientWithResponses, error) {
	ctx, cancel := context.WithTimeout(ctx, readyTimeout)
	defer cancel()
	var api *client.ClientWithResponses
	err := poll(ctx, 300*time.Millisecond, func() (bool, error) {
		password := os.Getenv("PLIMSOLL_ADMIN_PASSWORD")
		if password == "" {
			raw, err := os.ReadFile(filepath.Join(dataDir, "admin-password"))
			if err != nil {
				return false, nil //nolint:nilerr // written by the first start, a moment from now
			}
			password = strings.TrimSpace(string(raw))
		}
		var err error
		api, err = client.NewClientWithResponses("http://"+apiAddress()+"/v2", client.WithRequestEditorFn(
			func(_ context.Context, r *http.Request) error {
				r.SetBasicAuth("admin", password)
				return nil
			}))
		if err != nil {
			return false, err
		}
		return servicesUp(ctx, api)
	})
	if err != nil {
		return nil, fmt.Errorf("wait for the system: %w", err)
	}
	return api, nil
}

func servicesUp(ctx context.Context, api *client.ClientWithResponses) (bool, error) {
	r, err := api.GetSystemWithResponse(ctx)
	if err != nil || r.JSON200 == nil {
		if r != nil && r.StatusCode() == http.StatusUnauthorized {
			return false, client.Failure(r.StatusCode(), r.Body)
		}
		return false, nil // not listening yet
	}
	up := map[string]bool{}
	for _, s := range r.JSON200.ServiceStates {
		up[s.ServiceName] = up[s.ServiceName] || s.ServiceDetail.Up
	}
	return up["api"] && up["catalog"] && up["analyzer"] && up["policy_engine"], nil
}

// poll asks until yes, an error, or the end of ctx.
func poll(ctx context.Context, every time.Duration, ask func() (bool, error)) error {
	tick := time.NewTicker(every)
	defer tick.Stop()
	for {
		yes, err := ask()
		if err != nil || yes {
			return err
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-tick.C:
		}
	}
}

func addresses(dataDir string) {
	fmt.Println()
	fmt.Println("API          http://" + apiAddress() + "/v2  (console: http://" + apiAddress() + "/v2/console/)")
	fmt.Println("Temporal UI  http://" + address("PLIMSOLL_TEMPORAL_UI_ADDR", "127.0.0.1:8233"))
	fmt.Println("UI           http://" + address("PLIMSOLL_UI_ADDR", "127.0.0.1:3000"))
	fmt.Println("User         admin, password in " + filepath.Join(dataDir, "admin-password"))
}
