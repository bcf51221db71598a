package activities_test

import (
	"archive/zip"
	"bytes"
	"encoding/binary"
	"fmt"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"
	"unicode/utf16"

	"plimsoll/activities"
	"plimsoll/internal/config"
	"plimsoll/persistence"
	"plimsoll/workflows"
)

// publisher serves archives over HTTP, and misbehaves about npm's when told to.
type publisher struct {
	*httptest.Server
	archives map[string][]byte
	trouble  atomic.Pointer[http.HandlerFunc]
	asked    atomic.Int64 // for npm
}

func newPublisher(t *testing.T) *publisher {
	t.Helper()
	p := &publisher{archives: map[string][]byte{}}
	p.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		parts := strings.Split(strings.Trim(r.URL.Path, "/"), "/")
		ecosystem, file := parts[len(parts)-2], parts[len(parts)-1]
		if file != "all.zip" {
			http.NotFound(w, r)
			return
		}
		if ecosystem == "npm" {
			p.asked.Add(1)
			if bad := p.trouble.Load(); bad != nil {
				(*bad)(w, r)
				return
			}
		}
		_, _ = w.Write(p.archives[ecosystem])
	}))
	t.Cleanup(p.Close)
	return p
}

func (p *publisher) misbehave(how http.HandlerFunc) {
	if how == nil {
		p.trouble.Store(nil)
		return
	}
	p.trouble.Store(&how)
}

// archive packs members by name.
func archive(t *testing.T, members map[string]string) []byte {
	t.Helper()
	var buffer bytes.Buffer
	w := zip.NewWriter(&buffer)
	for _, name := range sorted(members) {
		f, err := w.Create(name)
		if err == nil {
			_, err = io.WriteString(f, members[name])
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return buffer.Bytes()
}

func body(data []byte) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write(data) }
}

func answer(status int, header ...string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		for i := 0; i+1 < len(header); i += 2 {
			w.Header().Set(header[i], header[i+1])
		}
		w.WriteHeader(status)
	}
}

func wide(text string) string {
	out := []byte{0xff, 0xfe}
	for _, unit := range utf16.Encode([]rune(text)) {
		out = binary.LittleEndian.AppendUint16(out, unit)
	}
	return string(out)
}

// good are npm's records before and after the trouble.
func good() map[string]string {
	out := map[string]string{}
	for i := range 120 {
		id := fmt.Sprintf("GHSA-%04d", i)
		out[id+".json"] = advisory(id, "npm", fmt.Sprintf("package-%d", i), "1.3.1")
	}
	return out
}

// with is the good records and one more.
func with(t *testing.T, name, text string) http.HandlerFunc {
	t.Helper()
	members := good()
	members[name] = text
	return body(archive(t, members))
}

// feedTrouble is what a publisher does and what must come of it: of a failure the code and words in the feed list, and the
// old data; else how many records there are and how many were skipped.
type feedTrouble struct {
	how              http.HandlerFunc
	code             string
	words            []string
	records, skipped int
	tries            int64 // 0: any number
	alarm            persistence.FeedAlarm
}

func feedTroubles(t *testing.T) map[string]feedTrouble {
	t.Helper()
	whole := archive(t, good())
	untrusted := httptest.NewUnstartedServer(body(whole))
	untrusted.Config.ErrorLog = log.New(io.Discard, "", 0)
	untrusted.StartTLS()
	t.Cleanup(untrusted.Close)
	huge := `{"id":"GHSA-huge","summary":"` + strings.Repeat("x", 40<<20) + `"}`
	events := strings.Repeat(`{"introduced":"2"},{"fixed":"1"},`, 2000) + `{"introduced":"0"}`
	absurd := fmt.Sprintf(`{"id":"GHSA-absurd","modified":"0000-00-00T99:99:99Z","affected":[{"package":{"ecosystem":"npm","name":"p"},
		"ranges":[{"type":"SEMVER","events":[%s]},{"type":"SEMVER","events":[{"fixed":"not a version"}]},{"type":"ODD"},{"type":"SEMVER","events":[{"introduced":"99999999999999999999999999.0.0"}]}]}]}`, events)
	var late atomic.Int64
	return map[string]feedTrouble{
		"connection cut": {how: func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Length", fmt.Sprint(len(whole)))
			_, _ = w.Write(whole[:len(whole)/2])
		}, code: workflows.FailFeedUnreachable, words: []string{"broke off after"}},
		"silence": {how: func(w http.ResponseWriter, r *http.Request) {
			w.WriteHeader(http.StatusOK)
			w.(http.Flusher).Flush()
			<-r.Context().Done()
		}, code: workflows.FailFeedUnreachable},
		"half an archive":        {how: body(whole[:len(whole)/2]), code: workflows.FailFeedBadResponse, words: []string{"archive"}, tries: 1},
		"a page to sign in":      {how: body([]byte("<html>please sign in</html>")), code: workflows.FailFeedBadResponse, words: []string{"archive"}, tries: 1},
		"nothing":                {how: body(nil), code: workflows.FailFeedBadResponse, tries: 1},
		"an archive of nothing":  {how: body(archive(t, nil)), code: workflows.FailFeedBadResponse, words: []string{"0 members"}, tries: 1},
		"an archive of pictures": {how: body(archive(t, map[string]string{"a.png": "x"})), code: workflows.FailFeedBadResponse, tries: 1},
		"most is gone": {
			how: body(archive(t, map[string]string{"GHSA-0000.json": advisory("GHSA-0000", "npm", "package-0", "1.3.1")})), code: workflows.FailFeedRefused,
			words: []string{"1 records, had 120"}, alarm: persistence.AlarmRefused, tries: 1,
		},
		"a gigantic record":        {how: with(t, "GHSA-huge.json", huge), records: 120, skipped: 1},
		"a document beyond limits": {how: body(bytes.Repeat([]byte{0}, 3<<20)), code: workflows.FailLimitExceeded, words: []string{"max_document_bytes"}, tries: 1},
		"a broken record":          {how: with(t, "GHSA-b.json", `{"id":"GHSA-b","affected":[`), records: 120, skipped: 1},
		"a record of another kind": {how: with(t, "GHSA-b.json", `[1,2,3]`), records: 120, skipped: 1},
		"a record in UTF-16":       {how: with(t, "GHSA-b.json", wide(advisory("GHSA-b", "npm", "x", "1"))), records: 120, skipped: 1},
		"a record in Latin-1":      {how: with(t, "GHSA-b.json", strings.Replace(advisory("GHSA-b", "npm", "x", "1"), `"s"`, "\"\xe4\xf6\xfc\x00\"", 1)), records: 120, skipped: 1},
		"absurd ranges":            {how: with(t, "GHSA-absurd.json", absurd), records: 121},
		"redirects in a circle":    {how: func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, r.URL.Path, http.StatusFound) }, code: workflows.FailFeedBadResponse, words: []string{"redirects"}},
		"a certificate of nobody": {how: func(w http.ResponseWriter, r *http.Request) {
			http.Redirect(w, r, untrusted.URL+r.URL.Path, http.StatusFound)
		}, code: workflows.FailFeedUnreachable, words: []string{"certificate"}},
		"401": {how: answer(http.StatusUnauthorized), code: workflows.FailFeedBadResponse, words: []string{"401"}, tries: 1},
		"403": {how: answer(http.StatusForbidden), code: workflows.FailFeedUnreachable, words: []string{"403"}},
		"404": {how: answer(http.StatusNotFound), code: workflows.FailFeedBadResponse, words: []string{"404"}, tries: 1},
		"429": {how: answer(http.StatusTooManyRequests, "Retry-After", "120"), code: workflows.FailFeedUnreachable, words: []string{"429"}},
		"503": {how: answer(http.StatusServiceUnavailable, "Retry-After", "Fri, 31 Dec 2100 23:59:59 GMT"), code: workflows.FailFeedUnreachable, words: []string{"503"}},
		"503 twice": {how: func(w http.ResponseWriter, r *http.Request) {
			if late.Add(1) <= 2 {
				answer(http.StatusServiceUnavailable, "Retry-After", "1")(w, r)
				return
			}
			body(archive(t, map[string]string{}))(w, r)
		}, code: workflows.FailFeedBadResponse, tries: 3},
	}
}

// Whatever a publisher does, its group ends with a reason people can read, keeps its last good data until there is better, and
// no other group notices.
func TestTroubleWithOneFeedIsSaidAndStaysThere(t *testing.T) {
	t.Parallel()
	for name, c := range feedTroubles(t) {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p := newPublisher(t)
			s := newSystem(t)
			s.feeds(func(f *activities.Feeds) {
				f.MirrorURL = config.SecretURL(p.URL)
				f.MaxDocumentBytes, f.StallTimeout = 2<<20, 300*time.Millisecond
			})
			debian := func(fixed string) {
				p.archives["Debian"] = archive(t, map[string]string{"DSA-1.json": advisory("DSA-1", "Debian:12", "openssl", fixed)})
			}
			p.archives["npm"] = archive(t, good())
			debian("1")
			s.wantSynced("npm", 120)
			debian("2")
			p.misbehave(c.how)
			p.asked.Store(0)
			got := s.sync()
			if d := got["Debian"]; d.Error != "" || d.Changed != 1 {
				t.Errorf("the other group: %+v", d)
			}
			if c.tries > 0 && p.asked.Load() != c.tries {
				t.Errorf("asked %d times, want %d", p.asked.Load(), c.tries)
			}
			s.wantTrouble(c, got["npm"])
			p.misbehave(nil)
			s.wantSynced("npm", 120)
		})
	}
}

// wantSynced syncs, and wants a group to be well.
func (s *system) wantSynced(group string, records int) {
	s.t.Helper()
	s.sync()
	if g := s.groups()[group]; g.LastError != "" || g.RecordCount != records || g.SkippedCount != 0 || g.LastSync == nil || len(g.Alarms(time.Now())) > 0 {
		s.t.Fatalf("group %+v, want %d records and no error", g, records)
	}
}

func (s *system) wantTrouble(c feedTrouble, got workflows.GroupResult) {
	s.t.Helper()
	g := s.groups()["npm"]
	var current int
	err := s.pool.QueryRow(s.t.Context(), `SELECT count(*) FROM plimsoll_feeds.vulnerability WHERE group_name = 'npm' AND valid_to IS NULL`).Scan(&current)
	if err != nil {
		s.t.Fatal(err)
	}
	if c.code == "" {
		if got.Error != "" || g.LastError != "" || g.RecordCount != c.records || current != c.records || g.SkippedCount != c.skipped {
			s.t.Errorf("result %+v, group %+v; want %d records and %d skipped", got, g, c.records, c.skipped)
		}
		return
	}
	if !strings.HasPrefix(g.LastError, c.code+": ") || got.Error == "" {
		s.t.Errorf("error %q, want %s", g.LastError, c.code)
	}
	for _, word := range c.words {
		if !strings.Contains(g.LastError, word) {
			s.t.Errorf("error %q lacks %q", g.LastError, word)
		}
	}
	if g.RecordCount != 120 || current != 120 {
		s.t.Errorf("%d records, %d current rows; want the last good 120", g.RecordCount, current)
	}
	if alarms := g.Alarms(time.Now()); c.alarm != "" && (len(alarms) != 1 || alarms[0] != c.alarm) {
		s.t.Errorf("alarms %v, want %s", alarms, c.alarm)
	}
}

// A clock that was wrong and is set right must not keep a feed from being read for as long as it was wrong.
func TestAClockThatGoesBackStopsNoFeed(t *testing.T) {
	t.Parallel()
	s := newSystem(t)
	s.publish("Debian", advisory("DSA-1", "Debian:12", "openssl", "1"))
	s.publish("npm", advisory("GHSA-1", "npm", "left-pad", "1.3.1"))
	s.sync()
	_, err := s.pool.Exec(t.Context(), `UPDATE plimsoll_feeds.feed_group
SET last_attempt = now() + interval '1 year', last_sync = now() + interval '1 year', cursor = '2999-01-01T00:00:00Z 2999-01-01T00:00:00Z'`)
	if err != nil {
		t.Fatal(err)
	}
	s.publish("npm", advisory("GHSA-1", "npm", "left-pad", "1.3.2"))
	var out workflows.SyncFeedsResult
	if err := s.run(workflows.SyncFeedsName, workflows.SyncFeedsInput{Scheduled: true}, &out); err != nil {
		t.Fatal(err)
	}
	if len(out.Groups) != 2 || out.Groups[1].Changed != 1 {
		t.Errorf("groups %+v, want both looked at and npm changed", out.Groups)
	}
	if g := s.groups()["npm"]; g.LastSync == nil || g.LastSync.After(time.Now()) {
		t.Errorf("last sync %v", g.LastSync)
	}
}
