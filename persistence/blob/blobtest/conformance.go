// Package blobtest holds what every blob.Store must satisfy, whatever keeps its bytes.
package blobtest

import (
	"bytes"
	"errors"
	"math/rand/v2"
	"strings"
	"sync"
	"testing"

	"plimsoll/persistence/blob"
)

// Run tests a store. corrupt damages the stored bytes of a digest behind the store's back.
func Run(t *testing.T, store blob.Store, corrupt func(t *testing.T, digest string)) {
	t.Helper()
	noise := make([]byte, 100_000)
	source := rand.NewChaCha8([32]byte{1})
	_, _ = source.Read(noise)
	for name, data := range map[string][]byte{
		"empty":          {},
		"small":          []byte("{}"),
		"at the border":  bytes.Repeat([]byte("x"), 4096),
		"compressible":   []byte(strings.Repeat("usr/share/doc ", 100_000)),
		"incompressible": noise,
	} {
		t.Run("returns what was put: "+name, func(t *testing.T) { roundTrip(t, store, data) })
	}
	t.Run("does not know what was never put", func(t *testing.T) {
		if _, err := store.Get(t.Context(), blob.Digest([]byte("never"))); !errors.Is(err, blob.ErrNotFound) {
			t.Errorf("Get: %v, want ErrNotFound", err)
		}
	})
	t.Run("deletes, and deletes again", func(t *testing.T) {
		digest := put(t, store, []byte("short-lived"))
		for range 2 {
			if err := store.Delete(t.Context(), digest); err != nil {
				t.Fatal(err)
			}
		}
		if _, err := store.Get(t.Context(), digest); !errors.Is(err, blob.ErrNotFound) {
			t.Errorf("Get: %v, want ErrNotFound", err)
		}
	})
	for name, data := range map[string][]byte{"small": []byte("original"), "compressed": bytes.Repeat([]byte("original "), 10_000)} {
		t.Run("refuses damaged bytes: "+name, func(t *testing.T) {
			digest := put(t, store, data)
			corrupt(t, digest)
			if _, err := store.Get(t.Context(), digest); !errors.Is(err, blob.ErrCorrupt) {
				t.Errorf("Get: %v, want ErrCorrupt", err)
			}
		})
	}
	t.Run("returns many at once, but nothing large, damaged or unknown", func(t *testing.T) {
		small, packed := []byte("one of many"), bytes.Repeat([]byte("one of many "), 1_000)
		large, damaged := bytes.Repeat([]byte("too large "), 2_000), put(t, store, []byte("one that is damaged"))
		corrupt(t, damaged)
		got, err := store.GetAll(t.Context(), []string{put(t, store, small), put(t, store, packed), put(t, store, large), damaged, blob.Digest([]byte("unknown"))}, len(packed))
		if err != nil {
			t.Fatal(err)
		}
		if len(got) != 2 || !bytes.Equal(got[blob.Digest(small)], small) || !bytes.Equal(got[blob.Digest(packed)], packed) {
			t.Errorf("%d documents, want the two that fit", len(got))
		}
	})
	t.Run("takes the same document from many at once", func(t *testing.T) {
		data := []byte(strings.Repeat("shared ", 5_000))
		var group sync.WaitGroup
		for range 8 {
			group.Go(func() {
				if _, err := store.Put(t.Context(), data); err != nil {
					t.Error(err)
				}
			})
		}
		group.Wait()
	})
}

func put(t *testing.T, store blob.Store, data []byte) string {
	t.Helper()
	digest, err := store.Put(t.Context(), data)
	if err != nil {
		t.Fatal(err)
	}
	return digest
}

func roundTrip(t *testing.T, store blob.Store, data []byte) {
	digest := put(t, store, data)
	if again := put(t, store, data); again != digest || digest != blob.Digest(data) {
		t.Fatalf("digests %s and %s, want %s", digest, again, blob.Digest(data))
	}
	got, err := store.Get(t.Context(), digest)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(got, data) {
		t.Errorf("got %d bytes, want %d", len(got), len(data))
	}
}
