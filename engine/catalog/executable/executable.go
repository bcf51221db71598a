// Package executable recognises linked executables and libraries by their first bytes, for the analyzers that
// look for what a compiler left in them. The head does not tell which compiler it was: every such analyzer
// looks at every executable of its size.
package executable

import (
	"bytes"
	"encoding/binary"
)

// Is reports whether head begins an ELF, PE or Mach-O file that can be run or loaded.
func Is(head []byte) bool {
	if len(head) < 20 {
		return false
	}
	switch {
	case bytes.HasPrefix(head, []byte("\x7fELF")):
		var order binary.ByteOrder = binary.LittleEndian
		if head[5] == 2 {
			order = binary.BigEndian
		}
		kind := order.Uint16(head[16:])
		return kind == 2 || kind == 3 // ET_EXEC, ET_DYN; not objects, kernel modules, core dumps
	case IsPE(head):
		return true
	case bytes.HasPrefix(head, []byte("\xfe\xed\xfa")), bytes.HasPrefix(head[1:], []byte("\xfa\xed\xfe")):
		return true
	}
	return IsFat(head)
}

// IsPE reports whether head begins a file of the PE format, or of its ancestors of the DOS time.
func IsPE(head []byte) bool { return bytes.HasPrefix(head, []byte("MZ")) }

// IsFat reports whether head begins a universal Mach-O file. It shares its magic number with Java classes; it
// counts its architectures where a class has its version, 45 or more.
func IsFat(head []byte) bool {
	magic := bytes.HasPrefix(head, []byte("\xca\xfe\xba\xbe")) || bytes.HasPrefix(head, []byte("\xca\xfe\xba\xbf"))
	return magic && len(head) >= 8 && binary.BigEndian.Uint32(head[4:]) < 45
}
