package api

import (
	"context"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"
	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"
	"go.uber.org/zap/zaptest/observer"

	"plimsoll/authz"
	"plimsoll/engine/policy/gates"
	"plimsoll/persistence"
	"plimsoll/persistence/blob"
	"plimsoll/persistence/facts"
	"plimsoll/persistence/pgtest"
	"plimsoll/persistence/seal"
	"plimsoll/workflows"
)

const adminPassword = "correct horse"

func TestMain(m *testing.M) {
	time.Local = time.FixedZone("far from UTC", 5*60*60+45*60) // a time that nobody converted shows
	m.Run()
}

// starter stands for the workflow engine: it answers look-ups from a table and remembers what was launched.
type starter struct {
	outbox   *persistence.Outbox
	blobs    blob.Store
	resolved map[string]workflows.ResolveImageResult
	tags     map[string][]string // of repositories
	failure  error
	synced   []workflows.SyncFeedsInput
	sync     func() (workflows.SyncFeedsResult, bool, error)

	mu       sync.Mutex
	launched []persistence.Pending
}

func (s *starter) ResolveImage(_ context.Context, in workflows.ResolveImageInput) (workflows.ResolveImageResult, error) {
	if s.failure != nil {
		return workflows.ResolveImageResult{}, s.failure
	}
	found, ok := s.resolved[in.Ref]
	if !ok {
		return found, fail(codeRegistryNoImage, "no such image")
	}
	return found, nil
}

func (s *starter) ListTags(ctx context.Context, in workflows.ListTagsInput) (workflows.ListTagsResult, error) {
	tags, ok := s.tags[in.Repository]
	if !ok {
		return workflows.ListTagsResult{}, fail(codeRegistryNoImage, "no such repository")
	}
	text, err := json.Marshal(tags)
	if err != nil {
		return workflows.ListTagsResult{}, err
	}
	digest, err := s.blobs.Put(ctx, text)
	return workflows.ListTagsResult{Tags: len(tags), Blob: digest}, err
}

func (s *starter) Launch(ctx context.Context, id int64) {
	pending, err := s.outbox.Get(ctx, id)
	if err != nil {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.launched = append(s.launched, pending)
}

func (s *starter) SyncFeeds(_ context.Context, in workflows.SyncFeedsInput, _ time.Duration) (workflows.SyncFeedsResult, bool, error) {
	s.synced = append(s.synced, in)
	return s.sync()
}

func (s *starter) UploadFeed(_ context.Context, in workflows.SyncFeedsInput) (string, error) {
	s.synced = append(s.synced, in)
	return "run-of-the-upload", s.failure
}

// server is an API over a database of the test's own.
type server struct {
	t       *testing.T
	api     *API
	deps    Deps
	starter *starter
	blobs   *blob.Postgres
	pool    *pgxpool.Pool
	logs    *observer.ObservedLogs

	mu       sync.Mutex
	answered map[string]*httptest.ResponseRecorder // the last answer of each operation that was no failure
}

// newServer bootstraps a database with the admin account and serves the API over it.
func newServer(t *testing.T, change ...func(*Deps, *Config)) *server {
	t.Helper()
	pool := pgtest.New(t)
	sealer, err := seal.New(seal.GenerateKey())
	must(t, err)
	hasher := authz.NewHasher()
	hash, err := hasher.Hash(t.Context(), adminPassword)
	must(t, err)
	defaultPolicy, err := DefaultPolicy(gates.All())
	must(t, err)
	accounts, grants, outbox := persistence.NewAccounts(pool), persistence.NewGrants(pool), persistence.NewOutbox(pool)
	_, err = accounts.Bootstrap(t.Context(), persistence.Bootstrap{AdminPasswordHash: hash, Policy: defaultPolicy})
	must(t, err)
	authorizer, err := authz.New(t.Context(), authz.NewSource(grants, accounts), authz.DefaultConfig())
	must(t, err)
	core, logs := observer.New(zapcore.DebugLevel)
	s := &server{t: t, starter: &starter{outbox: outbox, blobs: blob.NewPostgres(pool), resolved: map[string]workflows.ResolveImageResult{}}, logs: logs, blobs: blob.NewPostgres(pool), pool: pool, answered: map[string]*httptest.ResponseRecorder{}}
	s.deps = Deps{
		Logger: zap.New(core), Authorizer: authorizer, Hasher: hasher,
		Accounts: accounts, Users: persistence.NewUsers(pool), Grants: grants, Registries: persistence.NewRegistries(pool, sealer),
		Images: persistence.NewImages(pool), Progress: persistence.NewProgresses(pool), Referrers: persistence.NewReferrers(pool), Analyses: persistence.NewAnalyses(pool), Imports: persistence.NewImports(pool),
		Layers: persistence.NewLayers(pool), Matches: persistence.NewMatches(pool, pool), Annotations: persistence.NewAnnotations(pool), Fleet: persistence.NewMatches(pool, pool), Scanner: persistence.NewMatches(pool, pool), Policies: persistence.NewPolicies(pool),
		Evaluations: persistence.NewEvaluations(pool), WhatIfs: persistence.NewWhatIfs(pool), Feeds: persistence.NewFeeds(pool), Exchange: exchange(pool), Services: persistence.NewServices(pool),
		Blobs: s.blobs, Starter: s.starter, Subscriptions: persistence.NewSubscriptions(pool), Corrections: persistence.NewCorrections(pool),
		Alerts: persistence.NewAlerts(pool), Actions: persistence.NewActions(pool), Events: persistence.NewEvents(pool),
		Gates: gates.All(), DefaultPolicy: defaultPolicy, Host: "api-host",
		SchemaVersion: func(ctx context.Context) (int64, int64, error) { return persistence.SchemaVersion(ctx, pool, pool) },
		Ready:         func(ctx context.Context) error { return persistence.CheckSchema(ctx, pool, pool) },
		Metrics:       http.NotFoundHandler(),
	}
	config := DefaultConfig()
	for _, c := range change {
		c(&s.deps, &config)
	}
	if s.deps.Facts == nil {
		s.deps.Facts = facts.New(pool, pool, s.blobs, facts.Config{UserBaseImages: config.UserBaseImages})
	}
	s.api, err = New(t.Context(), s.deps, config)
	must(t, err)
	return s
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// answer is a response with its body read.
type answer struct {
	t      *testing.T
	status int
	header http.Header
	body   string
	logs   *observer.ObservedLogs
}

// request sends one request; options change it before. Every answer is checked against the document and the published shapes.
func (s *server) request(method, target, body string, options ...func(*http.Request)) answer {
	s.t.Helper()
	var reader io.Reader = http.NoBody
	if body != "" {
		reader = strings.NewReader(body)
	}
	req := httptest.NewRequestWithContext(s.t.Context(), method, target, reader)
	for _, o := range options {
		o(req)
	}
	recorder := httptest.NewRecorder()
	s.api.ServeHTTP(recorder, req)
	if operation := conforms(s.t, s.api, req, recorder); operation != "" && recorder.Code < http.StatusBadRequest {
		s.mu.Lock()
		s.answered[operation] = recorder
		s.mu.Unlock()
	}
	return answer{s.t, recorder.Code, recorder.Header(), recorder.Body.String(), s.logs}
}

func as(user, password string) func(*http.Request) {
	return func(r *http.Request) { r.SetBasicAuth(user, password) }
}

func in(account string) func(*http.Request) {
	return func(r *http.Request) { r.Header.Set(accountHeader, account) }
}

func header(name, value string) func(*http.Request) {
	return func(r *http.Request) { r.Header.Set(name, value) }
}

// admin sends a request as the admin user.
func (s *server) admin(method, target, body string, options ...func(*http.Request)) answer {
	s.t.Helper()
	return s.request(method, target, body, append([]func(*http.Request){as(persistence.AdminUser, adminPassword)}, options...)...)
}

// user makes an account with one user who holds the roles in it; the password is the user's name twice.
func (s *server) user(account, name string, roles ...string) func(*http.Request) {
	s.t.Helper()
	if got := s.admin(http.MethodGet, "/v2/accounts/"+account, ""); got.status == http.StatusNotFound {
		s.admin(http.MethodPost, "/v2/accounts", `{"name":"`+account+`"}`).wants(http.StatusOK)
	}
	password := name + name
	s.admin(http.MethodPost, "/v2/accounts/"+account+"/users", `{"username":"`+name+`","password":"`+password+`"}`).wants(http.StatusOK)
	for _, role := range roles {
		s.admin(http.MethodPost, "/v2/rbac-manager/roles/"+role+"/members", `{"username":"`+name+`","domain_name":"`+account+`"}`).wants(http.StatusOK)
	}
	return as(name, password)
}

func (a answer) wants(status int) answer {
	a.t.Helper()
	if a.status != status {
		for _, line := range a.logs.FilterMessage("request failed").All() {
			a.t.Log(line.ContextMap()["error"])
		}
		a.t.Fatalf("status %d, want %d; body: %s", a.status, status, a.body)
	}
	return a
}

// fails checks status and stable code of a failure, in all the places where clients look.
func (a answer) fails(status int, code string) errorBody {
	a.t.Helper()
	a.wants(status)
	if got := a.header.Get("Content-Type"); got != "application/json" {
		a.t.Errorf("content type %q of an error is not JSON", got)
	}
	var body errorBody
	a.decode(&body)
	if body.Code != status || body.HTTPCode != status || body.ErrorType != code || body.Message == "" {
		a.t.Errorf("got %+v, want status %d and code %s", body, status, code)
	}
	codes, _ := body.Detail["error_codes"].([]any)
	if len(codes) != 1 || codes[0] != code {
		a.t.Errorf("detail.error_codes is %v, want [%s]", body.Detail["error_codes"], code)
	}
	return body
}

func (a answer) decode(into any) {
	a.t.Helper()
	if err := json.Unmarshal([]byte(a.body), into); err != nil {
		a.t.Fatalf("decode %s: %v", a.body, err)
	}
}
