package registry

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"time"

	"github.com/google/go-containerregistry/pkg/authn"
	"github.com/google/go-containerregistry/pkg/name"
	"github.com/google/go-containerregistry/pkg/v1/remote/transport"
	"github.com/prometheus/client_golang/prometheus"

	"plimsoll/internal/build"
	"plimsoll/internal/registryhttp"
)

// Config bounds what a client does. Zero fields mean the value of DefaultConfig.
type Config struct {
	ManifestBytes int64         // largest manifest or index
	ConfigBytes   int64         // largest image config
	StallTimeout  time.Duration // a blob transfer without a byte for this long is broken off
	ForeignHosts  []string      // host[:port] that foreign layers may be fetched from
}

// DefaultConfig holds the limits most registries enforce themselves, or more.
func DefaultConfig() Config {
	return Config{ManifestBytes: 4 << 20, ConfigBytes: 8 << 20, StallTimeout: time.Minute}
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
	return &Client{
		cfg: cfg, verified: newTransport(true), trusting: newTransport(false),
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
	http   *http.Client
	base   string // scheme://host/v2/repository
}

// open finds the credentials, asks the registry how it wants to be spoken to and signs in.
func (c *Client) open(ctx context.Context, list []Credential, repo name.Repository) (*session, error) {
	s := &session{client: c, repo: repo}
	auth, verify := authn.Anonymous, true
	if chosen, ok := choose(list, repo); ok {
		if chosen.Type == TypeECR && chosen.Username != ecrUser {
			return nil, s.fail(ErrUnsupported,
				"registry entry %s asks for a token exchange with AWS, which is not available; use the user name %s with a password from `aws ecr get-login-password`",
				chosen.Registry, ecrUser)
		}
		auth, verify, s.entry = chosen.authenticator(), chosen.VerifyTLS, chosen.Registry
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

// maxRedirects: registries send blob requests on to their storage, once or twice.
const maxRedirects = 5

func checkRedirect(_ *http.Request, via []*http.Request) error {
	if len(via) >= maxRedirects {
		return &Error{Kind: ErrBadResponse, Message: fmt.Sprintf("more than %d redirects", maxRedirects)}
	}
	return nil
}

// do sends a request and returns the response if its status is one of ok.
func (s *session) do(ctx context.Context, method, path, what string, header http.Header, ok ...int) (*http.Response, error) {
	req, err := http.NewRequestWithContext(ctx, method, s.base+path, nil)
	if err != nil {
		return nil, s.fail(ErrReference, "%s: %v", what, err)
	}
	for key, values := range header {
		req.Header[key] = values
	}
	resp, err := s.http.Do(req)
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
