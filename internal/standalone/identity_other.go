//go:build !linux

package standalone

import "syscall"

// attributes returns how to start a child under the identity. Without Linux
// capabilities the folders above dir have to let that user pass.
func (id identity) attributes(string) (*syscall.SysProcAttr, error) {
	attr := &syscall.SysProcAttr{}
	if id.switched {
		attr.Credential = &syscall.Credential{Uid: id.uid, Gid: id.gid}
	}
	return attr, nil
}
