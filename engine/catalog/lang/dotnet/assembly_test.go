package dotnet

import (
	"bytes"
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"plimsoll/engine/catalog"
)

// assembly is a real one, of osv-scalibr's tests.
func assembly(t testing.TB, name string) []byte {
	t.Helper()
	dir, err := exec.Command("go", "list", "-m", "-f", "{{.Dir}}", "github.com/google/osv-scalibr").Output()
	if err != nil {
		t.Fatal(err)
	}
	content, err := os.ReadFile(filepath.Join(strings.TrimSpace(string(dir)), "extractor/filesystem/language/dotnet/dotnetpe/testdata", name))
	if err != nil {
		t.Fatal(err)
	}
	return content
}

func opened(name string, content []byte) *catalog.File {
	return &catalog.File{Entry: catalog.Entry{Path: name, Type: catalog.Regular, Size: int64(len(content))}, Content: bytes.NewReader(content)}
}

func TestAssemblies(t *testing.T) {
	t.Parallel()
	content := assembly(t, "HelloWorldApp.dll")
	if !wantsAssembly(catalog.Candidate{Entry: catalog.Entry{Path: "/app/HelloWorldApp.DLL"}, Head: content[:64]}) {
		t.Error("not wanted")
	}
	got, err := analyzeAssembly(context.Background(), opened("/app/HelloWorldApp.dll", content))
	if err != nil || len(got.Packages) != 1 {
		t.Fatalf("got %+v, %v", got, err)
	}
	p := got.Packages[0]
	if p.Name != "HelloWorldApp" || p.Version != "1.0.0" || p.PURL != "pkg:nuget/HelloWorldApp@1.0.0" || !p.Declared() {
		t.Errorf("got %+v", p)
	}
	want := map[string]string{"Assembly Version": "1.0.0.0", "FileVersion": "1.0.0.0", "ProductName": "HelloWorldApp", "evidence": "inferred"}
	if diff := cmp.Diff(want, p.Metadata); diff != "" {
		t.Error(diff)
	}
	for name, in := range map[string][]byte{"native": assembly(t, "HelloWorldApp.exe"), "empty": nil, "cut": content[:1000], "no program": []byte("MZ hello")} {
		if got, err := analyzeAssembly(context.Background(), opened("/x.dll", in)); err != nil || !got.Empty() {
			t.Errorf("%s: got %+v, %v", name, got, err)
		}
	}
}

func TestDescribed(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		info map[string]string
		want string
	}{
		"a commit behind the version": {map[string]string{"OriginalFilename": "A.B.dll", "ProductVersion": "8.0.1+55ab"}, "A.B 8.0.1"},
		"words instead of a version":  {map[string]string{"InternalName": "A.DLL", "ProductVersion": "release 5", "FileVersion": "1.2.3.4"}, "A 1.2.3.4"},
		"no name":                     {map[string]string{"ProductVersion": "1.0"}, ""},
		"no version":                  {map[string]string{"InternalName": "A.dll"}, ""},
		"a path":                      {map[string]string{"InternalName": `c:\a.dll`, "ProductVersion": "1"}, ""},
		"an ending alone":             {map[string]string{"InternalName": ".dll", "ProductVersion": "1"}, ".dll 1"},
	} {
		p, ok := described(c.info)
		if got := strings.TrimSpace(p.Name + " " + p.Version); got != c.want || ok != (c.want != "") {
			t.Errorf("%s: got %q", name, got)
		}
	}
}

func FuzzAssemblies(f *testing.F) {
	f.Add(assembly(f, "HelloWorldApp.dll"))
	f.Fuzz(func(t *testing.T, content []byte) {
		got, _ := analyzeAssembly(context.Background(), opened("/x.dll", content))
		for _, p := range got.Packages {
			if err := p.Check(); err != nil {
				t.Fatal(err)
			}
		}
	})
}

func FuzzVersionInfo(f *testing.F) {
	content := assembly(f, "HelloWorldApp.dll")
	if i := bytes.Index(content, []byte("V\x00S\x00_\x00V\x00E\x00R\x00")); i > 6 {
		f.Add(content[i-6:])
	}
	f.Fuzz(func(_ *testing.T, raw []byte) { _ = blocks(raw, 0, map[string]string{}) })
}
