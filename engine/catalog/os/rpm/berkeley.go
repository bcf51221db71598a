package rpm

import (
	"encoding/binary"
	"fmt"
)

// Berkeley DB pages (libdb's db_page.h): the offsets in a page's own header and the types of pages and items.
const (
	bdbPageHeader = 26

	bdbMetaPageSize   = 20 // in the first page
	bdbMetaEncryption = 24
	bdbMetaLastPage   = 32

	bdbNextPage = 16
	bdbEntries  = 20 // of an overflow page: references
	bdbFree     = 22 // of an overflow page: bytes on it
	bdbType     = 25

	bdbHashUnsorted = 2 // before Berkeley DB 4.6
	bdbOverflow     = 7
	bdbHashMeta     = 8
	bdbHash         = 13

	bdbItemInPage   = 1 // H_KEYDATA
	bdbItemOverflow = 3 // H_OFFPAGE
	bdbOverflowSize = 12
)

// hashFile is a Berkeley DB hash: the values of its pages are the headers.
type hashFile struct {
	*input
	order    binary.ByteOrder
	pageSize int64
	page     []byte // the hash page being read
	overflow []byte // the overflow page being read
}

// berkeley reads the Packages file of rpm before 4.16. Keys are package numbers and not needed.
func berkeley(in *input, record func([]byte) error) error {
	meta := make([]byte, 512)
	if err := in.read(meta, 0); err != nil {
		return err
	}
	db := &hashFile{input: in, order: binary.LittleEndian}
	if meta[12] == 0 { // the magic number in big-endian order
		db.order = binary.BigEndian
	}
	size := db.order.Uint32(meta[bdbMetaPageSize:])
	if meta[bdbType] != bdbHashMeta || meta[bdbMetaEncryption] != 0 || size < 512 || size > 64<<10 || size&(size-1) != 0 {
		return fmt.Errorf("%w: first page has type %d, encryption %d, page size %d", ErrMalformed, meta[bdbType], meta[bdbMetaEncryption], size)
	}
	db.pageSize = int64(size)
	db.page, db.overflow = make([]byte, size), make([]byte, size)
	last := int64(db.order.Uint32(meta[bdbMetaLastPage:]))
	for n := int64(1); n <= last; n++ {
		if err := db.read(db.page, n*db.pageSize); err != nil {
			return err
		}
		if t := db.page[bdbType]; t != bdbHash && t != bdbHashUnsorted {
			continue
		}
		if err := db.values(n, record); err != nil {
			return err
		}
	}
	return nil
}

// values reads the pairs of one page: after its header the offsets of key and value by turns, the items from
// the end of the page towards its beginning.
func (db *hashFile) values(number int64, record func([]byte) error) error {
	entries := int(db.order.Uint16(db.page[bdbEntries:]))
	if bdbPageHeader+2*entries > len(db.page) || entries%2 != 0 {
		return fmt.Errorf("%w: page %d with %d items", ErrMalformed, number, entries)
	}
	offset := func(i int) int { return int(db.order.Uint16(db.page[bdbPageHeader+2*i:])) }
	for i := 1; i < entries; i += 2 {
		start, end := offset(i), offset(i-1)
		if start >= end || end > len(db.page) {
			return fmt.Errorf("%w: page %d, item %d from %d to %d", ErrMalformed, number, i, start, end)
		}
		item := db.page[start:end]
		switch {
		case item[0] == bdbItemInPage && len(item) > 1+8+indexEntrySize:
			// Small headers fit into large pages. Smaller items are rpm's own, such as the last number given.
			if err := db.spend(int64(len(item))); err != nil {
				return err
			}
			if err := record(item[1:]); err != nil {
				return err
			}
		case item[0] == bdbItemOverflow && len(item) >= bdbOverflowSize:
			blob, err := db.chain(int64(db.order.Uint32(item[4:])), int64(db.order.Uint32(item[8:])))
			if err != nil {
				return err
			}
			if err := record(blob); err != nil {
				return err
			}
		}
	}
	return nil
}

// chain reads a value of so many bytes from overflow pages. A chain that runs in circles ends with its length.
func (db *hashFile) chain(page, length int64) ([]byte, error) {
	if err := db.spend(length); err != nil {
		return nil, err
	}
	blob := make([]byte, 0, length)
	for int64(len(blob)) < length {
		if page == 0 {
			return nil, fmt.Errorf("%w: value of %d bytes ends after %d", ErrMalformed, length, len(blob))
		}
		if err := db.read(db.overflow, page*db.pageSize); err != nil {
			return nil, err
		}
		used := int64(db.order.Uint16(db.overflow[bdbFree:]))
		if db.overflow[bdbType] != bdbOverflow || used == 0 || bdbPageHeader+used > db.pageSize {
			return nil, fmt.Errorf("%w: page %d of type %d with %d bytes of a value", ErrMalformed, page, db.overflow[bdbType], used)
		}
		used = min(used, length-int64(len(blob)))
		blob = append(blob, db.overflow[bdbPageHeader:bdbPageHeader+used]...)
		page = int64(db.order.Uint32(db.overflow[bdbNextPage:]))
	}
	return blob, nil
}
