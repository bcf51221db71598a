package graal

import (
	"bytes"
	"compress/gzip"
	"encoding/binary"
	"errors"
	"testing"

	"github.com/google/go-cmp/cmp"

	"plimsoll/engine/catalog"
)

const micronaut = `{"bomFormat": "CycloneDX", "specVersion": "1.5", "version": 1, "components": [
  {"type": "library", "group": "io.netty", "name": "netty-codec-http2", "version": "4.1.73.Final", "purl": "pkg:maven/io.netty/netty-codec-http2@4.1.73.Final",
   "properties": [{"name": "syft:cpe23", "value": "cpe:2.3:a:codec:codec:4.1.73.Final:*:*:*:*:*:*:*"}]},
  {"type": "library", "group": "", "name": "basic-app", "version": ""}
]}`

func compressed(text string) []byte {
	var b bytes.Buffer
	w := gzip.NewWriter(&b)
	_, _ = w.Write([]byte(text))
	_ = w.Close()
	return b.Bytes()
}

// native makes a program with the document in its image heap, at an address of its own; length is what its
// symbol says.
func native(section string, document []byte, length uint64) []byte {
	const address = 0x400000
	le := binary.LittleEndian
	data := append(le.AppendUint64(nil, length), document...)
	symbols := append(make([]byte, 24), symbol(1, address+8)...)
	symbols = append(symbols, symbol(6, address)...)
	strings := []byte("\x00sbom\x00sbom_length\x00")
	names := []byte("\x00" + section + "\x00.dynsym\x00.dynstr\x00.shstrtab\x00")
	at := func(s string) uint32 { return uint32(bytes.Index(names, []byte("\x00"+s+"\x00")) + 1) }
	body := bytes.Join([][]byte{data, symbols, strings, names}, nil)

	out := []byte("\x7fELF\x02\x01\x01\x00\x00\x00\x00\x00\x00\x00\x00\x00")
	out = le.AppendUint16(out, 2)
	out = le.AppendUint16(out, 62)
	out = le.AppendUint32(out, 1)
	out = le.AppendUint64(out, address)
	out = le.AppendUint64(out, 0)
	out = le.AppendUint64(out, uint64(64+len(body)))
	out = le.AppendUint32(out, 0)
	for _, v := range []uint16{64, 56, 0, 64, 5, 4} {
		out = le.AppendUint16(out, v)
	}
	out = append(out, body...)
	offset := uint64(64)
	header := func(name, kind uint32, addr uint64, size int, link uint32, entry uint64) {
		out = le.AppendUint32(out, name)
		out = le.AppendUint32(out, kind)
		out = le.AppendUint64(out, 2)
		out = le.AppendUint64(out, addr)
		out = le.AppendUint64(out, offset)
		out = le.AppendUint64(out, uint64(size))
		out = le.AppendUint32(out, link)
		out = le.AppendUint32(out, 0)
		out = le.AppendUint64(out, 1)
		out = le.AppendUint64(out, entry)
		offset += uint64(size)
	}
	out = append(out, make([]byte, 64)...)
	header(at(section), 1, address, len(data), 0, 0)
	header(at(".dynsym"), 11, 0, len(symbols), 3, 24)
	header(at(".dynstr"), 3, 0, len(strings), 0, 0)
	header(at(".shstrtab"), 3, 0, len(names), 0, 0)
	return out
}

func symbol(name uint32, value uint64) []byte {
	le := binary.LittleEndian
	out := le.AppendUint32(nil, name)
	out = append(out, 0x11, 0)
	out = le.AppendUint16(out, 1)
	return le.AppendUint64(le.AppendUint64(out, value), 8)
}

func file(content []byte) *catalog.File {
	return &catalog.File{
		Entry:   catalog.Entry{Path: "/app/server", Type: catalog.Regular, Size: int64(len(content))},
		Content: bytes.NewReader(content),
	}
}

func TestNativeImage(t *testing.T) {
	t.Parallel()
	document := compressed(micronaut)
	got, err := analyze(t.Context(), file(native(heap, document, uint64(len(document)))))
	if err != nil {
		t.Fatal(err)
	}
	want := []catalog.Package{{
		Type: "java", Namespace: "io.netty", Name: "netty-codec-http2", Version: "4.1.73.Final",
		PURL: "pkg:maven/io.netty/netty-codec-http2@4.1.73.Final", Location: "/app/server", MetadataType: "GraalvmNativeImageMetadata",
		Metadata: map[string]string{},
	}}
	if diff := cmp.Diff(want, got.Packages); diff != "" {
		t.Error(diff)
	}
}

func TestOtherPrograms(t *testing.T) {
	t.Parallel()
	document := compressed(micronaut)
	for name, c := range map[string]struct {
		content []byte
		fault   bool
	}{
		"another program with the symbols":     {native(".data", document, uint64(len(document))), false},
		"no program":                           {[]byte("\x7fELF"), false},
		"a length beyond the section":          {native(heap, document, 1<<40), true},
		"a document that is not compressed":    {native(heap, []byte(micronaut), uint64(len(micronaut))), true},
		"a document that is cut off":           {native(heap, document, uint64(len(document)/2)), true},
		"a document that is no list":           {native(heap, compressed("[]"), uint64(len(compressed("[]")))), true},
		"a document of nothing but whitespace": {native(heap, compressed(string(bytes.Repeat([]byte(" "), maxDocument+1))), uint64(len(compressed(string(bytes.Repeat([]byte(" "), maxDocument+1)))))), true},
	} {
		got, err := analyze(t.Context(), file(c.content))
		if errors.Is(err, ErrDocument) != c.fault || len(got.Packages) > 0 {
			t.Errorf("%s: %v, %v", name, got.Packages, err)
		}
	}
}

func FuzzNativeImage(f *testing.F) {
	document := compressed(micronaut)
	f.Add(native(heap, document, uint64(len(document))))
	f.Add(native(heap, nil, 0))
	f.Fuzz(func(t *testing.T, content []byte) {
		got, _ := analyze(t.Context(), file(content))
		for i := range got.Packages {
			if err := got.Packages[i].Check(); err != nil {
				t.Error(err)
			}
		}
	})
}
