package apk

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"flag"
	"os"
	"path"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/tools/txtar"

	"plimsoll/engine/catalog"
)

var update = flag.Bool("update", false, "rewrite the golden parts of testdata")

const installed = "/lib/apk/db/installed"

func file(name string, content []byte) *catalog.File {
	return &catalog.File{
		Entry:   catalog.Entry{Path: name, Type: catalog.Regular, Size: int64(len(content))},
		Content: bytes.NewReader(content),
	}
}

// Each case of testdata is a database under its path and the evidence in want.json.
func TestDatabases(t *testing.T) {
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
			if !wants(catalog.Candidate{Entry: catalog.Entry{Path: "/" + in.Name, Type: catalog.Regular}}) {
				t.Fatalf("%s not wanted", in.Name)
			}
			evidence, err := analyze(context.Background(), file("/"+in.Name, in.Data))
			if err != nil {
				t.Fatal(err)
			}
			got, err := json.MarshalIndent(evidence, "", "  ")
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

func TestWants(t *testing.T) {
	t.Parallel()
	for name, want := range map[string]bool{
		"/lib/apk/db/installed":     true,
		"/usr/lib/apk/db/installed": true,
		"/lib/apk/db/scripts.tar":   false,
		"/srv/lib/apk/db/installed": false,
		"/etc/apk/world":            false,
	} {
		if got := wants(catalog.Candidate{Entry: catalog.Entry{Path: name}}); got != want {
			t.Errorf("%s: got %v", name, got)
		}
	}
}

func TestLicenses(t *testing.T) {
	t.Parallel()
	for field, want := range map[string][]string{
		"MIT":                                 {"MIT"},
		"GPL-2.0-or-later AND MIT":            {"GPL-2.0-or-later AND MIT"},
		"GPL-2.0-only WITH GCC-exception-2.0": {"GPL-2.0-only WITH GCC-exception-2.0"},
		"(MIT OR Apache-2.0)":                 {"(MIT OR Apache-2.0)"},
		"MIT BSD GPL2+":                       {"BSD", "GPL2+", "MIT"},
		"":                                    nil,
	} {
		if diff := cmp.Diff(want, licenses(field)); diff != "" {
			t.Errorf("%q: %s", field, diff)
		}
	}
}

func TestBrokenDatabaseKeepsWhatIsReadable(t *testing.T) {
	t.Parallel()
	in := "P:a\nV:1-r0\n\nP:b\n\nnonsense\nP:c\nV:2-r0\nF:usr\nR:../../x\nR:\nR:ok\nD:" + strings.Repeat("x ", maxLine) +
		"\nF:" + strings.Repeat("d/", maxPath) + "\nR:deep\n\n\nP:d\nV:3-r0"
	got, err := analyze(context.Background(), file(installed, []byte(in)))
	if !errors.Is(err, ErrMalformed) || !strings.Contains(err.Error(), "6 lines") || !errors.Is(err, catalog.ErrInvalidPackage) {
		t.Errorf("got error %v", err)
	}
	var names []string
	for _, p := range got.Packages {
		names = append(names, p.Name+"="+p.Version)
	}
	if diff := cmp.Diff([]string{"a=1-r0", "c=2-r0", "d=3-r0"}, names); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff([]catalog.Ownership{{Type: "apkg", Name: "c", Recorded: []catalog.RecordedFile{
		{Path: "/usr", Mode: 0o040755}, {Path: "/usr/ok", Mode: 0o644},
	}}}, got.Owns); diff != "" {
		t.Error(diff)
	}
}

// Few bytes can name many long paths.
func TestPathsAreBounded(t *testing.T) {
	t.Parallel()
	in := "P:many\nV:1\nF:" + strings.Repeat("d", maxPath-10) + "\n" + strings.Repeat("R:x\n", 40_000) + "\nP:later\nV:1\n"
	got, err := analyze(context.Background(), file(installed, []byte(in)))
	var reason *catalog.Incompleteness
	if !errors.As(err, &reason) || reason.Reason != catalog.ReasonTooMany {
		t.Errorf("got error %v", err)
	}
	if n := len(got.Owns[0].Recorded) * (maxPath - 7); n > maxOwned || len(got.Packages) != 1 {
		t.Errorf("%d bytes of paths, %d packages", n, len(got.Packages))
	}
}

func FuzzInstalled(f *testing.F) {
	cases, _ := filepath.Glob("testdata/*.txtar")
	for _, name := range cases {
		archive, err := txtar.ParseFile(name)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(archive.Files[0].Data)
	}
	f.Add([]byte("P:a\nV:1\nF:../..\nR:..\nI:99999999999999999999\n"))
	f.Fuzz(func(t *testing.T, in []byte) {
		evidence, _ := analyze(context.Background(), file(installed, in))
		for _, p := range evidence.Packages {
			if err := p.Check(); err != nil || p.Source == "" || p.SourceVersion == "" || p.Size < 0 {
				t.Fatalf("%+v: %v", p, err)
			}
		}
		for _, o := range evidence.Owns {
			for name := range o.Files() {
				if !path.IsAbs(name) || path.Clean(name) != name {
					t.Fatalf("path %q", name)
				}
			}
		}
	})
}

func BenchmarkInstalled(b *testing.B) {
	archive, err := txtar.ParseFile("testdata/alpine318.txtar")
	if err != nil {
		b.Fatal(err)
	}
	content := bytes.Repeat(append(archive.Files[0].Data, '\n'), 2000)
	b.SetBytes(int64(len(content)))
	b.ReportAllocs()
	for b.Loop() {
		if _, err := analyze(context.Background(), file(installed, content)); err != nil {
			b.Fatal(err)
		}
	}
}
