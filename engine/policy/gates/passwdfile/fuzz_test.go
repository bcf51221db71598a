package passwdfile

import (
	"strings"
	"testing"
	"unicode/utf8"
)

// FuzzParse gives any bytes as an image's /etc/passwd.
func FuzzParse(f *testing.F) {
	for _, seed := range []string{
		"root:x:0:0:root:/root:/bin/bash\nftp:x:14:50:FTP User:/var/ftp:/sbin/nologin\n", "toor::00:0", "a:$6$salt$hash:1:1:::\r\n",
		"# root:x:0:0:::", "::::::", ":::", "+:::::", "  x : y : 1 : 2 :::a:b:c", "\x00\xff:x:0:0:\xfe::", "\n\n",
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, content []byte) {
		for e := range parse(content) {
			if e.line == "" || strings.ContainsAny(e.line, "\n") || e.shell == "" || strings.Contains(e.name, ":") {
				t.Errorf("%q is read as %+v", content, e)
			}
			if again, ok := parseEntry(e.line); !ok || again != e {
				t.Errorf("%q is read as %+v, then as %+v", content, e, again)
			}
			if len(e.uid) > 1 && e.uid[0] == '0' {
				t.Errorf("%q has the uid %q", e.line, e.uid)
			}
			shown := e.shown()
			if !utf8.ValidString(shown) || strings.ContainsAny(shown, "\x00\r\n") {
				t.Errorf("%q is shown as %q", e.line, shown)
			}
			if password := e.password; len(password) > 8 && strings.Count(e.line, password) == 1 && strings.Contains(shown, password) {
				t.Errorf("%q is shown with its password", e.line)
			}
		}
	})
}
