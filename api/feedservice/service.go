// Package feedservice is the read API of vulnerability data, from which other installations read: feeds, their groups, and
// the records of a group, page by page or as one document, and bundles that were published as files.
//
// It only reads, asks for no credentials, and works without anything but the database of the feeds. Paths and envelopes
// are those of the feed service that clients of the field know (/v1/feeds), records are in the normal form of package feed.
package feedservice

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/go-chi/chi/v5"
	"github.com/go-chi/chi/v5/middleware"
	"go.uber.org/zap"

	"plimsoll/engine/feed/bundle"
	"plimsoll/engine/feed/relay"
	"plimsoll/internal/log"
	"plimsoll/persistence"
)

// Feeds is the store.
type Feeds interface {
	Groups(ctx context.Context) ([]persistence.FeedGroup, error)
	State(ctx context.Context, source, group string) (persistence.GroupState, error)
	RemovedSince(ctx context.Context, source, group string, since int64) ([]string, error)
	Export(ctx context.Context, source, group string, since int64, visit func(relay.Line) error) error
	ExportPage(ctx context.Context, source, group string, since int64, after string, limit int) ([]relay.Line, error)
	GenerationThen(ctx context.Context, at time.Time) (int64, error)
}

const (
	// pageLimit is the most records on a page.
	pageLimit = 1000
	// maxParameter bounds a query parameter, in bytes.
	maxParameter = 1024
	// stall is how long a reader of an export may take for a part of it.
	stall = time.Minute
	// compression is zlib's fastest level: an export is read once.
	compression = 1
)

// New returns the service. bundles is the folder of published bundles; empty: none are served. Requests log through the
// logger of base.
func New(base context.Context, feeds Feeds, bundles string) http.Handler {
	s := &service{feeds: feeds, bundles: bundles}
	r := chi.NewRouter()
	r.Use(func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			next.ServeHTTP(w, r.WithContext(log.Into(r.Context(), log.From(base))))
		})
	}, middleware.Recoverer)
	r.NotFound(func(w http.ResponseWriter, _ *http.Request) {
		refuse(w, http.StatusNotFound, "There is nothing here; GET /v1/feeds lists the feeds.")
	})
	r.Group(func(r chi.Router) {
		r.Use(middleware.Compress(compression, "application/json", lines))
		r.Get("/v1/feeds", s.listFeeds)
		r.Get("/v1/feeds/{feed}", s.listGroups)
		r.Get("/v1/feeds/{feed}/{group}", s.listRecords)
		r.Get("/v1/feeds/{feed}/{group}/state", s.tellState)
		r.Get("/v1/feeds/{feed}/{group}/export", s.export)
	})
	if bundles != "" { // as they are: parts of them may be asked for, and they are compressed
		for _, method := range []string{http.MethodGet, http.MethodHead} {
			r.Method(method, "/v1/bundles", http.HandlerFunc(s.listBundles))
			r.Method(method, "/v1/bundles/"+bundle.ListingName, http.HandlerFunc(s.listBundles))
			r.Method(method, "/v1/bundles/{file}", http.HandlerFunc(s.sendBundle))
		}
	}
	return r
}

type service struct {
	feeds   Feeds
	bundles string
}

const lines = "application/x-ndjson"

// entry is a feed or a group in a list. Access tiers are of a service that was paid for; here everything is of the lowest.
type entry struct {
	Name        string     `json:"name"`
	Description string     `json:"description"`
	AccessTier  int        `json:"access_tier"`
	RecordCount *int       `json:"record_count,omitempty"`
	LastSync    *time.Time `json:"last_sync,omitempty"`
}

func (s *service) listFeeds(w http.ResponseWriter, r *http.Request) {
	groups, err := s.feeds.Groups(r.Context())
	if err != nil {
		fail(w, r, err)
		return
	}
	out := []entry{}
	for _, g := range groups {
		if len(out) == 0 || out[len(out)-1].Name != g.Source {
			out = append(out, entry{Name: g.Source, Description: "Data of the source " + g.Source})
		}
	}
	answer(w, map[string]any{"feeds": out, "next_token": ""})
}

func (s *service) listGroups(w http.ResponseWriter, r *http.Request) {
	groups, err := s.feeds.Groups(r.Context())
	if err != nil {
		fail(w, r, err)
		return
	}
	feed := name(r, "feed")
	out := []entry{}
	for _, g := range groups {
		if g.Source == feed {
			out = append(out, entry{Name: g.Name, Description: "Group " + g.Name + " of the source " + feed, RecordCount: &g.RecordCount, LastSync: g.LastSync})
		}
	}
	if len(out) == 0 {
		refuse(w, http.StatusNotFound, "There is no such feed; GET /v1/feeds lists them.")
		return
	}
	answer(w, map[string]any{"groups": out, "next_token": ""})
}

// name is a part of the path as it was meant.
func name(r *http.Request, parameter string) string {
	text := chi.URLParam(r, parameter)
	if plain, err := url.PathUnescape(text); err == nil {
		return plain
	}
	return text
}

// group finds the group of a request, or answers that there is none.
func (s *service) group(w http.ResponseWriter, r *http.Request) (persistence.GroupState, bool) {
	state, err := s.feeds.State(r.Context(), name(r, "feed"), name(r, "group"))
	if err != nil {
		fail(w, r, err)
		return state, false
	}
	if state.Generation == 0 {
		refuse(w, http.StatusNotFound, "There is no such group, or it has no data yet; GET /v1/feeds/{feed} lists the groups.")
		return state, false
	}
	return state, true
}

// cursor names a generation of this store. One of another store means nothing here.
func cursor(s persistence.GroupState) string {
	return s.Origin + "/" + strconv.FormatInt(s.Generation, 10)
}

// since reads from where on a request wants to know: a cursor of this service, a generation or a time. 0: everything,
// also where the changes since are not known any more.
func (s *service) since(r *http.Request, state persistence.GroupState) (int64, error) {
	text := r.URL.Query().Get("since")
	if text == "" {
		return 0, nil
	}
	if len(text) > maxParameter {
		return 0, errSince
	}
	origin, number, isCursor := strings.Cut(text, "/")
	if !isCursor {
		origin, number = state.Origin, text
	}
	generation, err := strconv.ParseInt(number, 10, 64)
	if err != nil && !isCursor {
		at, timeErr := parseTime(text)
		if timeErr != nil {
			return 0, errSince
		}
		if generation, err = s.feeds.GenerationThen(r.Context(), at); err != nil {
			return 0, err
		}
	}
	if err != nil || generation < 0 {
		return 0, errSince
	}
	if origin != state.Origin || generation < state.Swept || state.Whole {
		return 0, nil
	}
	return generation, nil
}

var errSince = errors.New("since is neither a time (2026-01-31T12:00:00Z) nor a cursor of this service")

func parseTime(text string) (time.Time, error) {
	for _, layout := range []string{time.RFC3339, "2006-01-02T15:04:05", time.DateOnly} {
		if at, err := time.Parse(layout, text); err == nil {
			return at, nil
		}
	}
	return time.Time{}, errSince
}

// begin finds the group of a request and from where on it asks.
func (s *service) begin(w http.ResponseWriter, r *http.Request) (state persistence.GroupState, since int64, ok bool) {
	state, ok = s.group(w, r)
	if !ok {
		return state, 0, false
	}
	since, err := s.since(r, state)
	if errors.Is(err, errSince) {
		refuse(w, http.StatusBadRequest, "The parameter "+errSince.Error()+".")
		return state, 0, false
	}
	if err != nil {
		fail(w, r, err)
		return state, 0, false
	}
	return state, since, true
}

func (s *service) listRecords(w http.ResponseWriter, r *http.Request) {
	_, since, ok := s.begin(w, r)
	if !ok {
		return
	}
	query := r.URL.Query()
	limit := pageLimit
	if text := query.Get("limit"); text != "" {
		n, err := strconv.Atoi(text)
		if err != nil || n < 1 {
			refuse(w, http.StatusBadRequest, "The parameter limit is a number from 1 to 1000.")
			return
		}
		limit = min(n, pageLimit)
	}
	after, err := decodeToken(query.Get("next_token"))
	if err != nil {
		refuse(w, http.StatusBadRequest, "The parameter next_token is not that of an answer; leave it out for the first page.")
		return
	}
	page, err := s.feeds.ExportPage(r.Context(), name(r, "feed"), name(r, "group"), since, after, limit)
	if err != nil {
		fail(w, r, err)
		return
	}
	token := ""
	if len(page) == limit {
		token = encodeToken(page[len(page)-1].Vulnerability.ID)
	}
	if page == nil {
		page = []relay.Line{}
	}
	answer(w, map[string]any{"data": page, "next_token": token})
}

func (s *service) tellState(w http.ResponseWriter, r *http.Request) {
	state, since, ok := s.begin(w, r)
	if !ok {
		return
	}
	out := relay.State{Cursor: cursor(state), Delta: since > 0, Removed: []string{}}
	if since > 0 {
		gone, err := s.feeds.RemovedSince(r.Context(), name(r, "feed"), name(r, "group"), since)
		if err != nil {
			fail(w, r, err)
			return
		}
		out.Removed = append(out.Removed, gone...)
	}
	answer(w, out)
}

// export sends all records, or those that changed. Once it has begun, a failure can only break it off: what was sent is
// not whole without its last line.
func (s *service) export(w http.ResponseWriter, r *http.Request) {
	state, since, ok := s.begin(w, r)
	if !ok {
		return
	}
	tag := `"` + cursor(state) + "-" + strconv.FormatInt(since, 10) + `"`
	w.Header().Set("ETag", tag)
	if r.Header.Get("If-None-Match") == tag {
		w.WriteHeader(http.StatusNotModified)
		return
	}
	w.Header().Set("Content-Type", lines)
	out, control := relay.NewWriter(w), http.NewResponseController(w)
	sent := 0
	err := s.feeds.Export(r.Context(), name(r, "feed"), name(r, "group"), since, func(l relay.Line) error {
		if sent%pageLimit == 0 {
			// A listener without deadlines needs none.
			_ = control.SetWriteDeadline(time.Now().Add(stall))
		}
		sent++
		return out.Write(l)
	})
	if err == nil {
		err = out.End()
	}
	if err != nil {
		log.From(r.Context()).Warn("export broken off", zap.String(log.KeyFeed, name(r, "feed")+"/"+name(r, "group")), zap.Error(err))
		panic(http.ErrAbortHandler) // closes the connection in the middle: a reader must not take it for the end
	}
}

func answer(w http.ResponseWriter, body any) {
	text, err := json.Marshal(body)
	if err != nil {
		refuse(w, http.StatusInternalServerError, "The answer could not be written.")
		return
	}
	w.Header().Set("Content-Type", "application/json")
	_, _ = w.Write(text)
}

func refuse(w http.ResponseWriter, status int, message string) {
	text, _ := json.Marshal(map[string]any{"code": status, "message": message})
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_, _ = w.Write(text)
}

func fail(w http.ResponseWriter, r *http.Request, err error) {
	if r.Context().Err() == nil {
		log.From(r.Context()).Error("request failed", zap.Error(err))
	}
	refuse(w, http.StatusInternalServerError, "The data cannot be read now; the log of the service says why.")
}
