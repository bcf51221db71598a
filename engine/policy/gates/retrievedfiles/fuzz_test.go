package retrievedfiles

import (
	"regexp"
	"strings"
	"testing"
)

// FuzzFirstMatch looks into files of any content.
func FuzzFirstMatch(f *testing.F) {
	for _, seed := range []string{"a\nroot yes\n", "root\r\nroot", "", "\n\n", "\xff\x00root", "root"} {
		f.Add([]byte(seed), `^root`)
		f.Add([]byte(seed), `^$`)
		f.Add([]byte(seed), `root$`)
	}
	f.Fuzz(func(t *testing.T, content []byte, expression string) {
		re, err := regexp.Compile(expression)
		if err != nil || len(expression) > 100 {
			return
		}
		got := firstMatch(re, content)
		lines := strings.Split(strings.TrimSuffix(string(content), "\n"), "\n")
		want := 0
		for i, line := range lines {
			if len(content) > 0 && re.MatchString(strings.TrimSuffix(line, "\r")) {
				want = i + 1
				break
			}
		}
		if got != want {
			t.Errorf("%q in %q: line %d, want %d", expression, content, got, want)
		}
	})
}
