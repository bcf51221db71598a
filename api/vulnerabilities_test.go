package api

import (
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"plimsoll/api/oas"
	"plimsoll/engine/feed"
	"plimsoll/persistence"
	"plimsoll/persistence/blob"
)

func TestVulnerabilities(t *testing.T) {
	t.Parallel()
	s := newServer(t)
	s.advise()
	digest := s.known(testTag, "one")
	s.admin(http.MethodPost, "/v2/images", addTag).wants(http.StatusOK)
	s.analyze("admin", digest, npm, deb)
	base := "/v2/images/" + digest + "/vuln"
	if got := s.admin(http.MethodGet, base, "").wants(http.StatusOK); strings.TrimSpace(got.body) != `["all","os","non-os"]` {
		t.Errorf("types %s", got.body)
	}
	names := func(query string) []string {
		var report oas.ImagePackageVulnerabilityResponse
		s.admin(http.MethodGet, base+query, "").wants(http.StatusOK).decode(&report)
		return each(report.Vulnerabilities, func(v oas.ImagePackageVulnerability) string { return v.Vuln })
	}
	for query, want := range map[string][]string{
		"/all":                   {"GHSA-rope"},
		"/all?vendor_only=False": {"GHSA-rope", "CVE-2026-1"},
		"/os":                    {},
		"/os?vendor_only=false":  {"CVE-2026-1"},
		"/non-os":                {"GHSA-rope"},
	} {
		if diff := cmp.Diff(want, names(query)); diff != "" {
			t.Errorf("%s: %s", query, diff)
		}
	}
	s.admin(http.MethodGet, base+"/some", "").fails(http.StatusBadRequest, codeInvalidRequest)

	got := s.admin(http.MethodGet, base+"/all?vendor_only=false&include_vuln_description=true", "").wants(http.StatusOK)
	var raw struct{ Vulnerabilities []map[string]any }
	got.decode(&raw)
	for _, v := range raw.Vulnerabilities {
		for _, key := range []string{"vuln", "package", "severity", "fix", "url", "package_type", "package_name", "package_version", "feed_group", "package_path", "will_not_fix", "nvd_data", "vendor_data"} {
			if v[key] == nil {
				t.Errorf("%s is missing or null: %v", key, v)
			}
		}
		delete(v, "detected_at")
		delete(v, "fix_observed_at")
	}
	want := map[string]any{
		"vuln": "GHSA-rope", "severity": "Critical", "description": "The rope tears.", "url": "https://example.test/GHSA-rope",
		"package": "rigging-1.0.0", "package_name": "rigging", "package_version": "1.0.0", "package_type": "npm", "package_path": "/app/package.json",
		"purl": npm.PURL, "package_cpe": "", "feed": "vulnerabilities", "feed_group": "github:language:javascript",
		"fix": "1.0.1", "suggested_fix_version": "1.0.1", "risk_score": 2.94, "will_not_fix": false, "nvd_data": []any{}, "is_kev": false, "epss": []any{},
		"vendor_data": []any{map[string]any{
			"id": "GHSA-rope", "type": "Primary", "source": "osv",
			"cvss_v2": map[string]any{"base_score": nil, "exploitability_score": nil, "impact_score": nil},
			"cvss_v3": map[string]any{"base_score": 9.8, "exploitability_score": nil, "impact_score": nil},
		}},
	}
	if diff := cmp.Diff(want, raw.Vulnerabilities[0]); diff != "" {
		t.Error(diff)
	}
	if v := raw.Vulnerabilities[1]; v["fix"] != "None" || v["will_not_fix"] != true || v["package_path"] != "pkgdb" || v["feed_group"] != "debian:12" {
		t.Errorf("unfixed %v", v)
	}
}

func TestVulnerabilitiesAreSortedByRisk(t *testing.T) {
	t.Parallel()
	s := newServer(t)
	s.advise()
	s.fill("kev", "catalog", func(in *persistence.Staging) error { return in.Exploited(feed.Exploited{ID: "CVE-2026-1"}) })
	digest := s.known(testTag, "one")
	s.admin(http.MethodPost, "/v2/images", addTag).wants(http.StatusOK)
	s.analyze("admin", digest, npm, deb)
	for query, want := range map[string][]string{
		"":               {"GHSA-rope 2.94", "CVE-2026-1 20"},
		"&sort=severity": {"GHSA-rope 2.94", "CVE-2026-1 20"},
		"&sort=risk":     {"CVE-2026-1 20", "GHSA-rope 2.94"},
	} {
		var report oas.ImagePackageVulnerabilityResponse
		s.admin(http.MethodGet, "/v2/images/"+digest+"/vuln/all?vendor_only=false"+query, "").wants(http.StatusOK).decode(&report)
		got := each(report.Vulnerabilities, func(v oas.ImagePackageVulnerability) string { return fmt.Sprint(v.Vuln, " ", *v.RiskScore) })
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%q: %s", query, diff)
		}
	}
	s.admin(http.MethodGet, "/v2/images/"+digest+"/vuln/all?sort=name", "").fails(http.StatusBadRequest, codeInvalidRequest)
}

func TestComparisonWithABaseImage(t *testing.T) {
	t.Parallel()
	s := newServer(t)
	s.advise()
	baseDigest := s.known("registry.example:5000/team/base:1", "base")
	s.admin(http.MethodPost, "/v2/images", `{"source":{"tag":{"pull_string":"registry.example:5000/team/base:1"}}}`).wants(http.StatusOK)
	s.analyze("admin", baseDigest, deb)
	digest := s.known(testTag, "one")
	s.admin(http.MethodPost, "/v2/images", addTag).wants(http.StatusOK)
	s.analyze("admin", digest, npm, deb)
	inherited := func(base string) (map[string]bool, oas.ImagePackageVulnerabilityResponse) {
		var report oas.ImagePackageVulnerabilityResponse
		s.admin(http.MethodGet, "/v2/images/"+digest+"/vuln/all?vendor_only=false&base_digest="+base, "").wants(http.StatusOK).decode(&report)
		out := map[string]bool{}
		for _, v := range report.Vulnerabilities {
			if v.InheritedFromBase == nil {
				t.Fatalf("inherited_from_base is missing: %+v", v)
			}
			out[v.Vuln] = *v.InheritedFromBase
		}
		return out, report
	}
	got, report := inherited(baseDigest)
	if diff := cmp.Diff(map[string]bool{"CVE-2026-1": true, "GHSA-rope": false}, got); diff != "" || report.BaseImageProblems != nil {
		t.Error(diff, report.BaseImageProblems)
	}
	got, report = inherited(blob.Digest([]byte("unknown")))
	if diff := cmp.Diff(map[string]bool{"CVE-2026-1": false, "GHSA-rope": false}, got); diff != "" || report.BaseImageProblems == nil {
		t.Error(diff, "no problem is reported for an unknown base")
	}
}
