package dockerfile

import (
	"strings"
	"testing"
)

// FuzzWords gives any text as what an image's config or Dockerfile says of ports and users.
func FuzzWords(f *testing.F) {
	for _, seed := range []string{"80", "80/tcp", "8000-8010/udp", "65536", "9-1", "$PORT", "root:root", "0:0", "00", " app : app ", ""} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		low, high, known := portRange(text)
		if known && low > high {
			t.Errorf("%q is the range from %d to %d", text, low, high)
		}
		rule := portRule{ports: []uint16{0, 22, 443, 65535}}
		if n := rule.count(low, high); known && (n < 0 || n > len(rule.ports) || n > int(high)-int(low)+1) {
			t.Errorf("%q: %d of the listed ports are in it", text, n)
		}
		if name := userName(text); name == "" || name != strings.TrimSpace(name) || strings.Trim(name, "0") == "" {
			t.Errorf("%q runs as %q", text, name)
		}
	})
}
