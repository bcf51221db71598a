package activities

import (
	"slices"
	"strings"
	"testing"

	"plimsoll/engine/catalog"
	"plimsoll/engine/image"
)

func TestSettingsChooseAnalyzers(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		change func(*Analysis)
		has    string
	}{
		"content-hints": {func(a *Analysis) { a.Hints = true }, "content-hints"},
		"clamav":        {func(a *Analysis) { a.Malware.Enabled = true }, "clamav"},
	} {
		on := DefaultAnalysis()
		test.change(&on)
		for _, a := range []struct {
			settings Analysis
			want     bool
		}{{DefaultAnalysis(), false}, {on, true}} {
			chosen, err := a.settings.analyzers()
			if err != nil {
				t.Fatal(err)
			}
			if got := slices.ContainsFunc(chosen, func(c catalog.Analyzer) bool { return c.Name == test.has }); got != a.want {
				t.Errorf("%s: among the analyzers: %t, want %t", name, got, a.want)
			}
			if err := catalog.Validate(chosen); err != nil {
				t.Error(err)
			}
		}
	}
}

func TestAnalysisRefusesWrongSettings(t *testing.T) {
	t.Parallel()
	if err := DefaultAnalysis().Validate(); err != nil {
		t.Fatal(err)
	}
	for want, change := range map[string]func(*Analysis){
		"file_digests: ":     func(a *Analysis) { a.Digests = []string{image.DigestMD5, "crc32"} },
		"malware: address: ": func(a *Analysis) { a.Malware.Address = "clamd" },
	} {
		a := DefaultAnalysis()
		change(&a)
		if err := a.Validate(); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s got %v", want, err)
		}
	}
}

func TestOwnedPackagesCountOnlyWhereTheyAreListed(t *testing.T) {
	t.Parallel()
	found := &image.Image{Packages: []catalog.Package{
		{Type: catalog.TypeRpm, Name: "python3-six", Version: "1"},
		{Type: catalog.TypePython, Name: "six", Version: "1", Owner: "pkg:rpm/python3-six@1"},
		{Type: catalog.TypePython, Name: "own", Version: "1"},
	}}
	for listed, want := range map[bool][]bool{false: {false, true, false}, true: {false, false, false}} {
		found.OwnedListed = listed
		var got []bool
		for _, row := range packageRows(found) {
			got = append(got, row.Owned)
		}
		if !slices.Equal(want, got) {
			t.Errorf("listed %t: owned %v", listed, got)
		}
	}
}
