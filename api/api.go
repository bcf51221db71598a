package api

import (
	"context"
	"fmt"
	"net/http"
	"time"

	"github.com/getkin/kin-openapi/openapi3"
	"github.com/go-chi/chi/v5"
	chimiddleware "github.com/go-chi/chi/v5/middleware"
	"go.uber.org/zap"

	"plimsoll/api/oas"
	"plimsoll/authz"
	"plimsoll/engine/policy"
	"plimsoll/internal/log"
	"plimsoll/internal/registryhttp"
	"plimsoll/persistence"
)

// Deps is what the API works with. Every field is required.
type Deps struct {
	Logger     *zap.Logger
	Authorizer Decider
	Hasher     *authz.Hasher

	Accounts    Accounts
	Users       Users
	Grants      Grants
	Registries  Registries
	Images      Images
	Progress    Progress
	Referrers   Referrers
	Analyses    Analyses
	Imports     Imports
	Layers      Layers
	Matches     Matches
	Annotations Annotations
	Fleet       Fleet
	Scanner     Scanner
	Policies    Policies
	Evaluations Evaluations
	WhatIfs     WhatIfs
	Feeds       Feeds
	Exchange    FeedExchange
	Services    Services
	Blobs       Blobs
	Facts       Facts
	Starter     Starter

	Subscriptions Subscriptions
	Corrections   Corrections
	Alerts        Alerts
	Actions       Actions
	Events        Events
	Access        *registryhttp.Access

	// Gates is the policy language, DefaultPolicy what is active in a new account, MorePolicies what it has beside it.
	Gates         []policy.Gate
	DefaultPolicy persistence.NewPolicy
	MorePolicies  []persistence.NewPolicy
	// Host names this process in status histories.
	Host string
	// SchemaVersion and Ready ask the database.
	SchemaVersion func(ctx context.Context) (core, feeds int64, err error)
	Ready         func(ctx context.Context) error
	Metrics       http.Handler
}

// API is the assembled interface.
type API struct {
	deps          Deps
	config        Config
	doc           *openapi3.T
	operations    map[string]operation
	authenticator *authenticator
	router        chi.Router
	exports       chan struct{} // holds one for each bundle that is being made
}

// New returns the API as an http.Handler.
func New(ctx context.Context, deps Deps, config Config) (*API, error) {
	doc, err := loadDocument(ctx)
	if err != nil {
		return nil, err
	}
	operations, err := readOperations(doc)
	if err != nil {
		return nil, fmt.Errorf("read OpenAPI document: %w", err)
	}
	cache, err := newVerifiedCache()
	if err != nil {
		return nil, err
	}
	a := &API{
		deps: deps, config: config, doc: doc, operations: operations, exports: make(chan struct{}, exportSlots),
		authenticator: &authenticator{logins: deps.Users, hasher: deps.Hasher, cache: cache},
	}
	if a.router, err = a.routes(); err != nil {
		return nil, err
	}
	return a, nil
}

// ServeHTTP implements http.Handler.
func (a *API) ServeHTTP(w http.ResponseWriter, r *http.Request) { a.router.ServeHTTP(w, r) }

// compressLevel is gzip's middle: content lists shrink tenfold at little cost.
const compressLevel = 5

// routes mounts everything. The middlewares on the router run before routing, those on the operations after it and before
// the generated code reads a parameter.
func (a *API) routes() (chi.Router, error) {
	root := chi.NewRouter()
	root.Use(identify(a.deps.Logger, a.deps.Host), accessLog, recoverPanics, secure, chimiddleware.Compress(compressLevel), canonicalPath, refuseUnstorableHead)
	root.NotFound(notFound)
	root.MethodNotAllowed(methodNotAllowed)
	if err := a.mountOpen(root); err != nil {
		return nil, err
	}

	h := &handlers{API: a}
	strict := oas.NewStrictHandlerWithOptions(h, nil, oas.StrictHTTPServerOptions{
		RequestErrorHandlerFunc:  badRequest,
		ResponseErrorHandlerFunc: writeError,
	})
	guarded := root.With(limit(a.maxBody, a.timeout), a.guard, normalize(a.operations), takeUpload(a.operations, newUploadRoom(max(uploadMemory, a.config.MaxImportContentBytes+uploadStep))), aroundStreams(a.operations, validate(a.doc)), refuseUnstorable)
	oas.HandlerWithOptions(strict, oas.ChiServerOptions{BaseURL: basePath, BaseRouter: guarded, ErrorHandlerFunc: badRequest})
	return root, nil
}

// badRequest answers what the generated code could not decode. Its own message may repeat a value, so it is only logged.
func badRequest(w http.ResponseWriter, r *http.Request, err error) {
	log.From(r.Context()).Debug("request could not be decoded", zap.Error(err))
	writeError(w, r, fail(codeInvalidRequest, "A parameter or the body of the request cannot be decoded."))
}

// syncGrace is what a request for a feed synchronisation may take on top of waiting for it.
const syncGrace = 10 * time.Second

// timeout bounds the work on a request by its operation.
func (a *API) timeout(r *http.Request) time.Duration {
	if currentRoute(r) == routeKey(http.MethodPost, basePath+"/system/feeds") {
		return a.config.FeedSyncWait + syncGrace
	}
	if currentRoute(r) == routeKey(http.MethodGet, basePath+"/system/feeds/{feed}/files/{file_name}") {
		return max(downloadTimeout, a.config.RequestTimeout)
	}
	if a.operations[currentRoute(r)].raw {
		return max(uploadTimeout, a.config.RequestTimeout)
	}
	if a.operations[currentRoute(r)].stream || currentRoute(r) == routeKey(http.MethodGet, basePath+"/system/feeds/{feed}/bundle") {
		return max(streamTimeout, a.config.RequestTimeout)
	}
	return a.config.RequestTimeout
}

// maxBody bounds the body of a request by its operation.
func (a *API) maxBody(r *http.Request) int64 {
	switch route := currentRoute(r); {
	case a.operations[route].raw:
		return a.config.MaxImportContentBytes
	case route == routeKey(http.MethodPost, basePath+"/policies"), route == routeKey(http.MethodPut, basePath+"/policies/{policy_id}"):
		return min(a.config.MaxBodyBytes, maxPolicyBytes)
	}
	if a.operations[currentRoute(r)].stream {
		return a.config.MaxFeedUploadBytes
	}
	return a.config.MaxBodyBytes
}

// openRoutes are the routes outside the document: no credentials, nothing of an account in the answers.
var openRoutes = []string{
	"GET /", "GET /health", "GET /liveness", "GET /ready", "GET /version", "GET /metrics",
	"GET /v2/openapi.json", "GET /v2/console/", "GET /v2/console/{asset}",
	"POST /v2/import/images",
}

// mountOpen mounts openRoutes: what probes, scrapers and clients of other API versions ask for.
func (a *API) mountOpen(root chi.Router) error {
	document, err := documentHandler(a.doc)
	if err != nil {
		return err
	}
	h := &handlers{API: a}
	alive := func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusOK) }
	root.Get("/", func(w http.ResponseWriter, r *http.Request) { writeJSON(w, r, http.StatusOK, apiPrefix) })
	root.Get("/health", alive)
	root.Get("/liveness", alive)
	root.Get("/ready", a.ready)
	root.Get("/version", h.rootVersion)
	root.Method(http.MethodGet, "/metrics", a.deps.Metrics)
	root.Get("/v2/openapi.json", document)
	root.Get("/v2/console/", console)
	root.Get("/v2/console/{asset}", console)
	root.Post("/v2/import/images", replaced)
	return nil
}

// handlers implements the operations of the document, one file per resource.
type handlers struct{ *API }

var _ oas.StrictServerInterface = (*handlers)(nil)
