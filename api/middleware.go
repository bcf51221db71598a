package api

import (
	"context"
	"fmt"
	"net/http"
	"regexp"
	"runtime/debug"
	"time"

	"github.com/go-chi/chi/v5"
	chimiddleware "github.com/go-chi/chi/v5/middleware"
	"github.com/google/uuid"
	"go.uber.org/zap"

	"plimsoll/internal/log"
	"plimsoll/persistence"
)

// requestIDHeader carries the id that ties an answer to the lines of the log.
const requestIDHeader = "Anchore-Request-Id"

var requestIDPattern = regexp.MustCompile(`^[a-z0-9-]{1,64}$`)

type requestIDKey struct{}

func requestID(ctx context.Context) string {
	id, _ := ctx.Value(requestIDKey{}).(string)
	return id
}

// identify takes the client's request id when it is well formed, makes one otherwise, and puts it into answer and log.
func identify(logger *zap.Logger, host string) func(http.Handler) http.Handler {
	return func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			id := r.Header.Get(requestIDHeader)
			if !requestIDPattern.MatchString(id) {
				id = uuid.NewString()
			}
			w.Header().Set(requestIDHeader, id)
			ctx := context.WithValue(r.Context(), requestIDKey{}, id)
			ctx = persistence.WithSource(ctx, persistence.Source{Service: serviceAPI, Host: host, RequestID: id})
			ctx = log.Into(ctx, logger.With(zap.String(log.KeyRequestID, id)))
			next.ServeHTTP(w, r.WithContext(ctx))
		})
	}
}

// record collects what only inner handlers learn, for the access log.
type record struct{ user, account string }

type recordKey struct{}

// accessLog writes one line per request. Query strings stay out: they may name what is nobody's business.
func accessLog(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		start := time.Now()
		entry := &record{}
		wrapped := chimiddleware.NewWrapResponseWriter(w, r.ProtoMajor)
		r = r.WithContext(context.WithValue(r.Context(), recordKey{}, entry))
		next.ServeHTTP(wrapped, r)
		status := wrapped.Status()
		if status == 0 {
			status = http.StatusOK
		}
		log.From(r.Context()).Info("request served",
			zap.String(log.KeyMethod, r.Method),
			zap.String(log.KeyRoute, routeOf(r)),
			zap.Int(log.KeyStatus, status),
			zap.Int(log.KeyBytes, wrapped.BytesWritten()),
			zap.Duration(log.KeyDuration, time.Since(start)),
			zap.String(log.KeyRemoteAddr, r.RemoteAddr),
			zap.String(log.KeyUser, entry.user),
			zap.String(log.KeyAccount, entry.account))
	})
}

func routeOf(r *http.Request) string {
	if route := chi.RouteContext(r.Context()); route != nil {
		return route.RoutePattern()
	}
	return ""
}

// recoverPanics turns a panic into an internal error; the stack goes to the log only.
func recoverPanics(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		defer func() {
			cause := recover()
			if cause == nil {
				return
			}
			if cause == http.ErrAbortHandler {
				panic(cause)
			}
			log.From(r.Context()).Error("handler panicked", zap.ByteString("stack", debug.Stack()))
			writeError(w, r, fmt.Errorf("panic: %v", cause))
		}()
		next.ServeHTTP(w, r)
	})
}

// writeGrace is the time to write an answer after the work on it had to end.
const writeGrace = 30 * time.Second

// limit bounds how much a request may send and how long the work on it may take.
func limit(most func(*http.Request) int64, timeout func(*http.Request) time.Duration) func(http.Handler) http.Handler {
	return func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			maxBody := most(r)
			if r.ContentLength > maxBody {
				writeError(w, r, fail(codeTooLarge, fmt.Sprintf("The request body is larger than the %d bytes the server accepts.", maxBody)))
				return
			}
			r.Body = http.MaxBytesReader(w, r.Body, maxBody)
			allowed := timeout(r)
			// The server's own write timeout is for ordinary requests; where it cannot be moved, it holds.
			_ = http.NewResponseController(w).SetWriteDeadline(time.Now().Add(allowed + writeGrace))
			ctx, cancel := context.WithTimeout(r.Context(), allowed)
			defer cancel()
			next.ServeHTTP(w, r.WithContext(ctx))
		})
	}
}

// secure sets headers that keep browsers from guessing types or keeping answers.
func secure(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("X-Content-Type-Options", "nosniff")
		w.Header().Set("Cache-Control", "no-store")
		next.ServeHTTP(w, r)
	})
}
