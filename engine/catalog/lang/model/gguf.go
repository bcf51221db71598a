package model

import (
	"bufio"
	"encoding/binary"
	"fmt"
	"io"
	"strings"
)

// magic begins a GGUF file (github.com/ggml-org/ggml, docs/gguf.md).
const magic = "GGUF"

const (
	// maxPairs bounds the pairs looked at; general ones come first and are some dozen.
	maxPairs = 256
	// maxString bounds a key or a text, in bytes.
	maxString = 64 << 10
	// maxSkip bounds what is passed over, in bytes: vocabularies have some megabytes and come after the general pairs.
	maxSkip = 32 << 20
)

// Types of values; all others have the size of their index in sizes.
const (
	typeString = 8
	typeArray  = 9
)

var sizes = [...]uint64{1, 1, 2, 2, 4, 4, 4, 1, 0, 0, 8, 8, 8}

// readGGUF returns the texts among the pairs called general.
func readGGUF(r io.Reader) (map[string]string, error) {
	in := &reader{in: bufio.NewReaderSize(r, 64<<10), left: maxSkip}
	in.skip(uint64(len(magic)))
	if version := in.number(4); in.err == nil && version != 2 && version != 3 {
		return nil, fmt.Errorf("%w: GGUF version %d", ErrHeader, version) // 1 was in use for some weeks
	}
	in.number(8) // tensors
	pairs := in.number(8)
	about := map[string]string{}
	for range min(pairs, maxPairs) {
		key, kind := in.text(), in.number(4)
		if in.err != nil || strings.HasPrefix(key, "tokenizer.") {
			break
		}
		if kind == typeString && strings.HasPrefix(key, "general.") {
			about[key] = in.text()
			continue
		}
		in.value(kind)
	}
	return about, in.err
}

// reader reads numbers and texts, little endian, until the first error.
type reader struct {
	in   io.Reader
	left uint64 // bytes that may still be skipped
	err  error
}

func (r *reader) number(size int) uint64 {
	var b [8]byte
	if r.err == nil {
		if _, err := io.ReadFull(r.in, b[:size]); err != nil {
			r.err = fmt.Errorf("%w: %w", ErrHeader, err)
			return 0
		}
	}
	return binary.LittleEndian.Uint64(b[:])
}

func (r *reader) text() string {
	size := r.number(8)
	if r.err == nil && size > maxString {
		r.err = fmt.Errorf("%w: text of %d bytes", ErrHeader, size)
	}
	if r.err != nil {
		return ""
	}
	b := make([]byte, size)
	if _, err := io.ReadFull(r.in, b); err != nil {
		r.err = fmt.Errorf("%w: %w", ErrHeader, err)
		return ""
	}
	return string(b)
}

// charge counts bytes of no interest.
func (r *reader) charge(size uint64) {
	if r.err == nil && size > r.left {
		r.err = fmt.Errorf("%w: more than %d bytes before the end of the description", ErrHeader, maxSkip)
	}
	if r.err == nil {
		r.left -= size
	}
}

func (r *reader) skip(size uint64) {
	if r.charge(size); r.err != nil {
		return
	}
	if _, err := io.CopyN(io.Discard, r.in, int64(size)); err != nil {
		r.err = fmt.Errorf("%w: %w", ErrHeader, err)
	}
}

// value passes over a value. Arrays of arrays are in the format but in no file.
func (r *reader) value(kind uint64) {
	switch {
	case r.err != nil:
	case kind == typeString:
		r.skip(r.number(8))
	case kind == typeArray:
		element, count := r.number(4), r.number(8)
		switch {
		case r.err != nil:
		case element == typeString:
			for i := uint64(0); i < count && r.err == nil; i++ {
				r.charge(8) // empty texts take time, too
				r.skip(r.number(8))
			}
		case element < uint64(len(sizes)) && element != typeArray && count <= maxSkip:
			r.skip(count * sizes[element])
		default:
			r.err = fmt.Errorf("%w: %d elements of type %d", ErrHeader, count, element)
		}
	case kind < uint64(len(sizes)):
		r.skip(sizes[kind])
	default:
		r.err = fmt.Errorf("%w: value of type %d", ErrHeader, kind)
	}
}
