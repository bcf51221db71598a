package registry

import (
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"github.com/google/go-containerregistry/pkg/name"

	"plimsoll/internal/registryhttp"
)

// foreign explains a foreign layer that the registry does not have.
func (s *session) foreign(l Layer, err error) error {
	if !l.Foreign || !errors.Is(err, ErrNotFound) {
		return err
	}
	var hosts []string
	for _, address := range l.URLs {
		if u, err := url.Parse(address); err == nil && !slices.Contains(hosts, u.Host) {
			hosts = append(hosts, u.Host)
		}
	}
	where := "its manifest names no other place"
	if len(hosts) > 0 {
		where = "its manifest refers to " + strings.Join(hosts, ", ")
	}
	return s.fail(ErrForeign, "layer %s is kept outside the registry (a foreign layer): %s; push the image with its foreign layers, or let the operator list the host in worker.analysis.foreign_layer_hosts", l.Digest, where)
}

// anybody stands before a host that has delivered a foreign layer to somebody without credentials. The same host may be
// a registry as well, and what it gives to those who sign in says nothing about others. No host has a slash.
const anybody = "anybody/"

// Public reports that one of the places which have delivered a foreign layer before serves it to anybody: the
// manifest names the host and the operator allows it.
func (c *Client) Public(l Layer, delivered []string) bool {
	return slices.ContainsFunc(c.places(l), func(u *url.URL) bool { return slices.Contains(delivered, anybody+u.Host) })
}

// Foreign opens a foreign layer at the first of its manifest's addresses that answers, among those at hosts the
// operator allows. It sends no credentials. place is where the layer comes from, in the words Public knows it by.
func (c *Client) Foreign(ctx context.Context, l Layer) (body io.ReadCloser, place string, err error) {
	err = &Error{Kind: ErrForeign, Message: "no address of layer " + l.Digest + " is at a host in worker.analysis.foreign_layer_hosts"}
	for _, u := range c.places(l) {
		s, failed := c.elsewhere(u)
		if failed != nil {
			return nil, "", failed
		}
		b := &blob{ctx: ctx, session: s, layer: l, left: resumes}
		if failed = b.open(); failed == nil {
			return b, anybody + u.Host, nil
		}
		if errors.Is(failed, ErrUnauthorized) || errors.Is(failed, ErrNotFound) {
			failed = s.fail(ErrForeign, "layer %s: the address in the manifest does not serve it", l.Digest)
		}
		err = failed
	}
	return nil, "", err
}

// places are the layer's addresses that may be contacted: the addresses are the image author's choice, and this
// machine's network is not the author's.
func (c *Client) places(l Layer) []*url.URL {
	if !l.Foreign {
		return nil
	}
	var out []*url.URL
	for _, address := range l.URLs {
		if u, err := url.Parse(address); err == nil && c.allowed(u) {
			out = append(out, u)
		}
	}
	return out
}

// allowed: encrypted, or on this machine; without credentials; at a host of the operator's list.
func (c *Client) allowed(u *url.URL) bool {
	if u.User != nil || u.Scheme != "https" && (u.Scheme != "http" || !registryhttp.Loopback(u.Host)) {
		return false
	}
	return slices.ContainsFunc(c.cfg.ForeignHosts, func(host string) bool {
		if strings.EqualFold(host, u.Host) {
			return true
		}
		bare, port, err := net.SplitHostPort(u.Host)
		return err == nil && port == "443" && strings.EqualFold(host, bare)
	})
}

// elsewhere is a session with the place of a foreign layer.
func (c *Client) elsewhere(u *url.URL) (*session, error) {
	repo, err := name.NewRepository(u.Host + "/foreign")
	if err != nil {
		return nil, &Error{Kind: ErrForeign, Message: clean("foreign layer host " + u.Host + ": " + err.Error())}
	}
	return &session{client: c, repo: repo, base: u.String(), http: &http.Client{
		Transport: &guard{next: registryhttp.Encrypted(c.verified, registryhttp.Loopback(u.Host))},
		CheckRedirect: func(req *http.Request, via []*http.Request) error {
			if !c.allowed(req.URL) {
				return &Error{Kind: ErrForeign, Message: "redirect to " + req.URL.Host + ", which is not in worker.analysis.foreign_layer_hosts"}
			}
			return checkRedirect(req, via)
		},
	}}, nil
}
