package api

import (
	"context"
	"fmt"
	"net/http"
	"net/url"

	"github.com/go-chi/chi/v5"
	"go.uber.org/zap"

	"plimsoll/authz"
	"plimsoll/internal/log"
)

// Decider answers permission questions.
type Decider interface {
	Decide(ctx context.Context, who authz.Subject, what authz.Permission) error
	// Reload makes changed grants count at once in this process.
	Reload(ctx context.Context) error
}

// guard authenticates the caller of an operation and checks the permission its x-authz asks for, before anything of the
// request is read. Where the domain is only known from query or body, the handler asks instead.
func (a *API) guard(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		op, ok := a.operations[currentRoute(r)]
		if !ok {
			writeError(w, r, fmt.Errorf("route %s is not in the document", currentRoute(r)))
			return
		}
		if op.access.Domain == domainNone {
			next.ServeHTTP(w, r)
			return
		}
		who, ok := a.authenticator.authenticate(w, r)
		if !ok {
			return
		}
		ctx := context.WithValue(r.Context(), callerKey{}, who)
		ctx = log.With(ctx, zap.String(log.KeyUser, who.User), zap.String(log.KeyAccount, who.Account))
		if entry, ok := ctx.Value(recordKey{}).(*record); ok {
			entry.user, entry.account = who.User, who.Account
		}
		r = r.WithContext(ctx)
		if err := a.deps.Authorizer.Decide(ctx, who.Subject, permissionOf(op.access, who, r)); err != nil {
			writeError(w, r, err)
			return
		}
		next.ServeHTTP(w, r)
	})
}

// permissionOf says what the route asks of the caller. The empty permission still requires an enabled home account.
func permissionOf(needs access, who caller, r *http.Request) authz.Permission {
	what := authz.Permission{Action: needs.Action, Target: authz.AnyTarget}
	if needs.Target != "" {
		what.Target = pathValue(r, needs.Target)
	}
	switch needs.Domain {
	case domainAccount:
		what.Domain = who.Account
	case domainPathAccount:
		what.Domain = pathValue(r, "account_name")
	case domainSystem:
		what.Domain = authz.SystemDomain
	default:
		return authz.Permission{}
	}
	return what
}

// pathValue decodes a path parameter; canonicalPath made sure that it can be decoded.
func pathValue(r *http.Request, name string) string {
	value, err := url.PathUnescape(chi.URLParam(r, name))
	if err != nil {
		return ""
	}
	return value
}
