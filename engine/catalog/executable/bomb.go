package executable

import (
	"debug/elf"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
)

// ErrBomb reports a program whose section names are compressed. No linker does that, and debug/elf decompresses them
// whole before anything can be asked: a megabyte of file becomes a gigabyte of memory.
var ErrBomb = errors.New("the table of section names is compressed")

// Check reads the head of an ELF file far enough to tell that debug/elf may be given it: ErrBomb, or the reader's
// errors. Files of other formats pass.
func Check(r io.ReaderAt) error {
	head := make([]byte, 64)
	if n, err := r.ReadAt(head, 0); n < len(head) || string(head[:4]) != elf.ELFMAG {
		if err != nil && !errors.Is(err, io.EOF) {
			return fmt.Errorf("read program: %w", err)
		}
		return nil // debug/elf says what is wrong with it
	}
	var order binary.ByteOrder = binary.LittleEndian
	if elf.Data(head[elf.EI_DATA]) == elf.ELFDATA2MSB {
		order = binary.BigEndian
	}
	// Offsets from elf(5), Elf32_Ehdr and Elf64_Ehdr.
	wide := elf.Class(head[elf.EI_CLASS]) == elf.ELFCLASS64
	var table int64
	var each, names uint16
	if wide {
		table, each, names = int64(order.Uint64(head[40:])), order.Uint16(head[58:]), order.Uint16(head[62:])
	} else {
		table, each, names = int64(order.Uint32(head[32:])), order.Uint16(head[46:]), order.Uint16(head[50:])
	}
	index := int64(names)
	section := make([]byte, 64)
	if elf.SectionIndex(names) == elf.SHN_XINDEX { // the number stands in the first section
		if _, err := r.ReadAt(section[:headerSize(wide)], table); err != nil {
			return nil //nolint:nilerr // debug/elf says what is wrong with it
		}
		link := section[24:]
		if wide {
			link = section[40:]
		}
		index = int64(order.Uint32(link))
	}
	if _, err := r.ReadAt(section[:headerSize(wide)], table+index*int64(each)); err != nil {
		return nil //nolint:nilerr // as above
	}
	flags := uint64(order.Uint32(section[8:]))
	if wide {
		flags = order.Uint64(section[8:])
	}
	if elf.SectionFlag(flags)&elf.SHF_COMPRESSED != 0 {
		return ErrBomb
	}
	return nil
}

// headerSize is the size of a section header.
func headerSize(wide bool) int {
	if wide {
		return 64
	}
	return 40
}
