// Package clamdtest runs a real clamd for tests, with a signature database of its own that knows one file.
package clamdtest

import (
	"bytes"
	"context"
	"encoding/hex"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"plimsoll/internal/nettest"
)

// EICAR is the test file every scanner knows (eicar.org), in two parts so that this source is no such file.
var EICAR = []byte(`X5O!P%@AP[4\PZX54(P^)7CC)7}$EICAR` + `-STANDARD-ANTIVIRUS-TEST-FILE!$H+H*`)

// Signature is what clamd calls it.
const Signature = "Plimsoll.Test.Eicar.UNOFFICIAL"

// StreamMax is the largest file clamd takes, in bytes.
const StreamMax = 1 << 20

// Daemon is where clamd listens, as addresses of the configuration.
type Daemon struct{ Unix, TCP string }

// Database is a database (.ndb) with one signature, by which clamd knows EICAR as name and ".UNOFFICIAL".
func Database(name string) string { return name + ":0:*:" + hex.EncodeToString(EICAR) + "\n" }

// Start runs clamd until the test ends, with a database that knows EICAR as Signature.
func Start(t testing.TB) Daemon {
	t.Helper()
	database := t.TempDir()
	write(t, filepath.Join(database, "test.ndb"), Database(strings.TrimSuffix(Signature, ".UNOFFICIAL")))
	return StartWith(t, database)
}

// StartWith runs clamd until the test ends, with the databases of a folder; it has to hold one.
func StartWith(t testing.TB, database string) Daemon {
	t.Helper()
	path := program(t)
	dir, err := os.MkdirTemp("", "clamd") // a socket's path must be short
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	socket, address := filepath.Join(dir, "ctl"), nettest.FreeAddr(t)
	host, port, err := net.SplitHostPort(address)
	if err != nil {
		t.Fatal(err)
	}
	config := filepath.Join(dir, "clamd.conf")
	write(t, config, fmt.Sprintf("Foreground yes\nDatabaseDirectory %s\nTemporaryDirectory %s\nLocalSocket %s\nTCPAddr %s\nTCPSocket %s\nStreamMaxLength %d\nAlertExceedsMax yes\nMaxFiles 3\n",
		database, dir, socket, host, port, StreamMax))
	var output bytes.Buffer
	cmd := exec.CommandContext(context.Background(), path, "--config-file="+config) // ended below, after what the test itself cleans up
	cmd.Stdout, cmd.Stderr = &output, &output
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	var exit error
	ended := make(chan struct{})
	go func() {
		exit = cmd.Wait()
		close(ended)
	}()
	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		<-ended
	})
	deadline := time.After(time.Minute)
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for {
		if answers(t, "unix", socket) && answers(t, "tcp", address) {
			return Daemon{"unix://" + socket, "tcp://" + address}
		}
		select {
		case <-ended:
			t.Fatalf("clamd ended: %v\n%s", exit, output.String())
		case <-deadline:
			t.Fatal("clamd does not answer")
		case <-tick.C:
		}
	}
}

func answers(t testing.TB, network, place string) bool {
	conn, err := (&net.Dialer{Timeout: time.Second}).DialContext(t.Context(), network, place)
	if err != nil {
		return false
	}
	defer conn.Close()
	_ = conn.SetDeadline(time.Now().Add(time.Second))
	if _, err := conn.Write([]byte("zPING\x00")); err != nil {
		return false
	}
	pong := make([]byte, 5)
	n, _ := conn.Read(pong)
	return strings.HasPrefix(string(pong[:n]), "PONG")
}

func program(t testing.TB) string {
	t.Helper()
	places := []string{"/usr/sbin/clamd", "/usr/local/sbin/clamd", "/opt/homebrew/sbin/clamd"}
	if found, err := exec.LookPath("clamd"); err == nil {
		return found
	}
	for _, place := range places {
		if _, err := os.Stat(place); err == nil {
			return place
		}
	}
	t.Fatalf("clamd is neither on the PATH nor in %s; `make setup` installs it", strings.Join(places, ", "))
	return ""
}

func write(t testing.TB, name, content string) {
	t.Helper()
	if err := os.WriteFile(name, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
}
