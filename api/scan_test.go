package api

import (
	"net/http"
	"strings"
	"testing"

	"plimsoll/api/oas"
)

func TestABillOfMaterialsIsScannedAndForgotten(t *testing.T) {
	t.Parallel()
	s := newServer(t)
	s.advise()
	rows := func() (n int) {
		must(t, s.pool.QueryRow(t.Context(), `SELECT (SELECT count(*) FROM plimsoll.package) + (SELECT count(*) FROM plimsoll.blob) + (SELECT count(*) FROM plimsoll.image)`).Scan(&n))
		return n
	}
	before := rows()
	for kind, document := range map[string]string{
		"application/json": `{"artifacts":[{"id":"1","name":"rigging","version":"1.0.0","type":"npm","locations":[{"path":"/app"}],"purl":"pkg:npm/rigging@1.0.0"},
			{"id":"2","name":"hull","version":"1","type":"deb","locations":[{"path":"/var/lib/dpkg/status"}],"metadata":{"source":"hull"}}],
			"distro":{"id":"debian","versionID":"12"},"source":{"type":"directory"},"descriptor":{"name":"syft"},"schema":{"version":"16"}}`,
		"application/octet-stream": `<bom xmlns="http://cyclonedx.org/schema/bom/1.5"><components><component type="library"><name>rigging</name><version>1.0.0</version><purl>pkg:npm/rigging@1.0.0</purl></component></components></bom>`,
	} {
		var answer oas.SBOMVulnerabilitiesResponse
		s.admin(http.MethodPost, "/v2/vulnerability-scan?include_vuln_description=true", document, header("Content-Type", kind)).wants(http.StatusOK).decode(&answer)
		if len(answer.Vulnerabilities) != 1 {
			t.Fatalf("%s: %+v", kind, answer)
		}
		if v := answer.Vulnerabilities[0]; v.Vuln != "GHSA-rope" || v.Fix != "1.0.1" || v.Severity != "Critical" || *v.Description != "The rope tears." {
			t.Errorf("%s: %+v", kind, v)
		}
		if answer.SbomId != sumOf(document) {
			t.Errorf("%s: id %s", kind, answer.SbomId)
		}
		s.admin(http.MethodPost, "/v2/vulnerability-scan?vendor_only=false", document, header("Content-Type", kind)).wants(http.StatusOK).decode(&answer)
		if want := strings.Count(document, `"type":"`) > 2; (len(answer.Vulnerabilities) == 2) != want {
			t.Errorf("%s, also what will not be fixed: %+v", kind, answer)
		}
	}
	if after := rows(); after != before {
		t.Errorf("%d rows were stored", after-before)
	}
	s.admin(http.MethodPost, "/v2/vulnerability-scan", `{"a":1}`).fails(http.StatusBadRequest, codeImportInvalid)
	s.admin(http.MethodPost, "/v2/vulnerability-scan", `x`, header("Content-Type", "text/plain")).fails(http.StatusUnsupportedMediaType, codeUnsupportedMedia)
	s.request(http.MethodPost, "/v2/vulnerability-scan", `{}`).fails(http.StatusUnauthorized, codeUnauthenticated)
}
