package rpm

import (
	"encoding/binary"
	"fmt"
)

// The ndb format (rpm's lib/backend/ndb/rpmpkg.c): a file of 16-byte blocks. Pages of slots come first, the
// header in the place of the first two; a slot gives a package's number and where its blob begins.
const (
	ndbBlock     = 16
	ndbSlotPage  = 4096
	ndbSlots     = ndbSlotPage / ndbBlock
	ndbHeader    = 2 // slots
	ndbSlotMagic = "Slot"
	ndbBlobMagic = "BlbS"
	ndbMaxPages  = maxPackages/ndbSlots + 1
)

// ndb reads the Packages.db of SUSE.
func ndb(in *input, record func([]byte) error) error {
	page := make([]byte, ndbSlotPage)
	if err := in.read(page, 0); err != nil {
		return err
	}
	version, pages := binary.LittleEndian.Uint32(page[4:]), binary.LittleEndian.Uint32(page[12:])
	if version != 0 || pages == 0 || pages > ndbMaxPages {
		return fmt.Errorf("%w: ndb version %d with %d pages of slots", ErrMalformed, version, pages)
	}
	for n := range pages {
		first := 0
		if n == 0 {
			first = ndbHeader
		} else if err := in.read(page, int64(n)*ndbSlotPage); err != nil {
			return err
		}
		for i := first; i < ndbSlots; i++ {
			if err := ndbPackage(in, page[i*ndbBlock:][:ndbBlock], record); err != nil {
				return fmt.Errorf("slot %d: %w", int(n)*ndbSlots+i, err)
			}
		}
	}
	return nil
}

// ndbPackage reads the blob of a slot: a block with the magic, the package's number again, a checksum and the
// length, then the header.
func ndbPackage(in *input, slot []byte, record func([]byte) error) error {
	number := binary.LittleEndian.Uint32(slot[4:])
	if string(slot[:4]) != ndbSlotMagic {
		return fmt.Errorf("%w: %q is no slot", ErrMalformed, slot[:4])
	}
	if number == 0 {
		return nil // free
	}
	start := int64(binary.LittleEndian.Uint32(slot[8:])) * ndbBlock
	head := make([]byte, ndbBlock)
	if err := in.read(head, start); err != nil {
		return err
	}
	if string(head[:4]) != ndbBlobMagic || binary.LittleEndian.Uint32(head[4:]) != number {
		return fmt.Errorf("%w: no blob of package %d", ErrMalformed, number)
	}
	length := int64(binary.LittleEndian.Uint32(head[12:]))
	if err := in.spend(length); err != nil {
		return err
	}
	if length > in.size-start {
		return fmt.Errorf("%w: blob of %d bytes", ErrMalformed, length)
	}
	blob := make([]byte, length)
	if err := in.read(blob, start+ndbBlock); err != nil {
		return err
	}
	return record(blob)
}
