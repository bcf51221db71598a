//go:build !linux

package standalone

import (
	"os/exec"
	"strconv"
	"syscall"
)

// dieWithParent does nothing: only Linux can signal the children of a process
// that was killed. Elsewhere the next start ends them (endLeftover).
func dieWithParent(*syscall.SysProcAttr, syscall.Signal) {}

// commandLine returns the command line of a process, or nothing when there is
// no such process.
func commandLine(pid int) string {
	out, err := exec.Command("ps", "-ww", "-o", "command=", "-p", strconv.Itoa(pid)).Output()
	if err != nil {
		return ""
	}
	return string(out)
}
