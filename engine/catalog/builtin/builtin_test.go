package builtin

import (
	"testing"

	"plimsoll/engine/catalog"
)

func TestAllIsValid(t *testing.T) {
	t.Parallel()
	if err := catalog.Validate(All()); err != nil {
		t.Error(err)
	}
}

// One file, one analyzer: evidence for the same thing twice would be two packages.
func TestNoFileIsWantedTwice(t *testing.T) {
	t.Parallel()
	zip, elf := []byte("PK\x03\x04"), append([]byte("\x7fELF\x02\x01\x01\x00\x00\x00\x00\x00\x00\x00\x00\x00\x02\x00"), make([]byte, 46)...)
	for name, head := range map[string][]byte{
		"/etc/os-release": nil, "/var/lib/dpkg/status": nil, "/var/lib/dpkg/status.d/base": nil,
		"/var/lib/dpkg/status.d/base.md5sums": nil, "/var/lib/dpkg/info/su.list": nil, "/usr/share/doc/su/copyright": nil,
		"/a/node_modules/b/package.json": nil, "/a/b.dist-info/METADATA": nil, "/a/b.egg-info": nil,
		"/a/b.jar": zip, "/usr/bin/app": elf,
	} {
		var names []string
		for _, a := range All() {
			if a.Wants(catalog.Candidate{Entry: catalog.Entry{Path: name, Type: catalog.Regular, Size: 1 << 20}, Head: head}) {
				names = append(names, a.Name)
			}
		}
		if len(names) != 1 {
			t.Errorf("%s: wanted by %v", name, names)
		}
	}
}
