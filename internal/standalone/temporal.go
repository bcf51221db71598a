package standalone

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"syscall"
	"time"

	"go.temporal.io/sdk/client"
	sdklog "go.temporal.io/sdk/log"
)

// temporalModule is the last release of the Temporal CLI that `go install`
// accepts: newer ones carry a replace directive.
const temporalModule = "github.com/temporalio/cli/cmd/temporal@v1.5.1"

// temporal is the running development server.
type temporal struct {
	process *process
	address string
}

// startTemporal runs the development server on the workflow database in dir.
func startTemporal(ctx context.Context, dir string, cfg Config, want Servers, say func(string, ...any)) (*temporal, error) {
	program, err := findTemporal(ctx, cfg.TemporalBin, say)
	if err != nil {
		return nil, err
	}
	began := time.Now()
	home := filepath.Join(dir, "temporal")
	if err := os.MkdirAll(home, 0o700); err != nil {
		return nil, fmt.Errorf("create workflow folder: %w", err)
	}
	database, pidFile := filepath.Join(home, "temporal.db"), filepath.Join(home, "pid")
	if _, err := endLeftover(ctx, pidFile, database+" ", syscall.SIGTERM, cfg.StopTimeout); err != nil {
		return nil, fmt.Errorf("take over the workflow database: %w", err)
	}
	fair, err := fairness(home, database)
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeoutCause(ctx, cfg.StartTimeout, fmt.Errorf("waited for %s", cfg.StartTimeout))
	defer cancel()
	t, err := runTemporal(ctx, program, home, filepath.Join(dir, "log", "temporal.log"), database, pidFile, cfg.StopTimeout, fair, want)
	if err != nil {
		return nil, err
	}
	say("Temporal     ready on %s after %s, web page on http://%s", t.address, since(began), want.TemporalUIAddr)
	return t, nil
}

// fairness reports whether tasks of accounts are to be dispatched in turns. The server keeps such tasks in other tables and
// does not look into those it had before: a database that began without stays without, or its waiting tasks would be lost.
func fairness(home, database string) (bool, error) {
	mark := filepath.Join(home, "fair")
	if _, err := os.Stat(database); errors.Is(err, fs.ErrNotExist) {
		return true, writeWhole(mark, "")
	}
	_, err := os.Stat(mark)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return false, fmt.Errorf("look into workflow folder: %w", err)
	}
	return err == nil, nil
}

// portTaken is how the server's log says that somebody took one of its ports between choosing and listening. It
// chooses some of them itself.
const portTaken = "address already in use"

// runTemporal starts the server and waits until it answers, again with other ports when one was taken.
func runTemporal(ctx context.Context, program, home, log, database, pidFile string, patience time.Duration, fair bool, want Servers) (*temporal, error) {
	for attempt := 1; ; attempt++ {
		t, err := launchTemporal(ctx, program, home, log, database, fair, want)
		if err != nil {
			return nil, err
		}
		err = writeWhole(pidFile, strconv.Itoa(t.process.cmd.Process.Pid)+"\n")
		if err == nil {
			err = t.process.await(ctx, func(ctx context.Context) error { return probeTemporal(ctx, t.address, want.Namespace) })
		}
		if err == nil {
			return t, nil
		}
		taken := t.process.said(portTaken)
		err = errors.Join(err, t.stop(patience))
		if !taken || attempt == startAttempts || ctx.Err() != nil {
			return nil, err
		}
	}
}

func launchTemporal(ctx context.Context, program, home, log, database string, fair bool, want Servers) (*temporal, error) {
	uiHost, uiPort, err := net.SplitHostPort(want.TemporalUIAddr)
	if err != nil {
		return nil, fmt.Errorf("address of the Temporal web page %q: %w", want.TemporalUIAddr, err)
	}
	ports := make([]string, 3) // gRPC, HTTP, metrics
	for i := range ports {
		port, err := freePort(ctx)
		if err != nil {
			return nil, err
		}
		ports[i] = strconv.Itoa(port)
	}
	args := []string{
		"server", "start-dev", "--db-filename", database,
		"--ip", "127.0.0.1", "--port", ports[0], "--http-port", ports[1], "--metrics-port", ports[2],
		"--ui-ip", uiHost, "--ui-port", uiPort,
		"--namespace", want.Namespace, "--log-level", "warn",
		"--disable-config-file", "--disable-config-env", "--color", "never",
	}
	if fair {
		args = append(args, "--dynamic-config-value", "matching.enableFairness=true")
	}
	cmd := exec.CommandContext(context.WithoutCancel(ctx), program, args...)
	cmd.Dir, cmd.Env = home, childEnviron(home)
	p, err := launch("Temporal", cmd, log, syscall.SIGKILL)
	if err != nil {
		return nil, err
	}
	return &temporal{process: p, address: net.JoinHostPort("127.0.0.1", ports[0])}, nil
}

// silentLog keeps the probing client quiet: refused connections are expected
// until the server is up.
type silentLog struct{}

func (silentLog) Debug(string, ...any) {}
func (silentLog) Info(string, ...any)  {}
func (silentLog) Warn(string, ...any)  {}
func (silentLog) Error(string, ...any) {}

var _ sdklog.Logger = silentLog{}

// probeTemporal succeeds once the server answers and knows the namespace.
func probeTemporal(ctx context.Context, address, namespace string) error {
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	c, err := client.NewNamespaceClient(client.Options{HostPort: address, Logger: silentLog{}})
	if err != nil {
		return err
	}
	defer c.Close()
	_, err = c.Describe(ctx, namespace)
	return err
}

func (t *temporal) stop(patience time.Duration) error {
	return t.process.stop(patience, syscall.SIGTERM)
}

// findTemporal returns the temporal command, building it when Go is there.
func findTemporal(ctx context.Context, configured string, say func(string, ...any)) (string, error) {
	if configured != "" {
		if !runnable(configured) {
			return "", fmt.Errorf("%w: standalone.temporal_bin is %s, which is no program", ErrMissing, configured)
		}
		return configured, nil
	}
	if found, err := exec.LookPath("temporal"); err == nil {
		return filepath.Abs(found)
	}
	var places []string
	if exe, err := os.Executable(); err == nil {
		places = append(places, filepath.Dir(exe), filepath.Join(filepath.Dir(exe), "..", ".cache", "bin"))
	}
	cache, cacheErr := os.UserCacheDir()
	own := filepath.Join(cache, "plimsoll", "bin")
	if cacheErr == nil {
		places = append(places, own)
	}
	for _, place := range places {
		if program := filepath.Join(place, "temporal"); runnable(program) {
			return program, nil
		}
	}
	goTool, err := exec.LookPath("go")
	if err != nil || cacheErr != nil {
		return "", fmt.Errorf("%w: no temporal command on PATH or in %v; run `make setup`, or install the Temporal CLI, or set PLIMSOLL_TEMPORAL_ADDRESS to use a server elsewhere", ErrMissing, places)
	}
	return buildTemporal(ctx, goTool, own, say)
}

func runnable(path string) bool {
	info, err := os.Stat(path)
	return err == nil && info.Mode().IsRegular() && info.Mode()&0o111 != 0
}

func buildTemporal(ctx context.Context, goTool, into string, say func(string, ...any)) (string, error) {
	say("Temporal     building the development server into %s (once, about four minutes)", into)
	if err := os.MkdirAll(into, 0o755); err != nil {
		return "", fmt.Errorf("create folder for the temporal command: %w", err)
	}
	cmd := exec.CommandContext(ctx, goTool, "install", temporalModule)
	cmd.Dir = into
	cmd.Env = append(os.Environ(), "GOBIN="+into, "GOFLAGS=-mod=mod", "GOWORK=off")
	if out, err := cmd.CombinedOutput(); err != nil {
		return "", fmt.Errorf("build the temporal command: %w:\n%s", err, out)
	}
	return filepath.Join(into, "temporal"), nil
}
