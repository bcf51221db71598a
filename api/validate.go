package api

import (
	"context"
	"errors"
	"mime"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"github.com/getkin/kin-openapi/openapi3"
	"github.com/getkin/kin-openapi/openapi3filter"
	"github.com/go-chi/chi/v5"
	middleware "github.com/oapi-codegen/nethttp-middleware"
)

// maxReportedFaults bounds how many faults of one request an answer lists.
const maxReportedFaults = 50

// normalize brings the spellings that clients use to the one the document describes: booleans in any case, lists as repeated
// keys, options left empty, a body without content type. A body of another content type is refused here.
func normalize(operations map[string]operation) func(http.Handler) http.Handler {
	return func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			op := operations[currentRoute(r)]
			if r.URL.RawQuery != "" {
				r.URL.RawQuery = op.normalizeQuery(r.URL.Query()).Encode()
			}
			if op.bodies == nil {
				r.Body = http.NoBody // a GET may carry a content type, even a body: it means nothing
				next.ServeHTTP(w, r)
				return
			}
			if r.Header.Get("Content-Type") == "" {
				r.Header.Set("Content-Type", op.bodies[0])
			}
			mediaType, _, err := mime.ParseMediaType(r.Header.Get("Content-Type"))
			if err != nil || !slices.Contains(op.bodies, mediaType) {
				writeError(w, r, fail(codeUnsupportedMedia, "The body must be sent as "+strings.Join(op.bodies, " or ")+".").because(err))
				return
			}
			next.ServeHTTP(w, r)
		})
	}
}

// currentRoute gives the key of the matched route in the table of operations.
func currentRoute(r *http.Request) string {
	return routeKey(r.Method, chi.RouteContext(r.Context()).RoutePattern())
}

func (op operation) normalizeQuery(query url.Values) url.Values {
	for name, values := range query {
		if values = slices.DeleteFunc(values, func(v string) bool { return v == "" }); len(values) == 0 {
			delete(query, name)
			continue
		}
		query[name] = values
		switch {
		case op.booleans[name]:
			for i := range values {
				values[i] = strings.ToLower(values[i])
			}
		case op.lists[name] && len(values) > 1:
			query[name] = []string{strings.Join(values, ",")}
		}
	}
	return query
}

// validate checks parameters and bodies against the document.
func validate(doc *openapi3.T) func(http.Handler) http.Handler {
	return middleware.OapiRequestValidatorWithOptions(doc, &middleware.Options{
		Options: openapi3filter.Options{
			MultiError:         true,
			AuthenticationFunc: openapi3filter.NoopAuthenticationFunc, // authenticated before
		},
		SilenceServersWarning: true, // the only server is the relative /v2: no host is compared
		ErrorHandlerWithOpts: func(_ context.Context, err error, w http.ResponseWriter, r *http.Request, _ middleware.ErrorHandlerOpts) {
			writeError(w, r, requestProblem(err))
		},
	})
}

// requestProblem lists what is wrong with a request. It never repeats a value, which may be a secret.
func requestProblem(err error) error {
	var tooLarge *http.MaxBytesError
	if errors.As(err, &tooLarge) {
		return tooLarge
	}
	faults := collectFaults(err, "", nil)
	if len(faults) == 0 {
		return fail(codeInvalidRequest, "The request cannot be understood.").because(err)
	}
	if len(faults) > maxReportedFaults {
		faults = faults[:maxReportedFaults]
	}
	message := "The request is not valid: " + faults[0]
	if len(faults) > 1 {
		message += " (and more, see detail.validation_details)"
	}
	return fail(codeInvalidRequest, message).with("validation_details", faults).because(err)
}

// collectFaults walks the tree of validation errors; where names the parameter or body they belong to.
func collectFaults(err error, where string, faults []string) []string {
	switch e := err.(type) { //nolint:errorlint // every level of the tree is looked at by itself
	case openapi3.MultiError:
		for _, inner := range e {
			faults = collectFaults(inner, where, faults)
		}
		return faults
	case *openapi3filter.RequestError:
		switch {
		case e.Parameter != nil:
			where = "parameter " + e.Parameter.Name
		case e.RequestBody != nil:
			where = "body"
		}
		if e.Err == nil {
			return append(faults, where+": "+e.Reason)
		}
		return collectFaults(e.Err, where, faults)
	case *openapi3.SchemaError:
		if len(e.JSONPointer()) > 0 {
			where += " /" + strings.Join(e.JSONPointer(), "/")
		}
		return append(faults, where+": "+e.Reason)
	case *openapi3filter.ParseError:
		if e.Reason != "" {
			return append(faults, where+": "+e.Reason)
		}
		return append(faults, where+": the value cannot be parsed")
	}
	if inner := errors.Unwrap(err); inner != nil {
		return collectFaults(inner, where, faults)
	}
	if where == "" {
		return faults
	}
	return append(faults, where+": "+err.Error())
}
