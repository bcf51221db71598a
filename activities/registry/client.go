package registry

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"sync"
	"time"

	"github.com/google/go-containerregistry/pkg/name"
	"github.com/google/go-containerregistry/pkg/v1/remote/transport"
	"github.com/prometheus/client_golang/prometheus"

	"plimsoll/internal/build"
	"plimsoll/internal/ecr"
	"plimsoll/internal/registryhttp"
)

// Config bounds what a client does. Zero fields mean the value of DefaultConfig.
type Config struct {
	ManifestBytes int64         // largest manifest or index
	ConfigBytes   int64         // largest image config
	StallTimeout  time.Duration // a blob transfer without a byte for this long is broken off
	Tags          int           // most tags of a repository that are listed
	ForeignHosts  []string      // host[:port] that foreign layers may be fetched from
	Access        *registryhttp.Access
}

// DefaultConfig holds the limits most registries enforce themselves, or more.
func DefaultConfig() Config {
	return Config{ManifestBytes: 4 << 20, ConfigBytes: 8 << 20, StallTimeout: time.Minute, Tags: 10_000}
}

// Client reads from registries. It is safe for use by many goroutines and keeps connections.
type Client struct {
	cfg      Config
	verified http.RoundTripper
	trusting http.RoundTripper // does not verify TLS
	bytes    prometheus.Counter
}

// New returns a client.
func New(cfg Config) *Client {
	d := DefaultConfig()
	if cfg.ManifestBytes <= 0 {
		cfg.ManifestBytes = d.ManifestBytes
	}
	if cfg.ConfigBytes <= 0 {
		cfg.ConfigBytes = d.ConfigBytes
	}
	if cfg.StallTimeout <= 0 {
		cfg.StallTimeout = d.StallTimeout
	}
	if cfg.Tags <= 0 {
		cfg.Tags = d.Tags
	}
	return &Client{
		cfg: cfg, verified: newTransport(cfg.Access, true), trusting: newTransport(cfg.Access, false),
		bytes: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "plimsoll_registry_bytes_total",
			Help: "Bytes of manifests, configs and layers read from registries.",
		}),
	}
}

// Collectors returns the client's metrics.
func (c *Client) Collectors() []prometheus.Collector { return []prometheus.Collector{c.bytes} }

// session is a signed-in way to one repository.
type session struct {
	client *Client
	repo   name.Repository
	entry  string // registry entry whose credentials are used; empty: anonymous
	base   string // scheme://host/v2/repository

	mu   sync.Mutex // requests of one session run side by side
	http *http.Client
	// renew signs in once more with credentials exchanged anew; nil where nothing is exchanged, and after it was tried.
	renew func(context.Context) (*http.Client, error)
}

// open finds the credentials, asks the registry how it wants to be spoken to and signs in.
func (c *Client) open(ctx context.Context, list []Credential, repo name.Repository) (*session, error) {
	chosen := choose(list, repo)
	s, err := c.signIn(ctx, chosen, repo)
	again := func() bool {
		return c.cfg.Access.Renew(chosen.Type, repo.RegistryStr(), chosen.Username, chosen.Password)
	}
	if errors.Is(err, ErrUnauthorized) && again() {
		s, err = c.signIn(ctx, chosen, repo)
	}
	if err != nil {
		return nil, err
	}
	s.renew = func(ctx context.Context) (*http.Client, error) {
		if !again() {
			return nil, nil
		}
		fresh, err := c.signIn(ctx, chosen, repo)
		if err != nil {
			return nil, err
		}
		return fresh.http, nil
	}
	return s, nil
}

// signIn opens a session with a credential; without one the verified way and nobody's name.
func (c *Client) signIn(ctx context.Context, chosen Credential, repo name.Repository) (*session, error) {
	s := &session{client: c, repo: repo, entry: chosen.Registry}
	verify := chosen.VerifyTLS || chosen.Registry == ""
	auth, err := c.cfg.Access.Authenticator(ctx, chosen.Type, repo.RegistryStr(), chosen.Username, chosen.Password)
	if err != nil {
		return nil, s.exchangeError(err)
	}
	plain := !verify || registryhttp.Loopback(repo.RegistryStr())
	if plain {
		insecure, err := name.NewRepository(repo.Name(), name.Insecure)
		if err != nil {
			return nil, s.fail(ErrReference, "%v", err)
		}
		repo = insecure
	}
	wire := c.verified
	if !verify {
		wire = c.trusting
	}
	inner := &guard{next: registryhttp.Encrypted(wire, plain)}
	agent := transport.NewUserAgent(inner, "plimsoll/"+build.Current().Version)
	signed, err := transport.NewWithContext(ctx, repo.Registry, auth, agent, []string{repo.Scope(transport.PullScope)})
	if err != nil {
		err = s.transportError(ctx, "sign in", err)
		if errors.Is(err, ErrNotFound) {
			return nil, s.fail(ErrBadResponse, "there is no registry at this address (no /v2/)")
		}
		return nil, err
	}
	s.http = &http.Client{Transport: signed, CheckRedirect: checkRedirect}
	s.base = "https://" + repo.RegistryStr() + "/v2/" + repo.RepositoryStr() // the transport knows the scheme
	return s, nil
}

// exchangeError names what stood in the way of an exchange with AWS.
func (s *session) exchangeError(err error) error {
	kind := ErrUnreachable
	if errors.Is(err, ecr.ErrHost) || errors.Is(err, ecr.ErrAmbient) || errors.Is(err, ecr.ErrRefused) {
		kind = ErrUnauthorized
	}
	return s.fail(kind, "registry entry %s: %v", s.entry, err)
}

// maxRedirects: registries send blob requests on to their storage, once or twice.
const maxRedirects = 5

func checkRedirect(_ *http.Request, via []*http.Request) error {
	if len(via) >= maxRedirects {
		return &Error{Kind: ErrBadResponse, Message: fmt.Sprintf("more than %d redirects", maxRedirects)}
	}
	return nil
}

// do sends a request and returns the response if its status is one of ok. A refusal is asked about once more where
// credentials can be exchanged anew: tokens of AWS end after twelve hours.
func (s *session) do(ctx context.Context, method, path, what string, header http.Header, ok ...int) (*http.Response, error) {
	way := s.way()
	resp, err := s.try(ctx, way, method, path, what, header, ok...)
	if !errors.Is(err, ErrUnauthorized) {
		return resp, err
	}
	fresh := s.renewed(ctx, way)
	if fresh == nil {
		return nil, err
	}
	return s.try(ctx, fresh, method, path, what, header, ok...)
}

func (s *session) way() *http.Client {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.http
}

// renewed returns the way that replaces a refused one, nil if there is none. Requests refused together renew once.
func (s *session) renewed(ctx context.Context, refused *http.Client) *http.Client {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.http != refused {
		return s.http
	}
	if s.renew == nil {
		return nil
	}
	fresh, err := s.renew(ctx)
	s.renew = nil
	if err != nil || fresh == nil {
		return nil
	}
	s.http = fresh
	return fresh
}

func (s *session) try(ctx context.Context, way *http.Client, method, path, what string, header http.Header, ok ...int) (*http.Response, error) {
	req, err := http.NewRequestWithContext(ctx, method, s.base+path, nil)
	if err != nil {
		return nil, s.fail(ErrReference, "%s: %v", what, err)
	}
	for key, values := range header {
		req.Header[key] = values
	}
	resp, err := way.Do(req)
	if err != nil {
		return nil, s.transportError(ctx, what, err)
	}
	for _, status := range ok {
		if resp.StatusCode == status {
			return resp, nil
		}
	}
	defer resp.Body.Close()
	var diagnosed *transport.Error
	if errors.As(transport.CheckError(resp, ok...), &diagnosed) {
		return nil, s.statusError(what, resp.StatusCode, diagnosed.Errors, resp.Header)
	}
	return nil, s.statusError(what, resp.StatusCode, nil, resp.Header)
}

// document reads a whole bounded body.
func (s *session) document(ctx context.Context, resp *http.Response, what string, limit int64) ([]byte, error) {
	defer resp.Body.Close()
	body, err := io.ReadAll(io.LimitReader(resp.Body, limit+1))
	s.client.bytes.Add(float64(len(body)))
	if err != nil {
		if ctx.Err() != nil {
			return nil, s.transportError(ctx, what, err)
		}
		return nil, s.fail(ErrBadResponse, "%s: the transfer broke off after %d bytes", what, len(body))
	}
	if int64(len(body)) > limit {
		return nil, s.fail(ErrTooLarge, "%s: larger than %d bytes", what, limit)
	}
	return body, nil
}
