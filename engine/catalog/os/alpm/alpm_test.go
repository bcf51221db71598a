package alpm

import (
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"plimsoll/engine/catalog"
)

const sudo = `%FILES%
etc/
etc/sudoers
usr/
usr/bin/
usr/bin/sudo
usr/share/doc/with blank

%BACKUP%
etc/sudoers	3a9a85da3a4e7ecd5a4ce4bfa4f1d8bb

`

func file(content string) *catalog.File {
	return &catalog.File{
		Entry:   catalog.Entry{Path: database + "sudo-1.9.15.p5-1/files", Type: catalog.Regular, Size: int64(len(content))},
		Content: strings.NewReader(content),
	}
}

func TestFiles(t *testing.T) {
	t.Parallel()
	got, err := analyze(t.Context(), file(sudo))
	if err != nil {
		t.Fatal(err)
	}
	want := catalog.Evidence{Owns: []catalog.Ownership{{
		Type: "alpm", Record: "/var/lib/pacman/local/sudo-1.9.15.p5-1/desc",
		Paths: []string{"/etc/sudoers", "/usr/bin/sudo", "/usr/share/doc/with blank"},
		Recorded: []catalog.RecordedFile{{
			Path: "/etc/sudoers", Mode: catalog.ModeRegular | catalog.ModeAny, Digest: "md5:3a9a85da3a4e7ecd5a4ce4bfa4f1d8bb", Config: true,
		}},
	}}}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

func TestBounds(t *testing.T) {
	t.Parallel()
	got, err := analyze(t.Context(), file("%FILES%\n"+strings.Repeat("a\n", maxFiles+1)))
	if missing := (*catalog.Incompleteness)(nil); !errors.As(err, &missing) || missing.Reason != catalog.ReasonTooMany || len(got.Owns[0].Paths) != maxFiles {
		t.Errorf("too many files: %v", err)
	}
	if _, err := analyze(t.Context(), file("%FILES%\n"+strings.Repeat("a", maxLine+1))); err == nil {
		t.Error("a line without end is no fault")
	}
}

func TestWants(t *testing.T) {
	t.Parallel()
	for name, want := range map[string]bool{
		database + "sudo-1/files": true, database + "sudo-1/desc": false, database + "files": false, database + "a/b/files": false, "/files": false,
	} {
		if got := wants(catalog.Candidate{Entry: catalog.Entry{Path: name}}); got != want {
			t.Errorf("%s: got %v", name, got)
		}
	}
}

func FuzzFiles(f *testing.F) {
	f.Add(sudo)
	f.Add("%FILES%\n../../x\n")
	f.Fuzz(func(t *testing.T, content string) {
		got, _ := analyze(t.Context(), file(content))
		for i := range got.Owns {
			for name := range got.Owns[i].Files() {
				if !strings.HasPrefix(name, "/") || strings.Contains(name+"/", "/../") {
					t.Errorf("%q", name)
				}
			}
		}
	})
}
