package fetch

import (
	"bytes"
	"cmp"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"html"
	"io"
	"io/fs"
	"net"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"plimsoll/internal/build"
)

// body is an opened document with what its server says about it.
type body struct {
	io.ReadCloser
	size               int64 // -1: unknown
	etag, lastModified string
	unchanged          bool
	partial            bool // the rest that was asked for
}

// strong reports whether the validator names these very bytes (RFC 9110 section 8.8.1).
func (b *body) strong() bool { return b.etag != "" && !strings.HasPrefix(b.etag, "W/") }

// request is what to ask an upstream for.
type request struct {
	address *url.URL
	header  map[string]string
	known   Known
	from    int64 // only the bytes from here on, of the document known.ETag names
	// A question is sent along by a method other than GET.
	method   string
	question []byte
}

// openFile opens a document of a file mirror. Size and modification time stand in for an ETag.
func openFile(r request) (*body, error) {
	address, known := r.address, r.known
	path := filepath.FromSlash(address.Path)
	file, err := os.Open(path) // below the mirror the operator named: address() refuses ".."
	if errors.Is(err, fs.ErrNotExist) {
		return nil, &Error{Kind: ErrMissing, Message: fmt.Sprintf("%s: no such file in the mirror", redact(address))}
	}
	if err != nil {
		return nil, &Error{Kind: ErrUnreachable, Message: fmt.Sprintf("%s: %v", redact(address), errors.Unwrap(err))}
	}
	info, err := file.Stat()
	if err == nil && info.IsDir() && strings.HasSuffix(address.Path, "/") {
		return listFolder(file)
	}
	if err != nil || !info.Mode().IsRegular() {
		return nil, errors.Join(&Error{Kind: ErrResponse, Message: redact(address) + ": not a regular file"}, file.Close())
	}
	b := &body{ReadCloser: file, size: info.Size(), etag: fmt.Sprintf("%d-%d", info.Size(), info.ModTime().UnixNano())}
	if known.ETag == b.etag {
		b.unchanged = true
		return b, file.Close()
	}
	return b, nil
}

// listFolder stands in for the page a server makes of a folder.
func listFolder(folder *os.File) (*body, error) {
	entries, err := folder.ReadDir(-1)
	if err = errors.Join(err, folder.Close()); err != nil {
		return nil, &Error{Kind: ErrUnreachable, Message: fmt.Sprintf("list the folder: %v", err)}
	}
	slices.SortFunc(entries, func(a, b fs.DirEntry) int { return strings.Compare(a.Name(), b.Name()) })
	var page strings.Builder
	for _, e := range entries {
		name := html.EscapeString(e.Name())
		fmt.Fprintf(&page, "<a href=\"%s\">%s</a>\n", name, name)
	}
	return &body{ReadCloser: io.NopCloser(strings.NewReader(page.String())), size: int64(page.Len())}, nil
}

// client fetches over HTTP.
type client struct {
	http  *http.Client
	stall time.Duration
}

const maxRedirects = 5

// newClient returns a client that takes bodies as they are sent, compressed or not: the hash is over those.
func newClient(cfg Config) (*client, error) {
	roots, err := cfg.roots()
	if err != nil {
		return nil, err
	}
	proxy := http.ProxyFromEnvironment
	if cfg.ProxyURL != "" {
		address, err := url.Parse(cfg.ProxyURL)
		if err != nil {
			return nil, errors.New("proxy_url: not an address")
		}
		proxy = http.ProxyURL(address)
	}
	transport := &http.Transport{
		Proxy:                 proxy,
		TLSClientConfig:       &tls.Config{RootCAs: roots, MinVersion: tls.VersionTLS12, InsecureSkipVerify: cfg.Insecure}, // #nosec G402 -- the operator's switch, off unless told
		DialContext:           (&net.Dialer{Timeout: cfg.Connect}).DialContext,
		TLSHandshakeTimeout:   cfg.Connect,
		ResponseHeaderTimeout: cfg.Answer,
		IdleConnTimeout:       30 * time.Second,
		DisableCompression:    true,
		ForceAttemptHTTP2:     true,
	}
	return &client{stall: cfg.Stall, http: &http.Client{
		Transport: transport,
		CheckRedirect: func(req *http.Request, via []*http.Request) error {
			if via[0].Method != http.MethodGet {
				return &Error{Kind: ErrResponse, Message: "a redirect; name the final address"}
			}
			if len(via) > maxRedirects {
				return &Error{Kind: ErrResponse, Message: fmt.Sprintf("more than %d redirects", maxRedirects)}
			}
			if via[0].URL.Scheme == "https" && req.URL.Scheme != "https" {
				return &Error{Kind: ErrResponse, Message: "a redirect from https to " + req.URL.Scheme}
			}
			if via[0].URL.Host != req.URL.Host {
				req.Header.Del("Authorization")
				req.Header.Del("Apikey")
			}
			return nil
		},
	}}, nil
}

func (c *client) open(ctx context.Context, r request) (*body, error) {
	address, known := r.address, r.known
	ctx, stop := context.WithCancel(ctx)
	req, err := http.NewRequestWithContext(ctx, cmp.Or(r.method, http.MethodGet), address.String(), bytes.NewReader(r.question))
	if err != nil {
		stop()
		return nil, &Error{Kind: ErrResponse, Message: redact(address) + ": not an address to fetch from"}
	}
	// Some publishers turn away unknown programs; this one says who it is.
	req.Header.Set("User-Agent", "plimsoll/"+build.Current().Version)
	for name, value := range r.header {
		req.Header.Set(name, value)
	}
	switch {
	case r.from > 0:
		req.Header.Set("Range", fmt.Sprintf("bytes=%d-", r.from))
		req.Header.Set("If-Range", known.ETag)
	default:
		if known.ETag != "" {
			req.Header.Set("If-None-Match", known.ETag)
		}
		if known.LastModified != "" {
			req.Header.Set("If-Modified-Since", known.LastModified)
		}
	}
	resp, err := c.http.Do(req) //nolint:bodyclose // the body closes it
	if err != nil {
		defer stop()
		return nil, c.failed(ctx, address, err)
	}
	b := &body{
		ReadCloser: &stalling{ReadCloser: resp.Body, stop: stop, timer: time.AfterFunc(c.stall, stop), patience: c.stall},
		size:       resp.ContentLength,
		etag:       resp.Header.Get("ETag"), lastModified: resp.Header.Get("Last-Modified"),
	}
	switch {
	case resp.StatusCode == http.StatusOK:
		return b, nil
	case resp.StatusCode == http.StatusPartialContent && r.from > 0 && strings.HasPrefix(resp.Header.Get("Content-Range"), fmt.Sprintf("bytes %d-", r.from)):
		b.partial = true
		return b, nil
	case resp.StatusCode == http.StatusNotModified && (known.ETag != "" || known.LastModified != ""):
		b.unchanged = true
		if b.etag == "" { // RFC 9110 lets a 304 leave out what has not changed
			b.etag = known.ETag
		}
		if b.lastModified == "" {
			b.lastModified = known.LastModified
		}
		return b, b.Close()
	}
	return nil, errors.Join(refused(address, resp), b.Close())
}

// refused classifies an answer that is no document.
func refused(address *url.URL, resp *http.Response) error {
	e := &Error{Kind: ErrResponse, Message: fmt.Sprintf("%s: %d %s", redact(address), resp.StatusCode, http.StatusText(resp.StatusCode))}
	switch {
	case resp.StatusCode == http.StatusNotFound, resp.StatusCode == http.StatusGone:
		e.Kind = ErrMissing
	case resp.StatusCode >= 500, resp.StatusCode == http.StatusTooManyRequests, resp.StatusCode == http.StatusRequestTimeout,
		resp.StatusCode == http.StatusForbidden: // how some publishers say "slower"
		e.Kind = ErrUnreachable
		e.RetryAfter = retryAfter(resp.Header, time.Now())
	}
	return e
}

func (c *client) failed(ctx context.Context, address *url.URL, err error) error {
	var own *Error
	if errors.As(err, &own) {
		return &Error{Kind: own.Kind, Message: redact(address) + ": " + own.Message}
	}
	if ctx.Err() != nil {
		return fmt.Errorf("fetch %s: %w", redact(address), context.Cause(ctx))
	}
	var wrapped *url.Error
	if errors.As(err, &wrapped) {
		err = wrapped.Err // the rest is the address, which may hold credentials
	}
	return &Error{Kind: ErrUnreachable, Message: fmt.Sprintf("%s: %v", redact(address), err)}
}

// maxRetryAfter bounds what a publisher may ask for; the next scheduled sync comes anyway.
const maxRetryAfter = 30 * time.Minute

// retryAfter reads the header of RFC 9110 section 10.2.3: seconds or a date.
func retryAfter(header http.Header, now time.Time) time.Duration {
	value := header.Get("Retry-After")
	if value == "" {
		return 0
	}
	wait, err := time.ParseDuration(value + "s")
	if err != nil {
		at, err := http.ParseTime(value)
		if err != nil {
			return 0
		}
		wait = at.Sub(now)
	}
	return min(max(wait, 0), maxRetryAfter)
}

// stalling breaks a transfer off that makes no headway.
type stalling struct {
	io.ReadCloser
	stop     context.CancelFunc
	timer    *time.Timer
	patience time.Duration
}

func (s *stalling) Read(p []byte) (int, error) {
	s.timer.Reset(s.patience)
	return s.ReadCloser.Read(p)
}

func (s *stalling) Close() error {
	s.timer.Stop()
	s.stop()
	return s.ReadCloser.Close()
}
