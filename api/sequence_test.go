package api

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"plimsoll/persistence/blob"
	"plimsoll/workflows"
)

// jsonType is what several clients send with every request, also with one that has no body.
var jsonType = header("Content-Type", "application/json")

// field follows a path of keys through a decoded answer.
func (a answer) field(path ...string) any {
	a.t.Helper()
	var value any
	a.decode(&value)
	for _, key := range path {
		object, ok := value.(map[string]any)
		if !ok {
			a.t.Fatalf("%s has no %s", a.body, strings.Join(path, "."))
		}
		value = object[key]
	}
	return value
}

// The plugin of a build server sends no credentials until it is challenged, and takes nothing but 200 for an added image.
func TestBuildServerPluginSequence(t *testing.T) {
	t.Parallel()
	s, _, base := harbour(t)
	digest := s.known("docker.io/library/ship:2", "two")
	if got := s.request(http.MethodGet, "/v2/version", "", jsonType).wants(http.StatusOK); got.field("api", "version") != "2" {
		t.Errorf("version %s", got.body)
	}
	add := `{"source":{"tag":{"pull_string":"library/ship:2","dockerfile":"RlJPTSBzZWEK"}},"annotations":{"build":"17"}}`
	challenge := s.request(http.MethodPost, "/v2/images?force=true", add, jsonType)
	challenge.fails(http.StatusUnauthorized, codeUnauthenticated)
	if challenge.header.Get("WWW-Authenticate") != `basic realm="Authentication required"` {
		t.Errorf("challenge %v", challenge.header)
	}
	if got := s.admin(http.MethodPost, "/v2/images?force=true", add, jsonType).wants(http.StatusOK); got.field("image_digest") != digest {
		t.Errorf("added %s", got.body)
	}
	image := "/v2/images/" + digest
	if got := s.admin(http.MethodGet, image, "", jsonType).wants(http.StatusOK); got.field("analysis_status") != "not_analyzed" {
		t.Errorf("image %s", got.body)
	}
	s.admin(http.MethodGet, image+"/check?tag=library/ship:2&detail=true", "", jsonType).fails(http.StatusNotFound, codeImageNotAnalyzed)
	s.analyzeLayers("admin", digest, []string{"layer", "above"}, npm, deb)

	var ancestors []struct {
		Digest string   `json:"image_digest"`
		Parent string   `json:"parent_digest"`
		Tags   []string `json:"tags"`
		Layers []string `json:"layers"`
		Chosen bool     `json:"chosen_base_image"`
	}
	s.admin(http.MethodGet, image+"/ancestors", "", jsonType).wants(http.StatusOK).decode(&ancestors)
	if len(ancestors) != 1 || ancestors[0].Digest != base || !ancestors[0].Chosen || len(ancestors[0].Layers) != 1 {
		t.Fatalf("ancestors %+v", ancestors)
	}
	if diff := cmp.Diff([]string{"docker.io/library/base:1"}, ancestors[0].Tags); diff != "" || ancestors[0].Parent != base {
		t.Error(diff, ancestors)
	}
	if got := s.admin(http.MethodGet, "/v2/images/"+base+"/ancestors", "").wants(http.StatusOK); strings.TrimSpace(got.body) != "[]" {
		t.Errorf("ancestors of the base: %s", got.body)
	}
	for query, want := range map[string]string{"&base_digest=" + base: base, "&base_digest=auto": base} {
		check := s.admin(http.MethodGet, image+"/check?tag=library/ship:2&detail=true&policy_id="+query, "", jsonType).wants(http.StatusOK)
		var answer clientEvaluation
		check.decode(&answer)
		result := answer.Evaluations[0].Value
		for _, f := range result.Details.Value.Findings {
			if f.Value.Inherited == nil {
				t.Errorf("%s: inherited_from_base is missing: %+v", query, f.Value)
			}
		}
		if result.Comparison == nil || *result.Comparison != want {
			t.Errorf("%s: compared with %v", query, result.Comparison)
		}
	}
	report := s.admin(http.MethodGet, image+"/vuln/all?vendor_only=false&base_digest=auto", "", jsonType).wants(http.StatusOK)
	if report.field("base_digest") != base {
		t.Errorf("report %s", report.body)
	}
	for _, v := range report.field("vulnerabilities").([]any) {
		if inherited := v.(map[string]any)["inherited_from_base"]; inherited != (v.(map[string]any)["vuln"] == "CVE-2026-1") {
			t.Errorf("inherited %v: %v", inherited, v)
		}
	}
}

// Without an ancestor there is no base image: nothing is inherited, and that is said of each finding.
func TestAutomaticBaseWithoutAncestors(t *testing.T) {
	t.Parallel()
	s, _, base := harbour(t)
	var answer clientEvaluation
	s.admin(http.MethodGet, "/v2/images/"+base+"/check?base_digest=auto&tag=library/base:1", "").wants(http.StatusOK).decode(&answer)
	result := answer.Evaluations[0].Value
	if result.Comparison != nil || len(result.Details.Value.Findings) == 0 {
		t.Fatalf("compared %+v", result)
	}
	for _, f := range result.Details.Value.Findings {
		if f.Value.Inherited == nil || *f.Value.Inherited {
			t.Errorf("finding %+v", f.Value)
		}
	}
	report := s.admin(http.MethodGet, "/v2/images/"+base+"/vuln/all?vendor_only=false&base_digest=auto", "").wants(http.StatusOK)
	if _, named := report.field().(map[string]any)["base_digest"]; named || strings.Contains(report.body, `"inherited_from_base":true`) || strings.Contains(report.body, "base_image_problems") {
		t.Errorf("report %s", report.body)
	}
	s.admin(http.MethodGet, "/v2/images/"+blob.Digest([]byte("unknown"))+"/ancestors", "").fails(http.StatusNotFound, codeImageNotFound)
	stranger := s.user("quay", "other", "read-only")
	s.request(http.MethodGet, "/v2/images/"+base+"/ancestors", "", stranger).fails(http.StatusNotFound, codeImageNotFound)
}

// The scanner of a registry asks for the version at the root, hands its credential over, then waits for feeds and report.
func TestRegistryScannerSequence(t *testing.T) {
	t.Parallel()
	s := newServer(t)
	s.advise()
	if got := s.request(http.MethodGet, "/version", "", jsonType).wants(http.StatusOK); got.field("api", "version") != "2" {
		t.Errorf("version %s", got.body)
	}
	credential := `{"registry":"core.example:5000/library/ship","registry_name":"core.example:5000/library/ship","registry_user":"robot$x","registry_pass":"p","registry_type":"docker_v2","registry_verify":false}`
	s.admin(http.MethodPost, "/v2/registries?validate=false", credential, jsonType).wants(http.StatusOK)
	if again := s.admin(http.MethodPost, "/v2/registries?validate=false", credential, jsonType).fails(http.StatusConflict, codeRegistryExists); again.Message != "registry already exists in DB" {
		t.Errorf("message %q", again.Message)
	}
	s.admin(http.MethodPut, "/v2/registries/core.example:5000/library/ship?validate=false", credential, jsonType).wants(http.StatusOK)

	digest := blob.Digest([]byte("one"))
	ref := "core.example:5000/library/ship@" + digest
	s.known(ref, "one")
	add := `{"image_type":"docker","source":{"digest":{"pull_string":"` + ref + `","tag":"core.example:5000/library/ship:1","creation_timestamp_override":"2026-01-02T03:04:05Z"}}}`
	s.admin(http.MethodPost, "/v2/images", add, jsonType).wants(http.StatusOK)
	if waiting := s.admin(http.MethodGet, "/v2/images/"+digest+"/vuln/all?vendor_only=false", "", jsonType).fails(http.StatusNotFound, codeImageNotAnalyzed); !strings.Contains(waiting.Message, "analysis_status: not_analyzed") {
		t.Errorf("message %q", waiting.Message)
	}
	s.analyze("admin", digest, npm, deb)
	for _, path := range []string{"/v2/images/" + digest, "/v2/images/sha256%3A" + digest[7:], "/v2/images/sha256%3a" + digest[7:] + "/"} {
		s.admin(http.MethodGet, path, "", jsonType).wants(http.StatusOK)
	}
	report := s.admin(http.MethodGet, "/v2/images/"+digest+"/vuln/all?vendor_only=False&include_vuln_description=True", "", jsonType).wants(http.StatusOK)
	fixes := map[any]any{}
	for _, v := range report.field("vulnerabilities").([]any) {
		fixes[v.(map[string]any)["vuln"]] = v.(map[string]any)["fix"]
	}
	if diff := cmp.Diff(map[any]any{"GHSA-rope": "1.0.1", "CVE-2026-1": "None"}, fixes); diff != "" {
		t.Error(diff)
	}
}

// Whoever waits for a new installation looks at the feeds until each group is loaded.
func TestWaitingForFeeds(t *testing.T) {
	t.Parallel()
	s := newServer(t)
	type group struct {
		Name        string  `json:"name"`
		LastSync    *string `json:"last_sync"`
		RecordCount int     `json:"record_count"`
		Enabled     bool    `json:"enabled"`
	}
	read := func() (loaded bool, groups []group) {
		var feeds []struct {
			Name         string  `json:"name"`
			Enabled      bool    `json:"enabled"`
			LastFullSync *string `json:"last_full_sync"`
			Groups       []group `json:"groups"`
		}
		s.admin(http.MethodGet, "/v2/system/feeds", "", jsonType).wants(http.StatusOK).decode(&feeds)
		if len(feeds) != 1 || feeds[0].Name != "vulnerabilities" || !feeds[0].Enabled {
			t.Fatalf("feeds %+v", feeds)
		}
		return feeds[0].LastFullSync != nil, feeds[0].Groups
	}
	if loaded, groups := read(); loaded || len(groups) != 0 {
		t.Errorf("before the first synchronisation: %v, %+v", loaded, groups)
	}
	s.starter.sync = func() (workflows.SyncFeedsResult, bool, error) {
		s.advise()
		return workflows.SyncFeedsResult{Groups: []workflows.GroupResult{{Source: "osv", Group: "all", Added: 2}}}, true, nil
	}
	if got := s.admin(http.MethodPost, "/v2/system/feeds?force_sync=False", "", jsonType).wants(http.StatusOK); got.field("message") == "" {
		t.Errorf("synchronised: %s", got.body)
	}
	loaded, groups := read()
	if !loaded || len(groups) != 1 || groups[0].LastSync == nil || !strings.HasSuffix(*groups[0].LastSync, "Z") || groups[0].RecordCount == 0 || !groups[0].Enabled {
		t.Errorf("after it: %v, %+v", loaded, groups)
	}
}

// An admission controller finds the image of a tag, takes the first one, and wants to know whether it passes.
func TestAdmissionSequence(t *testing.T) {
	t.Parallel()
	s := newServer(t)
	find := "/v2/images?full_tag=registry.example%3A5000%2Fteam%2Fship%3A1.0"
	s.admin(http.MethodGet, find, "", jsonType).fails(http.StatusNotFound, codeImageNotFound)
	for _, name := range []string{"one", "two"} {
		s.known(testTag, name)
		s.admin(http.MethodPost, "/v2/images", addTag).wants(http.StatusOK)
	}
	newest := blob.Digest([]byte("two"))
	items := s.admin(http.MethodGet, find, "", jsonType).wants(http.StatusOK).field("items").([]any)
	if len(items) != 1 || items[0].(map[string]any)["image_digest"] != newest {
		t.Fatalf("images of the tag: %v", items)
	}
	s.analyze("admin", newest, npm)
	check := s.admin(http.MethodGet, "/v2/images/"+newest+"/check?tag=registry.example%3A5000%2Fteam%2Fship%3A1.0&detail=false", "", jsonType).wants(http.StatusOK)
	if first := check.field("evaluations").([]any)[0].(map[string]any); first["status"] != "pass" || first["details"] != nil {
		t.Errorf("checked %s", check.body)
	}
}

// One image has one full tag, however it is spelled: on adding, listing and checking alike. A library/ is never added.
func TestTagsAreReadAlikeEverywhere(t *testing.T) {
	t.Parallel()
	s := newServer(t)
	for i, spellings := range [][]string{
		{"docker.io/ship:latest", "ship", "ship:latest", "docker.io/ship", "dockerhub/ship"},
		{"docker.io/library/ship:latest", "library/ship", "docker.io/library/ship", "dockerhub/library/ship:latest"},
		{"localhost/ship:1", "localhost/ship:1"},
		{"h.example:5000/ship:latest", "h.example:5000/ship"},
	} {
		want := spellings[0]
		digest := s.known(want, want)
		for _, spelling := range spellings {
			body, err := json.Marshal(map[string]any{"source": map[string]any{"tag": map[string]any{"pull_string": spelling}}})
			must(t, err)
			added := s.admin(http.MethodPost, "/v2/images", string(body)).wants(http.StatusOK)
			if detail := added.field("image_detail").([]any); len(detail) != 1 || detail[0].(map[string]any)["full_tag"] != want {
				t.Errorf("%s was added as %v", spelling, detail)
			}
		}
		s.analyze("admin", digest, npm)
		for _, spelling := range spellings {
			found := s.admin(http.MethodGet, "/v2/images?full_tag="+spelling, "").wants(http.StatusOK).field("items").([]any)
			if len(found) != 1 || found[0].(map[string]any)["image_digest"] != digest {
				t.Errorf("%s finds %v", spelling, found)
			}
			check := s.admin(http.MethodGet, "/v2/images/"+digest+"/check?tag="+spelling, "").wants(http.StatusOK)
			if check.field("evaluated_tag") != want {
				t.Errorf("%s is checked as %v", spelling, check.field("evaluated_tag"))
			}
		}
		if all := s.admin(http.MethodGet, "/v2/images", "").field("items").([]any); len(all) != i+1 {
			t.Errorf("%d images after %s", len(all), want)
		}
	}
}

// The command line client of old reads a record and sends it back whole to activate it.
func TestPolicyRecordsGoRoundTrip(t *testing.T) {
	t.Parallel()
	s := newServer(t)
	s.admin(http.MethodPost, "/v2/policies", strictDocument, jsonType).wants(http.StatusOK)
	record := s.admin(http.MethodGet, "/v2/policies/full?detail=True", "", jsonType).wants(http.StatusOK)
	if again := s.admin(http.MethodPut, "/v2/policies/full?active=True", record.body, jsonType).wants(http.StatusOK); again.field("active") != true {
		t.Errorf("activated %s", again.body)
	}
	s.admin(http.MethodDelete, "/v2/policies/full", "", jsonType).fails(http.StatusConflict, codePolicyActive)
	other := policyID(t)
	bare := s.admin(http.MethodGet, "/v2/policies/"+other+"?detail=false", "").wants(http.StatusOK)
	var fields map[string]any
	bare.decode(&fields)
	fields["policy"], fields["active"] = nil, true
	body, err := json.Marshal(fields)
	must(t, err)
	if got := s.admin(http.MethodPut, "/v2/policies/"+other, string(body)).wants(http.StatusOK); got.field("active") != true || got.field("policy", "id") != other {
		t.Errorf("a record with a null document: %s", got.body)
	}
	s.admin(http.MethodDelete, "/v2/policies/full", "").wants(http.StatusNoContent)
}

// Agents tell failures apart by the words of the message.
func TestWordsOfRefusals(t *testing.T) {
	t.Parallel()
	s := newServer(t)
	mate := s.user("harbour", "mate1", "read-only")
	denied := s.request(http.MethodPost, "/v2/images", addTag, mate).fails(http.StatusForbidden, codePermissionDenied)
	if want := "Not authorized. Requires permissions: domain=harbour action=createImage target="; !strings.HasPrefix(denied.Message, want) {
		t.Errorf("message %q, want %q", denied.Message, want)
	}
	elsewhere := s.request(http.MethodGet, "/v2/images", "", mate, in("ghost")).fails(http.StatusForbidden, codePermissionDenied)
	if !strings.HasPrefix(elsewhere.Message, "Not authorized. Requires permissions: domain=ghost action=listImages") {
		t.Errorf("message %q", elsewhere.Message)
	}
	if unknown := s.admin(http.MethodGet, "/v2/images", "", in("ghost")).fails(http.StatusNotFound, codeAccountNotFound); !strings.Contains(unknown.Message, "User account not found") {
		t.Errorf("message %q", unknown.Message)
	}
	s.admin(http.MethodPut, "/v2/accounts/harbour/state", `{"state":"disabled"}`).wants(http.StatusOK)
	if off := s.request(http.MethodGet, "/v2/images", "", mate).fails(http.StatusForbidden, codeAccountDisabled); off.Message != "Not authorized. Account harbour not enabled." {
		t.Errorf("message %q", off.Message)
	}
}

// Spellings of one request that clients use must mean the same.
func TestSpellingsOfARequest(t *testing.T) {
	t.Parallel()
	s, digest, base := harbour(t)
	same := func(method string, first string, others ...string) {
		t.Helper()
		want := s.admin(method, first, "").wants(http.StatusOK)
		for _, other := range others {
			if got := s.admin(method, other, "", jsonType).wants(http.StatusOK); got.body != want.body {
				t.Errorf("%s answers\n%sand %s\n%s", first, want.body, other, got.body)
			}
		}
	}
	same(http.MethodGet, "/v2/images", "/v2/images/", "/v2/images?history=False", "/v2/images?history=&image_status=&analysis_status=&full_tag=", "/v2/images/?image_status=active&unknown=1")
	same(http.MethodGet, "/v2/images/"+digest, "/v2/images/"+digest+"/", "/v2/images/sha256%3A"+digest[7:])
	same(http.MethodGet, "/v2/policies?detail=true", "/v2/policies/?detail=True", "/v2/policies?detail=TRUE&detail=")
	same(http.MethodGet, "/v2/accounts/admin/users/admin", "/v2/accounts/%61dmin/users/admin/")
	same(http.MethodGet, "/v2/images/"+digest+"/vuln/all?vendor_only=false", "/v2/images/"+digest+"/vuln/all/?vendor_only=False&force_refresh=&base_digest=")
	s.admin(http.MethodDelete, "/v2/images?image_digests="+digest+"&image_digests="+base+"&force=True", "", jsonType).wants(http.StatusOK)
	same(http.MethodDelete, "/v2/images?image_digests="+digest+","+base, "/v2/images?image_digests="+digest+"&image_digests="+base, "/v2/images/?image_digests="+digest+"%2C"+base)
}

// Agents refuse servers older than 5.11.
func TestVersionsClientsAccept(t *testing.T) {
	t.Parallel()
	s := newServer(t)
	for _, path := range []string{"/version", "/version/", "/v2/version", "/v2/version/"} {
		got := s.request(http.MethodGet, path, "", jsonType).wants(http.StatusOK)
		if text, _ := got.field("service", "version").(string); !newEnough(text) || got.field("api", "version") != "2" {
			t.Errorf("%s answers %s", path, got.body)
		}
	}
	for text, want := range map[string]bool{"5.11.0": true, "5.9.9": false, "6.0.0": true, "0.1.0": false} {
		if newEnough(text) != want {
			t.Errorf("%s: %v", text, !want)
		}
	}
}

func newEnough(version string) bool {
	var major, minor, patch int
	n, err := fmt.Sscanf(version, "%d.%d.%d", &major, &minor, &patch)
	return err == nil && n == 3 && (major > 5 || major == 5 && minor >= 11)
}
