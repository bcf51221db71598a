package persistence_test

import (
	"bytes"
	"errors"
	"io"
	"math/rand/v2"
	"strings"
	"testing"
	"testing/iotest"
	"time"

	"plimsoll/persistence"
	"plimsoll/persistence/blob"
	"plimsoll/persistence/pgtest"
)

func TestUploadsAreReadAsTheyWereSent(t *testing.T) {
	t.Parallel()
	pool := pgtest.New(t)
	feeds := persistence.NewFeeds(pool)
	r := rand.New(rand.NewPCG(1, 2))
	for _, size := range []int{0, 1, 1 << 20, 1<<20 + 1, 7<<20 - 3} {
		raw := make([]byte, size)
		for i := range raw {
			raw[i] = byte(r.Uint32())
		}
		u, err := feeds.ReceiveUpload(t.Context(), iotest.DataErrReader(iotest.HalfReader(bytes.NewReader(raw))), time.Now())
		if err != nil || u.Digest != blob.Digest(raw) || u.Size != int64(size) {
			t.Fatalf("%d bytes: %+v, %v", size, u, err)
		}
		got, err := feeds.Upload(t.Context(), u.ID, u.Digest)
		if err != nil {
			t.Fatal(err)
		}
		if err := got.Prove(); err != nil {
			t.Error(err)
		}
		for range 50 {
			from, length := r.IntN(size+1), r.IntN(3<<20)
			part := make([]byte, length)
			n, err := got.ReadAt(part, int64(from))
			want := raw[from:min(size, from+length)]
			if !bytes.Equal(part[:n], want) || (n < length) != errors.Is(err, io.EOF) {
				t.Fatalf("%d bytes from %d of %d: %d, %v", length, from, size, n, err)
			}
		}
		if _, err := feeds.Upload(t.Context(), u.ID, blob.Digest([]byte("other"))); !errors.Is(err, persistence.ErrNotFound) {
			t.Errorf("another digest: %v, want ErrNotFound", err)
		}
		if err := errors.Join(feeds.DropUpload(t.Context(), u.ID), feeds.DropUpload(t.Context(), u.ID)); err != nil {
			t.Error(err)
		}
		if _, err := feeds.Upload(t.Context(), u.ID, u.Digest); !errors.Is(err, persistence.ErrNotFound) {
			t.Errorf("dropped: %v, want ErrNotFound", err)
		}
	}
}

func TestUploadsThatAreDamagedOrGivenUpAreNotUsed(t *testing.T) {
	t.Parallel()
	pool := pgtest.New(t)
	feeds := persistence.NewFeeds(pool)
	count := func() (parts int) {
		t.Helper()
		if err := pool.QueryRow(t.Context(), `SELECT count(*) FROM plimsoll_feeds.upload_part`).Scan(&parts); err != nil {
			t.Fatal(err)
		}
		return parts
	}
	broken := io.MultiReader(strings.NewReader(strings.Repeat("x", 3<<20)), iotest.ErrReader(io.ErrUnexpectedEOF))
	if _, err := feeds.ReceiveUpload(t.Context(), broken, time.Now()); err == nil || count() != 0 {
		t.Errorf("a transfer that broke off: %v, %d parts left", err, count())
	}
	u, err := feeds.ReceiveUpload(t.Context(), strings.NewReader(strings.Repeat("x", 3<<20)), time.Now())
	if err != nil {
		t.Fatal(err)
	}
	if _, err := pool.Exec(t.Context(), `UPDATE plimsoll_feeds.upload_part SET data = overlay(data placing 'y' from 5) WHERE part = 1`); err != nil {
		t.Fatal(err)
	}
	got, err := feeds.Upload(t.Context(), u.ID, u.Digest)
	if err != nil {
		t.Fatal(err)
	}
	if err := got.Prove(); !errors.Is(err, blob.ErrCorrupt) {
		t.Errorf("other bytes: %v, want ErrCorrupt", err)
	}
	if _, err := pool.Exec(t.Context(), `DELETE FROM plimsoll_feeds.upload_part WHERE part = 2`); err != nil {
		t.Fatal(err)
	}
	if err := got.Prove(); err != nil && !errors.Is(err, blob.ErrCorrupt) {
		t.Errorf("held parts: %v", err)
	}
	got, err = feeds.Upload(t.Context(), u.ID, u.Digest)
	if err != nil {
		t.Fatal(err)
	}
	if err := got.Prove(); !errors.Is(err, persistence.ErrNotFound) || !errors.Is(got.Fault(), persistence.ErrNotFound) {
		t.Errorf("a missing part: %v, fault %v", err, got.Fault())
	}
	if err := feeds.ForgetUploads(t.Context(), time.Now().Add(47*time.Hour)); err != nil || count() != 2 {
		t.Errorf("before its time: %d parts, %v", count(), err)
	}
	if err := feeds.ForgetUploads(t.Context(), time.Now().Add(49*time.Hour)); err != nil || count() != 0 {
		t.Errorf("after two days: %d parts, %v", count(), err)
	}
}
