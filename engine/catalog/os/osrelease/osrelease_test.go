package osrelease

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/tools/txtar"

	"plimsoll/engine/catalog"
)

var update = flag.Bool("update", false, "rewrite the golden parts of testdata")

func file(name string, content []byte) *catalog.File {
	return &catalog.File{
		Entry:   catalog.Entry{Path: name, Type: catalog.Regular, Size: int64(len(content))},
		Content: bytes.NewReader(content),
	}
}

// Each case of testdata is a release file under its path and the distro in want.json.
func TestReleaseFiles(t *testing.T) {
	t.Parallel()
	cases, err := filepath.Glob("testdata/*.txtar")
	if err != nil || len(cases) == 0 {
		t.Fatalf("no cases: %v", err)
	}
	for _, name := range cases {
		t.Run(strings.TrimSuffix(filepath.Base(name), ".txtar"), func(t *testing.T) {
			t.Parallel()
			archive, err := txtar.ParseFile(name)
			if err != nil {
				t.Fatal(err)
			}
			in := archive.Files[0]
			if !Analyzer().Wants(catalog.Candidate{Entry: catalog.Entry{Path: "/" + in.Name, Type: catalog.Regular}}) {
				t.Fatalf("%s not wanted", in.Name)
			}
			evidence, err := analyze(context.Background(), file("/"+in.Name, in.Data))
			if err != nil {
				t.Fatal(err)
			}
			got, err := json.MarshalIndent(evidence.Distro, "", "  ")
			if err != nil {
				t.Fatal(err)
			}
			got = append(got, '\n')
			if *update {
				archive.Files = []txtar.File{in, {Name: "want.json", Data: got}}
				if err := os.WriteFile(name, txtar.Format(archive), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			if diff := cmp.Diff(string(archive.Files[1].Data), string(got)); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestUnquote(t *testing.T) {
	t.Parallel()
	for in, want := range map[string]string{
		`plain`:                "plain",
		`"two words"`:          "two words",
		`'single $x \n'`:       `single $x \n`,
		`"\$\"\\\` + "`" + `"`: `$"\` + "`",
		`"keeps \n"`:           `keeps \n`,
		`un\ quoted`:           "un quoted",
		`a"b c"'d'`:            "ab cd",
		`value # comment`:      "value",
		`"not closed`:          "not closed",
		``:                     "",
	} {
		if got := unquote(in); got != want {
			t.Errorf("%s: got %q, want %q", in, got, want)
		}
	}
}

func TestFilesThatNameNoDistro(t *testing.T) {
	t.Parallel()
	for name, content := range map[string]string{
		"/etc/os-release":     "",
		"/usr/lib/os-release": "# nothing\nnot an assignment\n",
		"/etc/lsb-release":    "LSB_VERSION=\"core-2.0-noarch\"\n",
		"/etc/debian_version": "some text\n",
		"/etc/redhat-release": "Something else entirely\n",
		"/etc/alpine-release": "\n",
	} {
		if got, err := analyze(context.Background(), file(name, []byte(content))); !errors.Is(err, ErrUnknown) || !got.Empty() {
			t.Errorf("%s: got %+v, %v", name, got, err)
		}
	}
}

func TestWants(t *testing.T) {
	t.Parallel()
	for name, want := range map[string]bool{
		"/usr/lib/os-release":                     true,
		"/usr/lib/os.release.d/os-release-server": true,
		"/usr/lib/os-release-fedora":              true,
		"/srv/etc/os-release":                     false,
		"/etc/os-release.bak":                     false,
		"/etc/passwd":                             false,
	} {
		if got := wants(catalog.Candidate{Entry: catalog.Entry{Path: name}}); got != want {
			t.Errorf("%s: got %v", name, got)
		}
	}
}

func FuzzRelease(f *testing.F) {
	cases, _ := filepath.Glob("testdata/*.txtar")
	for _, name := range cases {
		archive, err := txtar.ParseFile(name)
		if err != nil {
			f.Fatal(err)
		}
		f.Add("/"+archive.Files[0].Name, archive.Files[0].Data)
	}
	f.Fuzz(func(t *testing.T, name string, content []byte) {
		evidence, err := analyze(context.Background(), file(name, content))
		if (err == nil) != (evidence.Distro != nil) {
			t.Fatalf("distro %v with error %v", evidence.Distro, err)
		}
		if evidence.Distro != nil && evidence.Distro.ID == "" {
			t.Fatal("distro without ID")
		}
	})
}
