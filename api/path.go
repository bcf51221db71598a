package api

import (
	"net/http"
	"net/url"
	"strings"
)

// registriesPrefix is the one place where a single path value may hold slashes: the name of a registry.
const registriesPrefix = "/v2/registries/"

// canonicalPath rewrites the path so that routing sees one spelling of it: no trailing slash, every segment percent-encoded in
// the same way, and a registry name with slashes, raw or encoded, folded into one segment. RawPath is always set, so that the
// router matches on the encoded form and each value is decoded exactly once.
func canonicalPath(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		path, raw, err := canonical(r.URL.EscapedPath())
		if err != nil {
			writeError(w, r, fail(codeInvalidRequest, "The path of the URL is not validly percent-encoded.").because(err))
			return
		}
		u := *r.URL
		u.Path, u.RawPath = path, raw
		clone := *r
		clone.URL = &u
		next.ServeHTTP(w, &clone)
	})
}

// canonical returns the decoded and the encoded form of a path.
func canonical(escaped string) (path, raw string, err error) {
	escaped = strings.TrimRight(escaped, "/")
	switch escaped {
	case "":
		return "/", "/", nil
	case "/v2":
		return "/v2/", "/v2/", nil
	case "/v2/console":
		return "/v2/console/", "/v2/console/", nil
	}
	fixed := ""
	if strings.HasPrefix(escaped, registriesPrefix) {
		fixed = registriesPrefix
	}
	segments := strings.Split(escaped[len(fixed):], "/")
	if fixed != "" {
		segments = []string{escaped[len(fixed):]}
	}
	decoded, encoded := make([]string, len(segments)), make([]string, len(segments))
	for i, segment := range segments {
		if decoded[i], err = url.PathUnescape(segment); err != nil {
			return "", "", err
		}
		encoded[i] = url.PathEscape(decoded[i])
	}
	return fixed + strings.Join(decoded, "/"), fixed + strings.Join(encoded, "/"), nil
}
