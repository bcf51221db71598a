package authz

import (
	"context"
	"crypto/rand"
	"crypto/subtle"
	"encoding/base64"
	"errors"
	"fmt"
	"runtime"
	"strconv"
	"strings"

	"golang.org/x/crypto/argon2"
)

// Cost of a new hash: 19 MiB and two passes, the smallest setting for argon2id in the OWASP Password Storage Cheat Sheet.
const (
	argonMemoryKiB = 19 * 1024
	argonPasses    = 2
	argonLanes     = 1
	argonSaltBytes = 16
	argonKeyBytes  = 32
)

// Bounds for stored hashes, so that a forged row cannot make a login take the machine's memory.
const (
	maxArgonMemoryKiB = 256 * 1024
	maxArgonPasses    = 16
	maxArgonLanes     = 16
	maxArgonBytes     = 128
)

// ErrPasswordHash means that a stored hash is not an argon2id PHC string within sane costs.
var ErrPasswordHash = errors.New("stored password hash is not usable")

// Hasher makes and checks password hashes. It bounds how many run at once, since each takes 19 MiB and a core.
type Hasher struct{ slots chan struct{} }

// NewHasher returns a Hasher that runs as many hashes at once as there are cores.
func NewHasher() *Hasher { return &Hasher{slots: make(chan struct{}, runtime.GOMAXPROCS(0))} }

func (h *Hasher) acquire(ctx context.Context) error {
	select {
	case h.slots <- struct{}{}:
		return nil
	case <-ctx.Done():
		return fmt.Errorf("wait for a free password check: %w", ctx.Err())
	}
}

func (h *Hasher) release() { <-h.slots }

// Hash returns the password as a PHC string, `$argon2id$v=19$m=...,t=...,p=...$salt$key`.
func (h *Hasher) Hash(ctx context.Context, password string) (string, error) {
	if err := h.acquire(ctx); err != nil {
		return "", err
	}
	defer h.release()
	salt := make([]byte, argonSaltBytes)
	if _, err := rand.Read(salt); err != nil {
		return "", fmt.Errorf("make salt: %w", err)
	}
	key := argon2.IDKey([]byte(password), salt, argonPasses, argonMemoryKiB, argonLanes, argonKeyBytes)
	enc := base64.RawStdEncoding
	return fmt.Sprintf("$argon2id$v=%d$m=%d,t=%d,p=%d$%s$%s", argon2.Version, argonMemoryKiB, argonPasses, argonLanes,
		enc.EncodeToString(salt), enc.EncodeToString(key)), nil
}

// Verify tells whether password belongs to hash. An empty hash, for a user that does not exist or has no password, costs the
// same as a real one and never matches.
func (h *Hasher) Verify(ctx context.Context, hash, password string) (bool, error) {
	if err := h.acquire(ctx); err != nil {
		return false, err
	}
	defer h.release()
	if hash == "" {
		argon2.IDKey([]byte(password), make([]byte, argonSaltBytes), argonPasses, argonMemoryKiB, argonLanes, argonKeyBytes)
		return false, nil
	}
	parsed, err := parsePHC(hash)
	if err != nil {
		return false, err
	}
	key := argon2.IDKey([]byte(password), parsed.salt, parsed.passes, parsed.memoryKiB, parsed.lanes, uint32(len(parsed.key)))
	return subtle.ConstantTimeCompare(key, parsed.key) == 1, nil
}

type argonHash struct {
	memoryKiB, passes uint32
	lanes             uint8
	salt, key         []byte
}

// parsePHC reads the format of https://github.com/P-H-C/phc-string-format/blob/master/phc-sf-spec.md for argon2id.
func parsePHC(text string) (argonHash, error) {
	parts := strings.Split(text, "$")
	if len(parts) != 6 || parts[0] != "" || parts[1] != "argon2id" || parts[2] != "v="+strconv.Itoa(argon2.Version) {
		return argonHash{}, ErrPasswordHash
	}
	memory, err1 := costParameter(parts[3], 0, "m=", maxArgonMemoryKiB)
	passes, err2 := costParameter(parts[3], 1, "t=", maxArgonPasses)
	lanes, err3 := costParameter(parts[3], 2, "p=", maxArgonLanes)
	salt, err4 := base64.RawStdEncoding.DecodeString(parts[4])
	key, err5 := base64.RawStdEncoding.DecodeString(parts[5])
	if errors.Join(err1, err2, err3, err4, err5) != nil || len(salt) < 8 || len(salt) > maxArgonBytes || len(key) < 16 || len(key) > maxArgonBytes {
		return argonHash{}, ErrPasswordHash
	}
	return argonHash{memoryKiB: memory, passes: passes, lanes: uint8(lanes), salt: salt, key: key}, nil
}

func costParameter(list string, index int, prefix string, limit uint32) (uint32, error) {
	fields := strings.Split(list, ",")
	if len(fields) != 3 || !strings.HasPrefix(fields[index], prefix) {
		return 0, ErrPasswordHash
	}
	n, err := strconv.ParseUint(fields[index][len(prefix):], 10, 32)
	if err != nil || n == 0 || uint32(n) > limit {
		return 0, ErrPasswordHash
	}
	return uint32(n), nil
}
