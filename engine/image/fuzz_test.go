package image

import (
	"bytes"
	"context"
	"errors"
	"path"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"plimsoll/engine/catalog"
)

// FuzzRead demands of any blob: a typed error or a result that keeps the package's promises, can be stored and
// can be laid over itself.
func FuzzRead(f *testing.F) {
	plain := archive(f, dir("etc/"), file("etc/a.list", "x y"), symlink("l", "../etc"), hardlink("h", "etc/a.list"),
		file("l/b.list", "z"), file("etc/.wh.old", ""), file("etc/.wh..wh..opq", ""))
	f.Add(plain)
	f.Add(plain[:700])
	f.Add(gzipped(f, plain))
	f.Add(gzipped(f, plain)[:60])
	f.Add(zstded(f, plain))
	f.Add(append(gzipped(f, plain[:512]), gzipped(f, plain[512:])...))
	f.Add([]byte{})
	scratch := f.TempDir()
	limits := Limits{DecompressedBytes: 8 << 20, Ratio: 100, RatioAfter: 1 << 20, Entries: 500, SpoolAbove: 1000, WindowBytes: 8 << 20}
	f.Fuzz(func(t *testing.T, blob []byte) {
		p := NewPass([]catalog.Analyzer{nameList()}, limits, scratch)
		l, err := p.Read(context.Background(), digestOf(blob), bytes.NewReader(blob), nil)
		if err != nil {
			if l != nil || !errors.Is(err, ErrCorrupt) && !errors.Is(err, ErrLimit) {
				t.Fatalf("untyped failure: %v", err)
			}
			return
		}
		for _, e := range l.Entries {
			if e.Path[0] != '/' || path.Clean(e.Path) != e.Path || !utf8.ValidString(e.Path) || !utf8.ValidString(e.Link) {
				t.Errorf("entry %q, link %q", e.Path, e.Link)
			}
		}
		decoded, err := DecodeEntries(bytes.NewReader(encodedEntries(t, l.Entries)))
		if diff := cmp.Diff(l.Entries, decoded, cmpopts.EquateEmpty()); err != nil || diff != "" {
			t.Errorf("stored entries: %v %s", err, diff)
		}
		if _, _, err := Assemble([]*Layer{l, l}, namespace); err != nil {
			t.Error(err)
		}
	})
}

// FuzzDecodeEntries demands that whatever decodes means the same after another encoding.
func FuzzDecodeEntries(f *testing.F) {
	f.Add(encodedEntries(f, layerOf(f, "d/a f/a/b=c s/l>a h/h>/a/b w/x o/y")))
	f.Add([]byte(entriesMagic + "\xff\xff\xff\x04"))
	f.Add([]byte(entriesMagic + strings.Repeat("\xe1", 9) + "0"))
	f.Fuzz(func(t *testing.T, b []byte) {
		entries, err := DecodeEntries(bytes.NewReader(b))
		if err != nil {
			if !errors.Is(err, ErrEncoding) {
				t.Fatalf("untyped failure: %v", err)
			}
			return
		}
		again, err := DecodeEntries(bytes.NewReader(encodedEntries(t, entries)))
		if diff := cmp.Diff(entries, again, cmpopts.EquateEmpty()); err != nil || diff != "" {
			t.Errorf("%v %s", err, diff)
		}
	})
}

// FuzzDecodeEvidence demands a typed error or something that can be encoded again.
func FuzzDecodeEvidence(f *testing.F) {
	var buf bytes.Buffer
	evidence, incomplete := sampleEvidence()
	if err := EncodeEvidence(&buf, evidence, incomplete); err != nil {
		f.Fatal(err)
	}
	f.Add(buf.Bytes())
	f.Add([]byte(`{"evidence_format":2,"evidence":999999999}`))
	f.Fuzz(func(t *testing.T, b []byte) {
		evidence, incomplete, err := DecodeEvidence(bytes.NewReader(b))
		if err != nil {
			if !errors.Is(err, ErrEncoding) {
				t.Fatalf("untyped failure: %v", err)
			}
			return
		}
		var buf bytes.Buffer
		if err := EncodeEvidence(&buf, evidence, incomplete); err != nil {
			t.Error(err)
		}
	})
}
