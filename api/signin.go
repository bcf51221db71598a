package api

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"

	"github.com/google/go-containerregistry/pkg/name"
	"github.com/google/go-containerregistry/pkg/v1/remote/transport"

	"plimsoll/internal/ecr"
	"plimsoll/internal/registryhttp"
	"plimsoll/persistence"
)

// signIn tries a credential before it is stored. It happens here and not in a worker, because a workflow's input is kept in
// its history and must never hold a password. The distribution spec's check is GET /v2/ (OCI distribution spec, "end-1").
func (h *handlers) signIn(ctx context.Context, write persistence.RegistryWrite) error {
	ctx, cancel := context.WithTimeout(ctx, h.config.ResolveTimeout)
	defer cancel()
	host, _, _ := strings.Cut(write.Registry, "/")
	plainAllowed := !write.VerifyTLS || registryhttp.Loopback(host)
	registry, err := registryAt(host, !plainAllowed)
	if err != nil {
		return fail(codeInvalidRequest, fmt.Sprintf("%s is not the address of a registry.", host)).because(err)
	}
	base, ok := http.DefaultTransport.(*http.Transport)
	if !ok {
		return errors.New("the default HTTP transport was replaced")
	}
	plain := base.Clone()
	defer plain.CloseIdleConnections()
	plain.TLSClientConfig = h.deps.Access.TLS(write.VerifyTLS)
	plain.DialContext = registryhttp.Dialer(h.config.ResolveTimeout).DialContext
	auth, err := h.deps.Access.Authenticator(ctx, write.Type, host, write.Username, write.Password.Reveal())
	if err != nil {
		return exchangeProblem(host, err)
	}
	signed, err := transport.NewWithContext(ctx, registry, auth, registryhttp.Encrypted(plain, plainAllowed), nil)
	if err != nil {
		return signInProblem(host, err)
	}
	return ping(ctx, registry, plainAllowed, signed)
}

func registryAt(host string, encrypted bool) (name.Registry, error) {
	if encrypted {
		return name.NewRegistry(host)
	}
	return name.NewRegistry(host, name.Insecure)
}

// ping asks as somebody signed in. Encrypted comes first; plain is for registries that may be spoken to so.
func ping(ctx context.Context, registry name.Registry, plainAllowed bool, signed http.RoundTripper) error {
	status, err := pingOver(ctx, "https", registry, signed)
	if err != nil && plainAllowed {
		status, err = pingOver(ctx, "http", registry, signed)
	}
	if err == nil && status != http.StatusOK {
		err = &transport.Error{StatusCode: status}
	}
	if err != nil {
		return signInProblem(registry.RegistryStr(), err)
	}
	return nil
}

func pingOver(ctx context.Context, scheme string, registry name.Registry, signed http.RoundTripper) (status int, err error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, scheme+"://"+registry.RegistryStr()+"/v2/", nil)
	if err != nil {
		return 0, fmt.Errorf("prepare registry check: %w", err)
	}
	resp, err := signed.RoundTrip(req)
	if err != nil {
		return 0, err
	}
	defer func() { _ = resp.Body.Close() }() // only the status matters
	_, _ = io.CopyN(io.Discard, resp.Body, 4096)
	return resp.StatusCode, nil
}

// exchangeProblem tells what stood in the way of an exchange with AWS; package ecr keeps secrets out of its errors.
func exchangeProblem(host string, err error) error {
	if errors.Is(err, ecr.ErrUnreachable) {
		return fail(codeRegistryUnreachable, fmt.Sprintf("AWS does not answer for the registry %s; check this server's network, or add it with validate=false.", host)).because(err)
	}
	return fail(codeRegistryDenied, fmt.Sprintf("The credential for %s cannot be used: %v.", host, err))
}

func signInProblem(host string, err error) error {
	var answer *transport.Error
	if !errors.As(err, &answer) {
		return fail(codeRegistryUnreachable, fmt.Sprintf("The registry %s does not answer; check its name, network and certificate, or add it with validate=false.", host)).because(err)
	}
	switch answer.StatusCode {
	case http.StatusUnauthorized, http.StatusForbidden:
		return fail(codeRegistryDenied, fmt.Sprintf("The registry %s refuses the user name or password.", host)).because(err)
	case http.StatusTooManyRequests:
		return fail(codeRegistryRateLimited, fmt.Sprintf("The registry %s limits requests; try again later.", host)).because(err)
	}
	return fail(codeRegistryBadResponse, fmt.Sprintf("The registry %s answered with HTTP status %d.", host, answer.StatusCode)).because(err)
}
