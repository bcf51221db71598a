package standalone_test

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"go.temporal.io/api/serviceerror"
	"go.temporal.io/sdk/client"

	"plimsoll/internal/nettest"
	"plimsoll/internal/standalone"
)

const namespace = "plimsoll-test"

// childVariable turns the test binary into a process that runs a stack on the
// directory it names, prints its addresses and waits for a signal.
const childVariable = "STANDALONE_TEST_CHILD_DIR"

// addresses is what a child prints.
type addresses struct{ Database, Temporal, TemporalUI, Redis string }

func TestMain(m *testing.M) {
	if dir := os.Getenv(childVariable); dir != "" {
		if err := runChild(dir); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		return
	}
	os.Exit(m.Run())
}

func runChild(dir string) error {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM)
	defer stop()
	cfg, want := settings(dir, os.Getenv("STANDALONE_TEST_UI_ADDR"), os.Getenv("STANDALONE_TEST_TEMPORAL"))
	stack, err := startStack(ctx, cfg, want, func(format string, args ...any) { fmt.Fprintf(os.Stderr, format+"\n", args...) })
	if err != nil {
		return err
	}
	err = json.NewEncoder(os.Stdout).Encode(addresses{stack.DatabaseURL.Reveal(), stack.TemporalAddress, stack.TemporalUI, stack.RedisURL.Reveal()})
	if err != nil {
		return errors.Join(err, stack.Close())
	}
	select {
	case <-ctx.Done():
		return stack.Close()
	case err := <-stack.Failed():
		return errors.Join(err, stack.Close())
	}
}

// startStack opens the directory and starts the servers, or nothing.
func startStack(ctx context.Context, cfg standalone.Config, want standalone.Servers, say func(string, ...any)) (*standalone.Stack, error) {
	stack, err := standalone.Open(cfg)
	if err != nil {
		return nil, err
	}
	if err := stack.Start(ctx, want, say); err != nil {
		return nil, errors.Join(err, stack.Close())
	}
	return stack, nil
}

func settings(dir, uiAddr, temporal string) (standalone.Config, standalone.Servers) {
	cfg := standalone.DefaultConfig()
	cfg.DataDir, cfg.TemporalBin = dir, temporal
	return cfg, standalone.Servers{TemporalUIAddr: uiAddr, Namespace: namespace}
}

// temporalProgram finds the server that `make setup` provides.
func temporalProgram(t *testing.T) string {
	t.Helper()
	if path := os.Getenv("PLIMSOLL_TEST_TEMPORAL"); path != "" {
		return path
	}
	if path, err := exec.LookPath("temporal"); err == nil {
		return path
	}
	path, err := filepath.Abs(filepath.Join("..", "..", ".cache", "bin", "temporal"))
	if err == nil {
		_, err = os.Stat(path)
	}
	if err != nil {
		t.Fatalf("no temporal command: run `make setup` (%v)", err)
	}
	return path
}

type child struct {
	addresses
	cmd  *exec.Cmd
	done chan error
}

// startChild runs a stack in another process and waits until it is ready.
func startChild(t *testing.T, dir string) *child {
	t.Helper()
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), childVariable+"="+dir,
		"STANDALONE_TEST_UI_ADDR="+nettest.FreeAddr(t), "STANDALONE_TEST_TEMPORAL="+temporalProgram(t))
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	progress := &strings.Builder{}
	cmd.Stderr = progress
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	c := &child{cmd: cmd, done: make(chan error, 1)}
	line, readErr := bufio.NewReader(out).ReadBytes('\n')
	go func() { c.done <- cmd.Wait() }()
	t.Cleanup(func() { cmd.Process.Kill() })
	if readErr != nil {
		<-c.done
		t.Fatalf("the stack did not start: %v\n%s", readErr, progress)
	}
	if err := json.Unmarshal(line, &c.addresses); err != nil {
		t.Fatal(err)
	}
	return c
}

func (c *child) signal(t *testing.T, sig syscall.Signal) error {
	t.Helper()
	if err := c.cmd.Process.Signal(sig); err != nil {
		t.Fatal(err)
	}
	return <-c.done
}

func query[T any](t *testing.T, address, sql string) (value T) {
	t.Helper()
	ctx := context.Background()
	conn, err := pgx.Connect(ctx, address)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(ctx)
	if err := conn.QueryRow(ctx, sql).Scan(&value); err != nil {
		t.Fatalf("%s: %v", sql, err)
	}
	return value
}

func execute(t *testing.T, address, sql string) {
	t.Helper()
	ctx := context.Background()
	conn, err := pgx.Connect(ctx, address)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(ctx)
	if _, err := conn.Exec(ctx, sql); err != nil {
		t.Fatalf("%s: %v", sql, err)
	}
}

func dialTemporal(t *testing.T, address string) client.Client {
	t.Helper()
	c, err := client.Dial(client.Options{HostPort: address, Namespace: namespace})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	return c
}

// startWorkflow leaves a workflow waiting for a worker that never comes.
func startWorkflow(t *testing.T, address string) {
	t.Helper()
	_, err := dialTemporal(t, address).ExecuteWorkflow(context.Background(),
		client.StartWorkflowOptions{ID: "interrupted", TaskQueue: "nobody"}, "Anything")
	if err != nil {
		t.Fatal(err)
	}
}

func wantWorkflow(t *testing.T, address string) {
	t.Helper()
	_, err := dialTemporal(t, address).DescribeWorkflowExecution(context.Background(), "interrupted", "")
	if notFound := (*serviceerror.NotFound)(nil); errors.As(err, &notFound) {
		t.Error("the interrupted workflow is lost")
	} else if err != nil {
		t.Error(err)
	}
}

// wantNothingLeft fails if a process still has the directory on its command
// line after a grace period.
func wantNothingLeft(t *testing.T, dir string) {
	t.Helper()
	deadline := time.Now().Add(15 * time.Second)
	for {
		left := processesWith(t, dir)
		if len(left) == 0 {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("processes are left behind: %q", left)
		}
		<-time.After(50 * time.Millisecond)
	}
}

func processesWith(t *testing.T, text string) (found []string) {
	t.Helper()
	if _, err := os.Stat("/proc/self/cmdline"); err != nil {
		out, err := exec.Command("ps", "-axww", "-o", "command=").Output()
		if err != nil {
			t.Fatal(err)
		}
		for line := range strings.Lines(string(out)) {
			if strings.Contains(line, text) {
				found = append(found, line)
			}
		}
		return found
	}
	files, err := filepath.Glob("/proc/[0-9]*/cmdline")
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range files {
		line, err := os.ReadFile(file)
		if err == nil && strings.Contains(string(line), text) {
			found = append(found, strings.ReplaceAll(string(line), "\x00", " "))
		}
	}
	return found
}

// privateDir has an ancestor that only we may pass, as mktemp -d makes it.
func privateDir(t *testing.T) string {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "private")
	if err := os.Mkdir(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	return filepath.Join(dir, "data")
}
