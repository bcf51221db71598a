// Package seal keeps secrets unreadable at rest.
//
// A sealed value is: one version byte, the four-byte key id, a 24-byte random nonce and the
// XChaCha20-Poly1305 ciphertext. The associated data ties it to its place, so that a value copied to another
// row does not open. The key id is derived from the key, which lets an operator rotate by putting a new key
// first and keeping the old ones behind it until everything is sealed anew.
package seal

import (
	"bytes"
	"crypto/cipher"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"

	"golang.org/x/crypto/chacha20poly1305"
)

const (
	version = 1
	idSize  = 4
)

// Conditions callers tell apart.
var (
	// ErrKey: a key is not 32 bytes in base64.
	ErrKey = errors.New("sealing key must be 32 random bytes in base64 (openssl rand -base64 32)")
	// ErrUnknownKey: no configured key has sealed this value.
	ErrUnknownKey = errors.New("sealed with a key that is not configured")
	// ErrTampered: the value is damaged or was sealed for another place.
	ErrTampered = errors.New("sealed value does not open")
)

type key struct {
	id   [idSize]byte
	aead cipher.AEAD
}

// Sealer seals with one key and opens with any of its keys.
type Sealer struct{ keys []key }

// GenerateKey returns a fresh key in the form New takes.
func GenerateKey() string {
	var raw [chacha20poly1305.KeySize]byte
	_, _ = rand.Read(raw[:]) // never fails (crypto/rand)
	return base64.StdEncoding.EncodeToString(raw[:])
}

// New takes the key to seal with and earlier keys that may still be met, in base64. ErrKey.
func New(current string, previous ...string) (*Sealer, error) {
	s := &Sealer{}
	for _, text := range append([]string{current}, previous...) {
		k, err := parse(text)
		if err != nil {
			return nil, err
		}
		s.keys = append(s.keys, k)
	}
	return s, nil
}

func parse(text string) (key, error) {
	raw, err := base64.StdEncoding.DecodeString(text)
	if err != nil || len(raw) != chacha20poly1305.KeySize {
		return key{}, ErrKey
	}
	aead, err := chacha20poly1305.NewX(raw)
	if err != nil {
		return key{}, fmt.Errorf("set up cipher: %w", err)
	}
	k := key{aead: aead}
	sum := sha256.Sum256(append([]byte("plimsoll sealing key id\x00"), raw...))
	copy(k.id[:], sum[:])
	return k, nil
}

// Seal encrypts plain for the place named by context. Order and grouping of context count.
func (s *Sealer) Seal(plain []byte, context ...string) []byte {
	k := s.keys[0]
	out := append([]byte{version}, k.id[:]...)
	nonce := make([]byte, chacha20poly1305.NonceSizeX)
	_, _ = rand.Read(nonce) // never fails (crypto/rand)
	out = append(out, nonce...)
	return k.aead.Seal(out, nonce, plain, associated(context))
}

// Open decrypts what Seal made for the same context: ErrUnknownKey, ErrTampered.
func (s *Sealer) Open(sealed []byte, context ...string) ([]byte, error) {
	const head = 1 + idSize + chacha20poly1305.NonceSizeX
	if len(sealed) < head+chacha20poly1305.Overhead || sealed[0] != version {
		return nil, ErrTampered
	}
	for _, k := range s.keys {
		if !bytes.Equal(k.id[:], sealed[1:1+idSize]) {
			continue
		}
		plain, err := k.aead.Open(nil, sealed[1+idSize:head], sealed[head:], associated(context))
		if err != nil {
			return nil, ErrTampered
		}
		return plain, nil
	}
	return nil, ErrUnknownKey
}

// Current reports whether the value is sealed with the key that Seal uses.
func (s *Sealer) Current(sealed []byte) bool {
	return len(sealed) > idSize && sealed[0] == version && bytes.Equal(sealed[1:1+idSize], s.keys[0].id[:])
}

// associated encodes the context without ambiguity: ("ab","c") differs from ("a","bc").
func associated(context []string) []byte {
	var out []byte
	for _, part := range context {
		out = fmt.Appendf(out, "%d:%s", len(part), part)
	}
	return out
}
