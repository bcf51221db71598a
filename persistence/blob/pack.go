package blob

import (
	"bytes"
	"fmt"
)

// zstdMagic begins every zstd frame (RFC 8878, section 3.1.1); no JSON document begins like that.
var zstdMagic = []byte{0x28, 0xb5, 0x2f, 0xfd}

// Pack compresses a JSON document that lives in a row of its own.
func Pack(document []byte) ([]byte, error) {
	z, err := encoder()
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
