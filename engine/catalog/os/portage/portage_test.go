package portage

import (
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"plimsoll/engine/catalog"
)

const sudo = `dir /etc
obj /etc/sudoers 3a9a85da3a4e7ecd5a4ce4bfa4f1d8bb 1700000000
dir /usr/bin
obj /usr/bin/sudo 0123456789abcdef0123456789abcdef 1700000000
sym /usr/bin/sudoedit -> sudo 1700000000
obj /usr/share/doc/with blank 0123456789abcdef0123456789abcdef 1700000000
fif /run/x
`

func file(name, content string) *catalog.File {
	return &catalog.File{
		Entry:   catalog.Entry{Path: database + name, Type: catalog.Regular, Size: int64(len(content))},
		Content: strings.NewReader(content),
	}
}

func TestContents(t *testing.T) {
	t.Parallel()
	got, err := contents(t.Context(), file("app-admin/sudo-1.9.15_p5/CONTENTS", sudo))
	if err != nil {
		t.Fatal(err)
	}
	const plain = catalog.ModeRegular | catalog.ModeAny
	want := catalog.Evidence{Owns: []catalog.Ownership{{
		Type: "portage", Record: "/var/db/pkg/app-admin/sudo-1.9.15_p5/PF",
		Recorded: []catalog.RecordedFile{
			{Path: "/etc/sudoers", Mode: plain, Digest: "md5:3a9a85da3a4e7ecd5a4ce4bfa4f1d8bb", Config: true},
			{Path: "/usr/bin/sudo", Mode: plain, Digest: "md5:0123456789abcdef0123456789abcdef"},
			{Path: "/usr/bin/sudoedit", Mode: catalog.ModeSymlink | catalog.ModeAny, Link: "sudo"},
			{Path: "/usr/share/doc/with blank", Mode: plain, Digest: "md5:0123456789abcdef0123456789abcdef"},
		},
	}}}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

func TestLicense(t *testing.T) {
	t.Parallel()
	for dir, want := range map[string]string{
		"app-admin/sudo-1.9.15_p5-r1": "sudo", "media-fonts/font-adobe-100dpi-1.0.4": "font-adobe-100dpi", "sys-libs/no-version": "",
	} {
		got, err := license(t.Context(), file(dir+"/LICENSE", "|| ( GPL-2 MIT ) BSD\n"))
		name := ""
		if got.Licenses != nil {
			name = got.Licenses.Name
			if diff := cmp.Diff([]string{"BSD", "GPL-2", "MIT"}, got.Licenses.Licenses); diff != "" {
				t.Error(diff)
			}
		}
		if err != nil || name != want {
			t.Errorf("%s: got %q, %v", dir, name, err)
		}
	}
}

func TestBounds(t *testing.T) {
	t.Parallel()
	_, err := contents(t.Context(), file("a/b-1/CONTENTS", strings.Repeat("sym /a -> b 1\n", maxFiles+1)))
	if missing := (*catalog.Incompleteness)(nil); !errors.As(err, &missing) || missing.Reason != catalog.ReasonTooMany {
		t.Errorf("too many files: %v", err)
	}
	if _, err := contents(t.Context(), file("a/b-1/CONTENTS", "obj /"+strings.Repeat("a", maxLine))); err == nil {
		t.Error("a line without end is no fault")
	}
}

func TestWants(t *testing.T) {
	t.Parallel()
	for name, want := range map[string]int{
		database + "app-admin/sudo-1/CONTENTS": 1, database + "app-admin/sudo-1/LICENSE": 1, database + "app-admin/sudo-1/PF": 0, database + "CONTENTS": 0, "/LICENSE": 0,
	} {
		got := 0
		for _, a := range Analyzers() {
			if a.Wants(catalog.Candidate{Entry: catalog.Entry{Path: name}}) {
				got++
			}
		}
		if got != want {
			t.Errorf("%s: wanted by %d", name, got)
		}
	}
}

func FuzzDatabase(f *testing.F) {
	f.Add(sudo)
	f.Add("|| ( GPL-2 )")
	f.Add("\x13")
	f.Fuzz(func(t *testing.T, content string) {
		got, _ := contents(t.Context(), file("a/b-1/CONTENTS", content))
		for i := range got.Owns {
			for name := range got.Owns[i].Files() {
				if !strings.HasPrefix(name, "/") || strings.Contains(name+"/", "/../") {
					t.Errorf("%q", name)
				}
			}
		}
		if got, _ := license(t.Context(), file("a/b-1/LICENSE", content)); got.Licenses != nil && len(got.Licenses.Licenses) == 0 {
			t.Error("a statement without licences")
		}
	})
}
