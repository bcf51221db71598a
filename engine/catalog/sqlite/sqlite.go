// Package sqlite reads tables of SQLite databases of other programs (sqlite.org/fileformat.html, sections in brackets), row by
// row and bounded: an image brings the file. It knows no indexes, no journal and no write-ahead log, and of encodings only
// UTF-8; what a journal beside the file would undo or add is not seen.
package sqlite

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"strings"
)

// Magic begins every database [1.3].
const Magic = "SQLite format 3\x00"

const (
	header = 100 // bytes of the file before the first page's own [1.3]

	interior = 5 // table b-tree pages [1.6]
	leaf     = 13

	// maxDepth bounds how deep a b-tree goes; SQLite's own bound is 20 (btreeInt.h, BTCURSOR_MAX_DEPTH).
	maxDepth = 20
	// maxSchema bounds a row of the schema, in bytes: the statement that makes a table.
	maxSchema = 1 << 20
)

// ErrMalformed reports a database that is not in its format, has no such table, or a row beyond the bound.
var ErrMalformed = errors.New("malformed SQLite database")

// btrees reads tables. Pages are visited once at most, in whatever tree they are.
type btrees struct {
	ctx      context.Context //nolint:containedctx // one call of Table
	from     io.ReaderAt
	size     int64
	budget   int64 // bytes of rows still to come: all of them lie in the file, none twice
	maxRow   int64
	pageSize int64
	usable   int64 // bytes of a page without the part reserved for extensions
	visited  map[uint32]bool
}

// Table calls visit with every row of a table of a file of size bytes, until it returns an error: ErrMalformed, also for rows
// of more than maxRow bytes, or what visit returned. The values are good until visit returns.
func Table(ctx context.Context, from io.ReaderAt, size int64, name string, maxRow int64, visit func([]Value) error) error {
	db := &btrees{ctx: ctx, from: from, size: size, budget: size, maxRow: maxSchema, visited: map[uint32]bool{}}
	head := make([]byte, header)
	if err := db.read(head, 0); err != nil {
		return err
	}
	db.pageSize = int64(binary.BigEndian.Uint16(head[16:]))
	if db.pageSize == 1 {
		db.pageSize = 64 << 10
	}
	db.usable = db.pageSize - int64(head[20])
	encoding := binary.BigEndian.Uint32(head[56:])
	if db.pageSize < 512 || db.pageSize&(db.pageSize-1) != 0 || db.usable < 480 || encoding > 1 {
		return fmt.Errorf("%w: page size %d, usable %d, encoding %d", ErrMalformed, db.pageSize, db.usable, encoding)
	}
	root := uint32(0)
	// The schema [2.6] is the table of page 1: type, name, table name, root page, statement.
	err := db.table(1, 0, func(row []byte) error {
		v, err := values(row)
		if err == nil && len(v) >= 4 && string(v[0].data) == "table" && strings.EqualFold(string(v[1].data), name) {
			root = uint32(v[3].number())
		}
		return err
	})
	if err != nil {
		return fmt.Errorf("schema: %w", err)
	}
	if root == 0 {
		return fmt.Errorf("%w: no table %s", ErrMalformed, name)
	}
	db.maxRow = maxRow
	return db.table(root, 0, func(row []byte) error {
		v, err := values(row)
		if err != nil {
			return err
		}
		return visit(v)
	})
}

// read fills b from offset; a file that ends before is malformed.
func (db *btrees) read(b []byte, offset int64) error {
	if err := db.ctx.Err(); err != nil {
		return err
	}
	if offset < 0 || offset > db.size-int64(len(b)) {
		return fmt.Errorf("%w: %d bytes at %d of a file of %d", ErrMalformed, len(b), offset, db.size)
	}
	if n, err := db.from.ReadAt(b, offset); n < len(b) {
		return fmt.Errorf("%d bytes at %d: %w", len(b), offset, err)
	}
	return nil
}

// spend takes the bytes of one row from the budget.
func (db *btrees) spend(n int64) error {
	if n < 0 || n > db.maxRow {
		return fmt.Errorf("%w: row of %d bytes", ErrMalformed, n)
	}
	if db.budget -= n; db.budget < 0 {
		return fmt.Errorf("%w: rows overlap", ErrMalformed)
	}
	return nil
}

// table walks the b-tree below a page and calls row for each record [1.6].
func (db *btrees) table(number uint32, depth int, row func([]byte) error) error {
	if number == 0 || depth > maxDepth || db.visited[number] {
		return fmt.Errorf("%w: page %d at depth %d", ErrMalformed, number, depth)
	}
	db.visited[number] = true
	page := make([]byte, db.pageSize)
	if err := db.read(page, int64(number-1)*db.pageSize); err != nil {
		return err
	}
	at := 0
	if number == 1 {
		at = header
	}
	kind, count, pointers := page[at], int(binary.BigEndian.Uint16(page[at+3:])), at+8
	if kind == interior {
		pointers += 4
	}
	if kind != interior && kind != leaf || pointers+2*count > int(db.usable) {
		return fmt.Errorf("%w: page %d of type %d with %d cells", ErrMalformed, number, kind, count)
	}
	for i := range count {
		cell := int(binary.BigEndian.Uint16(page[pointers+2*i:]))
		if cell > int(db.usable)-4 {
			return fmt.Errorf("%w: page %d, cell %d at %d", ErrMalformed, number, i, cell)
		}
		var err error
		if kind == interior {
			err = db.table(binary.BigEndian.Uint32(page[cell:]), depth+1, row)
		} else {
			err = db.cell(page[cell:db.usable], row)
		}
		if err != nil {
			return err
		}
	}
	if kind == interior {
		return db.table(binary.BigEndian.Uint32(page[at+8:]), depth+1, row)
	}
	return nil
}

// cell reads a row: the payload's size, the key, as much of the payload as the page holds, and the first of
// the pages with the rest [1.6, "Table B-Tree Leaf Cell"].
func (db *btrees) cell(cell []byte, row func([]byte) error) error {
	size, n := varint(cell)
	_, m := varint(cell[n:])
	cell = cell[n+m:]
	if n == 0 || m == 0 || size > uint64(db.maxRow) {
		return fmt.Errorf("%w: row of %d bytes", ErrMalformed, size)
	}
	if err := db.spend(int64(size)); err != nil {
		return err
	}
	here := db.local(int64(size))
	if here > int64(len(cell)) {
		return fmt.Errorf("%w: row of %d bytes leaves its page", ErrMalformed, size)
	}
	if here == int64(size) {
		return row(cell[:here])
	}
	if here+4 > int64(len(cell)) {
		return fmt.Errorf("%w: row of %d bytes leaves its page", ErrMalformed, size)
	}
	payload := append(make([]byte, 0, size), cell[:here]...)
	next := binary.BigEndian.Uint32(cell[here:])
	head := make([]byte, 4)
	for uint64(len(payload)) < size {
		if next == 0 || db.visited[next] {
			return fmt.Errorf("%w: row of %d bytes goes on at page %d", ErrMalformed, size, next)
		}
		db.visited[next] = true
		part := min(db.usable-4, int64(size)-int64(len(payload)))
		start := int64(next-1) * db.pageSize
		if err := db.read(head, start); err != nil {
			return err
		}
		payload = payload[:int64(len(payload))+part]
		if err := db.read(payload[int64(len(payload))-part:], start+4); err != nil {
			return err
		}
		next = binary.BigEndian.Uint32(head)
	}
	return row(payload)
}

// local is how many bytes of a payload its leaf page holds [1.6].
func (db *btrees) local(size int64) int64 {
	if size <= db.usable-35 {
		return size
	}
	least := (db.usable-12)*32/255 - 23
	if k := least + (size-least)%(db.usable-4); k <= db.usable-35 {
		return k
	}
	return least
}

// Value is one value of a row, with its serial type [2.1].
type Value struct {
	serial uint64
	data   []byte
}

// Blob returns the bytes of a blob.
func (v Value) Blob() ([]byte, bool) { return v.data, v.serial >= 12 && v.serial%2 == 0 }

// Text returns a text.
func (v Value) Text() (string, bool) { return string(v.data), v.serial >= 13 && v.serial%2 == 1 }

// number is the value of an integer of at most four bytes; page numbers have no more.
func (v Value) number() uint64 {
	switch {
	case v.serial == 9:
		return 1
	case v.serial < 1 || v.serial > 4:
		return 0
	}
	var n uint64
	for _, b := range v.data {
		n = n<<8 | uint64(b)
	}
	return n
}

// maxColumns bounds a row; the tables read here have up to eight.
const maxColumns = 16

// values takes a record apart: the size of its head, the columns' serial types, the values [2.1].
func values(record []byte) ([]Value, error) {
	size, n := varint(record)
	if n == 0 || size < uint64(n) || size > uint64(len(record)) {
		return nil, fmt.Errorf("%w: record head of %d bytes", ErrMalformed, size)
	}
	types, rest := record[n:size], record[size:]
	var all []Value
	for len(types) > 0 && len(all) < maxColumns {
		serial, n := varint(types)
		if n == 0 {
			return nil, fmt.Errorf("%w: column type", ErrMalformed)
		}
		length := serialSize(serial)
		if length > uint64(len(rest)) {
			return nil, fmt.Errorf("%w: column of %d bytes", ErrMalformed, length)
		}
		all = append(all, Value{serial, rest[:length]})
		types, rest = types[n:], rest[length:]
	}
	return all, nil
}

func serialSize(serial uint64) uint64 {
	switch {
	case serial >= 12:
		return (serial - 12) / 2
	case serial <= 4:
		return serial
	case serial == 5:
		return 6
	case serial == 6 || serial == 7:
		return 8
	}
	return 0
}

// varint reads a number of one to nine bytes, seven bits each but eight in the ninth [1.6]; length 0 means
// that it is cut off.
func varint(b []byte) (value uint64, length int) {
	for i := range min(len(b), 9) {
		if i == 8 {
			return value<<8 | uint64(b[i]), 9
		}
		value = value<<7 | uint64(b[i]&0x7f)
		if b[i] < 0x80 {
			return value, i + 1
		}
	}
	return 0, 0
}
