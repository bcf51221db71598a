package image

import (
	"bufio"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"io"

	"plimsoll/engine/catalog"
)

// Entries are stored as a count and one record each: type, mode, uid, gid, size, digests, path and link. The
// first byte tells the type and which digests follow. Numbers are varints, texts have their length in front; a path gives only what differs from the path before it. An
// image of 60,000 entries decodes in some ten milliseconds, a tenth of what JSON takes.
const entriesMagic = "plimsoll entries 1\n"

// Bounds on decoding, far above what a Pass lets through.
const (
	maxEntries   = 20_000_000
	maxEntryText = 1 << 20 // bytes of a path or link
)

// entryTypes numbers the types; the order is part of the format.
var entryTypes = [...]catalog.EntryType{
	catalog.Regular, catalog.Directory, catalog.Symlink, catalog.Hardlink, catalog.CharDev,
	catalog.BlockDev, catalog.Fifo, catalog.Whiteout, catalog.Opaque,
}

// entryDigests are the digests an entry may have, with their flags in its first byte.
var entryDigests = [...]struct {
	flag byte
	size int
	of   func(*catalog.Entry) *string
}{
	{1 << 0, 32, func(e *catalog.Entry) *string { return &e.SHA256 }},
	{1 << 5, 16, func(e *catalog.Entry) *string { return &e.MD5 }},
	{1 << 6, 20, func(e *catalog.Entry) *string { return &e.SHA1 }},
}

const digestFlags = 1<<0 | 1<<5 | 1<<6

var errEntry = errors.New("entry cannot be stored")

// EncodeEntries writes entries for DecodeEntries.
func EncodeEntries(w io.Writer, entries []catalog.Entry) error {
	out := bufio.NewWriterSize(w, 64<<10)
	buf := append(make([]byte, 0, 1024), entriesMagic...)
	buf = binary.AppendUvarint(buf, uint64(len(entries)))
	before := ""
	for i := range entries {
		e := &entries[i]
		var err error
		if buf, err = appendEntry(buf, e, before); err != nil {
			return fmt.Errorf("encode entry %q: %w", e.Path, err)
		}
		before = e.Path
		if _, err := out.Write(buf); err != nil {
			return fmt.Errorf("encode entries: %w", err)
		}
		buf = buf[:0]
	}
	if _, err := out.Write(buf); err != nil {
		return fmt.Errorf("encode entries: %w", err)
	}
	if err := out.Flush(); err != nil {
		return fmt.Errorf("encode entries: %w", err)
	}
	return nil
}

func appendEntry(buf []byte, e *catalog.Entry, before string) ([]byte, error) {
	kind := -1
	for i, t := range entryTypes {
		if t == e.Type {
			kind = i
		}
	}
	if kind < 0 || len(e.Path) > maxEntryText || len(e.Link) > maxEntryText {
		return nil, fmt.Errorf("%w: type %q, path of %d bytes, link of %d bytes", errEntry, e.Type, len(e.Path), len(e.Link))
	}
	first := byte(kind << 1)
	for _, d := range entryDigests {
		if *d.of(e) != "" {
			first |= d.flag
		}
	}
	buf = append(buf, first)
	buf = binary.AppendUvarint(buf, uint64(e.Mode))
	buf = binary.AppendVarint(buf, int64(e.UID))
	buf = binary.AppendVarint(buf, int64(e.GID))
	buf = binary.AppendVarint(buf, e.Size)
	for _, d := range entryDigests {
		if text := *d.of(e); text != "" {
			sum, err := hex.DecodeString(text)
			if err != nil || len(sum) != d.size {
				return nil, fmt.Errorf("%w: digest %q", errEntry, text)
			}
			buf = append(buf, sum...)
		}
	}
	shared := 0
	for shared < len(before) && shared < len(e.Path) && before[shared] == e.Path[shared] {
		shared++
	}
	buf = binary.AppendUvarint(buf, uint64(shared))
	buf = binary.AppendUvarint(buf, uint64(len(e.Path)-shared))
	buf = append(buf, e.Path[shared:]...)
	buf = binary.AppendUvarint(buf, uint64(len(e.Link)))
	return append(buf, e.Link...), nil
}

// DecodeEntries reads what EncodeEntries wrote. Errors are ErrEncoding or the reader's.
func DecodeEntries(r io.Reader) ([]catalog.Entry, error) {
	d := &entryDecoder{source: &errorKeeper{r: r}}
	d.in = bufio.NewReaderSize(d.source, 64<<10)
	magic := d.bytes(len(entriesMagic))
	count := d.uvarint()
	if d.err == nil && (string(magic) != entriesMagic || count > maxEntries) {
		d.fail("not a list of entries")
	}
	if d.err != nil {
		return nil, d.err
	}
	entries := make([]catalog.Entry, 0, min(count, 100_000)) // a lying count costs nothing
	for range count {
		e := d.entry()
		if d.err != nil {
			return nil, fmt.Errorf("entry %d: %w", len(entries)+1, d.err)
		}
		entries = append(entries, e)
	}
	if _, err := d.in.ReadByte(); err != io.EOF {
		return nil, fmt.Errorf("%w: data after the last entry", ErrEncoding)
	}
	return entries, nil
}

// entryDecoder keeps the first error; after it everything reads as zero.
type entryDecoder struct {
	source *errorKeeper
	in     *bufio.Reader
	err    error
	buf    []byte
	path   []byte // of the entry before
}

func (d *entryDecoder) fail(what string) {
	if d.err == nil {
		d.err = fmt.Errorf("%w: %s", ErrEncoding, what)
	}
}

func (d *entryDecoder) broken(err error) {
	switch {
	case err == nil || d.err != nil:
	case d.source.err != nil:
		d.err = fmt.Errorf("decode entries: %w", d.source.err)
	case err == io.EOF || err == io.ErrUnexpectedEOF:
		d.fail("ends early")
	default:
		d.fail(err.Error())
	}
}

// errorKeeper tells the reader's own failures from those of decoding.
type errorKeeper struct {
	r   io.Reader
	err error
}

func (k *errorKeeper) Read(p []byte) (int, error) {
	n, err := k.r.Read(p)
	if err != nil && err != io.EOF {
		k.err = err
	}
	return n, err
}

func (d *entryDecoder) entry() (e catalog.Entry) {
	first := d.byte()
	kind := int(first &^ digestFlags >> 1)
	if kind >= len(entryTypes) {
		d.fail("unknown type")
		return e
	}
	e.Type = entryTypes[kind]
	e.Mode = uint32(d.uvarint())
	e.UID, e.GID, e.Size = int(d.varint()), int(d.varint()), d.varint()
	for _, digest := range entryDigests {
		if first&digest.flag != 0 {
			if sum := d.bytes(digest.size); d.err == nil {
				*digest.of(&e) = hexSum(sum)
			}
		}
	}
	shared := d.uvarint()
	if shared > uint64(len(d.path)) {
		d.fail("path shares more than there is")
		return e
	}
	rest := d.text()
	if d.err == nil && int(shared)+len(rest) > maxEntryText {
		d.fail("path too long")
	}
	d.path = append(d.path[:shared], rest...)
	e.Path = string(d.path)
	e.Link = string(d.text())
	return e
}

func (d *entryDecoder) byte() byte {
	if d.err != nil {
		return 0
	}
	b, err := d.in.ReadByte()
	d.broken(err)
	return b
}

func (d *entryDecoder) uvarint() uint64 {
	if d.err != nil {
		return 0
	}
	v, err := binary.ReadUvarint(d.in)
	d.broken(err)
	return v
}

func (d *entryDecoder) varint() int64 {
	if d.err != nil {
		return 0
	}
	v, err := binary.ReadVarint(d.in)
	d.broken(err)
	return v
}

// text reads a length and that many bytes, valid until the next call.
func (d *entryDecoder) text() []byte {
	n := d.uvarint()
	if n > maxEntryText {
		d.fail("text too long")
		return nil
	}
	return d.bytes(int(n))
}

func (d *entryDecoder) bytes(n int) []byte {
	if d.err != nil {
		return nil
	}
	if cap(d.buf) < n {
		d.buf = make([]byte, max(n, 256))
	}
	_, err := io.ReadFull(d.in, d.buf[:n])
	d.broken(err)
	return d.buf[:n]
}
