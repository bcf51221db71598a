package api

import (
	"encoding/json"
	"net/http"
	"strings"
	"testing"

	"plimsoll/api/oas"
	"plimsoll/persistence"
	"plimsoll/workflows"
)

func TestCancellingAQueuedImage(t *testing.T) {
	t.Parallel()
	s := newServer(t)
	first, digest := s.known("docker.io/library/base:1", "base"), s.known(testTag, "one")
	s.admin(http.MethodPost, "/v2/images", `{"source":{"tag":{"pull_string":"library/base:1"}}}`).wants(http.StatusOK)
	s.admin(http.MethodPost, "/v2/images", addTag).wants(http.StatusOK)
	show := func() (got oas.AnchoreImage) {
		s.admin(http.MethodGet, "/v2/images/"+digest, "").wants(http.StatusOK).decode(&got)
		return got
	}
	if p := show().AnalysisProgress; p == nil || p.Stage != "queued" || p.ImagesAhead == nil || *p.ImagesAhead != 1 {
		t.Fatalf("queued image: %+v", p)
	}
	s.admin(http.MethodPost, "/v2/images/"+first+"/cancel", "").wants(http.StatusOK)
	if p := show().AnalysisProgress; p.ImagesAhead == nil || *p.ImagesAhead != 0 || !strings.Contains(p.Message, "next one") {
		t.Errorf("after the one before it was cancelled: %+v", p)
	}
	launched := len(s.starter.launched)
	for range 2 { // cancelling twice is cancelling once
		var got oas.AnchoreImage
		s.admin(http.MethodPost, "/v2/images/"+digest+"/cancel", "").wants(http.StatusOK).decode(&got)
		if got.AnalysisStatus != persistence.NotAnalyzed || got.AnalysisProgress != nil || got.AnalysisCancelledAt == nil {
			t.Errorf("cancelled image %+v", got)
		}
	}
	if n := len(s.starter.launched) - launched; n != 1 {
		t.Fatalf("%d messages to the workflow, want 1", n)
	}
	stop := s.starter.launched[launched]
	var in workflows.WithdrawInput
	must(t, json.Unmarshal(stop.Input, &in))
	if stop.Workflow != workflows.WithdrawAnalysisName || in.Account != "admin" || in.Digest != digest || in.Request == 0 {
		t.Errorf("message %+v", stop)
	}

	// The submission that was taken back begins nothing any more; a new one does.
	images := persistence.NewImages(s.pool)
	_, err := images.Begin(t.Context(), persistence.Run{Account: "admin", Digest: digest, Request: in.Request, RunID: "late"}, persistence.Origin{})
	if err == nil {
		t.Error("a cancelled submission began")
	}
	s.admin(http.MethodPost, "/v2/images", addTag).wants(http.StatusOK)
	if got := show(); got.AnalysisCancelledAt != nil || got.AnalysisProgress == nil {
		t.Errorf("submitted again: %+v", got)
	}
	s.analyze("admin", digest, npm)
	if got := show(); got.AnalysisStatus != persistence.Analyzed {
		t.Errorf("status %s", got.AnalysisStatus)
	}
}

func TestCancellingARunningImage(t *testing.T) {
	t.Parallel()
	s := newServer(t)
	digest := s.known(testTag, "one")
	s.admin(http.MethodPost, "/v2/images", addTag).wants(http.StatusOK)
	images := persistence.NewImages(s.pool)
	record, err := images.Get(t.Context(), "admin", digest)
	must(t, err)
	run := persistence.Run{Account: "admin", Digest: digest, Request: record.Requested, RunID: "run"}
	_, err = images.Begin(t.Context(), run, persistence.Origin{})
	must(t, err)
	must(t, persistence.NewProgresses(s.pool).Report(t.Context(), "admin", digest, []persistence.Progress{{Stage: "analyze", BytesTotal: 1, Begun: true}}))
	var got oas.AnchoreImage
	s.admin(http.MethodPost, "/v2/images/"+digest+"/cancel", "").wants(http.StatusOK).decode(&got)
	history := *got.AnalysisStatusDetail
	last := history[len(history)-1]
	if got.AnalysisStatus != persistence.NotAnalyzed || last.ToStatus != persistence.NotAnalyzed || *last.Source.HostId != "api-host" {
		t.Errorf("cancelled image %+v", got)
	}
	if err := images.Fail(t.Context(), run, "X", "late", persistence.Origin{}); err == nil {
		t.Error("the cancelled run still writes")
	}
}

func TestWhatCannotBeCancelled(t *testing.T) {
	t.Parallel()
	s, digest, base := harbour(t)
	path := "/v2/images/" + digest + "/cancel"
	if got := s.admin(http.MethodPost, path, "").fails(http.StatusConflict, codeConflict); !strings.Contains(got.Message, "analyzed") {
		t.Errorf("message %q", got.Message)
	}
	s.admin(http.MethodDelete, "/v2/images/"+base, "").wants(http.StatusOK)
	if got := s.admin(http.MethodPost, "/v2/images/"+base+"/cancel", "").fails(http.StatusConflict, codeConflict); !strings.Contains(got.Message, "deleted") {
		t.Errorf("message %q", got.Message)
	}
	s.request(http.MethodPost, path, "", s.user("quay", "other", "full-control")).fails(http.StatusNotFound, codeImageNotFound)
	s.request(http.MethodPost, path, "", s.user("quay", "reader", "read-only")).fails(http.StatusForbidden, codePermissionDenied)
}
