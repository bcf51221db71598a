package policy_test

import (
	"bytes"
	"testing"
	"time"

	"plimsoll/engine/policy"
)

func TestAResultHoldsUntilTheNextWholeSecond(t *testing.T) {
	t.Parallel()
	at := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	for given, want := range map[time.Time]time.Time{
		at: at, at.Add(1): at.Add(time.Second), at.Add(999 * time.Millisecond): at.Add(time.Second),
	} {
		if got := (&policy.Result{ValidUntil: given}).Until(); got == nil || !got.Equal(want) {
			t.Errorf("%s: %v, want %s", given, got, want)
		}
	}
	if got := (&policy.Result{}).Until(); got != nil {
		t.Errorf("time does not matter, and it ends at %s", got)
	}
}

func TestResultsThatSayTheSameAreTheSameBytes(t *testing.T) {
	t.Parallel()
	at := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	first, second := policy.Result{EvaluationTime: at, FinalAction: policy.Go}, policy.Result{EvaluationTime: at.Add(time.Hour), FinalAction: policy.Go}
	a, err := first.Timeless()
	if err != nil {
		t.Fatal(err)
	}
	b, err := second.Timeless()
	if err != nil || !bytes.Equal(a, b) || first.EvaluationTime != at {
		t.Errorf("%s and %s, %v; made at %s", a, b, err, first.EvaluationTime)
	}
}
