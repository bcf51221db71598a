package api

import (
	"encoding/json"
	"net/http"
	"testing"

	"github.com/google/go-cmp/cmp"

	"plimsoll/api/oas"
	"plimsoll/engine/catalog"
	"plimsoll/engine/image"
)

// found is what searches found in every image of the tests.
var found = image.Findings{
	Hits: []image.Hit{
		{SearchHit: catalog.SearchHit{Search: catalog.SearchContent, Name: "harbour", Line: 3, Value: "ahoy"}, Path: "/a", Layer: "sha256:1"},
		{SearchHit: catalog.SearchHit{Search: catalog.SearchSecret, Name: "PRIV_KEY", Line: 1}, Path: "/a", Layer: "sha256:2"},
		{SearchHit: catalog.SearchHit{Search: catalog.SearchSecret, Name: "API_KEY", Line: 4}, Path: "/a", Layer: "sha256:2"},
		{SearchHit: catalog.SearchHit{Search: catalog.SearchSecret, Name: "PRIV_KEY", Line: 9}, Path: "/a", Layer: "sha256:2"},
		{SearchHit: catalog.SearchHit{Search: catalog.SearchSecret, Name: "PRIV_KEY", Line: 1}, Path: "/a", Layer: "sha256:1", Removed: true},
		{SearchHit: catalog.SearchHit{Search: catalog.SearchSecret, Name: "API_KEY", Line: 2}, Path: "/b", Layer: "sha256:1", Removed: true},
	},
	Retrieved: []image.Retrieved{{RetrievedFile: catalog.RetrievedFile{Content: []byte("root:x:0:0\n")}, Path: "/etc/passwd"}},
}

func TestSearchResultsByFileNameAndLayer(t *testing.T) {
	t.Parallel()
	one, two, here, gone := "sha256:1", "sha256:2", false, true
	a := []oas.RegexContentMatch{
		{Name: "PRIV_KEY", Lines: []int{1, 9}, Layer: &two, Removed: &here},
		{Name: "API_KEY", Lines: []int{4}, Layer: &two, Removed: &here},
	}
	squashed := []result{{Path: "/a", Matches: a}}
	all := []result{
		{Path: "/a", Matches: append(a[:2:2], oas.RegexContentMatch{Name: "PRIV_KEY", Lines: []int{1}, Layer: &one, Removed: &gone})},
		{Path: "/b", Matches: []oas.RegexContentMatch{{Name: "API_KEY", Lines: []int{2}, Layer: &one, Removed: &gone}}},
	}
	content := []result{{Path: "/a", Matches: []oas.RegexContentMatch{{Name: "harbour", Lines: []int{3}, Values: &[]string{"ahoy"}, Layer: &one, Removed: &here}}}}
	for name, tt := range map[string]struct {
		search   string
		squashed bool
		want     []result
	}{
		"secrets, all layers": {catalog.SearchSecret, false, all}, "secrets, squashed": {catalog.SearchSecret, true, squashed},
		"content": {catalog.SearchContent, false, content}, "another search": {"", false, []result{}},
	} {
		if diff := cmp.Diff(tt.want, searched(found.Hits, tt.search, tt.squashed)); diff != "" {
			t.Error(name, diff)
		}
	}
}

func TestArtifactsOfAnImage(t *testing.T) {
	t.Parallel()
	s := newServer(t)
	digest := s.known(testTag, "one")
	s.admin(http.MethodPost, "/v2/images", addTag).wants(http.StatusOK)
	image := "/v2/images/" + digest + "/artifacts/"
	for _, kind := range []string{"secret-search", "file-content-search", "retrieved-files"} {
		s.admin(http.MethodGet, image+kind, "").fails(http.StatusNotFound, codeImageNotAnalyzed)
	}
	s.analyze("admin", digest, npm)
	for query, want := range map[string]int{"": 2, "?scope=all_layers": 2, "?scope=squashed": 1} {
		var files []oas.SecretSearchResult
		if err := json.Unmarshal([]byte(s.admin(http.MethodGet, image+"secret-search"+query, "").wants(http.StatusOK).body), &files); err != nil || len(files) != want {
			t.Errorf("%q: %d files, %v", query, len(files), err)
		}
	}
	if got := s.admin(http.MethodGet, image+"secret-search?scope=elsewhere", ""); got.status != http.StatusBadRequest {
		t.Errorf("an unknown scope answers %d", got.status)
	}
	if got := s.admin(http.MethodGet, image+"retrieved-files", "").wants(http.StatusOK).body; got != `[{"b64_content":"cm9vdDp4OjA6MAo=","path":"/etc/passwd"}]`+"\n" {
		t.Errorf("got %s", got)
	}
}
