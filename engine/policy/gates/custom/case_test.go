package custom_test

import (
	"flag"
	"testing"

	"plimsoll/engine/policy"
	"plimsoll/engine/policy/gates/custom"
	"plimsoll/engine/policy/policytest"
)

var update = flag.Bool("update", false, "rewrite expected results")

func TestCases(t *testing.T) {
	t.Parallel()
	policytest.Run(t, []policy.Gate{custom.Gate}, *update)
}
