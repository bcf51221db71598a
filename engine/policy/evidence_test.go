package policy_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"plimsoll/engine/catalog"
	"plimsoll/engine/policy"
)

func TestSearchGathersHits(t *testing.T) {
	t.Parallel()
	var found policy.Findings
	add := func(search, path, name string, removed bool, lines ...int) {
		for _, line := range lines {
			found.Hits = append(found.Hits, policy.Hit{SearchHit: catalog.SearchHit{Search: search, Name: name, Line: line}, Path: path, Removed: removed})
		}
	}
	add(catalog.SearchSecret, "/b", "K", false, 12, 11, 10, 9, 8, 7, 6, 5, 4, 3, 2, 1, 1)
	add(catalog.SearchSecret, "/a", "Z", false, 2, 1)
	add(catalog.SearchSecret, "/a", "K", true, 4)
	add(catalog.SearchSecret, "/a", "K", false, 3)
	add(catalog.SearchContent, "/a", "K", false, 5)
	var got []string
	for _, at := range found.Search(catalog.SearchSecret) {
		got = append(got, at.Name+": "+at.String())
	}
	want := []string{
		"K: line 3 of /a",
		"K: line 4 of /a, which a later layer removes or replaces but whoever pulls the image receives",
		"Z: lines 1, 2 of /a",
		"K: lines 1, 2, 3, 4, 5, 6, 7, 8, 9, 10 and 2 more of /b",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}
