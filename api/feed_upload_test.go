package api

import (
	"archive/zip"
	"bytes"
	"crypto/ed25519"
	"errors"
	"fmt"
	"io"
	"mime/multipart"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/iotest"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"

	"plimsoll/api/oas"
	"plimsoll/engine/feed"
	"plimsoll/engine/feed/bundle"
	"plimsoll/engine/feed/osv"
	"plimsoll/persistence"
	"plimsoll/persistence/blob"
	"plimsoll/persistence/feedbundle"
	"plimsoll/persistence/pgtest"
)

func bundleKey(seed byte) ed25519.PrivateKey {
	return ed25519.NewKeyFromSeed(bytes.Repeat([]byte{seed}, ed25519.SeedSize))
}

// exchange signs with a key, trusts it, and reads documents of OSV.
func exchange(pool *pgxpool.Pool) FeedExchange {
	return FeedExchange{
		Store: persistence.NewFeeds(pool), Key: bundleKey(1), Trust: bundle.Trust{Keys: []ed25519.PublicKey{bundle.Public(bundleKey(1))}},
		Document: func(source, group string) (feedbundle.Document, error) {
			if source != osv.Name || group != "npm" {
				return feedbundle.Document{}, fmt.Errorf("%w: %s/%s", feedbundle.ErrGroup, source, group)
			}
			return feedbundle.Document{Driver: osv.Driver, Group: feed.Group{Name: "npm", Host: "osv.example", Path: "npm/all.zip"}}, nil
		},
	}
}

// form is a multipart body and its content type.
func form(t *testing.T, fields map[string]string, data ...[]byte) (string, func(*http.Request)) {
	t.Helper()
	var out bytes.Buffer
	w := multipart.NewWriter(&out)
	for name, value := range fields {
		must(t, w.WriteField(name, value))
	}
	for _, d := range data {
		f, err := w.CreateFormFile("data", "feeds.tar")
		must(t, err)
		_, err = f.Write(d)
		must(t, err)
	}
	must(t, w.Close())
	return out.String(), header("Content-Type", w.FormDataContentType())
}

func (s *server) uploads() (n int) {
	s.t.Helper()
	must(s.t, s.pool.QueryRow(s.t.Context(), `SELECT count(*) FROM plimsoll_feeds.upload`).Scan(&n))
	return n
}

// carried is a bundle of another installation with so many records.
func carried(t *testing.T, key ed25519.PrivateKey, records int) []byte {
	t.Helper()
	pool := pgtest.New(t)
	_, err := pool.Exec(t.Context(), `UPDATE plimsoll_feeds.origin SET id = gen_random_uuid()`)
	must(t, err)
	feeds := persistence.NewFeeds(pool)
	_, err = feeds.Commit(t.Context(), persistence.CommitFeed{
		Source: "osv", Group: "all", At: time.Now(), Force: true,
		Load: func(in *persistence.Staging) error {
			var faults error
			for i := range records {
				faults = errors.Join(faults, in.Record(feed.Record{Vulnerability: feed.Vulnerability{Source: "osv", ID: fmt.Sprint("CVE-", i)}}))
			}
			return faults
		},
	})
	must(t, err)
	var out bytes.Buffer
	_, err = feedbundle.Export{Key: key, Scratch: t.TempDir(), Now: time.Now()}.Write(t.Context(), feeds, &out)
	must(t, err)
	return out.Bytes()
}

func zipped(t *testing.T, name, text string) []byte {
	t.Helper()
	var out bytes.Buffer
	w := zip.NewWriter(&out)
	f, err := w.Create(name)
	must(t, err)
	_, err = io.WriteString(f, text)
	must(t, err)
	must(t, w.Close())
	return out.Bytes()
}

const osvRecord = `{"id":"GHSA-1","modified":"2026-01-01T00:00:00Z","affected":[{"package":{"ecosystem":"npm","name":"rope"},"ranges":[{"type":"SEMVER","events":[{"introduced":"0"},{"fixed":"1.0.0"}]}]}]}`

func TestUploadedFeedDataIsCheckedAndHandedOn(t *testing.T) {
	t.Parallel()
	s := newServer(t)
	s.advise()
	raw := carried(t, bundleKey(1), 4)
	var got oas.FeedUpload
	body, typed := form(t, map[string]string{"checksum": blob.Digest(raw)}, raw)
	s.admin(http.MethodPost, "/v2/system/feeds/vulnerabilities", body, typed).wants(http.StatusAccepted).decode(&got)
	if got.WorkflowRun != "run-of-the-upload" || got.Checksum != blob.Digest(raw) || got.Size != int64(len(raw)) || got.DatasetName == nil || s.uploads() != 1 {
		t.Errorf("answer %+v, %d uploads", got, s.uploads())
	}
	in := s.starter.synced[0]
	if in.Upload == nil || in.Upload.Digest != got.Checksum || in.Upload.Document || in.Source != "" || in.Force {
		t.Errorf("handed on %+v", in)
	}
	content, err := persistence.NewFeeds(s.pool).Upload(t.Context(), in.Upload.ID, in.Upload.Digest)
	must(t, err)
	must(t, content.Prove())

	document := zipped(t, "GHSA-1.json", osvRecord)
	body, typed = form(t, map[string]string{"checksum": strings.ToUpper(blob.Digest(document)[7:]), "built_at": "2026-03-01T12:00:00Z"}, document)
	s.admin(http.MethodPost, "/v2/system/feeds/osv?format=document&group=npm&force=True", body, typed).wants(http.StatusAccepted)
	if in := s.starter.synced[1]; !in.Upload.Document || in.Source != "osv" || in.Group != "npm" || !in.Force || in.Upload.Built == nil || in.Upload.Built.Hour() != 12 {
		t.Errorf("handed on %+v", in)
	}
}

func TestBadFeedUploadsAreRefused(t *testing.T) {
	t.Parallel()
	good, stranger := carried(t, bundleKey(1), 4), carried(t, bundleKey(2), 4)
	flipped := bytes.Clone(good)
	flipped[len(flipped)/2] ^= 1
	document := zipped(t, "GHSA-1.json", osvRecord)
	s := newServer(t, func(_ *Deps, c *Config) { c.MaxFeedUploadBytes = 3 << 20 })
	s.advise()
	must(t, persistence.NewFeeds(s.pool).Ensure(t.Context(), persistence.Offer{Source: "debian", Groups: []string{"tracker"}, Enabled: true}))
	send := func(path string, fields map[string]string, data ...[]byte) answer {
		t.Helper()
		body, typed := form(t, fields, data...)
		return s.admin(http.MethodPost, "/v2/system/feeds/"+path, body, typed)
	}
	for name, c := range map[string]struct {
		path   string
		fields map[string]string
		data   [][]byte
		code   string
		words  string
	}{
		"nothing":             {"vulnerabilities", nil, [][]byte{nil}, codeFeedDataInvalid, "not an intact feed bundle"},
		"garbage":             {"vulnerabilities", nil, [][]byte{bytes.Repeat([]byte("junk"), 999)}, codeFeedDataInvalid, "not an intact feed bundle"},
		"cut":                 {"vulnerabilities", nil, [][]byte{good[:len(good)/2]}, codeFeedDataInvalid, "not an intact feed bundle"},
		"a flipped bit":       {"vulnerabilities", nil, [][]byte{flipped}, codeFeedDataInvalid, "not an intact feed bundle"},
		"another checksum":    {"vulnerabilities", map[string]string{"checksum": blob.Digest(nil)}, [][]byte{good}, codeFeedDataInvalid, "checksum"},
		"no checksum":         {"vulnerabilities", map[string]string{"checksum": "abc"}, [][]byte{good}, codeInvalidRequest, "SHA-256"},
		"another key":         {"vulnerabilities", nil, [][]byte{stranger}, codeFeedUntrusted, "trusted key"},
		"another feed":        {"debian", nil, [][]byte{good}, codeFeedDataInvalid, "brings another feed"},
		"no such feed":        {"nonesuch", nil, [][]byte{good}, codeNotFound, "nonesuch"},
		"a group of a bundle": {"osv?group=all", nil, [][]byte{good}, codeInvalidRequest, "format=document"},
		"no data":             {"vulnerabilities", map[string]string{"checksum": blob.Digest(nil)}, nil, codeInvalidRequest, "no field data"},
		"data twice":          {"vulnerabilities", nil, [][]byte{good, good}, codeInvalidRequest, "two fields"},
		"another field":       {"vulnerabilities", map[string]string{"other": "x"}, [][]byte{good}, codeInvalidRequest, "none of"},
		"an odd time":         {"osv?format=document&group=npm", map[string]string{"built_at": "yesterday"}, [][]byte{document}, codeInvalidRequest, "built_at"},
		"no document":         {"osv?format=document&group=npm", nil, [][]byte{good}, codeFeedDataInvalid, "not a document of this feed group"},
		"a document of all":   {"vulnerabilities?format=document", nil, [][]byte{document}, codeInvalidRequest, "one source"},
		"no such group":       {"osv?format=document&group=nonesuch", nil, [][]byte{document}, codeNotFound, "nonesuch"},
		"another format":      {"osv?format=odd", nil, [][]byte{document}, codeInvalidRequest, "format"},
	} {
		got := send(c.path, c.fields, c.data...)
		if body := got.fails(statusOf(c.code), c.code); !strings.Contains(body.Message, c.words) {
			t.Errorf("%s: message %q", name, body.Message)
		}
		if n := s.uploads(); n != 0 || len(s.starter.synced) != 0 {
			t.Errorf("%s: %d uploads left, %d started", name, n, len(s.starter.synced))
		}
	}
	send("vulnerabilities", nil, make([]byte, 4<<20)).fails(http.StatusRequestEntityTooLarge, codeTooLarge)
	body, typed := form(t, nil, make([]byte, 4<<20))
	unannounced := func(r *http.Request) { r.ContentLength, r.Body = -1, io.NopCloser(strings.NewReader(body)) }
	if got := s.admin(http.MethodPost, "/v2/system/feeds/osv", "x", typed, unannounced).fails(http.StatusRequestEntityTooLarge, codeTooLarge); !strings.Contains(got.Message, "max_feed_upload_bytes") {
		t.Errorf("message %q", got.Message)
	}
	body, typed = form(t, nil, good)
	broken := func(r *http.Request) {
		r.Body = io.NopCloser(io.MultiReader(strings.NewReader(body[:len(body)/2]), iotest.ErrReader(io.ErrUnexpectedEOF)))
	}
	s.admin(http.MethodPost, "/v2/system/feeds/osv", "x", typed, broken).fails(http.StatusBadRequest, codeInvalidRequest)
	s.admin(http.MethodPost, "/v2/system/feeds/osv", string(good), header("Content-Type", "application/x-tar")).fails(http.StatusUnsupportedMediaType, codeUnsupportedMedia)
	s.admin(http.MethodPost, "/v2/system/feeds/osv", string(good), header("Content-Type", "multipart/form-data")).fails(http.StatusBadRequest, codeInvalidRequest)
	s.request(http.MethodPost, "/v2/system/feeds/osv", body, typed, s.user("harbour", "mate1", "full-control")).fails(http.StatusForbidden, codePermissionDenied)
	s.starter.failure = fail(codeFeedSyncRunning, "busy")
	send("osv?force=true", nil, good).fails(http.StatusConflict, codeFeedSyncRunning)
	if n := s.uploads(); n != 0 {
		t.Errorf("%d uploads left", n)
	}
}

func TestUploadsThatAreOldOrTooSmallAreRefused(t *testing.T) {
	t.Parallel()
	s := newServer(t)
	before := carried(t, bundleKey(1), 130)
	feeds := persistence.NewFeeds(s.pool)
	raw := carried(t, bundleKey(1), 120)
	trust := exchange(s.pool).Trust
	_, err := feedbundle.Import{Trust: trust, Now: time.Now()}.Take(t.Context(), feeds, bytes.NewReader(raw), int64(len(raw)))
	must(t, err)
	small := carried(t, bundleKey(1), 40)
	for code, data := range map[string][]byte{codeFeedOlder: before, codeFeedRefused: small} {
		body, typed := form(t, nil, data)
		got := s.admin(http.MethodPost, "/v2/system/feeds/vulnerabilities", body, typed).fails(http.StatusBadRequest, code)
		if got.Detail["validation_details"] == nil {
			t.Errorf("%s: detail %v", code, got.Detail)
		}
		s.admin(http.MethodPost, "/v2/system/feeds/vulnerabilities?force=true", body, typed).wants(http.StatusAccepted)
	}
}

func TestFeedDataIsExportedAsASignedBundle(t *testing.T) {
	t.Parallel()
	s := newServer(t)
	path := "/v2/system/feeds/vulnerabilities/bundle"
	s.advise()
	got := s.admin(http.MethodGet, path, "").wants(http.StatusOK)
	b, err := bundle.Open(strings.NewReader(got.body), exchange(s.pool).Trust)
	must(t, err)
	if m := b.Manifest; len(m.Groups) != 1 || m.Groups[0].Source != "osv" || got.header.Get("Plimsoll-Feed-Cursor") != m.Cursor || m.Base != "" {
		t.Errorf("manifest %+v, headers %v", m, got.header)
	}
	if want := `attachment; filename="` + b.Manifest.Name + `.tar"`; got.header.Get("Content-Disposition") != want {
		t.Errorf("name %q", got.header.Get("Content-Disposition"))
	}
	cursor, err := bundle.ParseCursor(b.Manifest.Cursor)
	must(t, err)
	s.rate(feed.Low)
	for _, since := range []string{b.Manifest.Cursor, fmt.Sprint(cursor.Generation)} {
		got := s.admin(http.MethodGet, "/v2/system/feeds/osv/bundle?group=all&since="+since, "").wants(http.StatusOK)
		delta, err := bundle.Open(strings.NewReader(got.body), exchange(s.pool).Trust)
		must(t, err)
		if m := delta.Manifest; m.Base != b.Manifest.Cursor || m.Groups[0].File.Lines != 1 {
			t.Errorf("since %s: %+v", since, m)
		}
	}
	for query, code := range map[string]string{
		"?since=odd": codeInvalidRequest, "?since=-1": codeInvalidRequest, "?since=999999": codeFeedGap, "?group=nonesuch": codeNotFound,
		"?since=3f2504e0-4f89-41d3-9a0c-0305e82c3301/1": codeFeedGap,
	} {
		s.admin(http.MethodGet, path+query, "").fails(statusOf(code), code)
	}
	s.admin(http.MethodGet, "/v2/system/feeds/nonesuch/bundle", "").fails(http.StatusNotFound, codeNotFound)
	s.request(http.MethodGet, path, "", s.user("harbour", "mate1", "full-control")).fails(http.StatusForbidden, codePermissionDenied)
	newServer(t).admin(http.MethodGet, path, "").fails(http.StatusNotFound, codeNotFound)
	keyless := newServer(t, func(d *Deps, _ *Config) { d.Exchange.Key = nil })
	if got := keyless.admin(http.MethodGet, path, "").fails(http.StatusConflict, codeFeedKeyMissing); !strings.Contains(got.Message, "feed_bundles.signing_key") {
		t.Errorf("message %q", got.Message)
	}
}

// A body that large goes neither through memory nor through the validator; over a connection as in the recorder.
func TestUploadsArriveOverAConnection(t *testing.T) {
	t.Parallel()
	s := newServer(t)
	s.advise()
	web := httptest.NewServer(s.api)
	t.Cleanup(web.Close)
	body, typed := form(t, nil, carried(t, bundleKey(1), 300))
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, web.URL+"/v2/system/feeds/osv", iotest.OneByteReader(strings.NewReader(body)))
	must(t, err)
	as("admin", adminPassword)(req)
	typed(req)
	resp, err := web.Client().Do(req)
	must(t, err)
	defer resp.Body.Close()
	if text, err := io.ReadAll(resp.Body); err != nil || resp.StatusCode != http.StatusAccepted {
		t.Errorf("%d %s, %v", resp.StatusCode, text, err)
	}
}
