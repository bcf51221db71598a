package api

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"plimsoll/api/oas"
	"plimsoll/persistence"
	"plimsoll/persistence/blob"
	"plimsoll/workflows"
)

func TestAddingAnImage(t *testing.T) {
	t.Parallel()
	s := newServer(t)
	digest := s.known(testTag, "one")
	var got oas.AnchoreImage
	raw := s.admin(http.MethodPost, "/v2/images", addTag).wants(http.StatusOK)
	raw.decode(&got)
	want := oas.ImageDetail{
		FullTag: testTag, FullDigest: "registry.example:5000/team/ship@" + digest, Registry: "registry.example:5000", Repo: "team/ship", Tag: "1.0",
		ImageDigest: digest, AccountName: "admin", ImageId: s.starter.resolved[testTag].ImageID,
	}
	if got.ImageDigest != digest || got.ParentDigest != digest || got.AnalysisStatus != "not_analyzed" || got.ImageStatus != "active" || len(got.ImageDetail) != 1 {
		t.Fatalf("added %s", raw.body)
	}
	detail := got.ImageDetail[0]
	detail.CreatedAt, detail.LastUpdated, detail.TagDetectedAt = time.Time{}, time.Time{}, time.Time{}
	if diff := cmp.Diff(want, detail); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff(map[string]any{"berth": "7"}, got.Annotations); diff != "" {
		t.Error(diff)
	}
	if !strings.Contains(raw.body, `Z"`) || strings.Contains(raw.body, "+05:45") {
		t.Errorf("times are not UTC: %s", raw.body)
	}
	if len(s.starter.launched) != 1 || s.starter.launched[0].Workflow != workflows.AnalyzeImageName || s.starter.launched[0].WorkflowID != workflows.AnalyzeImageID("admin", digest) {
		t.Fatalf("launched %+v", s.starter.launched)
	}
	var input workflows.AnalyzeImageInput
	must(t, json.Unmarshal(s.starter.launched[0].Input, &input))
	if diff := cmp.Diff(workflows.AnalyzeImageInput{Account: "admin", Digest: digest, Request: 1}, input); diff != "" {
		t.Error(diff)
	}

	s.analyze("admin", digest)
	s.admin(http.MethodPost, "/v2/images", `{"source":{"tag":{"pull_string":"`+testTag+`"}},"annotations":{"pier":"2"}}`).wants(http.StatusOK).decode(&got)
	if got.AnalysisStatus != "analyzed" || len(s.starter.launched) != 1 || got.Annotations["berth"] != "7" || got.Annotations["pier"] != "2" {
		t.Errorf("adding a known image: %+v, launched %d", got, len(s.starter.launched))
	}
	s.admin(http.MethodPost, "/v2/images?force=TRUE", addTag).wants(http.StatusOK).decode(&got)
	if got.AnalysisStatus != "not_analyzed" || len(s.starter.launched) != 2 {
		t.Errorf("forced: %+v, launched %d", got, len(s.starter.launched))
	}
}

func TestAddingByDigest(t *testing.T) {
	t.Parallel()
	s := newServer(t)
	digest := blob.Digest([]byte("one"))
	ref := "registry.example:5000/team/ship@" + digest
	s.known(ref, "one")
	body := func(tag, more string) string {
		return fmt.Sprintf(`{"source":{"digest":{"pull_string":%q,"tag":%q%s}}}`, ref, tag, more)
	}
	s.admin(http.MethodPost, "/v2/images?force=true", body(testTag, "")).fails(http.StatusBadRequest, codeInvalidRequest)
	var got oas.AnchoreImage
	s.admin(http.MethodPost, "/v2/images", body(testTag, `,"creation_timestamp_override":"2020-01-02T03:04:05Z"`)).wants(http.StatusOK).decode(&got)
	if at := got.ImageDetail[0].TagDetectedAt.Format(time.RFC3339); at != "2020-01-02T03:04:05Z" {
		t.Errorf("detected at %s", at)
	}
	s.admin(http.MethodPost, "/v2/images?force=true", body(testTag, "")).wants(http.StatusOK)
	s.admin(http.MethodPost, "/v2/images", body("other.example/x:y", "")).fails(http.StatusBadRequest, codeInvalidReference)
}

func TestWhyAnImageCannotBeAdded(t *testing.T) {
	t.Parallel()
	s := newServer(t)
	s.admin(http.MethodPost, "/v2/images", addTag).fails(http.StatusBadRequest, codeRegistryNoImage)
	s.admin(http.MethodPost, "/v2/images", `{"source":{"tag":{"pull_string":"UPPER:x y"}}}`).fails(http.StatusBadRequest, codeInvalidReference)
	s.admin(http.MethodPost, "/v2/images", `{"source":{"tag":{"pull_string":"a.b/c:d","dockerfile":"RlJPTQ"}}}`).fails(http.StatusBadRequest, codeInvalidRequest)
	s.admin(http.MethodPost, "/v2/images", `{"source":{"tag":{"pull_string":"a.b/c:d"}},"annotations":{"a":"\u0000"}}`).fails(http.StatusBadRequest, codeInvalidRequest)
	s.admin(http.MethodPost, "/v2/images", `{"source":{"tag":{"pull_string":"a.b/c:d"}},"annotations":{"a":"`+strings.Repeat("x", 70_000)+`"}}`).fails(http.StatusBadRequest, codeLimitExceeded)
	s.admin(http.MethodPost, "/v2/images", `{"image_type":"vm","source":{"tag":{"pull_string":"a.b/c:d"}}}`).fails(http.StatusBadRequest, codeInvalidRequest)
	s.starter.failure = fail(codeUnavailable, "no worker")
	s.admin(http.MethodPost, "/v2/images", addTag).fails(http.StatusServiceUnavailable, codeUnavailable)
}

func TestListingImages(t *testing.T) {
	t.Parallel()
	s := newServer(t)
	if got := s.admin(http.MethodGet, "/v2/images", "").wants(http.StatusOK); strings.TrimSpace(got.body) != `{"items":[]}` {
		t.Errorf("an empty account answers %s", got.body)
	}
	older := s.known(testTag, "one")
	s.admin(http.MethodPost, "/v2/images", addTag).wants(http.StatusOK)
	newer := s.known(testTag, "two")
	s.admin(http.MethodPost, "/v2/images", addTag).wants(http.StatusOK)
	other := s.user("quay", "other", "read-only")
	for query, want := range map[string][]string{
		"":                                      {newer, older},
		"?full_tag=" + testTag:                  {newer},
		"?full_tag=" + testTag + "&history=1":   {newer, older},
		"?history=True&full_tag=" + testTag:     {newer, older},
		"?analysis_status=analyzed":             {},
		"?image_id=sha256:" + older[7:]:         {},
		"?analyzed_since=2020-01-01%2000:00:00": {},
	} {
		got := s.admin(http.MethodGet, "/v2/images"+query, "")
		var answer oas.AnchoreImageList
		got.wants(http.StatusOK).decode(&answer)
		digests := each(answer.Items, func(i oas.AnchoreImage) string { return i.ImageDigest })
		if diff := cmp.Diff(want, digests); diff != "" {
			t.Errorf("%s: %s", query, diff)
		}
	}
	s.admin(http.MethodGet, "/v2/images?full_tag=a.b/c:d", "").fails(http.StatusNotFound, codeImageNotFound)
	s.request(http.MethodGet, "/v2/images?full_tag="+testTag, "", other).fails(http.StatusNotFound, codeImageNotFound)
	for _, path := range []string{"", "/content", "/content/os", "/content/files", "/content/java", "/metadata", "/metadata/manifest", "/vuln", "/vuln/all", "/sboms/native-json", "/check?tag=" + testTag} {
		s.request(http.MethodGet, "/v2/images/"+newer+path, "", other).fails(http.StatusNotFound, codeImageNotFound)
	}
	s.request(http.MethodDelete, "/v2/images/"+newer, "", s.user("quay", "writer", "read-write")).fails(http.StatusNotFound, codeImageNotFound)
}

func TestProgressAndFailureAreVisible(t *testing.T) {
	t.Parallel()
	s := newServer(t)
	digest := s.known(testTag, "one")
	s.admin(http.MethodPost, "/v2/images", addTag).wants(http.StatusOK)
	ctx, images := t.Context(), persistence.NewImages(s.pool)
	run := persistence.Run{Account: "admin", Digest: digest, Request: 1, RunID: "run"}
	_, err := images.Begin(ctx, run, persistence.Origin{Service: "analyzer"})
	must(t, err)
	must(t, persistence.NewProgresses(s.pool).Report(ctx, "admin", digest, []persistence.Progress{
		{Stage: "analyzing", Layer: persistence.WholeImage, Begun: true},
		{Stage: "reading", Layer: 0, BytesDone: 2 << 20, BytesTotal: 2 << 20, Done: true, Begun: true},
		{Stage: "reading", Layer: 1, BytesDone: 1 << 20, BytesTotal: 4 << 20, Begun: true},
	}))
	var got oas.AnchoreImage
	s.admin(http.MethodGet, "/v2/images/"+digest, "").wants(http.StatusOK).decode(&got)
	want := &oas.AnalysisProgress{
		Stage: "analyzing", LayersDone: 1, LayersTotal: 2, BytesDone: 3 << 20, BytesTotal: 6 << 20,
		Percentage: pointer(45), Message: "analyzing: 1 of 2 layers done, 3.0 of 6.0 MiB read, 45 %",
	}
	if diff := cmp.Diff(want, got.AnalysisProgress, cmpopts.IgnoreFields(oas.AnalysisProgress{}, "StartedAt")); diff != "" || got.AnalysisProgress.StartedAt == nil {
		t.Error(diff, got.AnalysisProgress.StartedAt)
	}
	body := s.admin(http.MethodGet, "/v2/images/"+digest+"/vuln/all", "").fails(http.StatusNotFound, codeImageNotAnalyzed)
	if !strings.Contains(body.Message, "analysis_status: analyzing") {
		t.Errorf("message %q lacks the words clients look for", body.Message)
	}
	if refused := s.admin(http.MethodDelete, "/v2/images/"+digest, "").wants(http.StatusOK); !strings.Contains(refused.body, `"delete_failed"`) {
		t.Errorf("deleting while analysing: %s", refused.body)
	}

	must(t, images.Fail(ctx, run, workflows.FailRegistryUnauthorized, "no", persistence.Origin{}))
	got = oas.AnchoreImage{}
	s.admin(http.MethodGet, "/v2/images/"+digest, "").wants(http.StatusOK).decode(&got)
	if diff := cmp.Diff(&oas.AnalysisError{Code: codeRegistryDenied, Message: "no"}, got.AnalysisError); diff != "" {
		t.Error(diff)
	}
	if got.AnalysisProgress != nil || got.AnalysisStatusDetail == nil || len(*got.AnalysisStatusDetail) == 0 {
		t.Errorf("failed image %+v", got)
	}
}

func TestDeletingImages(t *testing.T) {
	t.Parallel()
	s := newServer(t)
	one := s.known(testTag, "one")
	s.admin(http.MethodPost, "/v2/images", addTag).wants(http.StatusOK)
	s.analyze("admin", one)
	unknown := blob.Digest([]byte("unknown"))
	s.admin(http.MethodDelete, "/v2/images/"+unknown, "").fails(http.StatusNotFound, codeImageNotFound)
	for _, query := range []string{"image_digests=" + one + "," + unknown, "image_digests=" + one + "&image_digests=" + unknown} {
		var got []oas.DeleteImageResponse
		s.admin(http.MethodDelete, "/v2/images?"+query, "").wants(http.StatusOK).decode(&got)
		if len(got) != 2 || got[0].Status != "deleting" || got[1].Status != "not_found" {
			t.Errorf("%s: %+v", query, got)
		}
	}
	last := s.starter.launched[len(s.starter.launched)-1]
	if last.Workflow != workflows.DeleteImageName {
		t.Errorf("launched %+v", last)
	}
	if got := s.admin(http.MethodGet, "/v2/images", "").wants(http.StatusOK); strings.TrimSpace(got.body) != `{"items":[]}` {
		t.Errorf("a deleting image is listed: %s", got.body)
	}
	if got := s.admin(http.MethodGet, "/v2/images?image_status=all", "").wants(http.StatusOK); !strings.Contains(got.body, one) {
		t.Errorf("image_status=all does not list it: %s", got.body)
	}
	s.admin(http.MethodDelete, "/v2/images", "").fails(http.StatusBadRequest, codeInvalidRequest)
	s.admin(http.MethodDelete, "/v2/images?image_digests=x", "").fails(http.StatusBadRequest, codeInvalidRequest)
}

func TestStageIsThatOfWhatMoves(t *testing.T) {
	t.Parallel()
	waiting := persistence.Progress{Stage: workflows.StageWaiting, Layer: 0}
	reading := persistence.Progress{Stage: workflows.StageAnalyze, Layer: 1}
	matching := persistence.Progress{Stage: workflows.StageMatch, Layer: persistence.WholeImage}
	for want, lines := range map[string][]persistence.Progress{
		workflows.StageWaiting: {waiting, waiting},
		workflows.StageAnalyze: {waiting, reading, waiting},
		workflows.StageMatch:   {matching, waiting, reading},
	} {
		if got := stageOf(lines); got != want {
			t.Errorf("stage of %v = %q, want %q", lines, got, want)
		}
	}
}

func TestImagesBeyondTheSizeLimitAreRefused(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		limit int
		size  int64
		ok    bool
	}{
		"no limit":         {-1, 1 << 40, true},
		"at the limit":     {2, 2 << 20, true},
		"beyond the limit": {2, 2<<20 + 1, false},
		"nothing is taken": {0, 1, false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newServer(t, func(_ *Deps, config *Config) { config.MaxCompressedMiB = c.limit })
			digest := s.known(testTag, "one")
			found := s.starter.resolved[testTag]
			found.Size = c.size
			s.starter.resolved[testTag] = found
			answer := s.admin(http.MethodPost, "/v2/images", addTag)
			if c.ok {
				answer.wants(http.StatusOK)
				return
			}
			answer.fails(http.StatusBadRequest, codeInvalidRequest)
			s.admin(http.MethodGet, "/v2/images/"+digest, "").wants(http.StatusNotFound)
			if s.logs.FilterMessage("image refused for its size").Len() != 1 {
				t.Error("the refusal is not logged")
			}
		})
	}
}
