package rpm

import (
	"encoding/binary"
	"fmt"
	"strings"
)

// SQLite files (sqlite.org/fileformat.html, sections in brackets).
const (
	sqliteHeader = 100 // of the file, before the first page's own [1.3]

	sqliteInterior = 5 // table b-tree pages [1.6]
	sqliteLeaf     = 13

	// sqliteDepth bounds how deep a b-tree goes; SQLite's own bound is 20 (btreeInt.h, BTCURSOR_MAX_DEPTH).
	sqliteDepth = 20
	// sqliteTable is the table with the headers (rpm's lib/backend/sqlite.c).
	sqliteTable = "Packages"
)

// btrees reads tables. Pages are visited once at most, in whatever tree they are.
type btrees struct {
	*input
	pageSize int64
	usable   int64 // bytes of a page without the part reserved for extensions
	visited  map[uint32]bool
}

// sqlite reads rpmdb.sqlite of Fedora, RHEL 9 and others: the blob column of Packages, the rows' only one
// beside the number, which is their key.
func sqlite(in *input, record func([]byte) error) error {
	head := make([]byte, sqliteHeader)
	if err := in.read(head, 0); err != nil {
		return err
	}
	db := &btrees{input: in, pageSize: int64(binary.BigEndian.Uint16(head[16:])), visited: map[uint32]bool{}}
	if db.pageSize == 1 {
		db.pageSize = 64 << 10
	}
	db.usable = db.pageSize - int64(head[20])
	encoding := binary.BigEndian.Uint32(head[56:])
	if db.pageSize < 512 || db.pageSize&(db.pageSize-1) != 0 || db.usable < 480 || encoding > 1 {
		return fmt.Errorf("%w: SQLite page size %d, usable %d, encoding %d", ErrMalformed, db.pageSize, db.usable, encoding)
	}
	root := uint32(0)
	// The schema [2.6] is the table of page 1: type, name, table name, root page, statement.
	err := db.table(1, 0, func(row []byte) error {
		c, err := columns(row)
		if err == nil && len(c) >= 4 && string(c[0].data) == "table" && strings.EqualFold(string(c[1].data), sqliteTable) {
			root = uint32(c[3].number())
		}
		return err
	})
	if err != nil {
		return fmt.Errorf("schema: %w", err)
	}
	if root == 0 {
		return fmt.Errorf("%w: no table %s", ErrMalformed, sqliteTable)
	}
	return db.table(root, 0, func(row []byte) error {
		c, err := columns(row)
		if err != nil {
			return err
		}
		for _, column := range c {
			if column.blob() {
				return record(column.data)
			}
		}
		return fmt.Errorf("%w: row without header", ErrMalformed)
	})
}

// table walks the b-tree below a page and calls row for each record [1.6].
func (db *btrees) table(number uint32, depth int, row func([]byte) error) error {
	if number == 0 || depth > sqliteDepth || db.visited[number] {
		return fmt.Errorf("%w: page %d at depth %d", ErrMalformed, number, depth)
	}
	db.visited[number] = true
	page := make([]byte, db.pageSize)
	if err := db.read(page, int64(number-1)*db.pageSize); err != nil {
		return err
	}
	at := 0
	if number == 1 {
		at = sqliteHeader
	}
	kind, count, pointers := page[at], int(binary.BigEndian.Uint16(page[at+3:])), at+8
	if kind == sqliteInterior {
		pointers += 4
	}
	if kind != sqliteInterior && kind != sqliteLeaf || pointers+2*count > int(db.usable) {
		return fmt.Errorf("%w: page %d of type %d with %d cells", ErrMalformed, number, kind, count)
	}
	for i := range count {
		cell := int(binary.BigEndian.Uint16(page[pointers+2*i:]))
		if cell > int(db.usable)-4 {
			return fmt.Errorf("%w: page %d, cell %d at %d", ErrMalformed, number, i, cell)
		}
		var err error
		if kind == sqliteInterior {
			err = db.table(binary.BigEndian.Uint32(page[cell:]), depth+1, row)
		} else {
			err = db.cell(page[cell:db.usable], row)
		}
		if err != nil {
			return err
		}
	}
	if kind == sqliteInterior {
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
	if n == 0 || m == 0 || size > maxHeader {
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

// column is one value with its serial type [2.1].
type column struct {
	serial uint64
	data   []byte
}

func (c column) blob() bool { return c.serial >= 12 && c.serial%2 == 0 }

// number is the value of an integer of at most four bytes; page numbers have no more.
func (c column) number() uint64 {
	switch {
	case c.serial == 9:
		return 1
	case c.serial < 1 || c.serial > 4:
		return 0
	}
	var n uint64
	for _, b := range c.data {
		n = n<<8 | uint64(b)
	}
	return n
}

// maxColumns: the tables read here have two and five.
const maxColumns = 16

// columns takes a record apart: the size of its head, the columns' serial types, the values [2.1].
func columns(record []byte) ([]column, error) {
	size, n := varint(record)
	if n == 0 || size < uint64(n) || size > uint64(len(record)) {
		return nil, fmt.Errorf("%w: record head of %d bytes", ErrMalformed, size)
	}
	types, values := record[n:size], record[size:]
	var all []column
	for len(types) > 0 && len(all) < maxColumns {
		serial, n := varint(types)
		if n == 0 {
			return nil, fmt.Errorf("%w: column type", ErrMalformed)
		}
		length := serialSize(serial)
		if length > uint64(len(values)) {
			return nil, fmt.Errorf("%w: column of %d bytes", ErrMalformed, length)
		}
		all = append(all, column{serial, values[:length]})
		types, values = types[n:], values[length:]
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
