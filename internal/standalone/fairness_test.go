package standalone

import (
	"os"
	"path/filepath"
	"testing"
)

func TestOnlyAWorkflowDatabaseThatBeganFairIsFair(t *testing.T) {
	t.Parallel()
	want := func(home string, want bool) {
		t.Helper()
		if got, err := fairness(home, filepath.Join(home, "temporal.db")); got != want || err != nil {
			t.Errorf("fair %v, %v; want %v", got, err, want)
		}
	}
	fill := func(home string) {
		t.Helper()
		if err := os.WriteFile(filepath.Join(home, "temporal.db"), []byte("x"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	older, home := t.TempDir(), t.TempDir()
	fill(older)
	want(older, false)
	want(home, true)
	want(home, true) // a start that did not come to anything
	fill(home)
	want(home, true)
}
