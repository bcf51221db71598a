//go:build !linux

package fetch

import "syscall"

// dieWithParent does nothing: only Linux lets a child follow its parent's death.
func dieWithParent(*syscall.SysProcAttr) {}
