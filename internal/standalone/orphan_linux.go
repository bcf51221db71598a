package standalone

import (
	"os"
	"strconv"
	"strings"
	"syscall"
)

// dieWithParent has the kernel send signal to the child when we die.
func dieWithParent(attr *syscall.SysProcAttr, signal syscall.Signal) { attr.Pdeathsig = signal }

// commandLine returns the arguments of a process separated by blanks, or
// nothing when there is no such process.
func commandLine(pid int) string {
	text, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/cmdline")
	if err != nil {
		return ""
	}
	return strings.ReplaceAll(string(text), "\x00", " ")
}
