package executable

import (
	"bytes"
	"debug/elf"
	"os"
	"runtime"
	"testing"
)

// FuzzCheck gives any bytes as a program: what passes may be opened without taking much more memory than it has bytes.
func FuzzCheck(f *testing.F) {
	f.Add(bomb(f, 1<<20, false))
	f.Add(bomb(f, 1<<20, true))
	f.Add([]byte("\x7fELF\x01\x02" + string(make([]byte, 100))))
	f.Add([]byte("#!/bin/sh\n"))
	f.Add([]byte("\xca\xfe\xba\xbe\x00\x00\x00\x02" + string(make([]byte, 40))))
	if program, err := os.Executable(); err == nil {
		if self, err := os.ReadFile(program); err == nil {
			f.Add(self[:4096])
		}
	}
	f.Fuzz(func(t *testing.T, in []byte) {
		Is(in)
		if Check(bytes.NewReader(in)) != nil {
			return
		}
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		program, err := elf.NewFile(bytes.NewReader(in))
		runtime.ReadMemStats(&after)
		if taken := after.TotalAlloc - before.TotalAlloc; taken > 64<<20 {
			t.Errorf("%d bytes of file took %d bytes of memory", len(in), taken)
		}
		if err == nil {
			_ = program.Close()
		}
	})
}
