package sourcedrift_test

import (
	"flag"
	"testing"

	"plimsoll/engine/policy"
	"plimsoll/engine/policy/gates/sourcedrift"
	"plimsoll/engine/policy/policytest"
)

var update = flag.Bool("update", false, "rewrite expected results")

func TestCases(t *testing.T) {
	t.Parallel()
	policytest.Run(t, []policy.Gate{sourcedrift.Gate}, *update)
}
