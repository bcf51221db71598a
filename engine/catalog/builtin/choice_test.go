package builtin

import (
	"errors"
	"slices"
	"strings"
	"testing"

	"plimsoll/engine/catalog"
)

func TestChoose(t *testing.T) {
	t.Parallel()
	has := func(all []catalog.Analyzer, name string) bool {
		return slices.ContainsFunc(all, func(a catalog.Analyzer) bool { return a.Name == name })
	}
	everything, err := Choose(Choice{})
	if err != nil || len(everything) != len(All())+len(Declared()) {
		t.Fatalf("got %d analyzers, %v", len(everything), err)
	}
	if !has(everything, "npm-lock") || !has(everything, "dpkg-status") {
		t.Error("an analyzer is missing from the default choice")
	}
	installed, err := Choose(Choice{Installed: true, Disabled: []string{"dpkg-status", "npm-lock"}})
	if err != nil || len(installed) != len(All())-1 || has(installed, "npm-lock") || has(installed, "dpkg-status") {
		t.Errorf("got %s, %v", names(installed), err)
	}
	_, err = Choose(Choice{Disabled: []string{"dkpg", "nmp"}})
	if !errors.Is(err, ErrUnknownAnalyzer) || !strings.Contains(err.Error(), `"dkpg"`) || !strings.Contains(err.Error(), `"nmp"`) {
		t.Errorf("got %v", err)
	}
}
