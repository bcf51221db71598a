package api

import (
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"plimsoll/api/oas"
	"plimsoll/engine/vex"
	"plimsoll/persistence"
	"plimsoll/workflows"
)

const (
	ropeAnnotation = `{"annotation":{"vulnerability_id":"GHSA-rope","status":"not_affected","justification":"vulnerable_code_not_in_execute_path","status_notes":"seen",
		"impact_statement":null,"uuid":"x","version":9},"package_identifier":{"name":"rigging","version":"1.0.0","type":"npm"}}`

	// openVEX says of the packages of the tests: the rope is not affected wherever it is, the hull in one image is fixed.
	openVEX = `{"@context":"https://openvex.dev/ns/v0.2.0","@id":"https://example.test/vex","author":"Supplier","timestamp":"%s","version":1,"statements":[
		{"vulnerability":{"name":"ghsa-rope"},"products":[{"@id":"pkg:npm/rigging"}],"status":"not_affected","justification":"component_not_present"},
		{"vulnerability":{"name":"CVE-2026-1"},"products":[{"@id":"%s","subcomponents":[{"@id":"pkg:deb/debian/hull@2-1"}]}],"status":"fixed"},
		{"vulnerability":{"name":"CVE-2026-1"},"products":[{"@id":"pkg:oci/x@sha256:0000000000000000000000000000000000000000000000000000000000000000"}],"status":"fixed"},
		{"vulnerability":{"name":"CVE-2026-9"},"products":[{"@id":"pkg:npm/rigging"},{"@id":"a thing"}],"status":"affected"},
		{"vulnerability":{"name":"CVE-2026-9"},"products":[{"@id":"pkg:npm/rigging"}],"status":"not_affected"}]}`
)

// annotateAll asks every operation about annotations once.
func (s *server) annotateAll(digest string) {
	s.t.Helper()
	image := "/v2/images/" + digest
	ask := func(path string) { s.t.Helper(); s.admin(http.MethodGet, path, "").wants(http.StatusOK) }
	id := s.annotate(image, ropeAnnotation)
	var imported oas.VexDocumentDetail
	s.admin(http.MethodPost, "/v2/vex", fmt.Sprintf(openVEX, "2026-01-01T00:00:00Z", digest)).wants(http.StatusOK).decode(&imported)
	for _, path := range []string{
		"/vuln-annotations", "/vuln-annotations/" + id, "/vex/openvex", "/vex/cyclonedx-json", "/vex/cyclonedx-xml",
		"/vuln/all/cyclonedx-json?include_annotation_detail=true", "/vuln/os/cyclonedx-xml?vendor_only=false",
	} {
		ask(image + path)
	}
	s.admin(http.MethodPut, image+"/vuln-annotations/"+id, ropeAnnotation).wants(http.StatusOK)
	ask(image + "/vuln-annotations/" + id + "/history")
	s.admin(http.MethodDelete, image+"/vuln-annotations/"+id, "").wants(http.StatusNoContent)
	document := "/v2/vex/" + imported.Document.Digest
	for _, path := range []string{"/v2/vex", document, document + "/document", "/v2/vex-changes", "/v2/vex-changes?image_digest=" + digest} {
		ask(path)
	}
	s.admin(http.MethodDelete, document, "").wants(http.StatusNoContent)
}

func (s *server) annotate(image, body string) (id string) {
	s.t.Helper()
	var made oas.PackageVulnerabilityAnnotation
	s.admin(http.MethodPost, image+"/vuln-annotations", body).wants(http.StatusCreated).decode(&made)
	return *made.Annotation.Uuid
}

// ship adds an analysed image with packages that have vulnerabilities.
func (s *server) ship(name string) string {
	s.t.Helper()
	digest := s.known("docker.io/library/"+name+":1", name)
	s.admin(http.MethodPost, "/v2/images", `{"source":{"tag":{"pull_string":"library/`+name+`:1"}}}`).wants(http.StatusOK)
	s.analyze("admin", digest, npm, deb)
	return digest
}

// statuses renders the findings of an image with what is said about them.
func (s *server) statuses(digest, query string, options ...func(*http.Request)) []string {
	s.t.Helper()
	var report oas.ImagePackageVulnerabilityResponse
	s.admin(http.MethodGet, "/v2/images/"+digest+"/vuln/all?vendor_only=false"+query, "", options...).wants(http.StatusOK).decode(&report)
	return each(report.Vulnerabilities, func(v oas.ImagePackageVulnerability) string {
		if (v.AnnotationStatus == nil) != (v.AnnotationUuid == nil) {
			s.t.Errorf("a status without an id, or the other way round: %+v", v)
		}
		return strings.TrimSpace(v.Vuln + " " + string(orElse(v.AnnotationStatus, "")))
	})
}

func (s *server) wantStatuses(digest, query string, want ...string) {
	s.t.Helper()
	if diff := cmp.Diff(append([]string{}, want...), s.statuses(digest, query)); diff != "" {
		s.t.Error(diff)
	}
}

func TestAnAnnotationIsWrittenChangedAndWithdrawn(t *testing.T) {
	t.Parallel()
	s := newServer(t)
	s.advise()
	digest := s.ship("ship")
	image := "/v2/images/" + digest
	id := s.annotate(image, ropeAnnotation)
	s.wantStatuses(digest, "", "GHSA-rope not_affected", "CVE-2026-1")
	s.wantStatuses(digest, "&include_suppressed=false", "CVE-2026-1")
	s.admin(http.MethodPost, image+"/vuln-annotations", ropeAnnotation).fails(http.StatusConflict, codeConflict)

	var changed oas.PackageVulnerabilityAnnotation
	s.admin(http.MethodPut, image+"/vuln-annotations/"+id, strings.Replace(ropeAnnotation, `"not_affected"`, `"affected"`, 1)).wants(http.StatusOK).decode(&changed)
	if *changed.Annotation.Version != 2 || *changed.Annotation.Author != "admin" || *changed.Annotation.Uuid != id || changed.Annotation.Document != nil {
		t.Errorf("got %+v", changed.Annotation)
	}
	s.wantStatuses(digest, "&include_suppressed=false", "GHSA-rope affected", "CVE-2026-1")
	var listed oas.PackageVulnerabilityAnnotationResponseList
	s.admin(http.MethodGet, image+"/vuln-annotations?package_name=rigging&package_type=npm&vulnerability_id=GHSA-rope&package_version=1.0.0", "").wants(http.StatusOK).decode(&listed)
	if len(listed.Items) != 1 {
		t.Errorf("got %+v", listed)
	}
	s.admin(http.MethodGet, image+"/vuln-annotations?package_name=hull", "").wants(http.StatusOK).decode(&listed)
	if len(listed.Items) != 0 {
		t.Errorf("got %+v", listed)
	}

	s.admin(http.MethodDelete, image+"/vuln-annotations/"+id, "").wants(http.StatusNoContent)
	s.wantStatuses(digest, "", "GHSA-rope", "CVE-2026-1")
	s.admin(http.MethodGet, image+"/vuln-annotations/"+id, "").fails(http.StatusNotFound, codeAnnotationNotFound)
	s.admin(http.MethodDelete, image+"/vuln-annotations/"+id, "").fails(http.StatusNotFound, codeAnnotationNotFound)
	var history oas.VexChangeList
	s.admin(http.MethodGet, image+"/vuln-annotations/"+id+"/history", "").wants(http.StatusOK).decode(&history)
	got := each(history.Items, func(c oas.VexChange) string {
		return fmt.Sprint(c.Action, " ", *c.Annotation.Annotation.Version, " ", c.Annotation.Annotation.Status, " by ", c.ChangedBy, " images ", c.ImagesAffected)
	})
	want := []string{"annotation_deleted 2 affected by admin images 1", "annotation_changed 2 affected by admin images 1", "annotation_added 1 not_affected by admin images 1"}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	if got := s.launches(workflows.JudgeAnnotatedName); got != 3 {
		t.Errorf("%d judgements were started, want one for each change", got)
	}
}

// launches counts the workflows of a name that were started.
func (s *server) launches(name string) (n int) {
	s.starter.mu.Lock()
	defer s.starter.mu.Unlock()
	for _, p := range s.starter.launched {
		if p.Workflow == name {
			n++
		}
	}
	return n
}

func TestAnAnnotationOutlivesAnalysesAndGoesWithTheImage(t *testing.T) {
	t.Parallel()
	s := newServer(t)
	s.advise()
	digest := s.ship("ship")
	all := `{"annotation":{"vulnerability_id":"ghsa-ROPE","status":"fixed"}}`
	s.annotate("/v2/images/"+digest, all)
	s.admin(http.MethodPost, "/v2/images?force=true", `{"source":{"tag":{"pull_string":"library/ship:1"}}}`).wants(http.StatusOK)
	s.analyze("admin", digest, npm)
	s.wantStatuses(digest, "", "GHSA-rope fixed", "CVE-2026-1")
	own := strings.Replace(ropeAnnotation, `"not_affected"`, `"under_investigation"`, 1)
	s.annotate("/v2/images/"+digest, own) // of the package alone, so it comes first
	s.wantStatuses(digest, "", "GHSA-rope under_investigation", "CVE-2026-1")
	s.admin(http.MethodDelete, "/v2/images/"+digest+"?force=true", "").wants(http.StatusOK)
	must(t, persistence.NewImages(s.pool).Delete(t.Context(), "admin", digest))
	s.ship("ship")
	s.wantStatuses(digest, "", "GHSA-rope", "CVE-2026-1")
	var trail oas.VexChangeList
	s.admin(http.MethodGet, "/v2/vex-changes?image_digest="+digest, "").wants(http.StatusOK).decode(&trail)
	if got := trail.Items[0].Action; len(trail.Items) != 4 || got != "annotation_deleted_with_image" {
		t.Errorf("the trail ends with %s: %+v", got, trail.Items)
	}
}

func TestAnnotationsThatCannotBeUsedAreRefused(t *testing.T) {
	t.Parallel()
	s := newServer(t)
	digest := s.ship("ship")
	image := "/v2/images/" + digest + "/vuln-annotations"
	for name, body := range map[string]string{
		"no status":      `{"annotation":{"vulnerability_id":"CVE-1"}}`,
		"other status":   `{"annotation":{"vulnerability_id":"CVE-1","status":"fine"}}`,
		"justification":  `{"annotation":{"vulnerability_id":"CVE-1","status":"fixed","justification":"because"}}`,
		"no name":        `{"annotation":{"vulnerability_id":"","status":"fixed"}}`,
		"spaces":         `{"annotation":{"vulnerability_id":"CVE 1","status":"fixed"}}`,
		"NUL":            `{"annotation":{"vulnerability_id":"CVE-1","status":"fixed","status_notes":"a\u0000"}}`,
		"half a package": `{"annotation":{"vulnerability_id":"CVE-1","status":"fixed"},"package_identifier":{"name":"a"}}`,
		"long text":      `{"annotation":{"vulnerability_id":"CVE-1","status":"fixed","impact_statement":"` + strings.Repeat("a", 20000) + `"}}`,
		"nothing":        `{}`,
	} {
		if got := s.admin(http.MethodPost, image, body); got.status != http.StatusBadRequest {
			t.Errorf("%s: %d %s", name, got.status, got.body)
		}
	}
	gone := "/v2/images/sha256:" + strings.Repeat("0", 64) + "/vuln-annotations"
	s.admin(http.MethodPost, gone, ropeAnnotation).fails(http.StatusNotFound, codeImageNotFound)
	s.admin(http.MethodGet, gone, "").fails(http.StatusNotFound, codeImageNotFound)
	s.admin(http.MethodPut, image+"/no-uuid", ropeAnnotation).fails(http.StatusNotFound, codeAnnotationNotFound)
	var none oas.PackageVulnerabilityAnnotationResponseList
	s.admin(http.MethodGet, image, "").wants(http.StatusOK).decode(&none)
	if len(none.Items) != 0 {
		t.Errorf("something was written: %+v", none)
	}
}

func TestADocumentHoldsForAllImagesUntilItIsDeleted(t *testing.T) {
	t.Parallel()
	s := newServer(t)
	s.advise()
	first := s.ship("first")
	var out oas.VexDocumentDetail
	s.admin(http.MethodPost, "/v2/vex", fmt.Sprintf(openVEX, "2026-01-01T00:00:00Z", first)).wants(http.StatusOK).decode(&out)
	if !out.Created || out.ImagesAffected != 1 || out.Document.StatementCount != 4 || out.Document.ProductCount != 5 || out.Document.RefusedCount != 1 {
		t.Errorf("got %+v", out)
	}
	want := []oas.VexUnmatched{
		{VulnerabilityId: "CVE-2026-1", Product: "pkg:oci/x@sha256:" + strings.Repeat("0", 64), Status: "fixed", Reason: "the account has no such image"},
		{VulnerabilityId: "CVE-2026-9", Product: "pkg:npm/rigging", Status: "affected", Reason: "no image of the account that it names has the vulnerability in a package that it names"},
		{VulnerabilityId: "CVE-2026-9", Product: "a thing", Status: "affected", Reason: vex.UnclearIdentifier},
	}
	if diff := cmp.Diff(want, out.Unmatched); diff != "" || out.UnmatchedCount != 3 {
		t.Error(diff)
	}
	s.wantStatuses(first, "", "GHSA-rope not_affected", "CVE-2026-1 fixed")
	s.wantStatuses(first, "&include_suppressed=false")
	second := s.ship("second") // added later; the hull's statement is about the first
	s.wantStatuses(second, "", "GHSA-rope not_affected", "CVE-2026-1")

	var listed oas.PackageVulnerabilityAnnotationResponseList
	s.admin(http.MethodGet, "/v2/images/"+second+"/vuln-annotations", "").wants(http.StatusOK).decode(&listed)
	if len(listed.Items) != 1 || *listed.Items[0].Annotation.Document != out.Document.Digest || *listed.Items[0].Annotation.Author != "Supplier" {
		t.Fatalf("got %+v", listed)
	}
	theirs := "/v2/images/" + second + "/vuln-annotations/" + *listed.Items[0].Annotation.Uuid
	s.admin(http.MethodGet, theirs, "").wants(http.StatusOK)
	s.admin(http.MethodPut, theirs, ropeAnnotation).fails(http.StatusConflict, codeConflict)
	s.admin(http.MethodDelete, theirs, "").fails(http.StatusConflict, codeConflict)
	s.annotate("/v2/images/"+second, strings.Replace(ropeAnnotation, `"not_affected"`, `"affected"`, 1)) // people come first
	s.wantStatuses(second, "", "GHSA-rope affected", "CVE-2026-1")

	again := s.admin(http.MethodPost, "/v2/vex", fmt.Sprintf(openVEX, "2026-01-01T00:00:00Z", first)).wants(http.StatusOK)
	again.decode(&out)
	if out.Created || out.ImagesAffected != 0 {
		t.Errorf("importing twice: %+v", out)
	}
	s.admin(http.MethodDelete, "/v2/vex/"+out.Document.Digest, "").wants(http.StatusNoContent)
	s.wantStatuses(first, "", "GHSA-rope", "CVE-2026-1")
	s.admin(http.MethodGet, "/v2/vex/"+out.Document.Digest, "").fails(http.StatusNotFound, codeVexNotFound)
	s.admin(http.MethodDelete, "/v2/vex/"+out.Document.Digest, "").fails(http.StatusNotFound, codeVexNotFound)
	if got := s.launches(workflows.JudgeAnnotatedName); got != 3 {
		t.Errorf("%d judgements, want those of the import, the annotation and the deletion", got)
	}
}

func TestALaterVersionTakesThePlaceOfAnEarlierOne(t *testing.T) {
	t.Parallel()
	s := newServer(t)
	s.advise()
	digest := s.ship("ship")
	earlier, later := fmt.Sprintf(openVEX, "2026-01-01T00:00:00Z", digest), `{"@context":"https://openvex.dev/ns/v0.2.0","@id":"https://example.test/vex","author":"Supplier",
		"timestamp":"2026-02-01T00:00:00Z","version":2,"statements":[{"vulnerability":{"name":"GHSA-rope"},"products":[{"@id":"pkg:npm/rigging@1.0.0"}],"status":"affected"}]}`
	s.admin(http.MethodPost, "/v2/vex", earlier).wants(http.StatusOK)
	s.admin(http.MethodPost, "/v2/vex", later).wants(http.StatusOK)
	s.wantStatuses(digest, "", "GHSA-rope affected", "CVE-2026-1")
	s.admin(http.MethodPost, "/v2/vex", earlier).fails(http.StatusConflict, codeConflict)
	var list oas.VexDocumentList
	s.admin(http.MethodGet, "/v2/vex", "").wants(http.StatusOK).decode(&list)
	if len(list.Items) != 1 || *list.Items[0].DocumentVersion != "2" {
		t.Errorf("got %+v", list)
	}
	var trail oas.VexChangeList
	s.admin(http.MethodGet, "/v2/vex-changes", "").wants(http.StatusOK).decode(&trail)
	got := each(trail.Items, func(c oas.VexChange) string { return c.Action })
	if diff := cmp.Diff([]string{"document_imported", "document_replaced", "document_imported"}, got); diff != "" {
		t.Error(diff)
	}
}

func TestAStatementOfTheFutureDoesNotOutlastWhatIsSaidLater(t *testing.T) {
	t.Parallel()
	s := newServer(t)
	s.advise()
	digest := s.ship("ship")
	document := func(name, at, status string) string {
		return `{"@context":"https://openvex.dev/ns/v0.2.0","@id":"` + name + `","timestamp":"` + at + `","statements":[{"vulnerability":{"name":"GHSA-rope"},"products":[{"@id":"` +
			digest + `"}],"status":"` + status + `"}]}`
	}
	s.admin(http.MethodPost, "/v2/vex", document("a", "2999-01-01T00:00:00Z", "fixed")).wants(http.StatusOK)
	s.wantStatuses(digest, "", "GHSA-rope fixed", "CVE-2026-1")
	s.admin(http.MethodPost, "/v2/vex", document("b", "2999-01-01T00:00:00Z", "affected")).wants(http.StatusOK)
	s.wantStatuses(digest, "", "GHSA-rope affected", "CVE-2026-1")
	s.admin(http.MethodPost, "/v2/vex", document("c", "2001-01-01T00:00:00Z", "fixed")).wants(http.StatusOK)
	s.wantStatuses(digest, "", "GHSA-rope affected", "CVE-2026-1")
}

func TestDocumentsThatCannotBeUsedAreRefused(t *testing.T) {
	t.Parallel()
	s := newServer(t)
	for name, document := range map[string]string{
		"no document":   "<html/>",
		"other JSON":    `{"a":1}`,
		"cut short":     `{"@context":"https://openvex.dev/ns/v0.2.0","statements":[`,
		"nothing used":  `{"@context":"https://openvex.dev/ns/v0.2.0","statements":[{"vulnerability":{"name":"CVE-1"},"status":"fixed"}]}`,
		"no statements": `{"@context":"https://openvex.dev/ns/v0.2.0"}`,
		"hostile":       `{"@context":"https://openvex.dev/ns/v0.2.0","statements":[{"products":[` + strings.Repeat("{},", 300_000) + `{}]}]}`,
	} {
		s.t.Log(name)
		s.admin(http.MethodPost, "/v2/vex", document).fails(http.StatusBadRequest, codeVexInvalid)
	}
	var list oas.VexDocumentList
	s.admin(http.MethodGet, "/v2/vex", "").wants(http.StatusOK).decode(&list)
	var blobs int
	must(t, s.pool.QueryRow(t.Context(), `SELECT (SELECT count(*) FROM plimsoll.blob) + (SELECT count(*) FROM plimsoll.vex_change)`).Scan(&blobs))
	if len(list.Items) != 0 || blobs != 0 {
		t.Errorf("something was written: %+v, %d rows", list, blobs)
	}
}

func TestAccountsDoNotHearEachOthersStatements(t *testing.T) {
	t.Parallel()
	s := newServer(t)
	s.advise()
	digest := s.ship("ship")
	mate := s.user("quay", "mate1", "full-control")
	s.request(http.MethodPost, "/v2/images", `{"source":{"tag":{"pull_string":"library/ship:1"}}}`, mate).wants(http.StatusOK)
	s.analyze("quay", digest, npm, deb)
	id := s.annotate("/v2/images/"+digest, ropeAnnotation)
	var imported oas.VexDocumentDetail
	s.admin(http.MethodPost, "/v2/vex", fmt.Sprintf(openVEX, "2026-01-01T00:00:00Z", digest)).wants(http.StatusOK).decode(&imported)
	if imported.ImagesAffected != 1 {
		t.Errorf("images of others are judged: %+v", imported)
	}
	if diff := cmp.Diff([]string{"GHSA-rope", "CVE-2026-1"}, s.statuses(digest, "", in("quay"))); diff != "" {
		t.Error(diff)
	}
	document := "/v2/vex/" + imported.Document.Digest
	s.request(http.MethodGet, document, "", mate).fails(http.StatusNotFound, codeVexNotFound)
	s.request(http.MethodGet, document+"/document", "", mate).fails(http.StatusNotFound, codeVexNotFound)
	s.request(http.MethodDelete, document, "", mate).fails(http.StatusNotFound, codeVexNotFound)
	annotation := "/v2/images/" + digest + "/vuln-annotations/" + id
	for _, method := range []string{http.MethodGet, http.MethodDelete} {
		s.request(method, annotation, "", mate).fails(http.StatusNotFound, codeAnnotationNotFound)
	}
	s.request(http.MethodPut, annotation, ropeAnnotation, mate).fails(http.StatusNotFound, codeAnnotationNotFound)
	s.request(http.MethodGet, annotation+"/history", "", mate).fails(http.StatusNotFound, codeAnnotationNotFound)
	for _, path := range []string{"/v2/vex", "/v2/vex-changes"} {
		var list struct {
			Items []any `json:"items"`
		}
		s.request(http.MethodGet, path, "", mate).wants(http.StatusOK).decode(&list)
		if len(list.Items) != 0 {
			t.Errorf("%s: %v", path, list.Items)
		}
	}
	s.wantStatuses(digest, "", "GHSA-rope not_affected", "CVE-2026-1 fixed")
}

func TestAnnotationDetailTakesAPermissionOfItsOwn(t *testing.T) {
	t.Parallel()
	s := newServer(t)
	s.advise()
	reader, annotator := s.user("quay", "reader", "read-only"), s.user("quay", "scribe", "read-only", "vuln-annotator-viewer")
	digest := s.known("docker.io/library/ship:1", "ship")
	s.admin(http.MethodPost, "/v2/images", `{"source":{"tag":{"pull_string":"library/ship:1"}}}`, in("quay")).wants(http.StatusOK)
	s.analyze("quay", digest, npm, deb)
	s.admin(http.MethodPost, "/v2/images/"+digest+"/vuln-annotations", ropeAnnotation, in("quay")).wants(http.StatusCreated)
	report := "/v2/images/" + digest + "/vuln/all/cyclonedx-json"
	if got := s.request(http.MethodGet, report, "", reader).wants(http.StatusOK); strings.Contains(got.body, "analysis") {
		t.Errorf("annotations are told unasked: %s", got.body)
	}
	s.request(http.MethodGet, report+"?include_annotation_detail=true", "", reader).fails(http.StatusForbidden, codePermissionDenied)
	if got := s.request(http.MethodGet, report+"?include_annotation_detail=true", "", annotator).wants(http.StatusOK); !strings.Contains(got.body, `"code_not_reachable"`) {
		t.Errorf("annotations are not told: %s", got.body)
	}
	s.request(http.MethodGet, "/v2/images/"+digest+"/vuln-annotations", "", reader).fails(http.StatusForbidden, codePermissionDenied)
	s.request(http.MethodPost, "/v2/vex", `{}`, annotator).fails(http.StatusForbidden, codePermissionDenied)
}

func TestWhatIsExportedCanBeImported(t *testing.T) {
	t.Parallel()
	s := newServer(t, func(_ *Deps, c *Config) { c.VexAuthor = "Harbour Master" })
	s.advise()
	digest := s.ship("ship")
	image := "/v2/images/" + digest
	id := s.annotate(image, ropeAnnotation)
	other := s.annotate(image, `{"annotation":{"vulnerability_id":"CVE-2026-1","status":"affected"},"package_identifier":{"name":"hull","version":"2-1","type":"dpkg"}}`)
	ghost := s.annotate(image, `{"annotation":{"vulnerability_id":"CVE-2026-7","status":"fixed"},"package_identifier":{"name":"ghost","version":"1","type":"npm"}}`)
	for _, format := range []string{"openvex", "cyclonedx-json", "cyclonedx-xml"} {
		exported := s.admin(http.MethodGet, image+"/vex/"+format, "").wants(http.StatusOK).body
		if again := s.admin(http.MethodGet, image+"/vex/"+format, "").body; again != exported {
			t.Errorf("%s: asking twice gives other bytes", format)
		}
		document, err := vex.Read([]byte(exported), vex.Limits{})
		must(t, err)
		got := each(document.Statements, func(st vex.Statement) string {
			return fmt.Sprint(st.Vulnerability, " ", st.Status, " ", st.Products[0].Image == digest, " ", st.Products[0].Package)
		})
		want := []string{"CVE-2026-1 affected true pkg:deb/debian/hull@2-1", "CVE-2026-7 fixed true pkg:generic/ghost@1", "GHSA-rope not_affected true pkg:npm/rigging@1.0.0"}
		if diff := cmp.Diff(want, got); diff != "" || document.Author != "Harbour Master" || document.RefusedCount != 0 {
			t.Errorf("%s by %q: %s", format, document.Author, diff)
		}
	}
	exported := s.admin(http.MethodGet, image+"/vex/cyclonedx-xml", "").body
	for _, a := range []string{id, other, ghost} {
		s.admin(http.MethodDelete, image+"/vuln-annotations/"+a, "").wants(http.StatusNoContent)
	}
	s.wantStatuses(digest, "", "GHSA-rope", "CVE-2026-1")
	s.admin(http.MethodPost, "/v2/vex", exported, header("Content-Type", "application/octet-stream")).wants(http.StatusOK)
	s.wantStatuses(digest, "", "GHSA-rope not_affected", "CVE-2026-1 affected")
}
