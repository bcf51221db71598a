package rust

import (
	"bytes"
	"compress/zlib"
	"context"
	"debug/macho"
	"encoding/binary"
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

func deflate(text string) []byte {
	var b bytes.Buffer
	w := zlib.NewWriter(&b)
	_, _ = w.Write([]byte(text))
	_ = w.Close()
	return b.Bytes()
}

func put(b *bytes.Buffer, values ...any) {
	for _, v := range values {
		_ = binary.Write(b, binary.LittleEndian, v)
	}
}

func padded(s string, n int) []byte { return append([]byte(s), make([]byte, n-len(s))...) }

// makeELF makes an ELF file of three sections: none, the named one, the names.
func makeELF(name string, data []byte) []byte {
	names := "\x00" + name + "\x00.shstrtab\x00"
	var b bytes.Buffer
	b.WriteString("\x7fELF\x02\x01\x01")
	b.Write(make([]byte, 9))
	put(&b, uint16(3), uint16(62), uint32(1), uint64(0), uint64(0), uint64(64+len(data)+len(names)), uint32(0),
		uint16(64), uint16(56), uint16(0), uint16(64), uint16(3), uint16(2))
	b.Write(data)
	b.WriteString(names)
	header := func(name, kind uint32, offset, size int) {
		put(&b, name, kind, uint64(0), uint64(0), uint64(offset), uint64(size), uint32(0), uint32(0), uint64(1), uint64(0))
	}
	header(0, 0, 0, 0)
	header(1, 1, 64, len(data))
	header(uint32(len(name)+2), 3, 64+len(data), len(names))
	return b.Bytes()
}

// makePE makes a PE file of one section, filled up to a multiple of 512 bytes as linkers do.
func makePE(data []byte) []byte {
	var b bytes.Buffer
	b.Write(padded("MZ", 60))
	put(&b, uint32(64))
	b.WriteString("PE\x00\x00")
	put(&b, uint16(0x8664), uint16(1), uint32(0), uint32(0), uint32(0), uint16(0), uint16(0x22))
	size := (len(data) + 511) / 512 * 512
	b.Write(padded(section, 8))
	put(&b, uint32(len(data)), uint32(0x1000), uint32(size), uint32(128), uint32(0), uint32(0), uint16(0), uint16(0), uint32(0x40000040))
	b.Write(padded("", 128-b.Len()))
	b.Write(padded(string(data), size))
	return b.Bytes()
}

// makeMachO makes a Mach-O file of one segment with one section.
func makeMachO(data []byte) []byte {
	var b bytes.Buffer
	put(&b, macho.Magic64, uint32(macho.CpuAmd64), uint32(3), uint32(macho.TypeExec), uint32(1), uint32(72+80), uint32(0), uint32(0))
	put(&b, uint32(macho.LoadCmdSegment64), uint32(72+80))
	b.Write(padded("__DATA", 16))
	put(&b, uint64(0), uint64(len(data)), uint64(184), uint64(len(data)), uint32(3), uint32(3), uint32(1), uint32(0))
	b.Write(padded(section, 16))
	b.Write(padded("__DATA", 16))
	put(&b, uint64(0), uint64(len(data)), uint32(184), uint32(0), uint32(0), uint32(0), uint32(0), uint32(0), uint32(0), uint32(0))
	b.Write(data)
	return b.Bytes()
}

func makeFat(thin []byte) []byte {
	var b bytes.Buffer
	for _, v := range []uint32{macho.MagicFat, 1, uint32(macho.CpuAmd64), 3, 4096, uint32(len(thin)), 12} {
		_ = binary.Write(&b, binary.BigEndian, v)
	}
	return append(padded(b.String(), 4096), thin...)
}

const list = `{"packages":[
{"name":"adler","version":"1.0.2","source":"crates.io"},
{"name":"cc","version":"1.0.79","source":"crates.io","kind":"build"},
{"name":"hello-auditable","version":"0.1.0","source":"local","dependencies":[0,1],"root":true},
{"name":"private","version":"2.0.0-rc.1+x","source":"registry","kind":"runtime"}],"format":1}`

func TestPrograms(t *testing.T) {
	t.Parallel()
	crate := func(name, version, purl, cpeVersion string, metadata map[string]string) catalog.Package {
		return catalog.Package{
			Type: "rust", Name: name, Version: version, PURL: purl, Location: "/usr/bin/x", MetadataType: "RustCargoPackageMetadata", Metadata: metadata,
			CPEs: []string{
				"cpe:2.3:a:" + name + ":" + name + ":" + cpeVersion + ":*:*:*:*:rust:*:*",
				"cpe:2.3:a:" + name + "_project:" + name + ":" + cpeVersion + ":*:*:*:*:rust:*:*",
			},
		}
	}
	want := []catalog.Package{
		crate("adler", "1.0.2", "pkg:cargo/adler@1.0.2", "1.0.2", map[string]string{"source": "crates.io"}),
		crate("hello-auditable", "0.1.0", "pkg:cargo/hello-auditable@0.1.0", "0.1.0", map[string]string{"source": "local", "main": "true"}),
		crate("private", "2.0.0-rc.1+x", "pkg:cargo/private@2.0.0-rc.1%2Bx", `2.0.0-rc.1\+x`, map[string]string{"source": "registry"}),
	}
	data := deflate(list)
	for name, content := range map[string][]byte{
		"elf": makeELF(section, data), "elf, as of rust-audit": makeELF(legacySection, data), "pe": makePE(data), "mach-o": makeMachO(data), "fat mach-o": makeFat(makeMachO(data)),
	} {
		got, err := analyze(context.Background(), file("/usr/bin/x", content))
		if err != nil {
			t.Errorf("%s: %v", name, err)
		}
		if diff := cmp.Diff(want, got.Packages); diff != "" {
			t.Errorf("%s: %s", name, diff)
		}
	}
}

func TestOtherProgramsAreNoGap(t *testing.T) {
	t.Parallel()
	whole := makeELF(".text", nil)
	for name, content := range map[string][]byte{
		"without list": whole, "header only": whole[:64], "pe": []byte("MZ"), "pe without sections": padded("MZ", 200),
		"mach-o": []byte("\xcf\xfa\xed\xfe"), "fat": []byte("\xca\xfe\xba\xbe\x00\x00\x00\x01"), "empty": nil,
	} {
		if got, err := analyze(context.Background(), file("/x", content)); err != nil || !got.Empty() {
			t.Errorf("%s: got %+v, %v", name, got, err)
		}
	}
}

func TestBrokenListsAreReported(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		data   []byte
		crates int
	}{
		"not compressed": {[]byte(list), 0},
		"cut":            {deflate(list)[:40], 0},
		"no json":        {deflate("adler 1.0.2"), 0},
		"other shape":    {deflate(`{"packages":[{"name":7,"version":"1"},{"name":"a","version":"1"}]}`), 1},
		"no name":        {deflate(`{"packages":[{"version":"1"},{"name":"a","version":"1"}]}`), 1},
		"bomb":           {deflate(strings.Repeat(" ", maxList+1)), 0},
	} {
		got, err := analyze(context.Background(), file("/x", makeELF(section, test.data)))
		records := catalog.Incomplete("/x", "rust-binary", err)
		if len(got.Packages) != test.crates || len(records) == 0 || records[0].Path != "/x" || records[0].Reason != catalog.ReasonUnreadable {
			t.Errorf("%s: got %+v, %v", name, got, records)
		}
	}
}

func TestWants(t *testing.T) {
	t.Parallel()
	head := makeELF(section, nil)
	for name, test := range map[string]struct {
		path string
		size int64
		head []byte
		want [2]bool
	}{
		"program":           {"/usr/bin/x", 1 << 20, head, [2]bool{true, false}},
		"small library":     {"/usr/lib/x.so", 100 << 10, head, [2]bool{}},
		"script":            {"/usr/bin/x", 1 << 20, []byte("#!/bin/sh                        "), [2]bool{}},
		"lock":              {"/app/Cargo.lock", 10, nil, [2]bool{false, true}},
		"lock of a source":  {"/root/.cargo/registry/src/index.crates.io-6f17d22bba15001f/x-1.0.0/Cargo.lock", 10, nil, [2]bool{}},
		"a name like it":    {"/app/xCargo.lock", 10, nil, [2]bool{}},
		"lock of a git one": {"/root/.cargo/git/checkouts/x-0123/4567/Cargo.lock", 10, nil, [2]bool{}},
	} {
		c := catalog.Candidate{Entry: catalog.Entry{Path: test.path, Size: test.size}, Head: test.head}
		if got := [2]bool{wants(c), wantsLock(c)}; got != test.want {
			t.Errorf("%s: got %v", name, got)
		}
	}
}

func TestLock(t *testing.T) {
	t.Parallel()
	const in = `# This file is automatically @generated by Cargo.
version = 3

[[package]]
name = "shop"
version = "0.1.0"
dependencies = [
 "adler 1.0.2",
]

[[package]]
name = "adler"
version = "1.0.2"
source = "registry+https://github.com/rust-lang/crates.io-index"
checksum = "f26201604c87b1e01bd3d98f8d5d9a8fcbb815e8cedb41ffccbeb4bf593a35fe"

[[package]]
name = "nom"
version = "4.2.1"
source = "git+https://github.com/Geal/nom#0123"

[metadata]
"checksum adler 1.0.2" = "f2"
`
	got, err := analyzeLock(context.Background(), file("/app/Cargo.lock", []byte(in)))
	if err != nil {
		t.Fatal(err)
	}
	var words []string
	for _, p := range got.Packages {
		if !p.Declared() || p.Type != "rust" {
			t.Errorf("got %+v", p)
		}
		words = append(words, p.PURL+" "+p.Metadata["source"]+" "+p.Metadata["checksum"])
	}
	want := []string{
		"pkg:cargo/adler@1.0.2 registry+https://github.com/rust-lang/crates.io-index f26201604c87b1e01bd3d98f8d5d9a8fcbb815e8cedb41ffccbeb4bf593a35fe",
		"pkg:cargo/nom@4.2.1 git+https://github.com/Geal/nom#0123 ",
	}
	if diff := cmp.Diff(want, words); diff != "" {
		t.Error(diff)
	}
	got, err = analyzeLock(context.Background(), file("/app/Cargo.lock", []byte(in[:strings.Index(in, "[[package]]\nname = \"nom")]+"[[package]\n")))
	if err == nil || len(got.Packages) != 1 {
		t.Errorf("what stands before a fault is kept and the fault reported: got %+v, %v", got, err)
	}
}

func FuzzPrograms(f *testing.F) {
	data := deflate(list)
	f.Add(makeELF(section, data))
	f.Add(makePE(data))
	f.Add(makeMachO(data))
	f.Add(makeFat(makeMachO(data))[4000:])
	f.Fuzz(func(t *testing.T, in []byte) {
		evidence, _ := analyze(context.Background(), file("/x", in))
		for _, p := range evidence.Packages {
			if err := p.Check(); err != nil {
				t.Fatal(err)
			}
		}
	})
}

func FuzzLock(f *testing.F) {
	f.Add([]byte("[[package]]\nname = \"a\"\nversion = \"1\"\nsource = \"x\"\n"))
	f.Fuzz(func(t *testing.T, in []byte) {
		evidence, _ := analyzeLock(context.Background(), file("/Cargo.lock", in))
		for _, p := range evidence.Packages {
			if err := p.Check(); err != nil {
				t.Fatal(err)
			}
		}
	})
}
