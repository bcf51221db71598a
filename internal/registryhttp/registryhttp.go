// Package registryhttp holds the one rule on when a registry is spoken to without encryption: on loopback, as
// container tools do, and where an account's registry entry switches verification off. Nowhere else, although
// the protocol library falls back to plain HTTP at private addresses after TLS has failed.
package registryhttp

import (
	"errors"
	"net"
	"net/http"
	"strings"
)

// ErrPlain ends requests over plain HTTP that nobody asked for.
var ErrPlain = errors.New("plain HTTP is used only where a registry entry switches TLS verification off")

// Encrypted passes requests on when they are encrypted, or when plain says they need not be.
func Encrypted(next http.RoundTripper, plain bool) http.RoundTripper {
	if plain {
		return next
	}
	return encrypted{next}
}

type encrypted struct{ next http.RoundTripper }

// RoundTrip implements http.RoundTripper.
func (e encrypted) RoundTrip(req *http.Request) (*http.Response, error) {
	if req.URL.Scheme != "https" {
		return nil, ErrPlain
	}
	return e.next.RoundTrip(req)
}

// Loopback reports whether a host[:port] is this machine.
func Loopback(host string) bool {
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
