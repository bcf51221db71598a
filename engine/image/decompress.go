package image

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"io"

	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zstd"
)

var (
	gzipMagic = []byte{0x1f, 0x8b}
	zstdMagic = []byte{0x28, 0xb5, 0x2f, 0xfd}
)

// decompressor looks at the first bytes, not at the media type: registries hold layers under either name.
// Anything that is neither gzip nor zstd is taken for a plain tar.
func decompressor(r *bufio.Reader, window uint64) (io.Reader, func(), error) {
	head, _ := r.Peek(4) // a read error comes back with the next read
	switch {
	case bytes.HasPrefix(head, gzipMagic):
		z, err := gzip.NewReader(r) // multistream: concatenated members are one archive
		return z, func() {}, err
	case bytes.HasPrefix(head, zstdMagic), zstdSkippable(head):
		z, err := zstd.NewReader(r, zstd.WithDecoderConcurrency(1), zstd.WithDecoderLowmem(true), zstd.WithDecoderMaxWindow(window))
		if err != nil {
			return nil, func() {}, err
		}
		return z, z.Close, nil
	}
	return r, func() {}, nil
}

// zstdSkippable recognises a leading skippable frame (RFC 8878 section 3.1.2).
func zstdSkippable(head []byte) bool {
	return len(head) == 4 && binary.LittleEndian.Uint32(head)&0xfffffff0 == 0x184d2a50
}
