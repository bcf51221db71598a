package image

import (
	"fmt"
	"path"
	"strings"
	"unicode/utf8"
)

// Names that take something away instead of adding it (OCI image spec, layer.md "Whiteouts"). The meta prefix
// is AUFS housekeeping, which container engines leave out.
const (
	whiteoutPrefix = ".wh."
	whiteoutMeta   = ".wh..wh."
	opaqueName     = ".wh..wh..opq"
)

// cleanName makes a name of the archive an absolute clean path inside the root. A name that is not valid text
// gets its bad bytes written as \xNN, which keeps different names different; ok is then false.
func cleanName(name string) (clean string, ok bool) {
	name, ok = validText(name)
	return path.Clean("/" + strings.TrimPrefix(name, "./")), ok
}

// validText returns s as valid UTF-8 without NUL, and whether it was that already.
func validText(s string) (string, bool) {
	if utf8.ValidString(s) && strings.IndexByte(s, 0) < 0 {
		return s, true
	}
	var b strings.Builder
	for i := 0; i < len(s); {
		r, size := utf8.DecodeRuneInString(s[i:])
		if r == 0 || r == utf8.RuneError && size == 1 {
			fmt.Fprintf(&b, `\x%02x`, s[i])
		} else {
			b.WriteString(s[i : i+size])
		}
		i += size
	}
	return b.String(), false
}

// shorten bounds what a hostile archive can put into records.
func shorten(s string, max int) string {
	s, _ = validText(s)
	if len(s) <= max {
		return s
	}
	for max > 0 && !utf8.RuneStart(s[max]) {
		max--
	}
	return s[:max] + "..."
}
