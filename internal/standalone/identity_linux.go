package standalone

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"
)

// capDACReadSearch lets a process pass folders regardless of their mode
// (capabilities(7)); the number is fixed by the kernel's interface.
const capDACReadSearch = 2

// attributes returns how to start a child under the identity. A folder that
// belongs to root alone (mktemp -d, /root) would keep the child from its own
// files below it; then, and only then, the child is allowed to pass.
func (id identity) attributes(dir string) (*syscall.SysProcAttr, error) {
	attr := &syscall.SysProcAttr{}
	if !id.switched {
		return attr, nil
	}
	attr.Credential = &syscall.Credential{Uid: id.uid, Gid: id.gid}
	passable, err := passable(filepath.Dir(dir), id)
	if err != nil {
		return nil, err
	}
	if !passable {
		attr.AmbientCaps = []uintptr{capDACReadSearch}
	}
	return attr, nil
}

// passable reports whether the identity may walk through dir and all folders
// above it, going by their mode bits.
func passable(dir string, id identity) (bool, error) {
	for {
		info, err := os.Stat(dir)
		if err != nil {
			return false, fmt.Errorf("look at %s: %w", dir, err)
		}
		stat, ok := info.Sys().(*syscall.Stat_t)
		if !ok {
			return false, fmt.Errorf("look at %s: %w", dir, errors.ErrUnsupported)
		}
		bit := fs.FileMode(0o001)
		switch {
		case stat.Uid == id.uid:
			bit = 0o100
		case stat.Gid == id.gid:
			bit = 0o010
		}
		if info.Mode()&bit == 0 {
			return false, nil
		}
		parent := filepath.Dir(dir)
		if parent == dir {
			return true, nil
		}
		dir = parent
	}
}
