package builtin

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"plimsoll/engine/catalog"
)

// ErrUnknownAnalyzer reports a choice that names an analyzer this program does not have.
var ErrUnknownAnalyzer = errors.New("unknown analyzer")

// Choice is an operator's selection of analyzers.
type Choice struct {
	// Disabled are the names of analyzers to leave out.
	Disabled []string
	// Installed leaves out the readers of lock files.
	Installed bool
}

// Choose returns the selected analyzers: ErrUnknownAnalyzer, naming every wrong name.
func Choose(c Choice) ([]catalog.Analyzer, error) {
	known := append(All(), Declared()...)
	chosen := All()
	if !c.Installed {
		chosen = slices.Clone(known)
	}
	var faults []error
	for _, name := range c.Disabled {
		named := func(a catalog.Analyzer) bool { return a.Name == name }
		if !slices.ContainsFunc(known, named) {
			faults = append(faults, fmt.Errorf("%w: %q; there are %s", ErrUnknownAnalyzer, name, names(known)))
		}
		chosen = slices.DeleteFunc(chosen, named)
	}
	return chosen, errors.Join(faults...)
}

func names(all []catalog.Analyzer) string {
	list := make([]string, len(all))
	for i, a := range all {
		list[i] = a.Name
	}
	slices.Sort(list)
	return strings.Join(list, ", ")
}
