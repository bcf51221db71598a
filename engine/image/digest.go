package image

import (
	"crypto/sha256"
	"crypto/sha512"
	"encoding/hex"
	"fmt"
	"hash"
	"strings"
)

// digester returns the hash a digest names and its wanted hex value (OCI image spec, descriptor.md "Digests").
func digester(digest string) (hash.Hash, string, error) {
	algorithm, want, _ := strings.Cut(digest, ":")
	var h hash.Hash
	switch algorithm {
	case "sha256":
		h = sha256.New()
	case "sha512":
		h = sha512.New()
	default:
		return nil, "", fmt.Errorf("%w: %.80q", ErrDigestFormat, digest)
	}
	raw, err := hex.DecodeString(want)
	if err != nil || len(raw) != h.Size() || want != strings.ToLower(want) {
		return nil, "", fmt.Errorf("%w: %.80q", ErrDigestFormat, digest)
	}
	return h, want, nil
}
