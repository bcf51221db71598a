// Package blob stores documents by content: the address of a document is the SHA-256 of its bytes, so that
// storing is idempotent and what is read back can be proven. Drivers differ only in where the bytes lie;
// package blobtest holds what each of them must satisfy.
//
// Invariants: a digest is "sha256:" and 64 hex digits over the uncompressed bytes; what Get returns has that
// digest or Get fails; compression is invisible.
package blob

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
)

// MaxSize bounds a document before compression, in bytes.
const MaxSize = 512 << 20

// Conditions callers tell apart.
var (
	ErrNotFound = errors.New("document not found")
	// ErrCorrupt: the bytes stored are not the ones that were put.
	ErrCorrupt = errors.New("document is corrupt")
	// ErrTooLarge: more than MaxSize bytes.
	ErrTooLarge = errors.New("document is too large")
)

// Store keeps documents.
type Store interface {
	// Put stores the bytes unless they are there, and returns their digest.
	Put(ctx context.Context, data []byte) (digest string, err error)
	// Get returns the bytes: ErrNotFound, ErrCorrupt.
	Get(ctx context.Context, digest string) ([]byte, error)
	// GetAll returns those of the documents that have at most limit bytes and can be read; Get tells of the others.
	GetAll(ctx context.Context, digests []string, limit int) (map[string][]byte, error)
	// Delete removes a document; a missing one is not an error.
	Delete(ctx context.Context, digest string) error
}

// Digest is the address of a document.
func Digest(data []byte) string {
	sum := sha256.Sum256(data)
	return "sha256:" + hex.EncodeToString(sum[:])
}
