package policy

import (
	_ "embed"
	"slices"
)

//go:embed default.json
var defaultDocument []byte

// Default returns the document accounts start with: one rule set for every image and an empty allowlist. A test
// keeps it valid under all gates.
func Default() []byte { return slices.Clone(defaultDocument) }
