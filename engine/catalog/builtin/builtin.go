// Package builtin lists the analyzers this program has. Adding one means adding a line here; its name and
// version become part of the analyzer set's identity.
package builtin

import (
	"slices"

	"plimsoll/engine/catalog"
	"plimsoll/engine/catalog/binary"
	"plimsoll/engine/catalog/lang/dotnet"
	"plimsoll/engine/catalog/lang/golang"
	"plimsoll/engine/catalog/lang/java"
	"plimsoll/engine/catalog/lang/npm"
	"plimsoll/engine/catalog/lang/php"
	"plimsoll/engine/catalog/lang/python"
	"plimsoll/engine/catalog/lang/ruby"
	"plimsoll/engine/catalog/lang/rust"
	"plimsoll/engine/catalog/os/apk"
	"plimsoll/engine/catalog/os/dpkg"
	"plimsoll/engine/catalog/os/osrelease"
	"plimsoll/engine/catalog/os/rpm"
)

// All returns every analyzer; the caller may change the slice. The order is of no consequence.
func All() []catalog.Analyzer {
	return slices.Concat(
		[]catalog.Analyzer{osrelease.Analyzer()},
		dpkg.Analyzers(),
		[]catalog.Analyzer{apk.Analyzer()},
		rpm.Analyzers(),
		[]catalog.Analyzer{npm.Analyzer(), python.Analyzer(), java.Analyzer(), golang.Analyzer()},
		[]catalog.Analyzer{ruby.Gems(), rust.Programs(), dotnet.Applications(), php.Composer(), php.Pear()},
		[]catalog.Analyzer{binary.Analyzer()},
	)
}

// Declared returns the analyzers of lock files. They are not among All: what they find is asked for and need
// not be installed (catalog.EvidenceDeclared). Assembly drops what there is better evidence for.
func Declared() []catalog.Analyzer {
	return slices.Concat(
		npm.Locks(), python.Locks(),
		[]catalog.Analyzer{ruby.Lock(), rust.Lock(), dotnet.Lock(), php.Lock()},
	)
}
