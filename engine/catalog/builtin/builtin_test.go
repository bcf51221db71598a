package builtin

import (
	"testing"

	"plimsoll/engine/catalog"
)

func TestAllIsValid(t *testing.T) {
	t.Parallel()
	if err := catalog.Validate(append(All(), Declared()...)); err != nil {
		t.Error(err)
	}
}

// compiled are the analyzers that look for what compilers leave in programs. The head of a program does not tell
// its language, so each of them wants every program; no two find packages of one ecosystem.
var compiled = map[string]bool{"go-binary": true, "rust-binary": true}

// One file, one analyzer: evidence for the same thing twice would be two packages. Beside the analyzers of
// compiled programs, a program may have one that knows it by its name.
func TestNoFileIsWantedTwice(t *testing.T) {
	t.Parallel()
	zip, elf := []byte("PK\x03\x04"), append([]byte("\x7fELF\x02\x01\x01\x00\x00\x00\x00\x00\x00\x00\x00\x00\x02\x00"), make([]byte, 46)...)
	pe, macho := append([]byte("MZ"), make([]byte, 62)...), append([]byte("\xcf\xfa\xed\xfe"), make([]byte, 60)...)
	for name, head := range map[string][]byte{
		"/etc/os-release": nil, "/var/lib/dpkg/status": nil, "/var/lib/dpkg/status.d/base": nil,
		"/var/lib/dpkg/status.d/base.md5sums": nil, "/var/lib/dpkg/info/su.list": nil, "/usr/share/doc/su/copyright": nil,
		"/lib/apk/db/installed": nil, "/usr/lib/apk/db/installed": nil, "/var/lib/rpm/Packages": nil,
		"/usr/lib/sysimage/rpm/Packages.db": nil, "/usr/share/rpm/rpmdb.sqlite": nil, "/var/lib/rpmmanifest/container-manifest-2": nil,
		"/a/node_modules/b/package.json": nil, "/a/b.dist-info/METADATA": nil, "/a/b.egg-info": nil,
		"/a/b.jar":                         zip,
		"/gems/specifications/a-1.gemspec": nil, "/gems/specifications/default/a-1.gemspec": nil, "/app/a.deps.json": nil,
		"/app/vendor/composer/installed.json": nil, "/usr/share/php/.registry/a.reg": nil,
		"/app/package-lock.json": nil, "/app/yarn.lock": nil, "/app/pnpm-lock.yaml": nil, "/app/requirements.txt": nil, "/app/Pipfile.lock": nil,
		"/app/poetry.lock": nil, "/app/uv.lock": nil, "/app/Gemfile.lock": nil, "/app/Cargo.lock": nil, "/app/packages.lock.json": nil,
		"/app/composer.lock":    nil,
		"/usr/local/go/VERSION": []byte("go1.26.8\ntime"), "/opt/java/release": []byte("IMPLEMENTOR=\"N/A\"\nJAVA_"),
		"/nix/store/x-a-1/bin/a": []byte("#!/bin/sh"), "/var/lib/pacman/local/a-1/files": nil, "/app/lib/a-1/ebin/a.app": nil,
		"/usr/lib/ghc/package.conf.d/a-1.conf": nil, "/pack/a/pack.pl": nil, "/usr/lib/R/library/a/DESCRIPTION": nil,
		"/var/db/pkg/a/b-1/CONTENTS": nil, "/var/db/pkg/a/b-1/LICENSE": nil, "/opt/bitnami/a/.spdx-a.spdx": nil,
		"/installed/x64-linux/share/a/vcpkg.spdx.json": nil, "/root/.conan/data/a/1/_/_/package/b/conaninfo.txt": nil,
		"/opt/local/var/macports/registry/portfiles/a-1_0/b/Portfile": nil, "/app/rebar.lock": nil, "/app/.terraform.lock.hcl": nil,
		"/models/a.gguf": []byte("GGUF"), "/models/a.safetensors": nil, "/hub/models--a--b/refs/main": nil,
	} {
		if names := wantedBy(name, head); len(names) != 1 || compiled[names[0]] {
			t.Errorf("%s: wanted by %v", name, names)
		}
	}
	for name, head := range map[string][]byte{"/usr/bin/app": elf, "/app/app.exe": pe, "/app/app": macho, "/usr/bin/node": elf} {
		count := map[bool]int{}
		names := wantedBy(name, head)
		for _, n := range names {
			count[compiled[n]]++
		}
		if count[true] != len(compiled) || count[false] > 1 {
			t.Errorf("%s: wanted by %v", name, names)
		}
	}
}

func wantedBy(name string, head []byte) (names []string) {
	for _, a := range append(All(), Declared()...) {
		if a.Wants(catalog.Candidate{Entry: catalog.Entry{Path: name, Type: catalog.Regular, Size: 1 << 20}, Head: head}) {
			names = append(names, a.Name)
		}
	}
	return names
}
