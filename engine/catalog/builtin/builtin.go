// Package builtin lists the analyzers this program has. Adding one means adding a line here; its name and
// version become part of the analyzer set's identity.
package builtin

import (
	"slices"

	"plimsoll/engine/catalog"
	"plimsoll/engine/catalog/lang/golang"
	"plimsoll/engine/catalog/lang/java"
	"plimsoll/engine/catalog/lang/npm"
	"plimsoll/engine/catalog/lang/python"
	"plimsoll/engine/catalog/os/dpkg"
	"plimsoll/engine/catalog/os/osrelease"
)

// All returns every analyzer; the caller may change the slice. The order is of no consequence.
func All() []catalog.Analyzer {
	return slices.Concat(
		[]catalog.Analyzer{osrelease.Analyzer()},
		dpkg.Analyzers(),
		[]catalog.Analyzer{npm.Analyzer(), python.Analyzer(), java.Analyzer(), golang.Analyzer()},
	)
}
