package standalone

import (
	"fmt"
	"os"
	"os/user"
	"strconv"
	"syscall"
)

// identity is the user a child runs as. PostgreSQL refuses to run as root.
type identity struct {
	uid, gid uint32
	switched bool // false: the child runs as we do
}

// postgresIdentity returns our own user, or, when that is root, the owner of
// an existing cluster, else the user postgres, else nobody.
func postgresIdentity(cluster string) (identity, error) {
	if os.Geteuid() != 0 {
		return identity{}, nil
	}
	if info, err := os.Stat(cluster); err == nil {
		if stat, ok := info.Sys().(*syscall.Stat_t); ok && stat.Uid != 0 {
			return identity{uid: stat.Uid, gid: stat.Gid, switched: true}, nil
		}
	}
	for _, name := range []string{"postgres", "nobody"} {
		account, err := user.Lookup(name)
		if err != nil {
			continue
		}
		uid, err := strconv.ParseUint(account.Uid, 10, 32)
		if err != nil {
			continue
		}
		gid, err := strconv.ParseUint(account.Gid, 10, 32)
		if err != nil {
			continue
		}
		return identity{uid: uint32(uid), gid: uint32(gid), switched: true}, nil
	}
	return identity{}, fmt.Errorf("PostgreSQL refuses to run as root, and there is neither a user postgres nor nobody: run as an ordinary user")
}

// own hands path to the identity.
func (id identity) own(path string) error {
	if !id.switched {
		return nil
	}
	return os.Lchown(path, int(id.uid), int(id.gid))
}
