package policy

import (
	"regexp"
	"strconv"
	"strings"
	"testing"
)

// formerSearches are the expressions that former installations searched files with, as they are found in policies.
var formerSearches = map[string]string{
	"AWS_ACCESS_KEY": `(?i).*aws_access_key_id( *=+ *).*(?<![A-Z0-9])[A-Z0-9]{20}(?![A-Z0-9]).*`,
	"AWS_SECRET_KEY": `(?i).*aws_secret_access_key( *=+ *).*(?<![A-Za-z0-9/+=])[A-Za-z0-9/+=]{40}(?![A-Za-z0-9/+=]).*`,
	"PRIV_KEY":       `(?i)-+BEGIN(.*)PRIVATE KEY-+`,
	"DOCKER_AUTH":    `(?i).*"auth": *".+"`,
	"API_KEY":        `(?i).*api(-|_)key( *=+ *).*(?<![A-Z0-9])[A-Z0-9]{20,60}(?![A-Z0-9]).*`,
}

func TestFormerSearchesMatchAsTheyDid(t *testing.T) {
	t.Parallel()
	key20, key40 := strings.Repeat("A1", 10), strings.Repeat("aB+/", 10)
	tests := []struct {
		name, text string
		want       bool
	}{
		{"AWS_ACCESS_KEY", "aws_access_key_id = " + key20, true},
		{"AWS_ACCESS_KEY", "export AWS_ACCESS_KEY_ID=" + key20 + ";", true},
		{"AWS_ACCESS_KEY", "aws_access_key_id=" + key20 + "B", false},
		{"AWS_ACCESS_KEY", "aws_access_key_id=x" + key20, false},
		{"AWS_ACCESS_KEY", "aws_access_key_id='" + key20 + "'", true},
		{"AWS_ACCESS_KEY", "aws_access_key_id=" + key20[1:], false},
		{"AWS_SECRET_KEY", "aws_secret_access_key = " + key40, true},
		{"AWS_SECRET_KEY", "aws_secret_access_key=" + key40, false}, // the = belongs to the characters of a key
		{"AWS_SECRET_KEY", `aws_secret_access_key="` + key40 + `"`, true},
		{"AWS_SECRET_KEY", "aws_secret_access_key = " + key40 + "=", false},
		{"PRIV_KEY", "-----BEGIN RSA PRIVATE KEY-----", true},
		{"DOCKER_AUTH", `  "auth": "abc"`, true},
		{"API_KEY", "my_api-key = " + key20, true},
		{"API_KEY", "api_key=" + strings.Repeat("A", 61), false},
	}
	compiled := map[string]*regexp.Regexp{}
	for name, expression := range formerSearches {
		re, err := CompileRegexp(expression)
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		compiled[name] = re
	}
	for _, tt := range tests {
		if got := compiled[tt.name].MatchString(tt.text); got != tt.want {
			t.Errorf("%s on %q = %v, want %v; it is %s", tt.name, tt.text, got, tt.want, compiled[tt.name])
		}
	}
}

// translated are expressions with look-around that can be said without.
var translated = []string{
	`(?!docker\.io/).*`, `^(?!docker\.io/|quay\.io/).*$?`, `(?!a).+`, `(?!ab)`, `(?!ab$).*`, `a(?!b)`, `a(?!b)c?`, `a(?!b)[abc]+`, `a(?!b)$`,
	`a(?=b)`, `a(?=b).`, `a(?=bc|d)`, `a(?=b)$`, `(?=a)[ab]b`, `(?<!a)b`, `a*(?<!a)b`, `.*(?<!a)b`, `.*(?<=a)b`, `^.*(?<!a)b`, `(ab)*(?<!a)b`,
	`(a|b){1,3}(?<!b)c?`, `(a|b){2}(?<=b)c`, `(?:a?b?)+(?<=a)c`, `(?i).*(?<![AB])C`, `(?i)(?!A|bc).*`, `a(?!b)(?!c).`, `.*(?<!a)(?<!b)c(?!a).*`, `(?<=a)`,
	`.(?<!a)b|c(?!a)`, `[(](?!a)`, `\((?!a)`, `\Q(?!\E(?!b)`, `[](](?!a)b`, `a(?!(b))`, `(?!ab?c).*`, `(?!a[bc]).*`, `(?s).*(?<!\n)a`, `a+(?!a|b)`, `a{0}(?<!b)c`, `a{2,}(?<=a)b`,
	`(^a|b)*(?<!b)c`, `(?!ab$|c$|ac).*`, `(?:a|$)(?!b)`, `a?(?=b)b$`,
}

func TestSearchesMatchAnywhere(t *testing.T) {
	t.Parallel()
	tests := []struct {
		expression, text string
		want             bool
	}{
		{"b|c", "xb", true}, {"^b", "xb", false}, {"b$", "xb", true}, {"a)(b", "", false},
		{"(?<!a)b", "ab", false}, {"(?<!a)b", "xb", true}, {"(?<!a)b", "b", true}, {"(?<!a)b", "abb", true},
		{"b(?!a)|c", "xba", false}, {"b(?!a)|c", "xbac", true}, {"b(?!a)|c", "bab", true}, {"(?i)B(?=C)", "xbc", true},
	}
	for _, tt := range tests {
		re, err := CompileSearch(tt.expression)
		if tt.expression == "a)(b" {
			if err == nil {
				t.Error("an unbalanced expression was accepted")
			}
			continue
		}
		if err != nil {
			t.Errorf("%s: %v", tt.expression, err)
		} else if got := re.MatchString(tt.text); got != tt.want {
			t.Errorf("%s in %q = %v, want %v", tt.expression, tt.text, got, tt.want)
		}
	}
}

// refused are those that cannot, or not simply.
var refused = []string{
	`(?!.*a)`, `^((?!a).)*$`, `(?<!ab)c`, `(?!ab)c`, `\b(?<!a)b`, `a(?!\bb)`, `(?!a)(?<!b)c`, `(?!a(?=b))`, `(?!a`, `(?=(?!a))`, `(?!a)*`, `(?!a.|[ab]c)`, `a$(?<!b)`, `(?!a)\bb`,
}

func TestLookaroundIsTranslatedExactly(t *testing.T) {
	t.Parallel()
	texts := []string{""}
	for n := 0; n < len(texts) && len(texts) < 800; n++ {
		for _, c := range []string{"a", "b", "c", "\n", "(", "A"} {
			texts = append(texts, texts[n]+c)
		}
	}
	texts = append(texts, "docker.io/x", "docker.iox", "quay.io/", "quay.i", "(?!b", "(?!c")
	for _, expression := range translated {
		re, err := CompileRegexp(expression)
		if err != nil {
			t.Errorf("%s: %v", expression, err)
			continue
		}
		for _, text := range texts {
			if got, want := re.MatchString(text), lookMatches(t, expression, text); got != want {
				t.Errorf("%s on %q = %v, want %v; it became %s", expression, text, got, want, re)
				break
			}
		}
	}
}

// lookMatches says what an expression with look-around means, slowly.
func lookMatches(t testing.TB, expression, text string) bool {
	flags, rest := leadingFlags(expression)
	alternatives, _, err := split(rest)
	if err != nil {
		t.Fatal(err)
	}
	// within matches a piece against exactly text[i:j]; the other pieces see what is around it.
	within := func(piece string, i, j int) bool {
		re := regexp.MustCompile(`\A(?s:.{` + strconv.Itoa(i) + `})(?` + flags + `:` + piece + `)(?s:.{` + strconv.Itoa(len(text)-j) + `})\z`)
		return re.MatchString(text)
	}
	var from func(parts []look, i int) bool
	from = func(parts []look, i int) bool {
		if len(parts) == 0 {
			return true
		}
		for j := i; j <= len(text); j++ {
			switch l := parts[0]; {
			case l.plain:
				if within(l.text, i, j) && from(parts[1:], j) {
					return true
				}
			case l.behind:
				holds := false
				for k := 0; k <= i; k++ {
					holds = holds || within(l.text, k, i)
				}
				return holds != l.not && from(parts[1:], i)
			default:
				holds := false
				for k := i; k <= len(text); k++ {
					holds = holds || within(l.text, i, k)
				}
				return holds != l.not && from(parts[1:], i)
			}
		}
		return false
	}
	for _, parts := range alternatives {
		if from(parts, 0) {
			return true
		}
	}
	return false
}

func TestOtherLookaroundIsRefusedWithAHint(t *testing.T) {
	t.Parallel()
	for _, expression := range refused {
		if re, err := CompileRegexp(expression); err == nil {
			t.Errorf("%s became %s", expression, re)
		}
	}
	_, err := CompileRegexp(`x(?!.*secret)`)
	if err == nil || !strings.Contains(err.Error(), "(?!.*secret) at byte 1") || !strings.Contains(err.Error(), "opposite check") {
		t.Errorf("error %v does not show the construct and what to do", err)
	}
}

func FuzzLookaround(f *testing.F) {
	for _, expression := range append(translated, refused...) {
		f.Add(expression, "ab")
	}
	for _, expression := range formerSearches {
		f.Add(expression, "aws_access_key_id=")
	}
	f.Fuzz(func(t *testing.T, expression, text string) {
		if len(expression) > 60 || len(text) > 6 || !validText(text) || strings.ContainsFunc(text, func(r rune) bool { return r > 127 }) {
			return
		}
		flags, rest := leadingFlags(expression)
		alternatives, found, err := split(rest)
		if err != nil || !found {
			return
		}
		if len(alternatives) > 3 {
			return
		}
		for _, parts := range alternatives { // pieces that cannot stand in a group cannot be compared
			if len(parts) > 7 {
				return
			}
			for _, l := range parts {
				if _, err := regexp.Compile(`(?` + flags + `:` + l.text + `)`); err != nil || strings.Contains(l.text, "{") {
					return
				}
			}
		}
		re, err := CompileRegexp(expression)
		if err != nil {
			return
		}
		if got, want := re.MatchString(text), lookMatches(t, expression, text); got != want {
			t.Errorf("%q on %q = %v, want %v; it became %s", expression, text, got, want, re)
		}
	})
}
