package api

import (
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"plimsoll/api/oas"
	"plimsoll/engine/feed"
	"plimsoll/persistence"
	"plimsoll/persistence/blob"
)

// distribute makes the feed of malware signatures have a file, in a group of its name without the ending.
func (s *server) distribute(name, version, content string) {
	s.t.Helper()
	group, _, _ := strings.Cut(name, ".")
	built := time.Date(2026, 7, 7, 9, 32, 0, 0, time.FixedZone("", 20700))
	_, err := persistence.NewFeeds(s.pool).Commit(s.t.Context(), persistence.CommitFeed{
		Source: "clamav_db", Group: group, At: time.Now(),
		Load: func(in *persistence.Staging) error {
			return in.File(feed.File{Name: name, Version: version, Built: &built, Content: io.NewSectionReader(strings.NewReader(content), 0, int64(len(content)))})
		},
	})
	must(s.t, err)
}

func TestMalwareSignaturesAreAFeedOfTheirOwn(t *testing.T) {
	t.Parallel()
	s := newServer(t)
	s.advise()
	read := func() (feeds []oas.FeedMetadata) {
		s.admin(http.MethodGet, "/v2/system/feeds", "").wants(http.StatusOK).decode(&feeds)
		return feeds
	}
	if feeds := read(); len(feeds) != 1 {
		t.Fatalf("without signatures: %+v", feeds)
	}
	must(t, persistence.NewFeeds(s.pool).Ensure(t.Context(), persistence.Offer{Source: "clamav_db", Groups: []string{"main", "daily"}, Enabled: true}))
	feeds := read()
	if len(feeds) != 2 || feeds[0].LastFullSync == nil || feeds[1].Name != "clamav_db" || feeds[1].LastFullSync != nil || feeds[1].DatasetChecksum != nil {
		t.Fatalf("before the first sync: %+v", feeds)
	}
	s.distribute("main.cvd", "62", "main")
	s.distribute("daily.cvd", "27400", "daily")
	feeds = read()
	if f := feeds[1]; len(feeds[0].Groups) != 1 || len(f.Groups) != 2 || f.LastFullSync == nil || f.Version == nil || *f.Version != "27400" || f.DatasetChecksum == nil ||
		f.DataServiceBuiltAt == nil || f.DataServiceBuiltAt.Hour() != 3 || f.Groups[0].EnterpriseReceivedAt == nil {
		t.Errorf("after it: %+v", feeds)
	}
	s.distribute("daily.cvd", "27401", "newer")
	if again := read(); *again[1].DatasetChecksum == *feeds[1].DatasetChecksum || *again[1].Version != "27401" {
		t.Errorf("after a change: %+v", again[1])
	}
}

func TestFilesOfAFeedCanBeDownloaded(t *testing.T) {
	t.Parallel()
	s := newServer(t)
	content := strings.Repeat("Plimsoll.Test:0:*:58354f\n", 100_000)
	s.distribute("own.ndb", "", content)
	var list oas.FeedFileList
	s.admin(http.MethodGet, "/v2/system/feeds/clamav_db/files", "").wants(http.StatusOK).decode(&list)
	digest := blob.Digest([]byte(content))
	if len(list.Items) != 1 || list.Items[0].Digest != digest || list.Items[0].Size != int64(len(content)) {
		t.Fatalf("files %+v", list)
	}
	got := s.admin(http.MethodGet, "/v2/system/feeds/clamav_db/files/own.ndb", "").wants(http.StatusOK)
	if got.body != content || got.header.Get("ETag") != `"`+digest+`"` {
		t.Errorf("%d bytes with %v, want %d", len(got.body), got.header, len(content))
	}
	s.admin(http.MethodGet, "/v2/system/feeds/vulnerabilities/files", "").wants(http.StatusOK).decode(&list)
	if len(list.Items) != 0 {
		t.Errorf("files of vulnerabilities: %+v", list)
	}
	for _, path := range []string{"clamav_db/files/own.hdb", "clamav_db/files/..%2Fown.ndb", "grype_db/files", "grype_db/files/own.ndb", "vulnerabilities/files/own.ndb"} {
		s.admin(http.MethodGet, "/v2/system/feeds/"+path, "").fails(http.StatusNotFound, codeNotFound)
	}
	mate := s.user("harbour", "mate1", "full-control")
	for _, path := range []string{"clamav_db/files", "clamav_db/files/own.ndb"} {
		s.request(http.MethodGet, "/v2/system/feeds/"+path, "", mate).fails(http.StatusForbidden, codePermissionDenied)
		s.request(http.MethodGet, "/v2/system/feeds/"+path, "").fails(http.StatusUnauthorized, codeUnauthenticated)
	}
}

func TestADamagedFileIsNotSentToItsEnd(t *testing.T) {
	t.Parallel()
	s := newServer(t)
	s.distribute("own.ndb", "", strings.Repeat("x", 3<<20))
	_, err := s.pool.Exec(t.Context(), `UPDATE plimsoll_feeds.content_part SET data = overlay(data placing 'y' from 5) WHERE part = 1`)
	must(t, err)
	web := httptest.NewServer(s.api)
	t.Cleanup(web.Close)
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, web.URL+"/v2/system/feeds/clamav_db/files/own.ndb", http.NoBody)
	must(t, err)
	as(persistence.AdminUser, adminPassword)(req)
	resp, err := web.Client().Do(req)
	must(t, err)
	defer resp.Body.Close()
	if _, err := io.Copy(io.Discard, resp.Body); !errors.Is(err, io.ErrUnexpectedEOF) {
		t.Errorf("got %v, want an answer that breaks off", err)
	}
}
