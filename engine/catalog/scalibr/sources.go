package scalibr

import (
	"path"
	"slices"
	"strings"

	"github.com/google/osv-scalibr/extractor/filesystem/language/cpp/conanlock"
	"github.com/google/osv-scalibr/extractor/filesystem/language/dart/pubspec"
	"github.com/google/osv-scalibr/extractor/filesystem/language/elixir/mixlock"
	"github.com/google/osv-scalibr/extractor/filesystem/language/haskell/cabal"
	"github.com/google/osv-scalibr/extractor/filesystem/language/haskell/stacklock"
	"github.com/google/osv-scalibr/extractor/filesystem/language/lua/luarocks"
	"github.com/google/osv-scalibr/extractor/filesystem/language/nim/nimble"
	"github.com/google/osv-scalibr/extractor/filesystem/language/ocaml/opam"
	"github.com/google/osv-scalibr/extractor/filesystem/language/perl/cpan"
	"github.com/google/osv-scalibr/extractor/filesystem/language/python/condameta"
	"github.com/google/osv-scalibr/extractor/filesystem/language/r/renvlock"
	"github.com/google/osv-scalibr/extractor/filesystem/language/swift/packageresolved"
	"github.com/google/osv-scalibr/extractor/filesystem/language/swift/podfilelock"
	"github.com/google/osv-scalibr/extractor/filesystem/misc/githubactions"
	"github.com/google/osv-scalibr/extractor/filesystem/misc/wordpress/plugins"
	"github.com/google/osv-scalibr/extractor/filesystem/os/flatpak"
	"github.com/google/osv-scalibr/extractor/filesystem/os/homebrew"
	"github.com/google/osv-scalibr/extractor/filesystem/os/kernel/module"
	"github.com/google/osv-scalibr/extractor/filesystem/os/kernel/vmlinuz"
	"github.com/google/osv-scalibr/extractor/filesystem/os/pacman"
	"github.com/google/osv-scalibr/extractor/filesystem/os/portage"
	"github.com/google/osv-scalibr/extractor/filesystem/os/snap"
	"github.com/package-url/packageurl-go"

	"plimsoll/engine/catalog"
)

// Size bounds in bytes. Descriptions of one package are some kilobytes; lists of a large project some hundred.
const (
	record = 1 << 20
	list   = 4 << 20
	binary = 64 << 20 // kernels and their modules
)

// sources is every extractor in use, by name of its analyzer.
var sources = []source{
	// Installed packages.
	{name: "alpm-desc", make: pacman.New, kind: catalog.TypeAlpm, maxSize: record, wants: below("/var/lib/pacman/local/", "desc")},
	{name: "conda-meta", make: condameta.New, kind: "conda", purl: "conda", maxSize: list, wants: in("conda-meta", ".json"), alone: true},
	{name: "cpan-meta", make: cpan.New, kind: "cpan", maxSize: record, wants: named("META.json", "META.yml"), guard: plainYAML},
	{name: "flatpak-metainfo", make: flatpak.New, kind: "flatpak", maxSize: record, wants: ending("metainfo.xml"), guard: plainXML},
	{name: "homebrew-receipt", make: homebrew.New, kind: "brew", maxSize: record, wants: containing("/Cellar/", "/Caskroom/")},
	{name: "linux-kernel", make: vmlinuz.New, kind: "linux-kernel", as: "linux-kernel", purl: packageurl.TypeGeneric, maxSize: binary, wants: below("/boot/", "")},
	{name: "linux-module", make: module.New, kind: "linux-kernel-module", purl: packageurl.TypeGeneric, maxSize: binary, wants: ending(".ko"), guard: plainModule},
	{name: "luarocks-rockspec", make: luarocks.New, kind: "luarocks", maxSize: record, wants: ending(".rockspec")},
	{name: "nimble", make: nimble.New, kind: "nim", maxSize: record, wants: ending(".nimble")},
	{name: "portage-pf", make: portage.New, kind: "portage", maxSize: record, wants: below("/var/db/pkg/", "PF")},
	{name: "snap-yaml", make: snap.New, kind: "snap", maxSize: record, wants: named("snap.yaml"), guard: plainYAML},
	{name: "wordpress-plugin", make: plugins.New, kind: "wordpress-plugin", maxSize: record, wants: containing("wp-content/plugins/")},
	{name: "opam-install", make: opam.New, kind: "opam", maxSize: record, wants: ending(".opam-switch/install")},
	// Lists of what is asked for.
	{name: "conan-lock", make: conanlock.New, kind: "conan", declared: true, maxSize: list, wants: named("conan.lock")},
	{name: "pub-lock", make: pubspec.New, kind: "pub", declared: true, maxSize: record, wants: named("pubspec.lock"), guard: plainYAML},
	{name: "mix-lock", make: mixlock.New, kind: "hex", declared: true, maxSize: list, wants: named("mix.lock")},
	{name: "cabal-freeze", make: cabal.New, kind: "hackage", declared: true, maxSize: list, wants: named("cabal.project.freeze")},
	{name: "stack-lock", make: stacklock.New, kind: "hackage", declared: true, maxSize: list, wants: named("stack.yaml.lock")},
	{name: "renv-lock", make: renvlock.New, kind: "cran", declared: true, maxSize: list, wants: named("renv.lock")},
	{name: "swift-resolved", make: packageresolved.New, kind: "swift", purl: packageurl.TypeSwift, declared: true, maxSize: list, wants: named("Package.resolved")},
	{name: "podfile-lock", make: podfilelock.New, kind: "cocoapods", declared: true, maxSize: record, wants: named("Podfile.lock"), guard: plainYAML},
	{name: "github-workflow", make: githubactions.New, kind: "github-action", declared: true, maxSize: record, wants: containing("/.github/workflows/"), guard: plainYAML},
}

// Installed returns analyzers of package databases and descriptions.
func Installed() []catalog.Analyzer { return analyzers(false) }

// Declared returns analyzers of lock files.
func Declared() []catalog.Analyzer { return analyzers(true) }

func analyzers(declared bool) []catalog.Analyzer {
	var all []catalog.Analyzer
	for _, s := range sources {
		if s.declared == declared {
			all = append(all, s.analyzer())
		}
	}
	return all
}

func named(names ...string) func(string) bool {
	return func(p string) bool { return slices.Contains(names, path.Base(p)) }
}

func ending(suffixes ...string) func(string) bool {
	return func(p string) bool {
		return slices.ContainsFunc(suffixes, func(s string) bool { return strings.HasSuffix(p, s) })
	}
}

func containing(parts ...string) func(string) bool {
	return func(p string) bool {
		return slices.ContainsFunc(parts, func(part string) bool { return strings.Contains(p, part) })
	}
}

// below takes files of a name, or of any, below a directory.
func below(dir, name string) func(string) bool {
	return func(p string) bool { return strings.HasPrefix(p, dir) && (name == "" || path.Base(p) == name) }
}

// in takes files of an ending right in directories of a name.
func in(dir, suffix string) func(string) bool {
	return func(p string) bool { return strings.HasSuffix(p, suffix) && path.Base(path.Dir(p)) == dir }
}
