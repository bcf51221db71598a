package api

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"plimsoll/api/client"
	"plimsoll/api/oas"
	"plimsoll/engine/dockerfile"
	"plimsoll/engine/image"
	"plimsoll/persistence"
	"plimsoll/persistence/blob"
	"plimsoll/workflows"
)

// inscribed makes the registry have an image whose documents hold labels and annotations.
func (s *server) inscribed(ref, name string, labels, annotations map[string]string) string {
	s.t.Helper()
	digest := s.known(ref, name)
	put := func(document any) string {
		text, err := json.Marshal(document)
		must(s.t, err)
		digest, err := s.blobs.Put(s.t.Context(), text)
		must(s.t, err)
		return digest
	}
	found := s.starter.resolved[ref]
	found.ManifestBlob = put(map[string]any{"schemaVersion": 2, "annotations": annotations})
	found.ConfigBlob = put(map[string]any{"os": "linux", "config": map[string]any{"Labels": labels}})
	s.starter.resolved[ref] = found
	return digest
}

func addition(tag, more string) string {
	return `{"source":{"tag":{"pull_string":"` + tag + `"` + more + `}}}`
}

func TestAddingAllPlatforms(t *testing.T) {
	t.Parallel()
	s := newServer(t)
	first := s.known(testTag, "amd64")
	index := blob.Digest([]byte("index"))
	found := s.starter.resolved[testTag]
	found.Platform, found.ParentDigest = "linux/amd64", index
	var others []string
	for _, platform := range []string{"linux/arm64", "linux/arm/v7"} {
		other := found
		other.Platform, other.Digest, other.ParentDigest = platform, blob.Digest([]byte(platform)), ""
		others = append(others, other.Digest)
		found.Others = append(found.Others, other)
	}
	s.starter.resolved[testTag] = found

	var got oas.AnchoreImage
	s.admin(http.MethodPost, "/v2/images", addition(testTag, `,"platform":"all"`)).wants(http.StatusOK).decode(&got)
	if got.ImageDigest != first || got.ParentDigest != index || *got.Platform != "linux/amd64" {
		t.Errorf("added %+v", got)
	}
	want := []oas.PlatformImage{
		{Platform: "linux/amd64", ImageDigest: first, AnalysisStatus: persistence.NotAnalyzed},
		{Platform: "linux/arm64", ImageDigest: others[0], AnalysisStatus: persistence.NotAnalyzed},
		{Platform: "linux/arm/v7", ImageDigest: others[1], AnalysisStatus: persistence.NotAnalyzed},
	}
	if diff := cmp.Diff(&want, got.PlatformImages); diff != "" {
		t.Error(diff)
	}
	launched := map[string]bool{}
	for _, l := range s.starter.launched {
		launched[l.WorkflowID] = true
	}
	for _, w := range want {
		if !launched[workflows.AnalyzeImageID("admin", w.ImageDigest)] {
			t.Errorf("the analysis for %s was not started: %v", w.Platform, launched)
		}
	}
	listed := func(query string) (digests []string) {
		t.Helper()
		var list oas.AnchoreImageList
		s.admin(http.MethodGet, "/v2/images?"+query, "").wants(http.StatusOK).decode(&list)
		for _, image := range list.Items {
			digests = append(digests, image.ImageDigest)
			if len(image.ImageDetail) != 1 || image.ImageDetail[0].FullTag != testTag || image.ParentDigest != index {
				t.Errorf("%s: %+v", query, image)
			}
		}
		return digests
	}
	if diff := cmp.Diff([]string{first}, listed("full_tag="+testTag)); diff != "" {
		t.Errorf("the tag means: %s", diff)
	}
	if got := listed("parent_digest=" + index); len(got) != 3 {
		t.Errorf("images of the index: %v", got)
	}
	if got := listed("history=true&full_tag=" + testTag); len(got) != 3 {
		t.Errorf("images filed under the tag: %v", got)
	}
	s.admin(http.MethodPost, "/v2/images", addition(testTag, `,"platform":"linux"`)).fails(http.StatusBadRequest, codeInvalidRequest)
}

func TestLabelsAreShownAndSearched(t *testing.T) {
	t.Parallel()
	s := newServer(t)
	labels := map[string]string{"org.opencontainers.image.vendor": "Yard", "both": "label", "odd=key": "a=b"}
	digest := s.inscribed(testTag, "one", labels, map[string]string{"both": "annotation"})
	s.inscribed("docker.io/library/bare:1", "bare", nil, nil)
	s.admin(http.MethodPost, "/v2/images", addTag).wants(http.StatusOK)
	s.admin(http.MethodPost, "/v2/images", addition("docker.io/library/bare:1", "")).wants(http.StatusOK)

	document := func(digest string) image.Inscription {
		t.Helper()
		var got oas.MetadataResponse
		s.admin(http.MethodGet, "/v2/images/"+digest+"/metadata/labels", "").wants(http.StatusOK).decode(&got)
		text, err := base64.StdEncoding.DecodeString(got.Metadata)
		must(t, err)
		var says image.Inscription
		must(t, json.Unmarshal(text, &says))
		return says
	}
	if diff := cmp.Diff(image.Inscription{Labels: labels, Annotations: map[string]string{"both": "annotation"}}, document(digest)); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff(image.Inscription{Labels: map[string]string{}, Annotations: map[string]string{}}, document(blob.Digest([]byte("bare")))); diff != "" {
		t.Error(diff)
	}
	for query, want := range map[string]int{
		"label=both=annotation": 1, "label=both=label": 0, "label=org.opencontainers.image.vendor=Yard": 1,
		"label=both=annotation&label=org.opencontainers.image.vendor=Yard": 1, "label=both=annotation&label=gone=x": 0, "": 2,
	} {
		values := url.Values{}
		for _, pair := range strings.Split(query, "&") {
			if text, ok := strings.CutPrefix(pair, "label="); ok {
				values.Add("label", text)
			}
		}
		var list oas.AnchoreImageList
		s.admin(http.MethodGet, "/v2/images?"+values.Encode(), "").wants(http.StatusOK).decode(&list)
		if len(list.Items) != want {
			t.Errorf("%q: %d images, want %d", query, len(list.Items), want)
		}
	}
	s.admin(http.MethodGet, "/v2/images?label=nothing", "").fails(http.StatusBadRequest, codeInvalidRequest)
	s.admin(http.MethodGet, "/v2/images?label=a=1&label=a=2", "").fails(http.StatusBadRequest, codeInvalidRequest)
	big := image.Inscription{Labels: map[string]string{"a": strings.Repeat("x", 64<<10-10), "b": strings.Repeat("x", 20), "c": ""}}
	if got := big.Searchable(); len(got) != 1 || got["a"] == "" {
		t.Errorf("%d labels are kept", len(got))
	}
}

// Three images on top of each other: which one counts as the base of the fourth.
func TestBaseImageAmongThreeAncestors(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name                string
		labels, annotations map[string]string
		marked              string // name of the ancestor that a user marked
		unmarked            bool   // marks do not count
		want                string
	}{
		{name: "the nearest", want: "third"},
		{name: "named by digest", annotations: map[string]string{image.BaseDigestKey: blob.Digest([]byte("first"))}, want: "first"},
		{name: "named by the digest of its index", annotations: map[string]string{image.BaseDigestKey: blob.Digest([]byte("index of second"))}, want: "second"},
		{name: "named in a label", labels: map[string]string{image.BaseNameKey: "docker.io/library/second:1"}, want: "second"},
		{name: "named as people do", labels: map[string]string{image.BaseNameKey: "second:1"}, want: "second"},
		{name: "digest before name", annotations: map[string]string{image.BaseNameKey: "second:1", image.BaseDigestKey: blob.Digest([]byte("first"))}, want: "first"},
		{name: "no ancestor by that name", annotations: map[string]string{image.BaseNameKey: "stranger:1", image.BaseDigestKey: "x"}, want: "third"},
		{name: "marked by a user", annotations: map[string]string{image.BaseNameKey: "second:1"}, marked: "first", want: "first"},
		{name: "marks switched off", marked: "first", unmarked: true, want: "third"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			s := newServer(t, func(_ *Deps, c *Config) { c.UserBaseImages = !tt.unmarked })
			s.advise()
			s.admin(http.MethodPost, "/v2/policies", inheritance).wants(http.StatusOK)
			var layers []string
			for _, name := range []string{"first", "second", "third", "ship"} {
				ref := "docker.io/library/" + name + ":1"
				digest := s.known(ref, name)
				if name == "ship" {
					s.inscribed(ref, name, tt.labels, tt.annotations)
				} else {
					found := s.starter.resolved[ref]
					found.ParentDigest = blob.Digest([]byte("index of " + name))
					s.starter.resolved[ref] = found
				}
				body := addition(ref, "")
				if name == tt.marked {
					body = strings.TrimSuffix(body, "}") + `,"annotations":{"` + persistence.MarkedBaseKey + `":"true"}}`
				}
				s.admin(http.MethodPost, "/v2/images", body).wants(http.StatusOK)
				layers = append(layers, "layer "+name)
				switch name {
				case "ship":
					s.analyzeLayers("admin", digest, layers, npm, deb)
				case tt.want:
					s.analyzeLayers("admin", digest, layers, deb)
				default:
					s.analyzeLayers("admin", digest, layers)
				}
			}
			var got []oas.ImageAncestor
			image := "/v2/images/" + blob.Digest([]byte("ship"))
			s.admin(http.MethodGet, image+"/ancestors", "").wants(http.StatusOK).decode(&got)
			if len(got) != 3 {
				t.Fatalf("ancestors %+v", got)
			}
			for i, name := range []string{"first", "second", "third"} {
				a := got[i]
				if a.ImageDigest != blob.Digest([]byte(name)) || len(a.Layers) != i+1 || a.Layers[i] != blob.Digest([]byte("layer "+name)) ||
					a.ParentDigest != blob.Digest([]byte("index of "+name)) || a.ChosenBaseImage != (name == tt.want) || a.UserMarkedBase != (name == tt.marked) {
					t.Errorf("ancestor %d: %+v; chosen should be %s", i, a, tt.want)
				}
			}
			check := s.admin(http.MethodGet, image+"/check?tag=docker.io/library/ship:1&base_digest=auto", "").wants(http.StatusOK)
			if !strings.Contains(check.body, blob.Digest([]byte(tt.want))) {
				t.Errorf("the comparison is not with %s: %s", tt.want, check.body)
			}
			s.inherits(image)
		})
	}
}

// inheritance is a policy with a rule for what the base image has and one for what it has not.
const inheritance = `{"id":"inheritance","name":"p","version":"2","mappings":[{"id":"m","name":"m","registry":"*","repository":"*",
"image":{"type":"tag","value":"*"},"rule_set_ids":["rs"],"allowlist_ids":[]}],"rule_sets":[{"id":"rs","name":"rs","version":"2","rules":[
{"id":"inherited","gate":"vulnerabilities","trigger":"package","action":"WARN","params":[{"name":"package_type","value":"all"},{"name":"vendor_only","value":"false"},{"name":"inherited_from_base","value":"true"}]},
{"id":"own","gate":"vulnerabilities","trigger":"package","action":"STOP","params":[{"name":"package_type","value":"all"},{"name":"vendor_only","value":"false"},{"name":"inherited_from_base","value":"false"}]},
{"id":"any","gate":"vulnerabilities","trigger":"package","action":"STOP","params":[{"name":"package_type","value":"all"},{"name":"vendor_only","value":"false"}]}]}]}`

// inherits checks that the list of vulnerabilities, rules that ask, and a comparison of findings agree: the base has deb and
// what is wrong with it, and not npm.
func (s *server) inherits(image string) {
	s.t.Helper()
	var report oas.ImagePackageVulnerabilityResponse
	s.admin(http.MethodGet, image+"/vuln/all?vendor_only=false&base_digest=auto", "").wants(http.StatusOK).decode(&report)
	var check client.PolicyEvaluation
	s.admin(http.MethodGet, image+"/check?tag=docker.io/library/ship:1&policy_id=inheritance&base_digest=auto", "").wants(http.StatusOK).decode(&check)
	var got []string
	for _, v := range report.Vulnerabilities {
		got = append(got, fmt.Sprintf("%s listed %t", v.Vuln, *v.InheritedFromBase))
	}
	for _, f := range check.Evaluations[0].Details.Findings {
		id, _, _ := strings.Cut(f.TriggerId, "+")
		got = append(got, fmt.Sprintf("%s %s, compared %t", id, f.RuleId, *f.InheritedFromBase))
	}
	slices.Sort(got)
	// Of the base itself, nothing is inherited: the rule "inherited" finds nothing there.
	want := []string{
		"CVE-2026-1 any, compared true", "CVE-2026-1 inherited, compared false", "CVE-2026-1 listed true",
		"GHSA-rope any, compared false", "GHSA-rope listed false", "GHSA-rope own, compared false",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		s.t.Errorf("inherited (-want +got):\n%s", diff)
	}
}

func TestReferrersAreListed(t *testing.T) {
	t.Parallel()
	s := newServer(t)
	digest := s.known(testTag, "one")
	s.admin(http.MethodPost, "/v2/images", addTag).wants(http.StatusOK)
	path := "/v2/images/" + digest + "/referrers"
	if got := s.admin(http.MethodGet, path, "").wants(http.StatusOK); strings.Contains(got.body, "listed_at") || !strings.Contains(got.body, `"items":[]`) {
		t.Errorf("never listed: %s", got.body)
	}
	at := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	must(t, persistence.NewReferrers(s.pool).Store(t.Context(), "admin", digest, persistence.ReferrerListing{
		ListedAt: at, Problem: "registry.example: no answer",
		Referrers: []persistence.Referrer{{Subject: digest, Referrer: blob.Digest([]byte("sbom")), ArtifactType: "application/spdx+json", MediaType: "m", Size: 7, FoundBy: "referrers_api"}},
	}))
	var got oas.ImageReferrers
	s.admin(http.MethodGet, path, "").wants(http.StatusOK).decode(&got)
	problem := "registry.example: no answer"
	want := oas.ImageReferrers{ImageDigest: digest, ListedAt: &at, Problem: &problem, Items: []oas.ImageReferrer{{
		Subject: digest, Digest: blob.Digest([]byte("sbom")), ArtifactType: "application/spdx+json", MediaType: "m", Size: 7,
		Annotations: map[string]string{}, FoundBy: "referrers_api",
	}}}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	stranger := s.user("quay", "mate1", "full-control")
	s.request(http.MethodGet, path, "", stranger).fails(http.StatusNotFound, codeImageNotFound)
}

func TestDockerfilesAreChecked(t *testing.T) {
	t.Parallel()
	s := newServer(t)
	s.known(testTag, "one")
	for name, tt := range map[string]struct {
		text, code string
	}{
		"binary":         {"FROM a\n\x00", codeInvalidRequest},
		"not UTF-8":      {"FROM \xff", codeInvalidRequest},
		"only remarks":   {"# nothing\n\n", codeInvalidRequest},
		"too many lines": {strings.Repeat("\n", dockerfile.MaxLines+1), codeLimitExceeded},
	} {
		body := addition(testTag, `,"dockerfile":"`+base64.StdEncoding.EncodeToString([]byte(tt.text))+`"`)
		if got := s.admin(http.MethodPost, "/v2/images", body); got.status != http.StatusBadRequest || !strings.Contains(got.body, tt.code) {
			t.Errorf("%s: %d %s", name, got.status, got.body)
		}
	}
	s.admin(http.MethodPost, "/v2/images", addition(testTag, `,"dockerfile":"`+base64.StdEncoding.EncodeToString([]byte("FROM a\n"))+`"`)).wants(http.StatusOK)
}
