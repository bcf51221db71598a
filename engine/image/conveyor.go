package image

import (
	"context"
	"io"
)

// Blocks travel from stage to stage in a ring: large enough that channel operations do not count, few enough
// that a layer needs about two megabytes, and small enough to stay in the processor's cache on the way.
const (
	blockSize  = 256 << 10
	ringBlocks = 4
)

// conveyor hands recycled blocks from one producer to one consumer. The producer ends it with close; err is
// set before and read after, so the channel orders the two.
type conveyor struct {
	full chan []byte
	free chan []byte
	err  error
}

// newConveyor returns a ring with its blocks, or, given another's free list, one that passes those on.
func newConveyor(free chan []byte) *conveyor {
	if free == nil {
		free = make(chan []byte, ringBlocks)
		for range ringBlocks {
			free <- nil // made when needed: most layers are small
		}
	}
	return &conveyor{full: make(chan []byte, ringBlocks), free: free}
}

// block waits for an empty block; false once ctx ends.
func (c *conveyor) block(ctx context.Context) ([]byte, bool) {
	select {
	case b := <-c.free:
		if b == nil {
			b = make([]byte, blockSize)
		}
		return b[:blockSize], true
	case <-ctx.Done():
		return nil, false
	}
}

func (c *conveyor) close(err error) {
	c.err = err
	close(c.full)
}

// blockReader reads what comes over a conveyor. It gives each block back once it is used up.
type blockReader struct {
	from *conveyor
	held []byte // to give back
	rest []byte // unread part of held
	// passed counts the bytes of all blocks taken so far.
	passed int64
}

func (r *blockReader) Read(p []byte) (int, error) {
	for len(r.rest) == 0 {
		if !r.next() {
			if r.from.err != nil {
				return 0, r.from.err
			}
			return 0, io.EOF
		}
	}
	n := copy(p, r.rest)
	r.rest = r.rest[n:]
	return n, nil
}

func (r *blockReader) next() bool {
	if r.held != nil {
		r.from.free <- r.held
		r.held, r.rest = nil, nil
	}
	b, ok := <-r.from.full
	if ok {
		r.held, r.rest = b, b
		r.passed += int64(len(b))
	}
	return ok
}

// drain discards what is left, so that earlier stages see the whole input.
func (r *blockReader) drain() {
	for r.next() {
	}
}
