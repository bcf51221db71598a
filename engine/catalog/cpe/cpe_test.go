package cpe

import (
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestCandidates(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		vendors, products []string
		version, software string
		want              []string
	}{
		"pairs in order without repeats": {
			[]string{"Apache", "log4j", "apache"}, []string{"log4j"}, "2.14.1", AnySoftware,
			[]string{"cpe:2.3:a:apache:log4j:2.14.1:*:*:*:*:*:*:*", "cpe:2.3:a:log4j:log4j:2.14.1:*:*:*:*:*:*:*"},
		},
		"special characters are quoted": {
			[]string{"a b"}, []string{"libstdc++6"}, "1:2.3~rc+x", AnySoftware,
			[]string{`cpe:2.3:a:a_b:libstdc\+\+6:1\:2.3\~rc\+x:*:*:*:*:*:*:*`},
		},
		"target software":          {[]string{"lodash"}, []string{"lodash"}, "4.17.20", NodeJS, []string{"cpe:2.3:a:lodash:lodash:4.17.20:*:*:*:*:node.js:*:*"}},
		"parts it cannot express":  {[]string{"", "é", "ok"}, []string{"", "p"}, "1", AnySoftware, []string{"cpe:2.3:a:ok:p:1:*:*:*:*:*:*:*"}},
		"no version no candidates": {[]string{"a"}, []string{"b"}, "", AnySoftware, nil},
		"bounded": {[]string{"a", "b", "c"}, []string{"1", "2", "3"}, "1", AnySoftware, []string{
			"cpe:2.3:a:a:1:1:*:*:*:*:*:*:*", "cpe:2.3:a:a:2:1:*:*:*:*:*:*:*", "cpe:2.3:a:a:3:1:*:*:*:*:*:*:*",
			"cpe:2.3:a:b:1:1:*:*:*:*:*:*:*", "cpe:2.3:a:b:2:1:*:*:*:*:*:*:*", "cpe:2.3:a:b:3:1:*:*:*:*:*:*:*",
			"cpe:2.3:a:c:1:1:*:*:*:*:*:*:*", "cpe:2.3:a:c:2:1:*:*:*:*:*:*:*",
		}},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got := Candidates(test.vendors, test.products, test.version, test.software)
			if diff := cmp.Diff(test.want, got); diff != "" {
				t.Error(diff)
			}
		})
	}
}
