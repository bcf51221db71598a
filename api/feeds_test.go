package api

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"testing"
	"time"

	"go.temporal.io/api/serviceerror"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/temporal"

	"plimsoll/api/oas"
	"plimsoll/persistence"
	"plimsoll/workflows"
)

func TestFeedState(t *testing.T) {
	t.Parallel()
	s := newServer(t)
	read := func() (oas.FeedMetadata, string) {
		var feeds []oas.FeedMetadata
		got := s.admin(http.MethodGet, "/v2/system/feeds", "").wants(http.StatusOK)
		got.decode(&feeds)
		if len(feeds) != 1 || feeds[0].Name != "vulnerabilities" || !feeds[0].Enabled {
			t.Fatalf("feeds %s", got.body)
		}
		return feeds[0], got.body
	}
	if feed, body := read(); feed.LastFullSync != nil || !strings.Contains(body, `"groups":[]`) {
		t.Errorf("empty %s", body)
	}
	must(t, persistence.NewFeeds(s.pool).Ensure(t.Context(), persistence.Offer{Source: "osv", Groups: []string{"all", "never"}, Enabled: true}))
	s.advise()
	if feed, body := read(); feed.LastFullSync != nil || len(feed.Groups) != 2 || feed.Groups[0].RecordCount != 2 || feed.Groups[0].LastSync == nil || !strings.Contains(body, `"last_sync":null`) {
		t.Errorf("one of two loaded %s", body)
	}
	must(t, persistence.NewFeeds(s.pool).Switch(t.Context(), persistence.FeedChoice{Source: "osv", Group: "never"}, false, time.Now()))
	if feed, body := read(); feed.LastFullSync == nil || strings.Contains(body, "+05:45") {
		t.Errorf("loaded %s", body)
	}
}

func TestSynchronisingFeeds(t *testing.T) {
	t.Parallel()
	s := newServer(t)
	s.request(http.MethodPost, "/v2/system/feeds", "", s.user("harbour", "mate1", "full-control")).fails(http.StatusForbidden, codePermissionDenied)
	groups := []workflows.GroupResult{{Source: "osv", Group: "a"}, {Source: "osv", Group: "b", Unchanged: true}}
	s.starter.sync = func() (workflows.SyncFeedsResult, bool, error) {
		return workflows.SyncFeedsResult{Groups: groups}, true, nil
	}
	if got := s.admin(http.MethodPost, "/v2/system/feeds?force_sync=True", "").wants(http.StatusOK); strings.TrimSpace(got.body) != `{"message":"1 groups changed, 1 unchanged, 0 failed"}` {
		t.Errorf("answer %s", got.body)
	}
	groups = append(groups, workflows.GroupResult{Source: "osv", Group: "c", Error: "no answer"})
	if got := s.admin(http.MethodPost, "/v2/system/feeds", "").wants(http.StatusOK); !strings.Contains(got.body, "1 failed: osv/c: no answer") {
		t.Errorf("a group that failed alone: %s", got.body)
	}
	groups = groups[2:]
	if body := s.admin(http.MethodPost, "/v2/system/feeds", "").fails(http.StatusInternalServerError, codeFeedSyncFailed); !strings.Contains(body.Message, "osv/c: no answer") {
		t.Errorf("message %q", body.Message)
	}
	s.starter.sync = func() (workflows.SyncFeedsResult, bool, error) { return workflows.SyncFeedsResult{}, false, nil }
	s.admin(http.MethodPost, "/v2/system/feeds", "").wants(http.StatusOK)
}

// engine answers like a Temporal client.
type engine struct {
	err error
	run client.WorkflowRun
}

func (e engine) ExecuteWorkflow(context.Context, client.StartWorkflowOptions, any, ...any) (client.WorkflowRun, error) {
	return e.run, e.err
}

func (e engine) SignalWorkflow(context.Context, string, string, string, any) error { return e.err }

func (e engine) SignalWithStartWorkflow(context.Context, string, string, any, client.StartWorkflowOptions, any, ...any) (client.WorkflowRun, error) {
	return e.run, e.err
}

// run ends with err, or, with none, not before the one who waits gives up.
type run struct {
	client.WorkflowRun
	err error
}

func (r run) GetID() string { return "run" }

func (r run) Get(ctx context.Context, _ any) error {
	if r.err != nil {
		return r.err
	}
	<-ctx.Done()
	return ctx.Err()
}

func TestStarterSaysWhy(t *testing.T) {
	t.Parallel()
	config := DefaultConfig()
	config.ResolveTimeout = 20 * time.Millisecond
	for name, c := range map[string]struct {
		engine engine
		code   string
	}{
		"no workflow engine": {engine{err: serviceerror.NewUnavailable("down")}, codeUnavailable},
		"nobody takes it":    {engine{run: run{}}, codeUnavailable},
		"unauthorized":       {engine{run: run{err: temporal.NewApplicationError("no", workflows.FailRegistryUnauthorized)}}, codeRegistryDenied},
		"no such image":      {engine{run: run{err: temporal.NewApplicationError("no", workflows.FailImageNotFound)}}, codeRegistryNoImage},
		"unclassified":       {engine{run: run{err: errors.New("boom")}}, codeInternal},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, err := NewStarter(c.engine, nil, config).ResolveImage(t.Context(), workflows.ResolveImageInput{Account: "a", Ref: "r"})
			if got := classify(err).Code; got != c.code {
				t.Errorf("%v is %s, want %s", err, got, c.code)
			}
		})
	}
}

func TestStarterAndTheFeedSync(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		engine engine
		code   string
	}{
		"already running": {engine{err: serviceerror.NewWorkflowExecutionAlreadyStarted("running", "", "")}, codeFeedSyncRunning},
		"ended badly":     {engine{run: run{err: errors.New("terminated")}}, codeFeedSyncFailed},
		"takes long":      {engine{run: run{}}, ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, done, err := NewStarter(c.engine, nil, DefaultConfig()).SyncFeeds(t.Context(), workflows.SyncFeedsInput{}, 20*time.Millisecond)
			if c.code == "" {
				if err != nil || done {
					t.Errorf("done %v, %v; want neither", done, err)
				}
				return
			}
			if got := classify(err).Code; got != c.code {
				t.Errorf("%v is %s, want %s", err, got, c.code)
			}
		})
	}
}

func TestLaunchConfirmsOnlyWhatStarted(t *testing.T) {
	t.Parallel()
	s := newServer(t)
	s.known(testTag, "one")
	outbox := persistence.NewOutbox(s.pool)
	s.admin(http.MethodPost, "/v2/images", addTag).wants(http.StatusOK)
	id := s.starter.launched[0].ID
	NewStarter(engine{err: serviceerror.NewUnavailable("down")}, outbox, DefaultConfig()).Launch(t.Context(), id)
	if _, err := outbox.Get(t.Context(), id); err != nil {
		t.Fatalf("a row that was not started is gone: %v", err)
	}
	NewStarter(engine{run: run{}}, outbox, DefaultConfig()).Launch(t.Context(), id)
	if _, err := outbox.Get(t.Context(), id); !errors.Is(err, persistence.ErrNotFound) {
		t.Fatalf("a row that was started is still there: %v", err)
	}
}

func TestServices(t *testing.T) {
	t.Parallel()
	s := newServer(t)
	store := persistence.NewServices(s.pool)
	now := time.Now()
	must(t, store.Heartbeat(t.Context(), persistence.Service{HostID: "h1", Name: "api", BaseURL: "http://h1", Version: "1", StartedAt: now, HeartbeatAt: now}))
	must(t, store.Heartbeat(t.Context(), persistence.Service{HostID: "h2", Name: "analyzer", Version: "1", StartedAt: now.Add(-time.Hour), HeartbeatAt: now.Add(-time.Hour)}))
	var services oas.ServiceList
	got := s.admin(http.MethodGet, "/v2/system/services", "").wants(http.StatusOK)
	got.decode(&services)
	if len(services) != 2 {
		t.Fatalf("services %s", got.body)
	}
	s.admin(http.MethodGet, "/v2/system/services/api", "").wants(http.StatusOK).decode(&services)
	if len(services) != 1 || !services[0].Status || !services[0].ServiceDetail.Up || services[0].HostId != "h1" {
		t.Errorf("api %+v", services)
	}
	s.admin(http.MethodGet, "/v2/system/services/analyzer/h2", "").wants(http.StatusOK)
	s.admin(http.MethodGet, "/v2/system/services/analyzer/h9", "").fails(http.StatusNotFound, codeServiceNotFound)
	if got := s.admin(http.MethodGet, "/v2/system/services/none", "").wants(http.StatusOK); strings.TrimSpace(got.body) != "[]" {
		t.Errorf("none %s", got.body)
	}
	var system oas.SystemStatusResponse
	s.request(http.MethodGet, "/v2/system", "", s.user("harbour", "mate1")).wants(http.StatusOK).decode(&system)
	if len(system.ServiceStates) != 2 {
		t.Errorf("system %+v", system)
	}
	s.request(http.MethodGet, "/v2/status", "", as("mate1", "mate1mate1")).wants(http.StatusOK)
}

func TestErrorCatalogueIsComplete(t *testing.T) {
	t.Parallel()
	s := newServer(t)
	var catalogue []oas.AnchoreErrorCode
	s.admin(http.MethodGet, "/v2/system/error-codes", "").wants(http.StatusOK).decode(&catalogue)
	known := map[string]bool{}
	for _, c := range catalogue {
		if known[c.Name] || c.Description == "" {
			t.Errorf("%s is listed twice or has no description", c.Name)
		}
		known[c.Name] = true
	}
	for _, f := range failures {
		if f.status < 400 || f.status > 599 || !known[f.code] {
			t.Errorf("failure %+v", f)
		}
	}
	for from, to := range workflowFailures {
		if !known[to] {
			t.Errorf("%s becomes %s, which is not in the catalogue", from, to)
		}
	}
	for _, known := range sentinels {
		if statusOf(known.code) < 400 {
			t.Errorf("sentinel %v has the code %s", known.err, known.code)
		}
	}
}

func TestAFeedTellsWhichDataSetItCameWith(t *testing.T) {
	t.Parallel()
	s := newServer(t)
	s.advise()
	var got oas.FeedMetadata
	s.admin(http.MethodGet, "/v2/system/feeds/vulnerabilities", "").wants(http.StatusOK).decode(&got)
	if got.DatasetName != nil || len(got.Groups) == 0 {
		t.Errorf("without a bundle: %+v", got)
	}
	at := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	must(t, persistence.NewFeeds(s.pool).NoteBundle(t.Context(), persistence.FeedBundle{Name: "march", Checksum: "c0ffee", BuiltAt: at, ReceivedAt: at.Add(time.Hour)}))
	s.admin(http.MethodGet, "/v2/system/feeds/vulnerabilities", "").wants(http.StatusOK).decode(&got)
	if got.DatasetName == nil || *got.DatasetName != "march" || got.DatasetChecksum == nil || !got.DataServiceBuiltAt.Equal(at) || !got.EnterpriseReceivedAt.Equal(at.Add(time.Hour)) {
		t.Errorf("with a bundle: %+v", got)
	}
	s.admin(http.MethodGet, "/v2/system/feeds/nonesuch", "").fails(http.StatusNotFound, codeNotFound)
	s.request(http.MethodGet, "/v2/system/feeds/vulnerabilities", "", s.user("harbour", "mate1", "full-control")).fails(http.StatusForbidden, codePermissionDenied)
}
