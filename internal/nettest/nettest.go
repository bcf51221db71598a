// Package nettest gives tests loopback addresses for servers that bind them later.
//
// A port the kernel hands out and takes back may belong to somebody's outgoing connection a moment later. The
// ports given here lie below the range the kernel chooses from (32768 on Linux, 49152 elsewhere), and one test
// binary never gives the same port twice.
package nettest

import (
	"fmt"
	"math/rand/v2"
	"net"
	"sync"
	"testing"
)

const first, last = 12000, 30000

var given sync.Map

// FreeAddr returns a loopback address that nobody listens on.
func FreeAddr(t testing.TB) string {
	t.Helper()
	for range 1000 {
		address := fmt.Sprintf("127.0.0.1:%d", first+rand.IntN(last-first)) //nolint:gosec // spread, not secrecy
		if _, again := given.LoadOrStore(address, true); again {
			continue
		}
		l, err := new(net.ListenConfig).Listen(t.Context(), "tcp", address)
		if err != nil {
			continue
		}
		if err := l.Close(); err != nil {
			t.Fatal(err)
		}
		return address
	}
	t.Fatal("no free loopback port between 12000 and 30000")
	return ""
}
