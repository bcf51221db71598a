package executable

import (
	"bytes"
	"compress/zlib"
	"debug/elf"
	"encoding/binary"
	"errors"
	"os"
	"runtime"
	"testing"
)

// bomb is a program whose only section, the names, decompresses to size zeros. With far the number of that section
// stands in the first one.
func bomb(t testing.TB, size int, far bool) []byte {
	var names bytes.Buffer
	w := zlib.NewWriter(&names)
	if _, err := w.Write(make([]byte, size)); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	var data bytes.Buffer
	write := func(v any) {
		if err := binary.Write(&data, binary.LittleEndian, v); err != nil {
			t.Fatal(err)
		}
	}
	write(elf.Chdr64{Type: uint32(elf.COMPRESS_ZLIB), Size: uint64(size), Addralign: 1})
	data.Write(names.Bytes())
	payload := bytes.Clone(data.Bytes())
	data.Reset()
	header := elf.Header64{Type: uint16(elf.ET_EXEC), Machine: uint16(elf.EM_X86_64), Version: 1, Shoff: 64, Ehsize: 64, Shentsize: 64, Shnum: 2, Shstrndx: 1}
	copy(header.Ident[:], "\x7fELF\x02\x01\x01")
	first := elf.Section64{}
	if far {
		header.Shstrndx, first.Link = uint16(elf.SHN_XINDEX), 1
	}
	write(header)
	write(first)
	write(elf.Section64{Type: uint32(elf.SHT_STRTAB), Flags: uint64(elf.SHF_COMPRESSED), Off: 64 + 2*64, Size: uint64(len(payload))})
	data.Write(payload)
	return data.Bytes()
}

func TestCheck(t *testing.T) {
	t.Parallel()
	program, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	self, err := os.ReadFile(program)
	if err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		in   []byte
		want error
	}{
		"this program":          {self, nil},
		"a bomb":                {bomb(t, 100, false), ErrBomb},
		"a bomb by a long way":  {bomb(t, 100, true), ErrBomb},
		"no program":            {[]byte("#!/bin/sh\n"), nil},
		"a cut head":            {self[:40], nil},
		"no table":              {self[:64], nil},
		"nothing":               {nil, nil},
		"the other way of bits": {append([]byte("\x7fELF\x01\x02"), make([]byte, 100)...), nil},
	} {
		if err := Check(bytes.NewReader(c.in)); !errors.Is(err, c.want) {
			t.Errorf("%s: got %v", name, err)
		}
	}
}

// What Check is for: debug/elf itself takes the bomb.
func TestTheStandardLibraryTakesTheBomb(t *testing.T) {
	const size = 256 << 20
	in := bomb(t, size, false)
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	if _, err := elf.NewFile(bytes.NewReader(in)); err != nil {
		t.Fatalf("it does not any more, and Check may go: %v", err)
	}
	runtime.ReadMemStats(&after)
	if after.TotalAlloc-before.TotalAlloc < size {
		t.Errorf("%d bytes of file took %d bytes of memory: Check may go", len(in), after.TotalAlloc-before.TotalAlloc)
	}
}
