package blob

import (
	"bytes"
	"fmt"
	"sync"

	"github.com/klauspost/compress/zstd"
)

// zstdMagic begins every zstd frame (RFC 8878, section 3.1.1); no JSON document begins like that.
var zstdMagic = []byte{0x28, 0xb5, 0x2f, 0xfd}

// packer is for documents that are made by the thousand and say much the same: a faster level costs little size.
var packer = sync.OnceValues(func() (*zstd.Encoder, error) {
	return zstd.NewWriter(nil, zstd.WithEncoderLevel(zstd.SpeedFastest), zstd.WithEncoderConcurrency(0))
})

// Pack compresses a JSON document that lives in a row of its own.
func Pack(document []byte) ([]byte, error) {
	z, err := packer()
	if err != nil {
		return nil, fmt.Errorf("pack document: %w", err)
	}
	return z.EncodeAll(document, nil), nil
}

// Unpack undoes Pack; what was never packed is returned as it is. ErrCorrupt.
func Unpack(stored []byte) ([]byte, error) {
	if !bytes.HasPrefix(stored, zstdMagic) {
		return stored, nil
	}
	z, err := decoder()
	if err != nil {
		return nil, fmt.Errorf("unpack document: %w", err)
	}
	document, err := z.DecodeAll(stored, nil)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrCorrupt, err)
	}
	return document, nil
}
