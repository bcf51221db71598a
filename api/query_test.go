package api

import (
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"plimsoll/api/oas"
	"plimsoll/engine/feed"
	"plimsoll/persistence"
)

// fill commits a group of a source.
func (s *server) fill(source, group string, load func(*persistence.Staging) error) {
	s.t.Helper()
	_, err := persistence.NewFeeds(s.pool).Commit(s.t.Context(), persistence.CommitFeed{Source: source, Group: group, At: time.Now(), Load: load})
	must(s.t, err)
}

// fleet are three images of admin and one of another account.
func fleet(t *testing.T) (s *server, digests []string) {
	t.Helper()
	s = newServer(t)
	s.advise()
	for i := range 3 {
		digest := s.known(fmt.Sprintf("docker.io/library/ship:%d", i), fmt.Sprint("ship", i))
		s.admin(http.MethodPost, "/v2/images", fmt.Sprintf(`{"source":{"tag":{"pull_string":"library/ship:%d"}}}`, i)).wants(http.StatusOK)
		if i < 2 {
			s.analyze("admin", digest, npm, deb)
		} else {
			s.analyze("admin", digest, deb)
		}
		digests = append(digests, digest)
	}
	return s, digests
}

// pages asks until there is no next page, and returns what each one held.
func (s *server) pages(path string, options ...func(*http.Request)) (out []string) {
	s.t.Helper()
	mark := ""
	for range 10 {
		var list oas.PaginatedImageList
		s.request(http.MethodGet, path+"&page="+url.QueryEscape(mark), "", options...).wants(http.StatusOK).decode(&list)
		var line []string
		for _, i := range list.Images {
			line = append(line, i.Image.TagHistory[0].Tag)
			for _, p := range i.Packages {
				line = append(line, p.Name+"-"+*p.Version)
			}
		}
		out = append(out, strings.Join(line, " "))
		if list.ReturnedCount != len(list.Images) {
			s.t.Errorf("returned_count %d of %d", list.ReturnedCount, len(list.Images))
		}
		if list.NextPage == nil {
			return out
		}
		mark = *list.NextPage
	}
	s.t.Fatal("pages never end")
	return nil
}

func TestImagesAreFoundByWhatIsInThem(t *testing.T) {
	t.Parallel()
	s, digests := fleet(t)
	order := func(tags ...int) []string { // by digest
		byDigest := map[string]int{}
		var found []string
		for _, i := range tags {
			byDigest[digests[i]] = i
			found = append(found, digests[i])
		}
		slices.Sort(found)
		return each(found, func(d string) string { return fmt.Sprint(byDigest[d]) })
	}
	package1 := each(order(0, 1), func(tag string) string { return tag + " rigging-1.0.0" })
	for question, want := range map[string][]string{
		"/v2/query/images/by-package?name=rigging":                                        {strings.Join(package1, " ")},
		"/v2/query/images/by-package?name=rigging&limit=1":                                append(package1, ""),
		"/v2/query/images/by-package?name=rigging&version=1.0.0&package_type=npm&limit=5": {strings.Join(package1, " ")},
		"/v2/query/images/by-package?name=rigging&version=2":                              {""},
		"/v2/query/images/by-package?name=nobody":                                         {""},
		"/v2/query/images/by-vulnerability?vulnerability_id=GHSA-rope":                    {strings.Join(package1, " ")},
		"/v2/query/images/by-vulnerability?vulnerability_id=GHSA-rope&severity=Low":       {""},
		"/v2/query/images/by-vulnerability?vulnerability_id=GHSA-rope&severity=Critical&namespace=github:language:javascript&affected_package=rigging": {strings.Join(package1, " ")},
		"/v2/query/images/by-vulnerability?vulnerability_id=CVE-2026-1":                                                                                {""}, // will not be fixed
		"/v2/query/images/by-vulnerability?vulnerability_id=CVE-1&namespace=npm":                                                                       {""},
	} {
		if diff := cmp.Diff(want, s.pages(question, as(persistence.AdminUser, adminPassword))); diff != "" {
			t.Errorf("%s: %s", question, diff)
		}
	}
	if got := s.pages("/v2/query/images/by-vulnerability?vulnerability_id=CVE-2026-1&vendor_only=false", as(persistence.AdminUser, adminPassword)); len(strings.Fields(got[0])) != 6 {
		t.Errorf("what will not be fixed: %v", got)
	}
	stranger := s.user("globex", "eve", "full-control")
	for _, question := range []string{"by-package?name=rigging", "by-vulnerability?vulnerability_id=GHSA-rope"} {
		if got := s.pages("/v2/query/images/"+question, stranger); got[0] != "" {
			t.Errorf("%s of another account: %v", question, got)
		}
	}
	s.admin(http.MethodGet, "/v2/query/images/by-package", "").fails(http.StatusBadRequest, codeInvalidRequest)
	s.admin(http.MethodGet, "/v2/query/images/by-package?name=a&page=2", "").fails(http.StatusBadRequest, codeInvalidRequest)
	s.admin(http.MethodGet, "/v2/query/images/by-package?name=a&limit=-1", "").fails(http.StatusBadRequest, codeInvalidRequest)
}

func TestVulnerabilityRecordsAreLookedUp(t *testing.T) {
	t.Parallel()
	s := newServer(t)
	s.advise()
	score := 7.5
	s.fill("nvd", "2026", func(in *persistence.Staging) error {
		return in.Record(feed.Record{Vulnerability: feed.Vulnerability{
			Source: "nvd", ID: "CVE-2026-1", Severity: feed.High, Description: "A hole.", References: []string{"https://example.test/hole"},
			CVSS: []feed.CVSS{{Version: "3.1", By: "cna@example.test", Secondary: true}, {Version: "3.1", Base: &score, By: "nvd@nist.gov"}},
		}})
	})
	s.fill("epss", "scores", func(in *persistence.Staging) error {
		return in.Score(feed.Score{ID: "CVE-2026-1", Probability: 0.5, Percentile: 0.75, Date: time.Now()})
	})
	s.fill("kev", "catalogue", func(in *persistence.Staging) error { return in.Exploited(feed.Exploited{ID: "CVE-2026-1"}) })
	ask := func(query string) oas.PaginatedVulnerabilityList {
		t.Helper()
		var list oas.PaginatedVulnerabilityList
		s.admin(http.MethodGet, "/v2/query/vulnerabilities?"+query, "").wants(http.StatusOK).decode(&list)
		return list
	}
	lines := func(list oas.PaginatedVulnerabilityList) (out []string) {
		for _, v := range list.Vulnerabilities {
			line := v.Id + " " + v.Namespace + " " + string(v.Severity)
			for _, p := range v.AffectedPackages {
				line += " " + p.Name + "=" + orElse(p.Version, "none")
			}
			out = append(out, line)
		}
		return out
	}
	for query, want := range map[string][]string{
		"id=GHSA-rope":                        {"GHSA-rope github:language:javascript Critical rigging=1.0.1"},
		"id=CVE-2026-1,GHSA-rope,CVE-9":       {"CVE-2026-1 debian:12 Low hull=none", "CVE-2026-1 nvdv2:cves High", "GHSA-rope github:language:javascript Critical rigging=1.0.1"},
		"id=CVE-2026-1&namespace=nvdv2:cves":  {"CVE-2026-1 nvdv2:cves High"},
		"id=CVE-2026-1&namespace=x:1":         nil,
		"id=GHSA-rope&affected_package=other": nil,
		"id=GHSA-rope&affected_package=rigging&affected_package_version=1.0.1": {"GHSA-rope github:language:javascript Critical rigging=1.0.1"},
		"id=GHSA-rope&affected_package=rigging&affected_package_version=9":     nil,
	} {
		if diff := cmp.Diff(want, lines(ask(query))); diff != "" {
			t.Errorf("%s: %s", query, diff)
		}
	}
	first := ask("id=CVE-2026-1,GHSA-rope&limit=2")
	if first.NextPage == nil || len(first.Vulnerabilities) != 2 {
		t.Fatalf("first page %+v", first)
	}
	if rest := ask("id=CVE-2026-1,GHSA-rope&limit=2&page=" + *first.NextPage); rest.NextPage != nil || len(rest.Vulnerabilities) != 1 || rest.Page != *first.NextPage {
		t.Errorf("second page %+v", rest)
	}
	nvd := first.Vulnerabilities[0].NvdData
	if len(nvd) != 2 || *nvd[0].Source != "nvd@nist.gov" || *nvd[0].CvssV3.BaseScore != 7.5 || *nvd[1].Type != scoreSecond || !*nvd[0].IsKev || nvd[0].Epss.Epss != 0.5 {
		t.Errorf("scores %+v", nvd)
	}
	s.admin(http.MethodGet, "/v2/query/vulnerabilities", "").fails(http.StatusBadRequest, codeInvalidRequest)
	if got := first.Vulnerabilities[1]; got.References[0].Url != "https://example.test/hole" || got.Description != "A hole." || len(got.VendorData) != 0 {
		t.Errorf("record %+v", got)
	}
}
