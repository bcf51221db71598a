package registry

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"net"
	"net/http"
	"strings"
	"time"
)

// Timeouts of single steps; the whole of a request is bounded by its context.
const (
	dialTimeout   = 10 * time.Second
	headerTimeout = 30 * time.Second
)

// newTransport returns a transport that never decompresses: a digest is over the bytes as they are sent. The
// proxy comes from the environment, as operators expect.
func newTransport(verify bool) *http.Transport {
	return &http.Transport{
		Proxy:                 http.ProxyFromEnvironment,
		DialContext:           (&net.Dialer{Timeout: dialTimeout, KeepAlive: 30 * time.Second}).DialContext,
		TLSHandshakeTimeout:   dialTimeout,
		ResponseHeaderTimeout: headerTimeout,
		IdleConnTimeout:       time.Minute,
		MaxIdleConnsPerHost:   16,
		DisableCompression:    true,
		ForceAttemptHTTP2:     true,
		// #nosec G402 -- verification is off only where the account's registry entry says so.
		TLSClientConfig: &tls.Config{MinVersion: tls.VersionTLS12, InsecureSkipVerify: !verify},
	}
}

// errPlain ends requests over plain HTTP that nobody asked for. The protocol library tries them at private
// addresses after TLS has failed.
var errPlain = errors.New("plain HTTP is used only where a registry entry switches TLS verification off")

// guard sits below authentication. It refuses plain HTTP where nobody asked for it, and turns 429 into an
// error while the Retry-After header is still at hand.
type guard struct {
	next  http.RoundTripper
	plain bool // plain HTTP is acceptable
}

func (g *guard) RoundTrip(req *http.Request) (*http.Response, error) {
	if req.URL.Scheme != "https" && !g.plain {
		return nil, errPlain
	}
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

// loopback reports whether a host[:port] is this machine.
func loopback(host string) bool {
	if h, _, err := net.SplitHostPort(host); err == nil {
		host = h
	}
	host = strings.Trim(strings.ToLower(host), "[]")
	if host == "localhost" || strings.HasSuffix(host, ".localhost") {
		return true
	}
	ip := net.ParseIP(host)
	return ip != nil && ip.IsLoopback()
}

// certificate reports a failure of TLS verification.
func certificate(err error) bool {
	var verification *tls.CertificateVerificationError
	var unknown x509.UnknownAuthorityError
	var hostname x509.HostnameError
	return errors.As(err, &verification) || errors.As(err, &unknown) || errors.As(err, &hostname)
}
