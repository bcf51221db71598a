package api

import (
	"net/http"
	"slices"
	"strings"
	"unicode/utf8"
)

// validated is the body the validator leaves behind: it keeps what it decoded.
type validated interface{ ValidatedValue() any }

// refuseUnstorableHead turns away what nothing may ask the database for: NUL characters and bytes that are not UTF-8 in the
// path, the account and the user name. It runs before anybody is looked up.
func refuseUnstorableHead(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		username, _, _ := r.BasicAuth()
		if !storable(r.URL.Path) || !storable(r.Header.Get(accountHeader)) || !storable(username) {
			writeError(w, r, unstorable())
			return
		}
		next.ServeHTTP(w, r)
	})
}

// refuseUnstorable does the same for query and body, once the validator has decoded it.
func refuseUnstorable(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		ok := true
		for name, values := range r.URL.Query() {
			ok = ok && storable(name) && !slices.ContainsFunc(values, func(v string) bool { return !storable(v) })
		}
		if body, isValidated := r.Body.(validated); ok && isValidated {
			ok = storableValue(body.ValidatedValue())
		}
		if !ok {
			writeError(w, r, unstorable())
			return
		}
		next.ServeHTTP(w, r)
	})
}

func unstorable() *ProblemError {
	return fail(codeInvalidRequest, "The request holds a NUL character or bytes that are not UTF-8.")
}

func storable(s string) bool { return utf8.ValidString(s) && !strings.ContainsRune(s, 0) }

func storableValue(value any) bool {
	switch v := value.(type) {
	case string:
		return storable(v)
	case []any:
		for _, item := range v {
			if !storableValue(item) {
				return false
			}
		}
	case map[string]any:
		for key, item := range v {
			if !storable(key) || !storableValue(item) {
				return false
			}
		}
	}
	return true
}
