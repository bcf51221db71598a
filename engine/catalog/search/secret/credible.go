package secret

import (
	"bytes"
	"encoding/base64"
	"math"
)

// placeholders are what documentation and templates write in place of a credential, folded to lower case.
var placeholders = [][]byte{
	[]byte("example"), []byte("placeholder"), []byte("changeme"), []byte("change-me"), []byte("change_me"), []byte("replace"),
	[]byte("your"), []byte("dummy"), []byte("xxxxx"), []byte("redacted"), []byte("insert"),
}

// minEntropy in bits per character: that of random text of 16 characters hardly ever is below, that of a row of
// like characters is.
const minEntropy = 2.5

// random reports whether text may have been made by a generator of keys.
func random(text []byte) bool {
	lower := bytes.ToLower(text)
	for _, p := range placeholders {
		if bytes.Contains(lower, p) {
			return false
		}
	}
	return entropy(text) >= minEntropy
}

// mixed is random and has letters and digits: names of variables and words do not.
func mixed(text []byte) bool {
	letter, digit := false, false
	for _, b := range text {
		letter = letter || 'a' <= b|0x20 && b|0x20 <= 'z'
		digit = digit || '0' <= b && b <= '9'
	}
	return letter && digit && random(text)
}

// entropy is Shannon's, in bits per byte.
func entropy(text []byte) float64 {
	var counts [256]int
	for _, b := range text {
		counts[b]++
	}
	sum := 0.0
	for _, n := range counts {
		if n > 0 {
			p := float64(n) / float64(len(text))
			sum -= p * math.Log2(p)
		}
	}
	return sum
}

// userAndPassword reports whether text is what Docker's config.json keeps: base64 of user, colon, password.
func userAndPassword(text []byte) bool {
	plain := make([]byte, base64.RawStdEncoding.DecodedLen(len(text)))
	n, err := base64.RawStdEncoding.Decode(plain, bytes.TrimRight(text, "="))
	if err != nil {
		return false
	}
	user, password, ok := bytes.Cut(plain[:n], []byte{':'})
	return ok && len(user) > 0 && len(password) > 0
}
