package policy

import (
	"regexp"
	"strings"
	"testing"
)

func TestPatternMatches(t *testing.T) {
	t.Parallel()
	tests := []struct {
		pattern, value string
		want           bool
	}{
		{"nginx", "nginx", true},
		{"nginx", "Nginx", false},
		{"nginx", "nginx2", false},
		{"", "", true},
		{"", "a", false},
		{"*", "", true},
		{"*", "a/b:c", true},
		{"a*", "a", true},
		{"*a", "ba", true},
		{"*a", "ab", false},
		{"a*a", "a", false},
		{"a*a", "aa", true},
		{"a*b*c", "axxbxxc", true},
		{"a*b*c", "acb", false},
		{"*ab*ab*", "ab", false},
		{"*ab*ab*", "xababx", true},
		{"**", "anything", true},
		{"lib/*/x", "lib/a/b/x", true},
		{"a?c", "abc", false},
		{"a?c", "a?c", true},
		{"[ab]", "a", false},
		{"a.c", "abc", false},
		{"CVE-2018-1+*", "CVE-2018-1+zlib", true},
		{"CVE-2018-1+*", "CVE-2018-10+zlib", false},
		{"regexp:CVE-20(17|18)-.*", "CVE-2018-1+x", true},
		{"regexp:CVE-20(17|18)-.*", "xCVE-2018-1+x", false},
		{"regexp:a|b", "bc", true},  // not anchored at the end
		{"regexp:a|b", "cb", false}, // the anchor binds both branches
		{"regexp:(?i)ABC", "abcd", true},
		{"xregexp:a", "a", false},
	}
	for _, tt := range tests {
		p, err := compilePattern(tt.pattern)
		if err != nil {
			t.Errorf("compile %q: %v", tt.pattern, err)
			continue
		}
		if got := p.match(tt.value); got != tt.want {
			t.Errorf("%q on %q = %v, want %v", tt.pattern, tt.value, got, tt.want)
		}
	}
}

func TestRegexpRefusesWhatRE2DoesNotKnow(t *testing.T) {
	t.Parallel()
	for _, expression := range []string{"(?<!ab)c", "(?!.*a)", "(", "a)(b", `(a)\1`, "a{2000}", strings.Repeat("a", MaxPatternBytes+1)} {
		if _, err := CompileRegexp(expression); err == nil {
			t.Errorf("%.40q was accepted", expression)
		}
	}
	if _, err := CompileRegexp("(?<!ab)c"); !strings.Contains(err.Error(), "look-around") {
		t.Errorf("error %q does not tell about look-around", err)
	}
}

// FuzzPattern compares the matcher with a regular expression made of the same pattern.
func FuzzPattern(f *testing.F) {
	for _, seed := range [][2]string{{"a*b", "aXb"}, {"*", ""}, {"regexp:a+", "aa"}, {"a**", "a"}, {"*aa*", "aaa"}, {"regexp:(", "x"}} {
		f.Add(seed[0], seed[1])
	}
	f.Fuzz(func(t *testing.T, source, value string) {
		if len(source) > 100 || len(value) > 1000 {
			return
		}
		p, err := compilePattern(source)
		if err != nil {
			return
		}
		got := p.match(value)
		if p.regexp != nil {
			return
		}
		parts := strings.Split(source, "*")
		for i := range parts {
			parts[i] = regexp.QuoteMeta(parts[i])
		}
		oracle, err := regexp.Compile(`(?s)\A` + strings.Join(parts, ".*") + `\z`)
		if err != nil { // invalid UTF-8 cannot be said in a regular expression
			return
		}
		if !validText(source) || !validText(value) {
			return
		}
		if want := oracle.MatchString(value); got != want {
			t.Errorf("%q on %q = %v, want %v", source, value, got, want)
		}
	})
}

func validText(s string) bool { return strings.ToValidUTF8(s, "") == s }
