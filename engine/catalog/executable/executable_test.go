package executable

import (
	"encoding/binary"
	"testing"
)

func TestIs(t *testing.T) {
	t.Parallel()
	elf := func(order binary.ByteOrder, data byte, kind uint16) []byte {
		head := append([]byte("\x7fELF\x02"), data, 1)
		head = append(head, make([]byte, 57)...)
		order.PutUint16(head[16:], kind)
		return head
	}
	pad := func(s string) []byte { return append([]byte(s), make([]byte, 40)...) }
	for name, test := range map[string]struct {
		head []byte
		want bool
	}{
		"executable":     {elf(binary.LittleEndian, 1, 2), true},
		"pie, big":       {elf(binary.BigEndian, 2, 3), true},
		"kernel module":  {elf(binary.LittleEndian, 1, 1), false},
		"core dump":      {elf(binary.LittleEndian, 1, 4), false},
		"windows":        {pad("MZ\x90"), true},
		"mach-o":         {pad("\xcf\xfa\xed\xfe"), true},
		"mach-o, big":    {pad("\xfe\xed\xfa\xcf"), true},
		"fat mach-o":     {pad("\xca\xfe\xba\xbe\x00\x00\x00\x02"), true},
		"java class":     {pad("\xca\xfe\xba\xbe\x00\x00\x00\x34"), false},
		"script":         {pad("#!/bin/sh"), false},
		"truncated head": {[]byte("\x7fELF"), false},
		"empty":          {nil, false},
	} {
		if got := Is(test.head); got != test.want {
			t.Errorf("%s: got %v", name, got)
		}
	}
}
