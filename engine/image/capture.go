package image

import (
	"bytes"
	"fmt"
	"io"
	"os"
	"sync/atomic"

	"plimsoll/engine/catalog"
)

// content is a captured file, in memory or in a spool file. The walk and each analyzer that has not returned
// hold it; the last one to leave it disposes of it.
type content struct {
	io.ReaderAt
	holders atomic.Int64
	memory  []byte // whole buffer, weighed in Pass.memory
	dispose func()
}

// leave ends one hold and reports whether it was the last.
func (c *content) leave() bool { return c.holders.Add(-1) == 0 }

// captured keeps the current file for the chosen analyzers, of which the first n bytes lie in w.buf, hashes it
// and runs them.
func (w *walk) captured(index, n int) error {
	e := &w.entries[index]
	kept, err := w.capture(e, n)
	if err != nil {
		return err
	}
	kept.holders.Store(1)
	w.analyze(index, kept)
	if kept.leave() {
		w.recycle(kept)
	}
	if w.fault != nil {
		return w.fault
	}
	return w.ctx.Err()
}

func (w *walk) capture(e *catalog.Entry, n int) (*content, error) {
	if e.Size > w.limits.SpoolAbove || !w.room(e.Size) {
		return w.spool(e, n)
	}
	memory := w.held[:e.Size]
	copy(memory, w.buf[:n])
	for int64(n) < e.Size {
		m, err := w.read(memory[n:n+1], memory[n:])
		if err != nil {
			return nil, err
		}
		n += m
	}
	w.sums.whole(e, memory)
	kept := &content{ReaderAt: bytes.NewReader(memory), memory: w.held}
	weight := int64(cap(w.held))
	kept.dispose = func() { w.pass.memory.Release(weight) }
	w.held = nil
	return kept, nil
}

// recycle keeps the buffer of a captured file for the next one of the layer.
func (w *walk) recycle(kept *content) {
	if kept.memory != nil {
		w.held = kept.memory
		return
	}
	kept.dispose()
}

// minHeld is the smallest buffer for captured files, in bytes; most files of package databases fit.
const minHeld = 64 << 10

// room makes w.held large enough for a file; false when the layers of the pass use up the memory budget.
func (w *walk) room(size int64) bool {
	have := int64(cap(w.held))
	if size <= have && have > 0 {
		return true
	}
	want := int64(minHeld)
	for want < size {
		want *= 2
	}
	if !w.pass.memory.TryAcquire(want - have) {
		return false
	}
	w.held = make([]byte, want)
	return true
}

func (w *walk) freeHeld() {
	w.pass.memory.Release(int64(cap(w.held)))
	w.held = nil
}

// spool writes the file to the scratch directory. Its name is gone before the first byte is written where the
// system allows it, so that not even a crash leaves it behind.
func (w *walk) spool(e *catalog.Entry, n int) (*content, error) {
	file, err := os.CreateTemp(w.pass.scratch, "layer-file-*")
	if err != nil {
		return nil, fmt.Errorf("spool a file for analysis: %w", err)
	}
	removed := os.Remove(file.Name()) == nil
	discard := func() {
		file.Close()
		if !removed {
			_ = os.Remove(file.Name())
		}
	}
	w.sums.reset()
	for left := e.Size; ; {
		w.sums.write(w.buf[:n])
		if _, err = file.Write(w.buf[:n]); err != nil {
			err = fmt.Errorf("spool a file for analysis: %w", err)
			break
		}
		if left -= int64(n); left <= 0 {
			break
		}
		if n, err = w.read(w.buf[:1], w.buf); err != nil {
			break
		}
	}
	if err != nil {
		discard()
		return nil, err
	}
	w.sums.fill(e)
	return &content{ReaderAt: file, dispose: discard}, nil
}
