package e2e

import (
	"errors"
	"io"
	"net"
	"sync"
	"testing"
)

// relay passes connections on from an address that never changes to one that does, so that a server may come
// back elsewhere after a restart.
type relay struct {
	listener net.Listener

	mu    sync.Mutex
	to    string
	conns map[net.Conn]bool
}

func newRelay(t testing.TB, to string) *relay {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	r := &relay{listener: l, to: to, conns: map[net.Conn]bool{}}
	go r.accept()
	t.Cleanup(func() {
		_ = l.Close()
		r.point("")
	})
	return r
}

func (r *relay) addr() string { return r.listener.Addr().String() }

// point leads new connections to another address and ends those that are open.
func (r *relay) point(to string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.to = to
	for c := range r.conns {
		_ = c.Close()
		delete(r.conns, c)
	}
}

func (r *relay) accept() {
	for {
		in, err := r.listener.Accept()
		if errors.Is(err, net.ErrClosed) {
			return
		}
		if err == nil {
			go r.pass(in)
		}
	}
}

func (r *relay) pass(in net.Conn) {
	r.mu.Lock()
	to := r.to
	r.mu.Unlock()
	out, err := net.Dial("tcp", to)
	if err != nil {
		_ = in.Close()
		return
	}
	r.mu.Lock()
	moved := to != r.to
	r.conns[in], r.conns[out] = true, true
	r.mu.Unlock()
	if moved {
		_, _ = in.Close(), out.Close()
		return
	}
	var both sync.WaitGroup
	both.Go(func() { copyAndClose(out, in) })
	both.Go(func() { copyAndClose(in, out) })
	both.Wait()
	r.mu.Lock()
	delete(r.conns, in)
	delete(r.conns, out)
	r.mu.Unlock()
}

func copyAndClose(to, from net.Conn) {
	_, _ = io.Copy(to, from)
	_, _ = to.Close(), from.Close()
}
