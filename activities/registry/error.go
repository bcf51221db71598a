package registry

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"time"

	"plimsoll/internal/registryhttp"

	"github.com/google/go-containerregistry/pkg/v1/remote/transport"
)

// Kinds of failures.
var (
	// ErrReference: the reference cannot be read.
	ErrReference = errors.New("invalid image reference")
	// ErrUnreachable: no connection, or the registry reports trouble of its own; worth another try.
	ErrUnreachable = errors.New("registry is unreachable")
	// ErrUnauthorized: wrong or missing credentials, or no right to this repository.
	ErrUnauthorized = errors.New("registry refused access")
	// ErrNotFound: the registry does not have the manifest or blob.
	ErrNotFound = errors.New("not found in the registry")
	// ErrRateLimited: too many requests; Error.RetryAfter says when to come back, if the registry does.
	ErrRateLimited = errors.New("registry limits the rate of requests")
	// ErrBadResponse: an answer that is no answer, or a transfer that breaks off; another try may help.
	ErrBadResponse = errors.New("registry answered wrongly")
	// ErrDigestMismatch: the bytes are not those their digest promises.
	ErrDigestMismatch = errors.New("content does not match its digest")
	// ErrUnsupported: the thing exists and is no image this system can read.
	ErrUnsupported = errors.New("unsupported image")
	// ErrArtifact: a chart, signature, SBOM or whatever else registries hold; the message names it. It is a kind
	// of ErrUnsupported.
	ErrArtifact = fmt.Errorf("not a container image: %w", ErrUnsupported)
	// ErrForeign: a layer that the registry leaves to other places. It is a kind of ErrUnsupported.
	ErrForeign = fmt.Errorf("layer is kept outside the registry: %w", ErrUnsupported)
	// ErrTooLarge: a document beyond its limit.
	ErrTooLarge = errors.New("document is too large")
)

// Error is a failure of one Kind. Its text is for people and safe to show: it names the registry and holds
// neither credentials nor signed addresses.
type Error struct {
	Kind       error
	Registry   string
	Message    string
	RetryAfter time.Duration // 0: the registry did not say
}

func (e *Error) Error() string {
	if e.Registry == "" {
		return e.Message
	}
	return e.Registry + ": " + e.Message
}

// Unwrap makes errors.Is see the kind.
func (e *Error) Unwrap() error { return e.Kind }

func (s *session) fail(kind error, format string, args ...any) *Error {
	return &Error{Kind: kind, Registry: s.repo.RegistryStr(), Message: clean(fmt.Sprintf(format, args...))}
}

// maxDetail bounds what of a registry's own words goes into a message, in bytes.
const maxDetail = 300

var (
	userinfo = regexp.MustCompile(`://[^/\s@]*@`)
	query    = regexp.MustCompile(`\?[^\s"']*`)
)

// clean makes foreign text fit for an error message: no credentials, no signed queries, no control
// characters, bounded.
func clean(s string) string {
	s = userinfo.ReplaceAllString(s, "://")
	s = query.ReplaceAllString(s, "")
	s = strings.Map(func(r rune) rune {
		if r < ' ' || r == 0x7f {
			return ' '
		}
		return r
	}, strings.ToValidUTF8(s, ""))
	if len(s) > maxDetail {
		s = strings.ToValidUTF8(s[:maxDetail], "") + "…"
	}
	return s
}

// transportError classifies a failed request. what says what was asked for.
func (s *session) transportError(ctx context.Context, what string, err error) error {
	if ctx.Err() != nil {
		return fmt.Errorf("%s: %w", what, context.Cause(ctx))
	}
	var own *Error
	if errors.As(err, &own) {
		named := *own
		named.Registry, named.Message = s.repo.RegistryStr(), what+": "+own.Message
		return &named
	}
	var status *transport.Error
	if errors.As(err, &status) {
		return s.statusError(what, status.StatusCode, status.Errors, http.Header{})
	}
	if errors.Is(err, http.ErrSchemeMismatch) {
		return s.fail(ErrUnreachable, "%s: it offers no TLS, and %v", what, registryhttp.ErrPlain)
	}
	var address *url.Error
	if errors.As(err, &address) && !errors.Is(err, registryhttp.ErrPlain) { // that one names both tries
		err = address.Err // the rest is the address, which may be signed
	}
	kind := ErrBadResponse
	var network net.Error
	var connection *net.OpError
	if errors.As(err, &network) || errors.As(err, &connection) || errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		kind = ErrUnreachable
	}
	if certificate(err) || errors.Is(err, registryhttp.ErrPlain) {
		kind = ErrUnreachable
	}
	return s.fail(kind, "%s: %v", what, err)
}

// statusError classifies an answer by its status and adds the registry's own words.
func (s *session) statusError(what string, status int, diagnostics []transport.Diagnostic, header http.Header) error {
	words := fmt.Sprintf("%d %s", status, http.StatusText(status))
	for i, d := range diagnostics {
		if i == 2 {
			break
		}
		words += fmt.Sprintf(" (%s: %s)", d.Code, d.Message)
	}
	var failed *Error
	switch {
	case status == http.StatusUnauthorized || status == http.StatusForbidden:
		failed = s.fail(ErrUnauthorized, "%s: %s; %s", what, words, s.advice())
	case status == http.StatusNotFound:
		failed = s.fail(ErrNotFound, "%s: %s", what, words)
	case status == http.StatusTooManyRequests:
		failed = s.fail(ErrRateLimited, "%s: %s", what, words)
		failed.RetryAfter = retryAfter(header, time.Now())
	case status == http.StatusRequestTimeout || status >= 500:
		failed = s.fail(ErrUnreachable, "%s: %s", what, words)
		failed.RetryAfter = retryAfter(header, time.Now()) // maintenance is announced this way
	default:
		failed = s.fail(ErrBadResponse, "%s: %s", what, words)
	}
	return failed
}

func (s *session) advice() string {
	if s.entry == "" {
		return "no registry credentials of the account apply to " + s.repo.Name()
	}
	return "the credentials of registry entry " + s.entry + " were used"
}

// maxRetryAfter bounds what a registry may ask for.
const maxRetryAfter = 15 * time.Minute

// retryAfter reads the header of RFC 9110 section 10.2.3: seconds or a date. 0: none.
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
