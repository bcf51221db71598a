package feedservice_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"plimsoll/api/feedservice"
	"plimsoll/engine/feed"
	"plimsoll/engine/feed/relay"
	"plimsoll/persistence"
	"plimsoll/persistence/pgtest"
)

// service is a feed service over a database of the test's own.
type service struct {
	t     *testing.T
	feeds *persistence.Feeds
	url   string
}

func newService(t *testing.T) *service {
	t.Helper()
	pool := pgtest.New(t)
	// Databases of tests are copies of one.
	if _, err := pool.Exec(t.Context(), `UPDATE plimsoll_feeds.origin SET id = gen_random_uuid()`); err != nil {
		t.Fatal(err)
	}
	feeds := persistence.NewFeeds(pool)
	server := httptest.NewServer(feedservice.New(t.Context(), feeds, ""))
	t.Cleanup(server.Close)
	return &service{t, feeds, server.URL}
}

func (s *service) commit(source, group string, load func(*persistence.Staging) error) int64 {
	s.t.Helper()
	c, err := s.feeds.Commit(s.t.Context(), persistence.CommitFeed{Source: source, Group: group, At: time.Now(), Load: load, Force: true})
	if err != nil {
		s.t.Fatal(err)
	}
	return c.Generation
}

// flaws loads made up records of npm packages.
func flaws(ids ...string) func(*persistence.Staging) error {
	return func(in *persistence.Staging) error {
		for _, id := range ids {
			name, fixed, _ := strings.Cut(id, "=")
			err := in.Record(feed.Record{
				Vulnerability: feed.Vulnerability{Source: "osv", ID: name, Severity: feed.High},
				Advisories:    []feed.Advisory{{Namespace: "npm", Package: "koa", State: feed.StateFixed, Ranges: []feed.Range{{Introduced: "0", Fixed: fixed + "1.0"}}}},
			})
			if err != nil {
				return err
			}
		}
		return nil
	}
}

func (s *service) get(path string, header ...string) (int, http.Header, []byte) {
	s.t.Helper()
	r, err := http.NewRequestWithContext(s.t.Context(), http.MethodGet, s.url+path, nil)
	if err != nil {
		s.t.Fatal(err)
	}
	for i := 0; i < len(header); i += 2 {
		r.Header.Set(header[i], header[i+1])
	}
	answer, err := http.DefaultClient.Do(r)
	if err != nil {
		s.t.Fatal(err)
	}
	defer func() { _ = answer.Body.Close() }()
	body, err := io.ReadAll(answer.Body)
	if err != nil {
		s.t.Fatal(err)
	}
	return answer.StatusCode, answer.Header, body
}

func (s *service) decode(path string, into any) {
	s.t.Helper()
	status, _, body := s.get(path)
	if status != http.StatusOK {
		s.t.Fatalf("GET %s: %d %s", path, status, body)
	}
	if err := json.Unmarshal(body, into); err != nil {
		s.t.Fatalf("GET %s: %v in %s", path, err, body)
	}
}

type list struct {
	Feeds, Groups []struct {
		Name       string
		AccessTier *int `json:"access_tier"`
	}
	Data      []relay.Line
	NextToken *string `json:"next_token"`
}

func TestFeedsGroupsAndRecordsAreListed(t *testing.T) {
	t.Parallel()
	s := newService(t)
	s.commit("osv", "Rocky Linux", flaws("A"))
	first := s.commit("osv", "crates/io", flaws("A", "B", "C", "D", "E"))
	var got list
	s.decode("/v1/feeds", &got)
	if len(got.Feeds) != 1 || got.Feeds[0].Name != "osv" || got.Feeds[0].AccessTier == nil || got.NextToken == nil {
		t.Errorf("feeds %+v", got)
	}
	s.decode("/v1/feeds/osv", &got)
	if len(got.Groups) != 2 || got.Groups[0].Name != "Rocky Linux" {
		t.Errorf("groups %+v", got)
	}
	group := "/v1/feeds/osv/" + url.PathEscape("crates/io")
	ids := func(query string) (out []string) {
		token := ""
		for range 10 {
			var page list
			s.decode(group+"?limit=2&next_token="+token+query, &page)
			for _, l := range page.Data {
				out = append(out, l.Vulnerability.ID)
			}
			if token = *page.NextToken; token == "" {
				return out
			}
		}
		t.Fatal("pages never end")
		return nil
	}
	if diff := cmp.Diff([]string{"A", "B", "C", "D", "E"}, ids("")); diff != "" {
		t.Error(diff)
	}
	before := time.Now()
	s.commit("osv", "crates/io", flaws("A", "B=2", "D", "E", "F"))
	for _, since := range []string{fmt.Sprint(first), before.UTC().Format(time.RFC3339Nano)} {
		if diff := cmp.Diff([]string{"B", "F"}, ids("&since="+since)); diff != "" {
			t.Errorf("since %s: %s", since, diff)
		}
	}
	if got := ids("&since=2020-01-01"); len(got) != 5 {
		t.Errorf("since before everything: %v", got)
	}
}

func TestBadRequestsAreToldApart(t *testing.T) {
	t.Parallel()
	s := newService(t)
	s.commit("osv", "npm", flaws("A"))
	for path, want := range map[string]int{
		"/": 404, "/v1": 404, "/v1/feeds/none": 404, "/v1/feeds/osv/none": 404, "/v1/feeds/osv/none/state": 404, "/v1/feeds/osv/npm/other": 404,
		"/v1/feeds/osv/npm?since=yesterday": 400, "/v1/feeds/osv/npm?since=-1": 400, "/v1/feeds/osv/npm?since=" + strings.Repeat("1", 2000): 400,
		"/v1/feeds/osv/npm?limit=0": 400, "/v1/feeds/osv/npm?limit=x": 400, "/v1/feeds/osv/npm?next_token=%21": 400, "/v1/feeds/osv/npm/export?since=a%2Fb": 400,
		"/v1/feeds/osv/npm?limit=100000": 200, "/v1/feeds/osv/npm?since=99999999": 200, "/v1/feeds/osv/npm?next_token=AAAA": 400, "/v1/feeds/osv/npm?next_token=QQ": 200,
	} {
		status, _, body := s.get(path)
		if status != want || !json.Valid(body) {
			t.Errorf("GET %.60s: %d %s; want %d", path, status, body, want)
		}
	}
}

func TestAnExportIsNotSentTwice(t *testing.T) {
	t.Parallel()
	s := newService(t)
	s.commit("osv", "npm", flaws("A", "B"))
	status, header, body := s.get("/v1/feeds/osv/npm/export")
	if lines := strings.Count(string(body), "\n"); status != http.StatusOK || lines != 3 || !strings.HasSuffix(string(body), "{\"lines\":2}\n") {
		t.Fatalf("%d: %s", status, body)
	}
	tag := header.Get("ETag")
	if status, _, body = s.get("/v1/feeds/osv/npm/export", "If-None-Match", tag); status != http.StatusNotModified || len(body) != 0 {
		t.Errorf("unchanged: %d %s", status, body)
	}
	s.commit("osv", "npm", flaws("A"))
	if status, header, _ = s.get("/v1/feeds/osv/npm/export", "If-None-Match", tag); status != http.StatusOK || header.Get("ETag") == tag {
		t.Errorf("changed: %d, %s", status, header.Get("ETag"))
	}
}

// reader is another installation that reads from a service through the drivers it has for that.
type reader struct {
	t      *testing.T
	driver feed.Driver
	feeds  *persistence.Feeds
	cursor string
}

func newReader(t *testing.T) *reader {
	t.Helper()
	group := feed.Group{Name: "npm"}
	publisher := feed.Driver{Name: "osv", Groups: func(feed.Settings) []feed.Group { return []feed.Group{group} }}
	return &reader{t: t, driver: relay.Drivers([]feed.Driver{publisher})[0], feeds: persistence.NewFeeds(pgtest.New(t))}
}

// sync reads what is new, and reports whether it was a delta.
func (r *reader) sync(from *service) (delta bool, err error) {
	r.t.Helper()
	get := func(_ context.Context, d feed.Document) ([]byte, error) {
		if d.Host != relay.Host {
			r.t.Errorf("asked host %s", d.Host)
		}
		status, _, body := from.get("/" + d.Path + "?" + d.Query)
		if status != http.StatusOK {
			return nil, fmt.Errorf("%d: %s", status, body)
		}
		return body, nil
	}
	group := r.driver.Groups(feed.Settings{})[0]
	plan, err := r.driver.Plan(r.t.Context(), feed.Request{Group: group, Cursor: r.cursor, Now: time.Now()}, get)
	if err != nil {
		return false, err
	}
	body, err := get(r.t.Context(), plan.Documents[0])
	if err != nil {
		return false, err
	}
	in := feed.Input{Group: group, Delta: plan.Delta, Documents: []feed.Fetched{{Document: plan.Documents[0], ReaderAt: bytes.NewReader(body), Size: int64(len(body))}}}
	_, err = r.feeds.Commit(r.t.Context(), persistence.CommitFeed{
		Source: "osv", Group: "npm", At: time.Now(), Delta: plan.Delta, Removed: plan.Removed, Cursor: plan.Cursor,
		Load: func(s *persistence.Staging) error { return r.driver.Parse(r.t.Context(), in, s) },
	})
	r.cursor = plan.Cursor
	return plan.Delta, err
}

func (r *reader) ids() (out []string) {
	r.t.Helper()
	page, err := r.feeds.ExportPage(r.t.Context(), "osv", "npm", 0, "", 100)
	if err != nil {
		r.t.Fatal(err)
	}
	for _, l := range page {
		out = append(out, l.Vulnerability.ID+" "+l.Advisories[0].Ranges[0].Fixed)
	}
	return out
}

func TestAnotherInstallationReadsWhatChanged(t *testing.T) {
	t.Parallel()
	one, other, r := newService(t), newService(t), newReader(t)
	if _, err := r.sync(one); err == nil {
		t.Error("a group without data was read")
	}
	step := func(from *service, wantDelta bool, want ...string) {
		t.Helper()
		delta, err := r.sync(from)
		if err != nil || delta != wantDelta {
			t.Errorf("delta %t, %v; want %t", delta, err, wantDelta)
		}
		if diff := cmp.Diff(want, r.ids()); diff != "" {
			t.Error(diff)
		}
	}
	one.commit("osv", "npm", flaws("A", "B", "C"))
	step(one, false, "A 1.0", "B 1.0", "C 1.0")
	one.commit("osv", "npm", flaws("A", "B=2", "D"))
	one.commit("osv", "npm", flaws("A", "B=3", "D"))
	step(one, true, "A 1.0", "B 31.0", "D 1.0")
	step(one, true, "A 1.0", "B 31.0", "D 1.0")
	one.commit("osv", "npm", flaws("A", "B=3"))
	one.commit("osv", "npm", flaws("A", "B=3", "D=4"))
	step(one, true, "A 1.0", "B 31.0", "D 41.0")
	other.commit("osv", "npm", flaws("A", "Z"))
	step(other, false, "A 1.0", "Z 1.0")
	// Facts have no deltas.
	other.commit("osv", "npm", func(in *persistence.Staging) error {
		return errors.Join(flaws("A", "Y")(in), in.Exclusion(feed.Exclusion{ID: "x", Vulnerabilities: []string{"A"}}))
	})
	step(other, false, "A 1.0", "Y 1.0")
}
