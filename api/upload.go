package api

import (
	"bytes"
	"errors"
	"io"

	"golang.org/x/sync/semaphore"
)

const (
	// uploadMemory bounds what documents on their way in take together, in bytes; one document is always taken.
	uploadMemory = 1 << 30
	// uploadStep is how much of it is taken at a time: who sends slowly holds no more than was sent.
	uploadStep = 1 << 20
)

var errUploadsFull = errors.New("other uploads take all the memory there is for them")

// uploadRoom is the memory for documents on their way in.
type uploadRoom struct{ free *semaphore.Weighted }

func newUploadRoom(bytes int64) *uploadRoom { return &uploadRoom{semaphore.NewWeighted(bytes)} }

// read reads a document whole: errUploadsFull, or the reader's error. release must be called when the document is done
// with, and only without an error. Nobody waits for room, as those who hold it may wait for more.
func (u *uploadRoom) read(from io.Reader) (data []byte, release func(), err error) {
	var taken int64
	release = func() { u.free.Release(taken) }
	var out bytes.Buffer
	for {
		if !u.free.TryAcquire(uploadStep) {
			release()
			return nil, nil, errUploadsFull
		}
		taken += uploadStep
		switch _, err := io.CopyN(&out, from, uploadStep); {
		case errors.Is(err, io.EOF):
			return out.Bytes(), release, nil
		case err != nil:
			release()
			return nil, nil, err
		}
	}
}
