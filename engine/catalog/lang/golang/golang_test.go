package golang

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"plimsoll/engine/catalog"
)

func file(name string, content []byte) *catalog.File {
	return &catalog.File{
		Entry:   catalog.Entry{Path: name, Type: catalog.Regular, Size: int64(len(content))},
		Content: bytes.NewReader(content),
	}
}

// elf makes the smallest ELF file that carries build information: a header, one writable segment, the blob.
func elf(version, modules string) []byte {
	var blob bytes.Buffer
	blob.WriteString("\xff Go buildinf:\x08\x02")
	blob.Write(make([]byte, 16))
	marked := strings.Repeat("0", 16) + modules + strings.Repeat("1", 16)
	for _, s := range []string{version, marked} {
		blob.Write(binary.AppendUvarint(nil, uint64(len(s))))
		blob.WriteString(s)
	}
	const header, segment, base = 64, 56, 0x400000
	offset := uint64(header + segment + 8) // the blob is aligned to 16 bytes
	size := uint64(blob.Len())
	var out bytes.Buffer
	put := func(values ...any) {
		for _, v := range values {
			_ = binary.Write(&out, binary.LittleEndian, v)
		}
	}
	out.WriteString("\x7fELF\x02\x01\x01")
	out.Write(make([]byte, 9))
	put(uint16(2), uint16(62), uint32(1), uint64(base), uint64(header), uint64(0), uint32(0),
		uint16(header), uint16(segment), uint16(1), uint16(64), uint16(0), uint16(0))
	put(uint32(1), uint32(6), offset, uint64(base)+offset, uint64(base)+offset, size, size, uint64(0x1000))
	out.Write(make([]byte, 8))
	out.Write(blob.Bytes())
	return out.Bytes()
}

const modules = `path	example.org/app/cmd/app
mod	example.org/app	v1.4.0	h1:main=
dep	github.com/BurntSushi/toml	v1.3.2	h1:toml=
dep	github.com/hashicorp/vault/api/v2	v2.0.0+incompatible	h1:vault=
dep	golang.org/x/net	v0.17.0
=>	golang.org/x/net	v0.18.0	h1:net=
dep	example.org/local	v0.1.0
=>	../local	(devel)	
build	GOOS=linux
build	GOARCH=arm64
build	-tags=netgo
build	vcs.revision=0123456789abcdef
`

func TestModules(t *testing.T) {
	t.Parallel()
	got, err := analyze(context.Background(), file("/usr/bin/app", elf("go1.21.3 X:boringcrypto", modules)))
	if err != nil {
		t.Fatal(err)
	}
	want := []catalog.Package{
		{
			Name: "example.org/app", Version: "v1.4.0", PURL: "pkg:golang/example.org/app@v1.4.0",
			CPEs: []string{"cpe:2.3:a:example:app:1.4.0:*:*:*:*:*:*:*"},
			Metadata: map[string]string{
				"main": "true", "goos": "linux", "goarch": "arm64", "vcs_revision": "0123456789abcdef", "go_version": "go1.21.3 X:boringcrypto",
			},
		},
		{
			Name: "github.com/BurntSushi/toml", Version: "v1.3.2", PURL: "pkg:golang/github.com/burntsushi/toml@v1.3.2",
			CPEs: []string{"cpe:2.3:a:burntsushi:toml:1.3.2:*:*:*:*:*:*:*"}, Metadata: map[string]string{"sum": "h1:toml="},
		},
		{
			Name: "github.com/hashicorp/vault/api/v2", Version: "v2.0.0+incompatible",
			PURL: "pkg:golang/github.com/hashicorp/vault/api/v2@v2.0.0%2Bincompatible",
			CPEs: []string{`cpe:2.3:a:hashicorp:vault:2.0.0\+incompatible:*:*:*:*:*:*:*`}, Metadata: map[string]string{"sum": "h1:vault="},
		},
		{
			Name: "golang.org/x/net", Version: "v0.18.0", PURL: "pkg:golang/golang.org/x/net@v0.18.0",
			CPEs:     []string{"cpe:2.3:a:golang:net:0.18.0:*:*:*:*:*:*:*"},
			Metadata: map[string]string{"replaces": "golang.org/x/net@v0.17.0", "sum": "h1:net="},
		},
		{
			Name: "example.org/local", Version: "v0.1.0", PURL: "pkg:golang/example.org/local@v0.1.0",
			CPEs: []string{"cpe:2.3:a:example:local:0.1.0:*:*:*:*:*:*:*"}, Metadata: map[string]string{"replaced_by": "../local"},
		},
		{
			Name: "stdlib", Version: "1.21.3", PURL: "pkg:golang/stdlib@1.21.3",
			CPEs: []string{"cpe:2.3:a:golang:go:1.21.3:*:*:*:*:*:*:*"}, Metadata: map[string]string{},
		},
	}
	for i := range want {
		want[i].Type, want[i].Location, want[i].MetadataType = "go", "/usr/bin/app", "GolangBinMetadata"
	}
	if diff := cmp.Diff(want, got.Packages); diff != "" {
		t.Error(diff)
	}
}

func TestMainModuleWithoutVersionIsMarked(t *testing.T) {
	t.Parallel()
	for _, version := range []string{"", "(devel)"} {
		got, err := analyze(context.Background(), file("/app", elf("devel go1.23-0123abcd", "path\tx\nmod\texample.org/app\t"+version+"\t\n")))
		if err != nil {
			t.Fatal(err)
		}
		if len(got.Packages) != 1 {
			t.Fatalf("got %+v", got.Packages)
		}
		p := got.Packages[0]
		if p.Version != Devel || p.PURL != "pkg:golang/example.org/app" || p.Metadata["devel"] != "true" || p.CPEs != nil {
			t.Errorf("got %+v", p)
		}
	}
}

func TestRelease(t *testing.T) {
	t.Parallel()
	for in, want := range map[string]string{
		"go1.22.3": "1.22.3", "go1.20": "1.20", "go1.21rc2": "1.21rc2", "go1.19.4 (Red Hat 1.19.4-1.el9)": "1.19.4",
		"go1.22.5-fips": "1.22.5", "go1.24.1 X:a,b": "1.24.1", "devel go1.23-abc": "", "go1.x": "", "": "",
	} {
		if got := release(in); got != want {
			t.Errorf("%q: got %q", in, got)
		}
	}
}

func TestWants(t *testing.T) {
	t.Parallel()
	elfHead := func(kind uint16) []byte {
		head := append([]byte("\x7fELF\x02\x01\x01"), make([]byte, 57)...)
		binary.LittleEndian.PutUint16(head[16:], kind)
		return head
	}
	pad := func(s string) []byte { return append([]byte(s), make([]byte, 40)...) }
	for name, test := range map[string]struct {
		head []byte
		size int64
		want bool
	}{
		"executable":     {elfHead(2), 1 << 20, true},
		"pie":            {elfHead(3), 1 << 20, true},
		"kernel module":  {elfHead(1), 1 << 20, false},
		"core dump":      {elfHead(4), 1 << 20, false},
		"small library":  {elfHead(3), 100 << 10, false},
		"windows":        {pad("MZ\x90"), 1 << 20, true},
		"mach-o":         {pad("\xcf\xfa\xed\xfe"), 1 << 20, true},
		"mach-o, big":    {pad("\xfe\xed\xfa\xcf"), 1 << 20, true},
		"fat mach-o":     {pad("\xca\xfe\xba\xbe\x00\x00\x00\x02"), 1 << 20, true},
		"java class":     {pad("\xca\xfe\xba\xbe\x00\x00\x00\x34"), 1 << 20, false},
		"script":         {pad("#!/bin/sh"), 1 << 20, false},
		"truncated head": {[]byte("\x7fELF"), 1 << 20, false},
	} {
		if got := wants(catalog.Candidate{Entry: catalog.Entry{Path: "/x", Size: test.size}, Head: test.head}); got != test.want {
			t.Errorf("%s: got %v", name, got)
		}
	}
}

func TestOtherBinariesAreNoGap(t *testing.T) {
	t.Parallel()
	whole := elf("go1.21", modules)
	for name, content := range map[string][]byte{
		"no build information": bytes.Replace(whole, []byte("\xff Go buildinf:"), []byte("\xff no buildinf:"), 1),
		"header only":          whole[:64],
		"text":                 []byte("#!/bin/sh\necho hello, this is a script\n"),
		"empty":                nil,
	} {
		if got, err := analyze(context.Background(), file("/x", content)); err != nil || !got.Empty() {
			t.Errorf("%s: got %+v, %v", name, got, err)
		}
	}
}

func TestBrokenBuildInfoIsReported(t *testing.T) {
	t.Parallel()
	got, err := analyze(context.Background(), file("/x", elf("go1.21", "dep\tonly-one-column\n=>\n")))
	if !errors.Is(err, ErrBuildInfo) || !got.Empty() {
		t.Errorf("got %+v, %v", got, err)
	}
}

// A program built here, for each executable format, shows its modules; the local dependency was replaced
// by a directory.
func TestBuiltBinaries(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	for name, content := range map[string]string{
		"go.mod":     "module example.org/app\n\ngo 1.21\n\nrequire example.org/dep v1.2.3\n\nreplace example.org/dep => ./dep\n",
		"main.go":    "package main\n\nimport \"example.org/dep\"\n\nfunc main() { println(dep.Answer()) }\n",
		"dep/go.mod": "module example.org/dep\n\ngo 1.21\n",
		"dep/dep.go": "package dep\n\n//go:noinline\nfunc Answer() int { return 42 }\n",
	} {
		if err := os.MkdirAll(filepath.Dir(filepath.Join(dir, name)), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(dir, name), []byte(content), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	for _, goos := range []string{"linux", "windows", "darwin"} {
		t.Run(goos, func(t *testing.T) {
			t.Parallel()
			out := filepath.Join(dir, "app-"+goos)
			build := exec.Command("go", "build", "-buildvcs=false", "-trimpath", "-ldflags=-s -w", "-o", out, ".")
			build.Dir = dir
			build.Env = append(os.Environ(), "GOOS="+goos, "GOARCH=amd64", "CGO_ENABLED=0", "GOFLAGS=", "GOWORK=off", "GOPROXY=off")
			if text, err := build.CombinedOutput(); err != nil {
				t.Fatalf("go build: %v\n%s", err, text)
			}
			content, err := os.ReadFile(out)
			if err != nil {
				t.Fatal(err)
			}
			f := file("/app", content)
			if !wants(catalog.Candidate{Entry: f.Entry, Head: content[:catalog.HeadSize]}) {
				t.Fatal("not wanted")
			}
			evidence, err := analyze(context.Background(), f)
			if err != nil {
				t.Fatal(err)
			}
			var got []string
			for _, p := range evidence.Packages {
				got = append(got, p.Name+" "+p.Version+" "+p.Metadata["replaced_by"])
			}
			want := []string{"example.org/app (devel) ", "example.org/dep v1.2.3 ./dep"}
			if version := release(runtime.Version()); version != "" {
				want = append(want, "stdlib "+version+" ")
			}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Error(diff)
			}
			if evidence.Packages[0].Metadata["goos"] != goos {
				t.Errorf("got %v", evidence.Packages[0].Metadata)
			}
		})
	}
}

func FuzzBinary(f *testing.F) {
	f.Add(elf("go1.21.3", modules))
	f.Add(elf("", ""))
	f.Add([]byte("MZ\x00\x00PE\x00\x00 padding padding padding"))
	f.Add([]byte("\xca\xfe\xba\xbe\x00\x00\x00\x01 padding padding padding"))
	f.Fuzz(func(t *testing.T, content []byte) {
		evidence, _ := analyze(context.Background(), file("/x", content))
		for _, p := range evidence.Packages {
			if err := p.Check(); err != nil {
				t.Fatal(err)
			}
		}
	})
}
