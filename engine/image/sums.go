package image

import (
	"crypto/md5"  //nolint:gosec // compared with package databases only
	"crypto/sha1" //nolint:gosec // likewise
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"hash"
	"slices"

	"plimsoll/engine/catalog"
)

// Digests a Pass can compute of files beside SHA-256, to compare them with package databases: dpkg's has MD5,
// apk's SHA-1.
const (
	DigestMD5  = "md5"
	DigestSHA1 = "sha1"
)

// sums computes the digests of one file after the other.
type sums struct {
	sha256, md5, sha1 hash.Hash // the last two nil unless wanted
}

func newSums(digests []string) *sums {
	s := &sums{sha256: sha256.New()}
	if slices.Contains(digests, DigestMD5) {
		s.md5 = md5.New() //nolint:gosec // see above
	}
	if slices.Contains(digests, DigestSHA1) {
		s.sha1 = sha1.New() //nolint:gosec // see above
	}
	return s
}

// CheckDigests reports names that are none of the digests above.
func CheckDigests(digests []string) error {
	for _, d := range digests {
		if d != DigestMD5 && d != DigestSHA1 {
			return fmt.Errorf("%w: %.80q; there are %s and %s", ErrDigestFormat, d, DigestMD5, DigestSHA1)
		}
	}
	return nil
}

func (s *sums) reset() {
	s.sha256.Reset()
	if s.md5 != nil {
		s.md5.Reset()
	}
	if s.sha1 != nil {
		s.sha1.Reset()
	}
}

func (s *sums) write(b []byte) {
	s.sha256.Write(b)
	if s.md5 != nil {
		s.md5.Write(b)
	}
	if s.sha1 != nil {
		s.sha1.Write(b)
	}
}

// fill writes the digests of what came since reset into an entry.
func (s *sums) fill(e *catalog.Entry) {
	var sum [sha256.Size]byte
	e.SHA256 = hexSum(s.sha256.Sum(sum[:0]))
	if s.md5 != nil {
		e.MD5 = hexSum(s.md5.Sum(sum[:0]))
	}
	if s.sha1 != nil {
		e.SHA1 = hexSum(s.sha1.Sum(sum[:0]))
	}
}

// emptySHA256 is the digest of no bytes.
const emptySHA256 = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"

// whole fills in the digests of a file that lies in memory.
func (s *sums) whole(e *catalog.Entry, content []byte) {
	if s.md5 != nil || s.sha1 != nil {
		s.reset()
		s.write(content)
		s.fill(e)
		return
	}
	if len(content) == 0 {
		e.SHA256 = emptySHA256
		return
	}
	sum := sha256.Sum256(content)
	e.SHA256 = hexSum(sum[:])
}

func hexSum(sum []byte) string {
	var text [2 * sha256.Size]byte
	return string(text[:hex.Encode(text[:], sum)])
}
