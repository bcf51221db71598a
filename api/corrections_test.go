package api

import (
	"encoding/json"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"plimsoll/api/oas"
	"plimsoll/persistence"
	"plimsoll/workflows"
)

const mendRigging = `{"type":"package","description":"patched by us","match":{"type":"npm","field_matches":[{"field_name":"package","field_value":"rigging"}]},
	"replace":[{"field_name":"version","field_value":"1.0.1"},{"field_name":"cpes","field_value":"cpe:2.3:a:sea:{package}:{version}:*:*:*:*:*:*:*"}]}`

// apply does what a worker does for the newest change of rules.
func (s *server) apply() {
	s.t.Helper()
	pending := s.starter.launched[len(s.starter.launched)-1]
	var in workflows.RescanInput
	must(s.t, json.Unmarshal(pending.Input, &in))
	if pending.Workflow != workflows.RescanChangeSetName || pending.WorkflowID != workflows.RescanOptions(in).ID {
		s.t.Fatalf("launched %+v", pending)
	}
	_, err := persistence.NewMatches(s.pool, s.pool).Recorrect(s.t.Context(), in.Account, persistence.EditOf(in.Generation), time.Now(), func(int, int) {})
	must(s.t, err)
}

func (s *server) vulnerabilitiesOf(digest string, options ...func(*http.Request)) []string {
	s.t.Helper()
	var answer oas.ImagePackageVulnerabilityResponse
	s.admin(http.MethodGet, "/v2/images/"+digest+"/vuln/non-os", "", options...).wants(http.StatusOK).decode(&answer)
	return each(answer.Vulnerabilities, func(v oas.ImagePackageVulnerability) string { return v.Vuln + " " + v.Package })
}

func TestACorrectionIsSeenInItsAccountAlone(t *testing.T) {
	t.Parallel()
	s := newServer(t)
	s.advise()
	digest := s.known(testTag, "one")
	s.user("quay", "mate", "full-control")
	other := header("x-anchore-account", "quay")
	for account, option := range map[string]func(*http.Request){"admin": header("x-anchore-account", "admin"), "quay": other} {
		s.admin(http.MethodPost, "/v2/images", addTag, option).wants(http.StatusOK)
		s.analyze(account, digest, npm, deb)
	}
	if got := s.vulnerabilitiesOf(digest); len(got) != 1 {
		t.Fatalf("before: %v", got)
	}
	var made, got oas.Correction
	s.admin(http.MethodPost, "/v2/corrections", mendRigging).wants(http.StatusOK).decode(&made)
	s.apply()
	at := "/v2/corrections/" + made.Uuid
	s.admin(http.MethodGet, at, "").wants(http.StatusOK).decode(&got)
	if diff := cmp.Diff(made, got); diff != "" || made.Description != "patched by us" || made.AccountName != "admin" || made.Type != "package" {
		t.Errorf("made %+v (-made +got):\n%s", made, diff)
	}

	if got := s.vulnerabilitiesOf(digest); len(got) != 0 {
		t.Errorf("corrected: %v", got)
	}
	var packages oas.ContentPackageResponse
	s.admin(http.MethodGet, "/v2/images/"+digest+"/content/npm", "").wants(http.StatusOK).decode(&packages)
	if p := packages.Content[0]; p.Version != "1.0.1" || p.Purl != "pkg:npm/rigging@1.0.1" || len(p.Cpes) != 1 || p.Cpes[0] != "cpe:2.3:a:sea:rigging:1.0.0:*:*:*:*:*:*:*" {
		t.Errorf("content: %+v", p)
	}
	if body := s.admin(http.MethodGet, "/v2/images/"+digest+"/sboms/spdx-json", "").wants(http.StatusOK).body; !strings.Contains(body, "pkg:npm/rigging@1.0.1") {
		t.Errorf("the SBOM has not the corrected package: %s", body)
	}
	scan := func(option func(*http.Request)) int {
		var answer oas.SBOMVulnerabilitiesResponse
		document := `{"artifacts":[{"id":"1","name":"rigging","version":"1.0.0","type":"npm","purl":"pkg:npm/rigging@1.0.0"}],
			"source":{"type":"directory"},"descriptor":{"name":"syft"},"schema":{"version":"16"}}`
		s.admin(http.MethodPost, "/v2/vulnerability-scan", document, header("Content-Type", "application/json"), option).wants(http.StatusOK).decode(&answer)
		return len(answer.Vulnerabilities)
	}
	if ours, theirs := scan(header("x-anchore-account", "admin")), scan(other); ours != 0 || theirs != 1 {
		t.Errorf("scans find %d and in another account %d, want 0 and 1", ours, theirs)
	}
	holders := func(query string, option ...func(*http.Request)) int {
		var answer oas.PaginatedImageList
		s.admin(http.MethodGet, "/v2/query/images/"+query, "", option...).wants(http.StatusOK).decode(&answer)
		return len(answer.Images)
	}
	for query, want := range map[string][2]int{
		"by-vulnerability?vulnerability_id=GHSA-rope": {0, 1},
		"by-package?name=rigging&version=1.0.0":       {0, 1},
		"by-package?name=rigging&version=1.0.1":       {1, 0},
	} {
		if got := [2]int{holders(query), holders(query, other)}; got != want {
			t.Errorf("%s finds %v, want %v", query, got, want)
		}
	}
	if got := s.vulnerabilitiesOf(digest, other); len(got) != 1 {
		t.Errorf("another account: %v", got)
	}
	s.admin(http.MethodGet, "/v2/images/"+digest+"/content/npm", "", other).wants(http.StatusOK).decode(&packages)
	if packages.Content[0].Version != "1.0.0" {
		t.Errorf("content of another account: %+v", packages.Content)
	}
	for method, body := range map[string]string{http.MethodGet: "", http.MethodPut: mendRigging, http.MethodDelete: ""} {
		s.admin(method, at, body, other).fails(http.StatusNotFound, codeNotFound)
	}

	s.admin(http.MethodPut, at, strings.ReplaceAll(mendRigging, `"rigging"`, `"mast"`)).wants(http.StatusOK)
	s.apply()
	if got := s.vulnerabilitiesOf(digest); len(got) != 1 {
		t.Errorf("after the rule was changed: %v", got)
	}
	s.admin(http.MethodDelete, at, "").wants(http.StatusNoContent)
	s.apply()
	s.admin(http.MethodGet, at, "").fails(http.StatusNotFound, codeNotFound)
}

func TestCorrectionsThatMakeNoSenseAreRefusedWithTheReason(t *testing.T) {
	t.Parallel()
	s := newServer(t)
	for body, says := range map[string]string{
		strings.Replace(mendRigging, `"type":"package"`, `"type":"file"`, 1):          "type",
		strings.Replace(mendRigging, `"type":"package",`, ``, 1):                      "type",
		strings.Replace(mendRigging, `"type":"npm"`, `"type":"N P M"`, 1):             "match.type must be a package type",
		strings.Replace(mendRigging, `"field_name":"package"`, `"field_name":"x"`, 1): `field_name "x" is none of package, version`,
		strings.Replace(mendRigging, `{version}`, `{colour}`, 1):                      "no field {colour}",
		strings.Replace(mendRigging, `:2.3:`, `:9:`, 1):                               "no CPE 2.3 name",
		strings.Replace(mendRigging, `"replace"`, `"replaces"`, 1):                    "replace",
		strings.Replace(mendRigging, `"rigging"`, `""`, 1):                            "field_value",
		`{"type":"package","match":{"type":"npm","field_matches":[]},"replace":[]}`:   "replace",
	} {
		answer := s.admin(http.MethodPost, "/v2/corrections", body).fails(http.StatusBadRequest, codeInvalidRequest)
		if !strings.Contains(answer.Message, says) {
			t.Errorf("%s\n%q does not say %q", body, answer.Message, says)
		}
	}
	s.admin(http.MethodPut, "/v2/corrections/none", mendRigging).fails(http.StatusNotFound, codeNotFound)
	var list []oas.Correction
	s.admin(http.MethodGet, "/v2/corrections", "").wants(http.StatusOK).decode(&list)
	if len(list) != 0 {
		t.Errorf("stored all the same: %+v", list)
	}
}
