package tagdrift_test

import (
	"flag"
	"testing"

	"plimsoll/engine/policy"
	"plimsoll/engine/policy/gates/tagdrift"
	"plimsoll/engine/policy/policytest"
)

var update = flag.Bool("update", false, "rewrite expected results")

func TestCases(t *testing.T) {
	t.Parallel()
	policytest.Run(t, []policy.Gate{tagdrift.Gate}, *update)
}
