package image

import (
	"bytes"
	"context"
	"crypto/sha512"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"reflect"
	"strings"
	"sync"
	"testing"
	"testing/iotest"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/klauspost/compress/zstd"

	"plimsoll/engine/catalog"
)

func TestReadSameResultForEachCompression(t *testing.T) {
	t.Parallel()
	plain := archive(t, dir("etc/"), file("etc/a.list", "x y"), file("./b.list", ""), symlink("l", "../etc"), hardlink("h", "etc/a.list"))
	half := len(plain) / 2
	padded := append(bytes.Clone(plain), make([]byte, 100_000)...)
	skippable := append([]byte{0x50, 0x2a, 0x4d, 0x18, 3, 0, 0, 0, 'a', 'b', 'c'}, zstded(t, plain)...)
	tests := []struct {
		name        string
		blob, plain []byte
	}{
		{"plain", plain, plain},
		{"gzip", gzipped(t, plain), plain},
		{"gzip of two members", append(gzipped(t, plain[:half]), gzipped(t, plain[half:])...), plain},
		{"zstd", zstded(t, plain), plain},
		{"zstd of two frames", append(zstded(t, plain[:half]), zstded(t, plain[half:])...), plain},
		{"zstd after a skippable frame", skippable, plain},
		{"data after the end of the archive", gzipped(t, padded), padded},
	}
	wantEntries := []catalog.Entry{
		{Path: "/etc", Type: catalog.Directory, Mode: 0o755},
		{Path: "/etc/a.list", Type: catalog.Regular, Mode: 0o644, Size: 3, SHA256: hexOf("x y")},
		{Path: "/b.list", Type: catalog.Regular, Mode: 0o644, SHA256: hexOf("")},
		{Path: "/l", Type: catalog.Symlink, Mode: 0o777, Link: "../etc"},
		{Path: "/h", Type: catalog.Hardlink, Mode: 0o644, Link: "/etc/a.list"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			l := mustRead(t, tt.blob, nameList())
			want := &Layer{
				Digest: digestOf(tt.blob), DiffID: digestOf(tt.plain),
				CompressedSize: int64(len(tt.blob)), Size: int64(len(tt.plain)),
				Entries: wantEntries,
				Evidence: []FileEvidence{{"/etc/a.list", "name-list", catalog.Evidence{Packages: []catalog.Package{
					{Type: "npm", Name: "x", Version: "1", Location: "/etc/a.list"},
					{Type: "npm", Name: "y", Version: "1", Location: "/etc/a.list"},
				}}}},
			}
			if diff := cmp.Diff(want, l); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestReadAcceptsSHA512AndSmallReads(t *testing.T) {
	t.Parallel()
	blob := gzipped(t, archive(t, file("a", strings.Repeat("0123456789", 100_000))))
	sum := sha512.Sum512(blob)
	var progress []int64
	p := NewPass(nil, Limits{}, t.TempDir())
	l, err := p.Read(t.Context(), "sha512:"+hex.EncodeToString(sum[:]), iotest.OneByteReader(bytes.NewReader(blob)), func(n int64) { progress = append(progress, n) })
	if err != nil {
		t.Fatal(err)
	}
	if got := l.Entries[0].SHA256; got != hexOf(strings.Repeat("0123456789", 100_000)) {
		t.Errorf("content digest %s", got)
	}
	if len(progress) == 0 || progress[len(progress)-1] != int64(len(blob)) {
		t.Errorf("progress %v, want it to end at %d", progress, len(blob))
	}
}

func TestReadFailures(t *testing.T) {
	t.Parallel()
	plain := archive(t, file("a", strings.Repeat("a", 5000)), file("b", "b"))
	blob := gzipped(t, plain)
	broken := errors.New("connection reset")
	tests := []struct {
		name   string
		digest string
		body   io.Reader
		want   error
	}{
		{"wrong digest", digestOf([]byte("other")), bytes.NewReader(blob), ErrDigestMismatch},
		{"truncated transfer", digestOf(blob), bytes.NewReader(blob[:len(blob)-20]), ErrDigestMismatch},
		{"empty transfer", digestOf(blob), bytes.NewReader(nil), ErrDigestMismatch},
		{"one byte too many", digestOf(blob), io.MultiReader(bytes.NewReader(blob), strings.NewReader("x")), ErrDigestMismatch},
		{"transfer error", digestOf(blob), io.MultiReader(bytes.NewReader(blob[:100]), iotest.ErrReader(broken)), broken},
		{"body cut by the server", digestOf(blob), io.MultiReader(bytes.NewReader(blob[:100]), iotest.ErrReader(io.ErrUnexpectedEOF)), io.ErrUnexpectedEOF},
		{"reader that never yields", digestOf(blob), noReader{}, io.ErrNoProgress},
		{"no digest", "", bytes.NewReader(blob), ErrDigestFormat},
		{"unknown algorithm", "md5:d41d8cd98f00b204e9800998ecf8427e", bytes.NewReader(blob), ErrDigestFormat},
		{"short digest", "sha256:abcd", bytes.NewReader(blob), ErrDigestFormat},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			l, err := NewPass(nil, Limits{}, t.TempDir()).Read(t.Context(), tt.digest, tt.body, nil)
			if !errors.Is(err, tt.want) || l != nil {
				t.Errorf("got %v, %v; want %v", l, err, tt.want)
			}
		})
	}
}

type noReader struct{}

func (noReader) Read([]byte) (int, error) { return 0, nil }

func TestReadCorruptArchives(t *testing.T) {
	t.Parallel()
	plain := archive(t, file("a", strings.Repeat("a", 5000)))
	badSum := bytes.Clone(plain)
	badSum[150] ^= 0xff
	longSize := bytes.Clone(plain)
	copy(longSize[124:136], "77777777777\x00")
	fixChecksum(longSize)
	blobs := map[string][]byte{
		"archive cut inside a file":   gzipped(t, plain[:1000]),
		"archive cut inside a header": gzipped(t, plain[:300]),
		"gzip stream cut short":       gzipped(t, plain)[:40],
		"gzip of wrong checksum":      flip(gzipped(t, plain), -6),
		"garbage after gzip":          append(gzipped(t, plain), "trailing garbage"...),
		"zstd stream cut short":       zstded(t, plain)[:30],
		"header of wrong checksum":    badSum,
		"size beyond the archive":     longSize,
		"text":                        []byte(strings.Repeat("this is no archive ", 100)),
		"pax garbage":                 gzipped(t, paxGarbage(t)),
	}
	for name, blob := range blobs {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if l, err := read(t, blob); !errors.Is(err, ErrCorrupt) || l != nil {
				t.Errorf("got %v, %v; want ErrCorrupt", l, err)
			}
		})
	}
}

func flip(b []byte, at int) []byte {
	b[len(b)+at] ^= 0xff
	return b
}

// fixChecksum makes a changed first header valid again (POSIX ustar: sum of bytes, checksum field as blanks).
func fixChecksum(header []byte) {
	copy(header[148:156], "        ")
	sum := 0
	for _, b := range header[:512] {
		sum += int(b)
	}
	copy(header[148:156], fmt.Sprintf("%06o\x00 ", sum))
}

// paxGarbage is an archive whose extended header does not parse.
func paxGarbage(t *testing.T) []byte {
	plain := archive(t, file("x", "99999 path=never\nnot a record"), file("y", "y"))
	plain[156] = 'x'
	fixChecksum(plain)
	return plain
}

func TestReadLimits(t *testing.T) {
	t.Parallel()
	blob := gzipped(t, archive(t, file("a", strings.Repeat("a", 300_000)), file("b", "b")))
	tests := []struct {
		what   string
		limits Limits
		max    int64
	}{
		{"CompressedBytes", Limits{CompressedBytes: 100}, 100},
		{"DecompressedBytes", Limits{DecompressedBytes: 299_999}, 299_999},
		{"Ratio", Limits{Ratio: 10, RatioAfter: 1000}, 10},
		{"Entries", Limits{Entries: 1}, 1},
	}
	for _, tt := range tests {
		t.Run(tt.what, func(t *testing.T) {
			t.Parallel()
			l, err := NewPass(nil, tt.limits, t.TempDir()).Read(t.Context(), digestOf(blob), bytes.NewReader(blob), nil)
			var limit *LimitError
			if !errors.As(err, &limit) || !errors.Is(err, ErrLimit) || l != nil {
				t.Fatalf("got %v, %v; want a LimitError", l, err)
			}
			if diff := cmp.Diff(&LimitError{tt.what, tt.max}, limit); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestReadRefusesLargeWindow(t *testing.T) {
	t.Parallel()
	var buf bytes.Buffer
	z, err := zstd.NewWriter(&buf, zstd.WithWindowSize(4<<20))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := z.Write(archive(t, file("a", strings.Repeat("0123456789", 1<<20)))); err != nil {
		t.Fatal(err)
	}
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	for window, want := range map[uint64]error{1 << 20: ErrLimit, 4 << 20: nil} {
		p := NewPass(nil, Limits{WindowBytes: window}, t.TempDir())
		if _, err := p.Read(t.Context(), digestOf(buf.Bytes()), bytes.NewReader(buf.Bytes()), nil); !errors.Is(err, want) {
			t.Errorf("window of %d bytes: got %v, want %v", window, err, want)
		}
	}
}

func TestLayersReadAtTheSameTime(t *testing.T) {
	t.Parallel()
	var items []item
	for i := range 50 {
		items = append(items, file(fmt.Sprintf("%d.list", i), fmt.Sprint("p", i, strings.Repeat(" ", 4000*i))))
	}
	blob := gzipped(t, archive(t, items...))
	p := NewPass([]catalog.Analyzer{nameList()}, Limits{MemoryBytes: 300 << 10, SpoolAbove: 150 << 10}, t.TempDir())
	want := mustRead(t, blob, nameList())
	var group sync.WaitGroup
	for range 8 {
		group.Go(func() {
			got, err := p.Read(t.Context(), digestOf(blob), bytes.NewReader(blob), nil)
			if err != nil || !reflect.DeepEqual(want, got) {
				t.Errorf("%v %s", err, cmp.Diff(want, got))
			}
		})
	}
	group.Wait()
}

func TestRatioCountsWhatWentIn(t *testing.T) {
	t.Parallel()
	noise := make([]byte, 1<<20)
	if _, err := rand.NewChaCha8([32]byte{}).Read(noise); err != nil {
		t.Fatal(err)
	}
	blob := gzipped(t, archive(t, file("a", string(noise))))
	p := NewPass(nil, Limits{Ratio: 2, RatioAfter: 1000}, t.TempDir())
	if _, err := p.Read(t.Context(), digestOf(blob), bytes.NewReader(blob), nil); err != nil {
		t.Error(err)
	}
}

func TestReadStopsEndlessBlobAtLimit(t *testing.T) {
	t.Parallel()
	p := NewPass(nil, Limits{CompressedBytes: 10 << 20}, t.TempDir())
	_, err := p.Read(t.Context(), digestOf(nil), zeros{}, nil)
	if !errors.Is(err, ErrLimit) {
		t.Errorf("got %v, want ErrLimit", err)
	}
}

type zeros struct{}

func (zeros) Read(p []byte) (int, error) { clear(p); return len(p), nil }

func TestReadEndsWithItsContext(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancel(t.Context())
	p := NewPass(nil, Limits{}, t.TempDir())
	_, err := p.Read(ctx, digestOf(nil), zeros{}, func(n int64) {
		if n > 4<<20 {
			cancel()
		}
	})
	if !errors.Is(err, context.Canceled) {
		t.Errorf("got %v, want context.Canceled", err)
	}
}

func TestReadFailsWithoutScratchDirectory(t *testing.T) {
	t.Parallel()
	blob := archive(t, file("a.list", strings.Repeat("x ", 1000)))
	p := NewPass([]catalog.Analyzer{nameList()}, Limits{SpoolAbove: 10}, t.TempDir()+"/missing")
	if _, err := p.Read(t.Context(), digestOf(blob), bytes.NewReader(blob), nil); !errors.Is(err, os.ErrNotExist) || errors.Is(err, ErrCorrupt) {
		t.Errorf("got %v, want os.ErrNotExist", err)
	}
}

func TestSetNamesWhatDecidesResults(t *testing.T) {
	t.Parallel()
	a, b := nameList(), nameList()
	b.Name = "other"
	set := func(l Limits, analyzers ...catalog.Analyzer) string { return NewPass(analyzers, l, "").Set() }
	base := set(Limits{}, a, b)
	if set(Limits{}, b, a) != base || set(Limits{FileTime: time.Hour, Entries: 5}, a, b) != base {
		t.Error("order of analyzers or a limit without influence changes the set")
	}
	newer := a
	newer.Version++
	for name, other := range map[string]string{
		"fewer analyzers": set(Limits{}, a), "new version": set(Limits{}, newer, b), "file limit": set(Limits{FileBytes: 1}, a, b),
	} {
		if other == base {
			t.Errorf("%s: same set", name)
		}
	}
	if _, err := NewPass([]catalog.Analyzer{a, a}, Limits{}, "").Read(t.Context(), digestOf(nil), zeros{}, nil); !errors.Is(err, catalog.ErrInvalidAnalyzer) {
		t.Errorf("analyzer listed twice: %v", err)
	}
}

func TestAnalyzerOrderDoesNotMatter(t *testing.T) {
	t.Parallel()
	a, b := nameList(), nameList()
	b.Name = "another"
	blob := archive(t, file("x.list", "p q"), file("a.list", "r"))
	if diff := cmp.Diff(mustRead(t, blob, a, b), mustRead(t, blob, b, a)); diff != "" {
		t.Error(diff)
	}
}
