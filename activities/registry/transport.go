package registry

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"net/http"
	"time"

	"plimsoll/internal/registryhttp"
)

// Timeouts of single steps; the whole of a request is bounded by its context.
const (
	dialTimeout   = 10 * time.Second
	headerTimeout = 30 * time.Second
)

// newTransport returns a transport that never decompresses: a digest is over the bytes as they are sent. The
// proxy comes from the environment, as operators expect.
func newTransport(access *registryhttp.Access, verify bool) *http.Transport {
	return &http.Transport{
		Proxy:                 http.ProxyFromEnvironment,
		DialContext:           registryhttp.Dialer(dialTimeout).DialContext,
		TLSHandshakeTimeout:   dialTimeout,
		ResponseHeaderTimeout: headerTimeout,
		IdleConnTimeout:       time.Minute,
		MaxIdleConnsPerHost:   16,
		DisableCompression:    true,
		ForceAttemptHTTP2:     true,
		TLSClientConfig:       access.TLS(verify),
	}
}

// guard sits below authentication. It turns 429 into an error while the Retry-After header is still at hand.
type guard struct{ next http.RoundTripper }

func (g *guard) RoundTrip(req *http.Request) (*http.Response, error) {
	resp, err := g.next.RoundTrip(req)
	if err != nil {
		return nil, err
	}
	if resp.StatusCode == http.StatusTooManyRequests {
		wait := retryAfter(resp.Header, time.Now())
		if err := resp.Body.Close(); err != nil {
			return nil, err
		}
		return nil, &Error{Kind: ErrRateLimited, Message: "429 Too Many Requests", RetryAfter: wait}
	}
	return resp, nil
}

// certificate reports a failure of TLS verification.
func certificate(err error) bool {
	var verification *tls.CertificateVerificationError
	var unknown x509.UnknownAuthorityError
	var hostname x509.HostnameError
	return errors.As(err, &verification) || errors.As(err, &unknown) || errors.As(err, &hostname)
}
