package api

import (
	"context"
	"io"
	"net/http"
	"strings"
	"time"
)

// streamTimeout is how long an operation may take whose body or answer is gigabytes: over a slow line.
const streamTimeout = time.Hour

type streamKey struct{}

// stream is a body that only the handler reads.
type stream struct {
	body        io.ReadCloser
	length      int64
	contentType string
}

// standIn is an empty form, which is what the validator sees of a body that is too large to be decoded.
const (
	standIn     = "--stand\r\nContent-Disposition: form-data; name=\"data\"\r\n\r\n\r\n--stand--\r\n"
	standInType = "multipart/form-data; boundary=stand"
)

// aroundStreams has checks see everything of a request but its body, where the operation takes that as a stream.
func aroundStreams(operations map[string]operation, checks func(http.Handler) http.Handler) func(http.Handler) http.Handler {
	return func(next http.Handler) http.Handler {
		checked := checks(restoreStream(next))
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if !operations[currentRoute(r)].stream {
				checked.ServeHTTP(w, r)
				return
			}
			// Ordinary requests have the server's own time to arrive in; where it cannot be moved, it holds.
			_ = http.NewResponseController(w).SetReadDeadline(time.Now().Add(streamTimeout))
			held := stream{r.Body, r.ContentLength, r.Header.Get("Content-Type")}
			r = r.WithContext(context.WithValue(r.Context(), streamKey{}, held))
			r.Body, r.ContentLength = io.NopCloser(strings.NewReader(standIn)), int64(len(standIn))
			r.Header.Set("Content-Type", standInType)
			checked.ServeHTTP(w, r)
		})
	}
}

func restoreStream(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if held, ok := r.Context().Value(streamKey{}).(stream); ok {
			r.Body, r.ContentLength = held.body, held.length
			r.Header.Set("Content-Type", held.contentType)
		}
		next.ServeHTTP(w, r)
	})
}
