package standalone_test

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	goredis "github.com/redis/go-redis/v9"

	"plimsoll/internal/config"
	"plimsoll/internal/nettest"
	"plimsoll/internal/standalone"
)

func TestDataSurvivesOrderlyAndViolentEnds(t *testing.T) {
	t.Parallel()
	dir := privateDir(t)

	first := startChild(t, dir)
	execute(t, first.Database, `CREATE TABLE kept AS SELECT 1 AS v`)
	startWorkflow(t, first.Temporal)
	if err := first.signal(t, syscall.SIGTERM); err != nil {
		t.Fatalf("SIGTERM: %v", err)
	}
	if left := processesWith(t, dir); len(left) > 0 {
		t.Fatalf("SIGTERM left %q", left)
	}
	if _, err := os.Stat(filepath.Join(dir, "postgres", "postmaster.pid")); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("a stale pid file is left: %v", err)
	}

	second := startChild(t, dir)
	if got := query[int](t, second.Database, `INSERT INTO kept VALUES (2) RETURNING (SELECT count(*) FROM kept)`); got != 1 {
		t.Errorf("after a restart %d rows, want 1", got)
	}
	wantWorkflow(t, second.Temporal)
	if err := second.signal(t, syscall.SIGKILL); err == nil {
		t.Fatal("SIGKILL ended the child without an error")
	}

	third := startChild(t, dir) // at once: children of the second may still be ending
	if got := query[int](t, third.Database, `SELECT count(*) FROM kept`); got != 2 {
		t.Errorf("after SIGKILL %d rows, want 2", got)
	}
	wantWorkflow(t, third.Temporal)
	if err := third.signal(t, syscall.SIGKILL); err == nil {
		t.Fatal("SIGKILL ended the child without an error")
	}
	wantNothingLeft(t, dir)
}

func TestForeignPidInPostmasterFileIsNoServer(t *testing.T) {
	t.Parallel()
	dir := privateDir(t)
	c := startChild(t, dir)
	if err := c.signal(t, syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	// After a reboot the number may belong to anything; here it is this test.
	stale := strconv.Itoa(os.Getpid()) + "\n" + filepath.Join(dir, "postgres") + "\n"
	if err := os.WriteFile(filepath.Join(dir, "postgres", "postmaster.pid"), []byte(stale), 0o644); err != nil {
		t.Fatal(err)
	}
	c = startChild(t, dir)
	if err := c.signal(t, syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
}

func TestATakenPortInsideTemporalIsTriedAgain(t *testing.T) {
	t.Parallel()
	// Fails once as the server does when somebody took a port it chose itself, then is the server.
	script := filepath.Join(t.TempDir(), "temporal")
	text := "#!/bin/sh\nif [ ! -e '" + script + ".once' ]; then : > '" + script + ".once'; echo 'listen tcp 127.0.0.1:1: bind: address already in use'; exit 2; fi\nexec '" +
		temporalProgram(t) + "' \"$@\"\n"
	if err := os.WriteFile(script, []byte(text), 0o755); err != nil {
		t.Fatal(err)
	}
	cfg, want := settings(privateDir(t), nettest.FreeAddr(t), script)
	stack, err := standalone.Open(cfg)
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := stack.Close(); err != nil {
			t.Error(err)
		}
	}()
	if err := stack.Start(t.Context(), want, t.Logf); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(script + ".once"); err != nil {
		t.Error("the first start did not fail")
	}
}

func TestOneDirectoryIsUsedOnce(t *testing.T) {
	t.Parallel()
	dir := privateDir(t)
	c := startChild(t, dir)
	cfg, want := settings(dir, nettest.FreeAddr(t), temporalProgram(t))
	_, err := startStack(context.Background(), cfg, want, t.Logf)
	if !errors.Is(err, standalone.ErrInUse) || !strings.Contains(err.Error(), strconv.Itoa(c.cmd.Process.Pid)) {
		t.Errorf("second start: %v, want ErrInUse with the pid of the first", err)
	}

	other := startChild(t, privateDir(t)) // another folder runs beside it
	if other.Database == c.Database || other.Temporal == c.Temporal || other.Redis == c.Redis {
		t.Errorf("two stacks share an address: %+v, %+v", c.addresses, other.addresses)
	}
	for _, running := range []*child{c, other} {
		if err := running.signal(t, syscall.SIGTERM); err != nil {
			t.Error(err)
		}
	}
}

func TestDeathOfAChildIsReported(t *testing.T) {
	t.Parallel()
	cfg, want := settings(privateDir(t), "127.0.0.1:0", "")
	want.TemporalAddress = "temporal.invalid:7233"
	stack, err := startStack(context.Background(), cfg, want, t.Logf)
	if err != nil {
		t.Fatal(err)
	}
	pidFile, err := os.ReadFile(filepath.Join(stack.Dir, "postgres", "postmaster.pid"))
	if err != nil {
		t.Fatal(err)
	}
	pid, err := strconv.Atoi(strings.SplitN(string(pidFile), "\n", 2)[0])
	if err != nil {
		t.Fatal(err)
	}
	if err := syscall.Kill(pid, syscall.SIGQUIT); err != nil {
		t.Fatal(err)
	}
	if err := <-stack.Failed(); err == nil || !strings.Contains(err.Error(), "PostgreSQL stopped by itself") {
		t.Errorf("Failed() = %v", err)
	}
	if err := stack.Close(); err != nil {
		t.Error(err)
	}
	if err := stack.Close(); err != nil {
		t.Errorf("second Close: %v", err)
	}
}

func TestConfiguredServersAreUsed(t *testing.T) {
	t.Parallel()
	cfg, want := settings(privateDir(t), "127.0.0.1:0", "/nonexistent")
	want.DatabaseURL, want.TemporalAddress, want.RedisURL = "postgres://u:hunter2@db/x", "temporal:7233", "redis://r/0"
	var said strings.Builder
	stack, err := startStack(context.Background(), cfg, want, func(f string, a ...any) { fmt.Fprintf(&said, f+"\n", a...) })
	if err != nil {
		t.Fatal(err)
	}
	defer stack.Close()
	if stack.DatabaseURL != want.DatabaseURL || stack.TemporalAddress != want.TemporalAddress || stack.RedisURL != want.RedisURL || stack.TemporalUI != "" {
		t.Errorf("addresses %+v", stack)
	}
	if entries, err := os.ReadDir(stack.Dir); err != nil || len(entries) != 2 {
		t.Errorf("want only lock and log in the data directory, have %v (%v)", entries, err)
	}
	if strings.Contains(said.String(), "hunter2") {
		t.Errorf("progress shows a secret:\n%s", said.String())
	}
}

func TestSecretsAreKeptAndPrivate(t *testing.T) {
	t.Parallel()
	cfg, want := settings(privateDir(t), "127.0.0.1:0", "")
	want.DatabaseURL, want.TemporalAddress = "postgres://db/x", "temporal:7233"
	var seen []config.Secret
	for range 2 {
		stack, err := startStack(context.Background(), cfg, want, t.Logf)
		if err != nil {
			t.Fatal(err)
		}
		password, path, err := stack.AdminPassword()
		if err != nil {
			t.Fatal(err)
		}
		key, err := stack.SealingKey()
		if err != nil {
			t.Fatal(err)
		}
		if info, err := os.Stat(path); err != nil || info.Mode().Perm() != 0o600 {
			t.Errorf("password file: %v, %v", info, err)
		}
		seen = append(seen, password+"|"+key)
		if err := stack.Close(); err != nil {
			t.Fatal(err)
		}
	}
	if seen[0] != seen[1] || len(seen[0].Reveal()) < 60 {
		t.Error("secrets differ between runs or are short")
	}
}

func TestRedisWantsItsPasswordAndForgets(t *testing.T) {
	t.Parallel()
	cfg, want := settings(privateDir(t), "127.0.0.1:0", "")
	want.DatabaseURL, want.TemporalAddress = "postgres://db/x", "temporal:7233"
	stack, err := startStack(context.Background(), cfg, want, t.Logf)
	if err != nil {
		t.Fatal(err)
	}
	defer stack.Close()
	ctx := context.Background()
	opts, err := goredis.ParseURL(stack.RedisURL.Reveal())
	if err != nil {
		t.Fatal(err)
	}
	c := goredis.NewClient(opts)
	defer c.Close()
	if err := c.Set(ctx, "session", "x", time.Second).Err(); err != nil {
		t.Fatal(err)
	}
	deadline := time.Now().Add(10 * time.Second)
	for c.Exists(ctx, "session").Val() != 0 {
		if time.Now().After(deadline) {
			t.Fatal("a key outlives its time")
		}
		<-time.After(20 * time.Millisecond)
	}
	opts.Password = ""
	stranger := goredis.NewClient(opts)
	defer stranger.Close()
	if err := stranger.Ping(ctx).Err(); err == nil {
		t.Error("Redis answers without a password")
	}
}

func TestMissingProgramsAreNamed(t *testing.T) {
	t.Parallel()
	cfg, want := settings(privateDir(t), "127.0.0.1:0", "")
	want.TemporalAddress = "temporal:7233"
	cfg.PostgresBinDir = t.TempDir()
	_, err := startStack(context.Background(), cfg, want, t.Logf)
	if !errors.Is(err, standalone.ErrMissing) || !strings.Contains(err.Error(), "make setup") {
		t.Errorf("without PostgreSQL: %v", err)
	}
	cfg.PostgresBinDir, cfg.TemporalBin = "", filepath.Join(t.TempDir(), "temporal")
	want.TemporalAddress, want.DatabaseURL = "", "postgres://db/x"
	if _, err := startStack(context.Background(), cfg, want, t.Logf); !errors.Is(err, standalone.ErrMissing) {
		t.Errorf("without Temporal: %v", err)
	}
}

func TestTakenTemporalPageAddressIsToldEarly(t *testing.T) {
	t.Parallel()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	cfg, want := settings(privateDir(t), l.Addr().String(), temporalProgram(t))
	_, err = startStack(context.Background(), cfg, want, t.Logf)
	if err == nil || !strings.Contains(err.Error(), "PLIMSOLL_TEMPORAL_UI_ADDR") {
		t.Errorf("error %v should name the setting", err)
	}
}
