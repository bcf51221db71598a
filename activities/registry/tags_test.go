package registry_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	own "plimsoll/activities/registry"
)

func TestHeadTellsWhatATagMeansWithoutReadingIt(t *testing.T) {
	t.Parallel()
	h := newHost(t)
	want := h.push(t, "app:1", imageFor(t, "linux", "amd64")).String()
	for name, tt := range map[string]struct {
		head func(w http.ResponseWriter) bool // answers in place of the registry
		gets int
	}{
		"a registry that says":           {func(http.ResponseWriter) bool { return false }, 0},
		"one that does not":              {func(http.ResponseWriter) bool { return true }, 1},
		"one that does not allow to ask": {func(w http.ResponseWriter) bool { w.WriteHeader(http.StatusMethodNotAllowed); return true }, 1},
		"one that says nonsense":         {func(w http.ResponseWriter) bool { w.Header().Set("Docker-Content-Digest", "sha256:../x"); return true }, 1},
	} {
		gets := 0
		h.fault = func(w http.ResponseWriter, r *http.Request, next http.Handler) {
			if strings.Contains(r.URL.Path, "/manifests/") {
				if r.Method == http.MethodHead && tt.head(w) {
					return
				}
				if r.Method == http.MethodGet {
					gets++
				}
			}
			next.ServeHTTP(w, r)
		}
		got, err := client().Head(t.Context(), nil, h.addr+"/app:1")
		if err != nil || got != want || gets != tt.gets {
			t.Errorf("%s: %s after %d reads, %v; want %s after %d", name, got, gets, err, want, tt.gets)
		}
	}
	h.fault = nil
	if _, err := client().Head(t.Context(), nil, h.addr+"/app:2"); !errors.Is(err, own.ErrNotFound) {
		t.Errorf("a missing tag: %v", err)
	}
	if _, err := client().Head(t.Context(), nil, h.addr+"/app:not a tag"); !errors.Is(err, own.ErrReference) {
		t.Errorf("no tag: %v", err)
	}
	h.fault = func(w http.ResponseWriter, r *http.Request, next http.Handler) {
		if r.Method == http.MethodHead {
			w.Header().Set("Retry-After", "7")
			w.WriteHeader(http.StatusTooManyRequests)
			return
		}
		next.ServeHTTP(w, r)
	}
	var limited *own.Error
	if _, err := client().Head(t.Context(), nil, h.addr+"/app:1"); !errors.As(err, &limited) || !errors.Is(err, own.ErrRateLimited) || limited.RetryAfter.Seconds() != 7 {
		t.Errorf("429: %v", err)
	}
}

// paged serves tags/list page by page; link makes the address of the next page from its query.
func paged(t *testing.T, all []string, link func(query string) string) (*host, *int) {
	t.Helper()
	h, pages := newHost(t), 0
	h.fault = func(w http.ResponseWriter, r *http.Request, next http.Handler) {
		if !strings.HasSuffix(r.URL.Path, "/tags/list") {
			next.ServeHTTP(w, r)
			return
		}
		pages++
		from, _ := strconv.Atoi(r.URL.Query().Get("last"))
		size, _ := strconv.Atoi(r.URL.Query().Get("n"))
		to := min(from+size, len(all))
		if to < len(all) {
			w.Header().Set("Link", link(fmt.Sprintf("n=%d&last=%d", size, to)))
		}
		_ = json.NewEncoder(w).Encode(map[string]any{"name": "app", "tags": all[from:to]})
	}
	return h, &pages
}

func numbered(n int) []string {
	tags := make([]string, n)
	for i := range tags {
		tags[i] = fmt.Sprintf("v%05d", i)
	}
	return tags
}

func TestTagsAreListedPageByPage(t *testing.T) {
	t.Parallel()
	want := numbered(2500)
	for name, link := range map[string]func(string) string{
		"a path":      func(q string) string { return `</v2/app/tags/list?` + q + `>; rel="next"` },
		"an address":  func(q string) string { return `<https://elsewhere.example/v2/app/tags/list?` + q + `>; rel="next"` },
		"a bare word": func(q string) string { return `<tags/list?` + q + `>;rel=next` },
	} {
		h, pages := paged(t, want, link)
		got, err := client().Tags(t.Context(), nil, h.addr+"/app")
		if err != nil || *pages != 3 {
			t.Errorf("%s: %d pages, %v", name, *pages, err)
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s: %s", name, diff)
		}
	}
}

func TestListsOfTagsAreBounded(t *testing.T) {
	t.Parallel()
	next := func(q string) string { return `</v2/app/tags/list?` + q + `>; rel="next"` }
	bounded := own.New(own.Config{Tags: 20})
	h, _ := paged(t, numbered(20), next)
	if got, err := bounded.Tags(t.Context(), nil, h.addr+"/app"); err != nil || len(got) != 20 {
		t.Errorf("as many as allowed: %d, %v", len(got), err)
	}
	h, pages := paged(t, numbered(5000), next)
	if _, err := bounded.Tags(t.Context(), nil, h.addr+"/app"); !errors.Is(err, own.ErrTooLarge) || *pages > 2 {
		t.Errorf("more than allowed: %v after %d pages", err, *pages)
	}
	answer := func(body string, header ...string) *host {
		h := newHost(t)
		h.fault = func(w http.ResponseWriter, r *http.Request, inner http.Handler) {
			if !strings.HasSuffix(r.URL.Path, "/tags/list") {
				inner.ServeHTTP(w, r)
				return
			}
			for i := 0; i+1 < len(header); i += 2 {
				w.Header().Set(header[i], header[i+1])
			}
			fmt.Fprint(w, body)
		}
		return h
	}
	endless := 0
	e := answer("")
	e.fault = func(w http.ResponseWriter, r *http.Request, inner http.Handler) {
		if !strings.HasSuffix(r.URL.Path, "/tags/list") {
			inner.ServeHTTP(w, r)
			return
		}
		endless++
		w.Header().Set("Link", next(fmt.Sprint("last=", endless)))
		fmt.Fprint(w, `{"tags":[]}`)
	}
	if _, err := client().Tags(t.Context(), nil, e.addr+"/app"); !errors.Is(err, own.ErrBadResponse) || endless > 2 {
		t.Errorf("empty pages without end: %v after %d", err, endless)
	}
	for name, tt := range map[string]struct {
		host *host
		want []string
		err  error
	}{
		"no tags":                  {answer(`{"name":"app","tags":null}`), []string{}, nil},
		"what no tag can be":       {answer(`{"tags":["a","../x","a","","b c","` + strings.Repeat("x", 129) + `"]}`), []string{"a"}, nil},
		"attachments of images":    {answer(`{"tags":["sha256-` + strings.Repeat("0", 64) + `.sig","sha256-` + strings.Repeat("0", 64) + `","z","y"]}`), []string{"y", "z"}, nil},
		"a page that names itself": {answer(`{"tags":["a"]}`, "Link", next("n=1000")), []string{"a"}, nil},
		"a web page":               {answer(`<html>`), nil, own.ErrBadResponse},
		"a page without bounds":    {answer(`{"tags":["` + strings.Repeat("x", 5<<20) + `"]}`), nil, own.ErrTooLarge},
	} {
		got, err := client().Tags(t.Context(), nil, tt.host.addr+"/app")
		if !errors.Is(err, tt.err) {
			t.Errorf("%s: %v, want %v", name, err, tt.err)
		}
		if diff := cmp.Diff(tt.want, got); diff != "" {
			t.Errorf("%s: %s", name, diff)
		}
	}
	if _, err := client().Tags(t.Context(), nil, newHost(t).addr+"/nowhere"); !errors.Is(err, own.ErrNotFound) {
		t.Errorf("unknown repository: %v", err)
	}
}
