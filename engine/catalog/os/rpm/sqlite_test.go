package rpm

import (
	"encoding/binary"
	"slices"
)

const (
	sqlitePage = 512 // page size of databases made here

	sqliteHeader   = 100 // bytes of the file before the first page's own (sqlite.org/fileformat.html, 1.3)
	sqliteInterior = 5   // table b-tree pages (1.6)
	sqliteLeaf     = 13
)

// localPart is how many bytes of a row its page holds (1.6, "Cell Payload Overflow Pages").
func localPart(size int) int {
	if size <= sqlitePage-35 {
		return size
	}
	least := (sqlitePage-12)*32/255 - 23
	if k := least + (size-least)%(sqlitePage-4); k <= sqlitePage-35 {
		return k
	}
	return least
}

// sqliteFile makes a SQLite database with the table Packages on page 2 and overflow pages after it.
func sqliteFile(blobs ...[]byte) []byte {
	head := append([]byte("SQLite format 3\x00"), 0x02, 0x00)
	first := make([]byte, sqlitePage)
	copy(first, head)
	first[59] = 1
	var rest []byte
	leaf(first, sqliteHeader, &rest, schemaRow(sqliteTable, 2))
	second := make([]byte, sqlitePage)
	var rows [][]byte
	for _, blob := range blobs {
		row := appendVarint(nil, uint64(12+2*len(blob)))
		row = append([]byte{byte(2 + len(row)), 0}, row...) // its size, NULL for the key, the blob's type
		rows = append(rows, append(row, blob...))
	}
	leaf(second, 0, &rest, rows...)
	return slices.Concat(first, second, rest)
}

// schemaRow is the row of a table in the schema: type, name and table name, the root page in one byte, and a
// statement of NULL.
func schemaRow(table string, root byte) []byte {
	var types, data []byte
	for _, v := range []string{"table", table, table} {
		types = appendVarint(types, uint64(13+2*len(v)))
		data = append(data, v...)
	}
	types, data = append(types, 1, 0), append(data, root)
	return slices.Concat([]byte{byte(1 + len(types))}, types, data)
}

func appendVarint(b []byte, v uint64) []byte {
	var groups []byte
	for groups = []byte{byte(v & 0x7f)}; v > 0x7f; {
		v >>= 7
		groups = append(groups, byte(v&0x7f)|0x80)
	}
	slices.Reverse(groups)
	return append(b, groups...)
}

// leaf fills a table leaf page from its end; what does not fit goes to overflow pages, of which the first is
// page 3.
func leaf(page []byte, at int, overflow *[]byte, rows ...[]byte) {
	page[at] = sqliteLeaf
	binary.BigEndian.PutUint16(page[at+3:], uint16(len(rows)))
	end := sqlitePage
	for i, row := range rows {
		here := localPart(len(row))
		cell := append(appendVarint(nil, uint64(len(row))), byte(i+1))
		cell = append(cell, row[:here]...)
		if row = row[here:]; len(row) > 0 {
			cell = binary.BigEndian.AppendUint32(cell, uint32(3+len(*overflow)/sqlitePage))
		}
		for len(row) > 0 {
			part := row[:min(len(row), sqlitePage-4)]
			row = row[len(part):]
			o := make([]byte, sqlitePage)
			if len(row) > 0 {
				binary.BigEndian.PutUint32(o, uint32(4+len(*overflow)/sqlitePage))
			}
			copy(o[4:], part)
			*overflow = append(*overflow, o...)
		}
		end -= len(cell)
		copy(page[end:], cell)
		binary.BigEndian.PutUint16(page[at+8+2*i:], uint16(end))
	}
}
