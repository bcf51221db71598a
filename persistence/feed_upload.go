package persistence

import (
	"cmp"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"sync"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"

	"plimsoll/persistence/blob"
)

// FeedUpload is feed data that was sent and lies in the store until it is taken over.
type FeedUpload struct {
	ID     int64
	Digest string // of all its bytes
	Size   int64  // in bytes
}

const (
	// uploadReceived is how long an upload may take to arrive; what is unfinished then, nobody sends any more.
	uploadReceived = 6 * time.Hour
	// uploadKept is longer than all attempts at taking one over.
	uploadKept = 48 * time.Hour
	// keptParts is how many parts a reader holds: archives are read at their end and in their middle by turns.
	keptParts = 4
)

var (
	uploadBegin = query("upload.begin", `INSERT INTO plimsoll_feeds.upload (created_at) VALUES (@at) RETURNING id`)

	uploadPart = query("upload.insert_part", `INSERT INTO plimsoll_feeds.upload_part (upload, part, data) VALUES (@upload, @part, @data)`)

	uploadEnd = query("upload.end", `UPDATE plimsoll_feeds.upload SET digest = @digest, size = @size WHERE id = @upload`)

	uploadGet = query("upload.get", `SELECT id, digest, size FROM plimsoll_feeds.upload WHERE id = @upload AND digest = @digest`)

	uploadPartGet = query("upload.part", `SELECT data FROM plimsoll_feeds.upload_part WHERE upload = @upload AND part = @part`)

	uploadDrop = query("upload.drop", `DELETE FROM plimsoll_feeds.upload WHERE id = @upload`)

	uploadForget = query("upload.forget", `
DELETE FROM plimsoll_feeds.upload WHERE created_at < CASE WHEN digest IS NULL THEN @unfinished::timestamptz ELSE @finished::timestamptz END`)
)

// ReceiveUpload stores what r delivers to its end. What was stored of it goes when r fails; what a process left that died
// meanwhile goes with ForgetUploads.
func (s *Feeds) ReceiveUpload(ctx context.Context, r io.Reader, at time.Time) (_ FeedUpload, err error) {
	id, err := value[int64](ctx, s.pool, uploadBegin, args{"at": at})
	if err != nil {
		return FeedUpload{}, wrap(err, "begin feed upload")
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, s.DropUpload(context.WithoutCancel(ctx), id))
		}
	}()
	sum, size := sha256.New(), int64(0)
	buf := make([]byte, partBytes)
	for part := 0; ; part++ {
		n, ended, err := fill(r, buf)
		if err != nil {
			return FeedUpload{}, fmt.Errorf("receive feed upload: %w", err)
		}
		if n > 0 {
			if _, err := exec(ctx, s.pool, uploadPart, args{"upload": id, "part": part, "data": buf[:n]}); err != nil {
				return FeedUpload{}, wrap(err, "store feed upload")
			}
		}
		_, _ = sum.Write(buf[:n]) // never fails
		size += int64(n)
		if ended {
			break
		}
	}
	out := FeedUpload{ID: id, Digest: digestText(sum), Size: size}
	err = found(exec(ctx, s.pool, uploadEnd, args{"upload": id, "digest": out.Digest, "size": size}))
	return out, wrap(err, "end feed upload")
}

// fill reads until buf is full or r has ended. Unlike io.ReadFull it tells the end from a transfer that broke off.
func fill(r io.Reader, buf []byte) (n int, ended bool, err error) {
	for n < len(buf) {
		more, err := r.Read(buf[n:])
		n += more
		if errors.Is(err, io.EOF) {
			return n, true, nil
		}
		if err != nil {
			return n, false, err
		}
	}
	return n, false, nil
}

// Upload opens what was received, by id and digest: ErrNotFound. Whether the bytes still have the digest, Prove tells.
func (s *Feeds) Upload(ctx context.Context, id int64, digest string) (*UploadReader, error) {
	u, err := one[FeedUpload](ctx, s.pool, uploadGet, args{"upload": id, "digest": digest})
	if err != nil {
		return nil, wrap(err, "open feed upload %s", digest)
	}
	return &UploadReader{FeedUpload: u, ctx: ctx, pool: s.pool}, nil
}

// DropUpload removes an upload; a missing one is not an error.
func (s *Feeds) DropUpload(ctx context.Context, id int64) error {
	_, err := exec(ctx, s.pool, uploadDrop, args{"upload": id})
	return wrap(err, "remove feed upload %d", id)
}

// ForgetUploads removes uploads nobody finished or took.
func (s *Feeds) ForgetUploads(ctx context.Context, now time.Time) error {
	_, err := exec(ctx, s.pool, uploadForget, args{"unfinished": now.Add(-uploadReceived), "finished": now.Add(-uploadKept)})
	return wrap(err, "remove old feed uploads")
}

// UploadReader reads an upload at any place, and holds no connection in between.
type UploadReader struct {
	FeedUpload
	ctx  context.Context //nolint:containedctx // a reader lives as long as the call it was opened in
	pool *pgxpool.Pool

	mu    sync.Mutex
	parts []heldPart // the last ones used, newest first
	fault error
}

// Fault is the first error of the store, which is not the fault of what was sent, whatever its reader made of it.
func (r *UploadReader) Fault() error {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.fault
}

type heldPart struct {
	number int64
	data   []byte
}

// ReadAt implements io.ReaderAt: blob.ErrCorrupt when a part is missing or of another size.
func (r *UploadReader) ReadAt(p []byte, offset int64) (n int, err error) {
	if offset < 0 {
		return 0, fmt.Errorf("read feed upload %s at %d: %w", r.Digest, offset, blob.ErrCorrupt)
	}
	for n < len(p) {
		at := offset + int64(n)
		if at >= r.Size {
			return n, io.EOF
		}
		data, err := r.part(at / partBytes)
		if err != nil {
			return n, err
		}
		n += copy(p[n:], data[at%partBytes:])
	}
	return n, nil
}

func (r *UploadReader) part(number int64) ([]byte, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for i, held := range r.parts {
		if held.number == number {
			copy(r.parts[1:], r.parts[:i])
			r.parts[0] = held
			return held.data, nil
		}
	}
	data, err := value[[]byte](r.ctx, r.pool, uploadPartGet, args{"upload": r.ID, "part": number})
	if err == nil && int64(len(data)) != min(partBytes, r.Size-number*partBytes) {
		err = blob.ErrCorrupt
	}
	if err != nil {
		err = fmt.Errorf("read feed upload %s: %w", r.Digest, err)
		r.fault = cmp.Or(r.fault, err)
		return nil, err
	}
	r.parts = append([]heldPart{{number, data}}, r.parts[:min(len(r.parts), keptParts-1)]...)
	return data, nil
}

// Prove reads everything and compares the digest: blob.ErrCorrupt.
func (r *UploadReader) Prove() error {
	sum := sha256.New()
	if _, err := io.Copy(sum, io.NewSectionReader(r, 0, r.Size)); err != nil {
		return err
	}
	if digestText(sum) != r.Digest {
		return fmt.Errorf("read feed upload %s: %w", r.Digest, blob.ErrCorrupt)
	}
	return nil
}
