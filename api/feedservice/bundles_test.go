package feedservice_test

import (
	"bytes"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"testing"
	"time"

	"plimsoll/api/feedservice"
	"plimsoll/engine/feed/bundle"
	"plimsoll/persistence/feedbundle"
)

// publishing is a service that serves a folder, which it has published into when something is to be there.
func publishing(t *testing.T, something bool) (*service, string) {
	t.Helper()
	s := newService(t)
	dir := t.TempDir()
	if something {
		s.commit("osv", "npm", flaws("A"))
		if _, err := (feedbundle.Publish{Dir: dir, Keep: 1, Now: time.Now()}).Run(t.Context(), s.feeds); err != nil {
			t.Fatal(err)
		}
	}
	server := httptest.NewServer(feedservice.New(t.Context(), s.feeds, dir))
	t.Cleanup(server.Close)
	s.url = server.URL
	return s, dir
}

func TestPublishedBundlesAreServedAsTheyAre(t *testing.T) {
	t.Parallel()
	s, dir := publishing(t, true)
	status, header, listed := s.get("/v1/bundles", "Accept-Encoding", "gzip")
	raw, err := os.ReadFile(filepath.Join(dir, bundle.ListingName))
	if err != nil || status != http.StatusOK || !bytes.Equal(raw, listed) || header.Get("Content-Type") != "application/json" {
		t.Fatalf("listing: %d %v %s, %v", status, header, listed, err)
	}
	if status, _, same := s.get("/v1/bundles/" + bundle.ListingName); status != http.StatusOK || !bytes.Equal(same, raw) {
		t.Errorf("listing by its name: %d", status)
	}
	if status, _, _ := s.get("/v1/bundles", "If-None-Match", header.Get("ETag")); status != http.StatusNotModified {
		t.Errorf("the same listing again: %d", status)
	}
	listing, err := bundle.ParseListing(listed)
	if err != nil {
		t.Fatal(err)
	}
	entry := listing.Newest()
	status, header, body := s.get("/v1/bundles/"+entry.Path, "Accept-Encoding", "gzip")
	file, err := os.ReadFile(filepath.Join(dir, entry.Path))
	if err != nil || status != http.StatusOK || !bytes.Equal(file, body) || header.Get("ETag") != `"`+entry.SHA256+`"` {
		t.Fatalf("bundle: %d %v, %v", status, header, err)
	}
	if status, _, part := s.get("/v1/bundles/"+entry.Path, "Range", "bytes=100-", "If-Range", header.Get("ETag")); status != http.StatusPartialContent || !bytes.Equal(part, file[100:]) {
		t.Errorf("a part: %d, %d bytes", status, len(part))
	}
	if status, _, _ := s.get("/v1/bundles/"+entry.Path, "If-None-Match", header.Get("ETag")); status != http.StatusNotModified {
		t.Errorf("the same bundle again: %d", status)
	}
	answer, err := http.Head(s.url + "/v1/bundles/" + entry.Path)
	if err != nil {
		t.Fatal(err)
	}
	if answer.Body.Close(); answer.StatusCode != http.StatusOK || answer.ContentLength != entry.Size {
		t.Errorf("HEAD: %d, %d bytes", answer.StatusCode, answer.ContentLength)
	}
}

func TestOnlyWhatIsListedIsServed(t *testing.T) {
	t.Parallel()
	s, dir := publishing(t, true)
	secret := filepath.Join(filepath.Dir(dir), "secret")
	for _, file := range []string{secret, filepath.Join(dir, "plimsoll-feeds-1-full-0123456789abcdef.tar"), filepath.Join(dir, "notes")} {
		if err := os.WriteFile(file, []byte("secret"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	for _, path := range []string{
		"../secret", "..%2fsecret", "%2e%2e%2fsecret", "..%5csecret", "%2Fetc%2Fpasswd", "notes", ".", "..", "a/b",
		"plimsoll-feeds-1-full-0123456789abcdef.tar", "%00",
	} {
		if status, _, body := s.get("/v1/bundles/" + path); status != http.StatusNotFound || bytes.Contains(body, []byte("secret")) {
			t.Errorf("%s: %d %s", path, status, body)
		}
	}
	listing, _, err := feedbundle.ReadListing(dir)
	if err != nil {
		t.Fatal(err)
	}
	// What is listed, but a link now, or of another size.
	file := filepath.Join(dir, listing.Newest().Path)
	if err := os.Remove(file); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(secret, file); err != nil {
		t.Fatal(err)
	}
	if status, _, body := s.get("/v1/bundles/" + listing.Newest().Path); status != http.StatusInternalServerError || bytes.Contains(body, []byte("secret")) {
		t.Errorf("a link: %d %s", status, body)
	}
	if err := os.WriteFile(filepath.Join(dir, bundle.ListingName), []byte("{}"), 0o600); err != nil {
		t.Fatal(err)
	}
	if status, _, _ := s.get("/v1/bundles"); status != http.StatusInternalServerError {
		t.Errorf("a damaged listing: %d", status)
	}
}

func TestNoBundlesAreServedWhereThereAreNone(t *testing.T) {
	t.Parallel()
	empty, _ := publishing(t, false)
	for name, s := range map[string]*service{"nothing published": empty, "no folder": newService(t)} {
		for _, path := range []string{"/v1/bundles", "/v1/bundles/" + bundle.ListingName, "/v1/bundles/x.tar"} {
			if status, _, _ := s.get(path); status != http.StatusNotFound {
				t.Errorf("%s: GET %s: %d", name, path, status)
			}
		}
	}
}
