package pgtest

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
)

// errNoServer: neither TEST_DATABASE_URL nor server binaries.
var errNoServer = errors.New("no PostgreSQL server binaries in PATH or /usr/lib/postgresql/*/bin; " +
	"install the package postgresql (`make setup` does) or set TEST_DATABASE_URL")

// script runs the server until standard input ends, which it does when the test binary ends in whatever way,
// and then removes everything. $1 server binary, $2 folder, $3 port.
const script = `
trap '' INT TERM HUP
"$1" -D "$2/data" -p "$3" -c listen_addresses=127.0.0.1 -c unix_socket_directories= \
  -c fsync=off -c synchronous_commit=off -c full_page_writes=off -c max_connections=300 \
  -c shared_buffers=64MB -c autovacuum=off -c log_min_messages=warning >"$2/log" 2>&1 </dev/null &
server=$!
cat >/dev/null
kill -QUIT "$server" 2>/dev/null
wait "$server"
rm -rf "$2"
`

// keep holds the write end of the server's standard input: collected, it would be closed and end the server.
var keep []*os.File

// startPrivate starts a server of this process's own and returns its address.
func startPrivate() (string, error) {
	bin, err := binaries()
	if err != nil {
		return "", err
	}
	dir, err := os.MkdirTemp("", "plimsoll-pgtest-")
	if err != nil {
		return "", fmt.Errorf("make folder: %w", err)
	}
	attr, err := identity(dir)
	if err != nil {
		return "", err
	}
	initdb := exec.CommandContext(context.Background(), filepath.Join(bin, "initdb"), "-D", filepath.Join(dir, "data"), "-U", "postgres",
		"-A", "trust", "-E", "UTF8", "--locale=C", "--no-sync")
	initdb.SysProcAttr, initdb.Dir = attr, dir
	if out, err := initdb.CombinedOutput(); err != nil {
		_ = os.RemoveAll(dir)
		return "", fmt.Errorf("initdb in %s: %w\n%s", dir, err, out)
	}
	port, err := freePort()
	if err != nil {
		return "", err
	}
	in, out, err := os.Pipe()
	if err != nil {
		return "", fmt.Errorf("make pipe: %w", err)
	}
	keep = append(keep, out)
	supervisor := exec.CommandContext(context.Background(), "/bin/sh", "-c", script, "sh", filepath.Join(bin, "postgres"), dir, strconv.Itoa(port))
	supervisor.Stdin, supervisor.Dir = in, "/"
	own := *attr
	own.Setpgid = true // Ctrl-C in a terminal must not reach it before the tests have ended
	supervisor.SysProcAttr = &own
	if err := supervisor.Start(); err != nil {
		return "", fmt.Errorf("start server: %w", err)
	}
	_ = in.Close()
	go func() { _ = supervisor.Wait() }()
	address := fmt.Sprintf("postgres://postgres@127.0.0.1:%d/postgres?sslmode=disable", port)
	return address, await(address, dir)
}

// await returns once the server answers.
func await(address, dir string) error {
	ctx, cancel := context.WithTimeout(context.Background(), start)
	defer cancel()
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	for {
		conn, err := pgx.Connect(ctx, address)
		if err == nil {
			return conn.Close(ctx)
		}
		log, _ := os.ReadFile(filepath.Join(dir, "log")) // #nosec G304 -- a folder of our own
		if strings.Contains(string(log), "FATAL:  could not") || ctx.Err() != nil {
			return fmt.Errorf("server does not start: %w\n%s", err, log)
		}
		<-tick.C
	}
}

// binaries returns the folder of initdb and postgres, the newest one installed.
func binaries() (string, error) {
	if path, err := exec.LookPath("initdb"); err == nil {
		if real, err := filepath.EvalSymlinks(path); err == nil && complete(filepath.Dir(real)) {
			return filepath.Dir(real), nil
		}
	}
	var dirs []string
	for _, pattern := range []string{"/usr/lib/postgresql/*/bin", "/opt/homebrew/opt/postgresql@*/bin", "/usr/local/opt/postgresql@*/bin"} {
		found, _ := filepath.Glob(pattern) // the patterns are well formed
		dirs = append(dirs, found...)
	}
	slices.SortFunc(dirs, func(a, b string) int { return major(b) - major(a) })
	for _, dir := range dirs {
		if complete(dir) {
			return dir, nil
		}
	}
	return "", errNoServer
}

func complete(dir string) bool {
	for _, name := range []string{"initdb", "postgres"} {
		if info, err := os.Stat(filepath.Join(dir, name)); err != nil || info.IsDir() {
			return false
		}
	}
	return true
}

// major reads the version out of .../postgresql/15/bin or .../postgresql@15/bin; 0 when there is none.
func major(dir string) int {
	name := filepath.Base(filepath.Dir(dir))
	n, _ := strconv.Atoi(name[strings.LastIndexByte(name, '@')+1:])
	return n
}

func freePort() (int, error) {
	l, err := new(net.ListenConfig).Listen(context.Background(), "tcp", "127.0.0.1:0")
	if err != nil {
		return 0, fmt.Errorf("find a free port: %w", err)
	}
	defer func() { _ = l.Close() }()
	address, err := netip.ParseAddrPort(l.Addr().String())
	return int(address.Port()), err
}
