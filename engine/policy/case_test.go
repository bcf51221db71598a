package policy_test

import (
	"encoding/json"
	"flag"
	"testing"

	"plimsoll/engine/policy"
	"plimsoll/engine/policy/gates"
	"plimsoll/engine/policy/policytest"
)

var update = flag.Bool("update", false, "rewrite expected results")

func TestCases(t *testing.T) {
	t.Parallel()
	policytest.Run(t, gates.All(), *update)
}

func load(t testing.TB, document []byte) *policy.Policy {
	t.Helper()
	compiled, _, err := policy.Load(document, gates.All())
	if err != nil {
		t.Fatalf("load policy: %v", err)
	}
	return compiled
}

func decode(t testing.TB, data []byte, into any) {
	t.Helper()
	if err := json.Unmarshal(data, into); err != nil {
		t.Fatalf("%v in %s", err, data)
	}
}
