package fetch

import "syscall"

// dieWithParent has the kernel kill the program when this process dies, however it does.
func dieWithParent(attr *syscall.SysProcAttr) { attr.Pdeathsig = syscall.SIGKILL }
