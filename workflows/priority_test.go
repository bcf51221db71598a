package workflows_test

import (
	"strings"
	"testing"

	"plimsoll/workflows"
)

func TestEveryAccountHasItsShare(t *testing.T) {
	t.Parallel()
	analysis := func(account string) string {
		return workflows.AnalyzeImageOptions(workflows.AnalyzeImageInput{Account: account}).Priority.FairnessKey
	}
	long := strings.Repeat("a", 64)
	if analysis("acme") != "acme" || analysis(long) != long {
		t.Errorf("keys %q and %q", analysis("acme"), analysis(long))
	}
	if a, b := analysis(long+"a"), analysis(long+"b"); a == b || len(a) > 64 || len(b) > 64 {
		t.Errorf("long names have the keys %q and %q", a, b)
	}
	resolve := workflows.ResolveImageOptions(workflows.ResolveImageInput{Account: "acme"}, "n").Priority
	submit := workflows.AnalyzeImageOptions(workflows.AnalyzeImageInput{Account: "acme"}).Priority
	rescan := workflows.RescanOptions(workflows.RescanInput{}).Priority
	trial := workflows.TryPolicyOptions(workflows.TryPolicyInput{Account: "acme"}).Priority
	if trial.FairnessKey != "acme" || trial.PriorityKey <= rescan.PriorityKey {
		t.Errorf("what might be goes before what is: %+v, %+v", trial, rescan)
	}
	if resolve.FairnessKey != "acme" || resolve.PriorityKey >= submit.PriorityKey || submit.PriorityKey >= rescan.PriorityKey {
		t.Errorf("who is waited for goes first: %+v, %+v, %+v", resolve, submit, rescan)
	}
}
