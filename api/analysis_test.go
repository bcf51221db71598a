package api

import (
	"encoding/base64"
	"encoding/json"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"plimsoll/api/oas"
	"plimsoll/engine/catalog"
	"plimsoll/engine/image"
	"plimsoll/persistence"
)

// gap makes the analysis of an image one that could not read everything.
func (s *server) gap(digest string, missing ...catalog.Incompleteness) {
	s.t.Helper()
	analysis, err := persistence.NewAnalyses(s.pool).OfImage(s.t.Context(), "admin", digest)
	must(s.t, err)
	data, err := s.blobs.Get(s.t.Context(), analysis.ContentBlob)
	must(s.t, err)
	var content image.Image
	must(s.t, json.Unmarshal(data, &content))
	content.Incomplete = missing
	data, err = json.Marshal(content)
	must(s.t, err)
	blob, err := s.blobs.Put(s.t.Context(), data)
	must(s.t, err)
	_, err = s.pool.Exec(s.t.Context(), `UPDATE plimsoll.analysis SET content_blob = $2, incomplete = $3 WHERE id = $1`, analysis.ID, blob, len(missing))
	must(s.t, err)
}

func TestAnIncompleteAnalysisSaysSo(t *testing.T) {
	t.Parallel()
	s, digest, base := harbour(t)
	path := "/v2/images/" + digest
	var whole oas.AnchoreImage
	s.admin(http.MethodGet, path, "").wants(http.StatusOK).decode(&whole)
	if whole.AnalysisIncomplete != nil {
		t.Errorf("complete analysis: %+v", whole.AnalysisIncomplete)
	}
	s.gap(digest, catalog.Incompleteness{Path: "/var/lib/rpm/Packages", Analyzer: "rpm", Reason: catalog.ReasonUnreadable, Detail: "page 3"})
	var got oas.AnchoreImage
	s.admin(http.MethodGet, path, "").wants(http.StatusOK).decode(&got)
	if i := got.AnalysisIncomplete; i == nil || i.Count != 1 || !strings.Contains(i.Message, "1 file or database could not be read") {
		t.Errorf("incomplete analysis: %+v", got.AnalysisIncomplete)
	}
	var record oas.ImageAnalysis
	s.admin(http.MethodGet, path+"/analysis", "").wants(http.StatusOK).decode(&record)
	want := []oas.IncompleteContent{{Path: "/var/lib/rpm/Packages", Analyzer: "rpm", Reason: "unreadable", Detail: "page 3"}}
	if diff := cmp.Diff(want, record.Incomplete); diff != "" {
		t.Error(diff)
	}
	s.admin(http.MethodGet, "/v2/images/"+base+"/analysis", "").wants(http.StatusOK).decode(&record)
	if len(record.Incomplete) != 0 {
		t.Errorf("the base is complete: %+v", record.Incomplete)
	}
	spdx := s.admin(http.MethodGet, path+"/sboms/spdx-json", "").wants(http.StatusOK)
	if !strings.Contains(spdx.body, "/var/lib/rpm/Packages") {
		t.Error("the SPDX document does not say that it is incomplete")
	}
}

func TestRecordOfAnAnalysis(t *testing.T) {
	t.Parallel()
	s, digest, _ := harbour(t)
	path := "/v2/images/" + digest + "/analysis"
	var got oas.ImageAnalysis
	s.admin(http.MethodGet, path, "").wants(http.StatusOK).decode(&got)
	if got.Run != nil || got.Setup != nil || got.AnalyzerSet != "set" || len(got.Layers) != 2 {
		t.Errorf("analysis nobody recorded: %+v", got)
	}
	analyses := persistence.NewAnalyses(s.pool)
	record, err := persistence.NewImages(s.pool).Get(t.Context(), "admin", digest)
	must(t, err)
	run := persistence.Run{Account: "admin", Digest: digest, Request: record.Requested, RunID: "run"}
	end := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	how := persistence.AnalysisRun{
		AnalysisID: *record.AnalysisID, Host: "worker-1", Version: "v1", SetupDigest: "d", Setup: json.RawMessage(`{"analyzer_set":"set","analyzers":[{"name":"dpkg-status","version":2}]}`),
		Layers: 2, LayersReused: 1, BytesRead: 7, StartedAt: end.Add(-time.Minute), EndedAt: end,
	}
	must(t, analyses.SaveRun(t.Context(), run, how))
	late := how
	late.Host = "worker-2"
	must(t, analyses.SaveRun(t.Context(), run, late)) // a repeated activity
	lost := run
	lost.RunID = "lost"
	must(t, analyses.SaveRun(t.Context(), lost, late))
	s.admin(http.MethodGet, path, "").wants(http.StatusOK).decode(&got)
	want := &oas.AnalysisRun{
		RunId: "run", HostId: "worker-1", Version: "v1", SetupDigest: "d", Layers: 2, LayersReused: 1, BytesRead: 7,
		StartedAt: end.Add(-time.Minute), EndedAt: end,
	}
	if diff := cmp.Diff(want, got.Run); diff != "" || got.Setup == nil {
		t.Error(diff, got.Setup)
	}
	s.request(http.MethodGet, path, "", s.user("quay", "other", "full-control")).fails(http.StatusNotFound, codeImageNotFound)
}

func TestContentSummaryCountsTheLists(t *testing.T) {
	t.Parallel()
	s, digest, _ := harbour(t)
	path := "/v2/images/" + digest
	var types []string
	s.admin(http.MethodGet, path+"/content", "").wants(http.StatusOK).decode(&types)
	var want []oas.ContentSummaryItem
	for _, kind := range types {
		var list struct {
			Content []json.RawMessage `json:"content"`
		}
		s.admin(http.MethodGet, path+"/content/"+kind, "").wants(http.StatusOK).decode(&list)
		if len(list.Content) == 0 {
			t.Errorf("%s is listed and empty", kind)
		}
		want = append(want, oas.ContentSummaryItem{ContentType: kind, Count: len(list.Content)})
	}
	var got oas.ContentSummary
	s.admin(http.MethodGet, path+"/content-summary", "").wants(http.StatusOK).decode(&got)
	if diff := cmp.Diff(want, got.Items); diff != "" || len(want) != 4 {
		t.Error(diff, want)
	}
}

func TestLicensesAreShownAsStatedAndAsSPDX(t *testing.T) {
	t.Parallel()
	s := newServer(t)
	digest := s.known(testTag, "one")
	s.admin(http.MethodPost, "/v2/images", addTag).wants(http.StatusOK)
	tool, ours := deb, npm
	tool.Licenses, ours.Licenses = []string{"GPL-2+", "Our own terms"}, nil
	s.analyze("admin", digest, tool, ours)
	var got oas.ContentLicenseResponse
	s.admin(http.MethodGet, "/v2/images/"+digest+"/content/licenses", "").wants(http.StatusOK).decode(&got)
	want := []oas.PackageLicenses{
		{
			Package: "hull", Version: "2-1", Type: "dpkg", Location: deb.Location, Purl: deb.PURL, Source: "/usr/share/doc/hull/copyright",
			Licenses: []oas.PackageLicense{{License: "GPL-2+", SpdxExpression: pointer("GPL-2.0-or-later")}, {License: "Our own terms"}},
		},
		{Package: npm.Name, Version: npm.Version, Type: "npm", Location: npm.Location, Purl: npm.PURL, Licenses: []oas.PackageLicense{}},
	}
	if diff := cmp.Diff(want, got.Items); diff != "" {
		t.Error(diff)
	}
}

func TestInspectionHasWhatTheConfigurationSays(t *testing.T) {
	t.Parallel()
	s := newServer(t)
	digest := s.known(testTag, "one")
	s.admin(http.MethodPost, "/v2/images", addTag).wants(http.StatusOK)
	config, err := s.blobs.Put(t.Context(), []byte(`{"created":"2026-01-01T00:00:00Z","author":"crew","architecture":"arm64","variant":"v8","os":"linux",
		"config":{"User":"1000:1000","ExposedPorts":{"80/tcp":{}},"Env":["PATH=/bin"],"Entrypoint":["/sail"],"Cmd":["--fast"],"WorkingDir":"/sea","Labels":{"team":"deck"}},
		"rootfs":{"type":"layers","diff_ids":["sha256:aa","sha256:bb"]},"history":[{"comment":"buildkit.dockerfile.v0"}]}`))
	must(t, err)
	_, err = s.pool.Exec(t.Context(), `UPDATE plimsoll.image SET config_blob = $1`, config)
	must(t, err)
	var answer oas.MetadataResponse
	s.admin(http.MethodGet, "/v2/images/"+digest+"/metadata/docker_inspect", "").wants(http.StatusOK).decode(&answer)
	text, err := base64.StdEncoding.DecodeString(answer.Metadata)
	must(t, err)
	var got, want map[string]any
	must(t, json.Unmarshal(text, &got))
	delete(got, "Id")
	must(t, json.Unmarshal([]byte(`{"RepoTags":["`+testTag+`"],"RepoDigests":["registry.example:5000/team/ship@`+digest+`"],"Comment":"buildkit.dockerfile.v0",
		"Created":"2026-01-01T00:00:00Z","Author":"crew","Architecture":"arm64","Variant":"v8","Os":"linux",
		"Config":{"User":"1000:1000","ExposedPorts":{"80/tcp":{}},"Env":["PATH=/bin"],"Entrypoint":["/sail"],"Cmd":["--fast"],"WorkingDir":"/sea","Labels":{"team":"deck"}},
		"RootFS":{"Type":"layers","Layers":["sha256:aa","sha256:bb"]}}`), &want))
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}
