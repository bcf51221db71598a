// Package builtin lists the analyzers this program has. Adding one means adding a line here; its name and
// version become part of the analyzer set's identity.
package builtin

import (
	"slices"

	"plimsoll/engine/catalog"
	"plimsoll/engine/catalog/binary"
	"plimsoll/engine/catalog/lang/beam"
	"plimsoll/engine/catalog/lang/dotnet"
	"plimsoll/engine/catalog/lang/golang"
	"plimsoll/engine/catalog/lang/graal"
	"plimsoll/engine/catalog/lang/haskell"
	"plimsoll/engine/catalog/lang/java"
	"plimsoll/engine/catalog/lang/model"
	"plimsoll/engine/catalog/lang/npm"
	"plimsoll/engine/catalog/lang/php"
	"plimsoll/engine/catalog/lang/prolog"
	"plimsoll/engine/catalog/lang/python"
	"plimsoll/engine/catalog/lang/r"
	"plimsoll/engine/catalog/lang/ruby"
	"plimsoll/engine/catalog/lang/rust"
	"plimsoll/engine/catalog/lang/terraform"
	"plimsoll/engine/catalog/os/alpm"
	"plimsoll/engine/catalog/os/apk"
	"plimsoll/engine/catalog/os/dpkg"
	"plimsoll/engine/catalog/os/nix"
	"plimsoll/engine/catalog/os/osrelease"
	"plimsoll/engine/catalog/os/portage"
	"plimsoll/engine/catalog/os/rpm"
	"plimsoll/engine/catalog/receipt"
	"plimsoll/engine/catalog/scalibr"
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
		[]catalog.Analyzer{nix.Analyzer(), alpm.Files(), beam.Applications(), haskell.Database(), prolog.Packs(), r.Library(), graal.NativeImages()},
		portage.Analyzers(), receipt.Analyzers(), model.Analyzers(), scalibr.Installed(),
	)
}

// Declared returns the analyzers of lock files, and of what only lets infer a package. They are not among All: what they find is asked for and need
// not be installed (catalog.EvidenceDeclared). Assembly drops what there is better evidence for.
func Declared() []catalog.Analyzer {
	return slices.Concat(
		npm.Locks(), python.Locks(),
		[]catalog.Analyzer{ruby.Lock(), rust.Lock(), dotnet.Lock(), dotnet.Assemblies(), php.Lock()},
		[]catalog.Analyzer{beam.Lock(), terraform.Lock()},
		scalibr.Declared(),
	)
}
