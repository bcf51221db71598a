package main

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"plimsoll/api/feedservice"
	"plimsoll/engine/feed"
	"plimsoll/engine/feed/bundle"
	"plimsoll/persistence"
	"plimsoll/persistence/feedbundle"
	"plimsoll/persistence/pgtest"
)

func digest(raw []byte) string {
	sum := sha256.Sum256(raw)
	return hex.EncodeToString(sum[:])
}

// publication is one installation that publishes and another that imports.
type publication struct {
	t               *testing.T
	from, to        *pgxpool.Pool
	dir             string
	signing, trusts string
}

func newPublication(t *testing.T) *publication {
	t.Helper()
	p := &publication{t: t, from: pgtest.New(t), to: pgtest.New(t), dir: t.TempDir()}
	for _, pool := range []*pgxpool.Pool{p.from, p.to} { // copies of one have the same name
		if _, err := pool.Exec(t.Context(), `UPDATE plimsoll_feeds.origin SET id = gen_random_uuid()`); err != nil {
			t.Fatal(err)
		}
	}
	_, words, _ := execute(t, nil, "feeds", "keygen")
	keys := strings.Fields(words)
	p.signing = "PLIMSOLL_FEED_BUNDLES_SIGNING_KEY=" + keys[2]
	p.trusts = "PLIMSOLL_FEED_BUNDLES_TRUSTED_KEYS=" + strings.Trim(keys[slices.Index(keys, "trusted_keys:")+1], "[]")
	return p
}

// commit stores ids in a group of the publishing installation, whose texts make everything larger than a change.
func (p *publication) commit(group string, ids ...string) {
	p.t.Helper()
	_, err := persistence.NewFeeds(p.from).Commit(p.t.Context(), persistence.CommitFeed{
		Source: "osv", Group: group, At: time.Now(), Force: true,
		Load: func(in *persistence.Staging) error {
			for _, id := range ids {
				text := fmt.Sprint(rand.New(rand.NewPCG(uint64(id[0]), 1)).Perm(2000))
				if err := in.Record(feed.Record{Vulnerability: feed.Vulnerability{Source: "osv", ID: id, Severity: feed.High, Description: text}}); err != nil {
					return err
				}
			}
			return nil
		},
	})
	if err != nil {
		p.t.Fatal(err)
	}
}

func (p *publication) run(want int, pool *pgxpool.Pool, words ...string) string {
	p.t.Helper()
	code, out, stderr := execute(p.t, []string{"PLIMSOLL_DATABASE_FEEDS_URL=" + pool.Config().ConnString(), p.signing, p.trusts}, append([]string{"feeds"}, words...)...)
	if code != want {
		p.t.Fatalf("%v ends with %d, want %d:\n%s%s", words, code, want, out, stderr)
	}
	return out + stderr
}

func (p *publication) publish() string { p.t.Helper(); return p.run(0, p.from, "publish", p.dir) }

// equal wants both installations to say the same.
func (p *publication) equal() {
	p.t.Helper()
	var content [2][]string
	for i, pool := range []*pgxpool.Pool{p.from, p.to} {
		rows, err := pool.Query(p.t.Context(), `SELECT concat_ws(' ', source, group_name, vulnerability_id, encode(content_hash, 'hex')) FROM plimsoll_feeds.vulnerability WHERE valid_to IS NULL ORDER BY 1`)
		if err != nil {
			p.t.Fatal(err)
		}
		if content[i], err = pgx.CollectRows(rows, pgx.RowTo[string]); err != nil {
			p.t.Fatal(err)
		}
	}
	if diff := cmp.Diff(content[0], content[1]); diff != "" || len(content[0]) == 0 {
		p.t.Errorf("-published +imported:\n%s", diff)
	}
}

func (p *publication) serve(wrap func(http.Handler) http.Handler) string {
	p.t.Helper()
	server := httptest.NewServer(wrap(feedservice.New(p.t.Context(), persistence.NewFeeds(p.from), p.dir)))
	p.t.Cleanup(server.Close)
	return server.URL
}

func TestInstallationsFollowAPublishedFolder(t *testing.T) {
	t.Parallel()
	p := newPublication(t)
	var asked []string
	var mu sync.Mutex // of asked
	url := p.serve(func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			mu.Lock()
			asked = append(asked, r.URL.Path)
			mu.Unlock()
			next.ServeHTTP(w, r)
		})
	}) + "/v1/bundles"
	fetched := func() (kinds string) {
		mu.Lock()
		defer mu.Unlock()
		for _, path := range asked {
			for _, kind := range []string{"-full-", "-delta-"} {
				if strings.Contains(path, kind) {
					kinds += kind
				}
			}
		}
		asked = nil
		return kinds
	}
	step := func(name, address, kinds string) {
		t.Helper()
		said := p.run(0, p.to, "import", address)
		if got := fetched(); got != kinds {
			t.Errorf("%s fetches %q, want %q:\n%s", name, got, kinds, said)
		}
		p.equal()
	}
	p.run(1, p.to, "import", url) // nothing is published yet
	p.commit("npm", "A", "B", "C", "D", "E", "F", "G", "H")
	p.publish()
	step("the first import", url, "-full-")
	step("nothing new", url, "")
	if said := p.publish(); !strings.Contains(said, "up to date") {
		t.Errorf("nothing changed: %s", said)
	}
	p.commit("npm", "A", "B", "C", "D", "E", "F", "G", "I")
	p.publish()
	step("a change", url+"/", "-delta-")
	p.commit("npm", "A", "B", "C", "D", "E", "F", "G", "J")
	p.publish()
	p.commit("npm", "A", "B", "C", "D", "E", "F", "K", "J")
	p.publish()
	step("two changes", url+"/"+bundle.ListingName, "-delta--delta-")
	p.commit("pypi", "L")
	p.publish()
	step("a new group", url, "-delta--full-")
	listing, _, err := feedbundle.ReadListing(p.dir)
	if err != nil {
		t.Fatal(err)
	}
	step("a bundle by its own address", url+"/"+listing.Newest().Path, "-full-")
}

func TestOtherBytesThanListedAreRefused(t *testing.T) {
	t.Parallel()
	p := newPublication(t)
	p.commit("npm", "A")
	p.publish()
	listing, _, err := feedbundle.ReadListing(p.dir)
	if err != nil {
		t.Fatal(err)
	}
	entry := listing.Newest()
	whole, err := os.ReadFile(filepath.Join(p.dir, entry.Path))
	if err != nil {
		t.Fatal(err)
	}
	flipped := slices.Clone(whole)
	flipped[len(flipped)/2] ^= 1
	for name, c := range map[string]struct {
		body []byte
		edit func(*bundle.Entry)
		want string
	}{
		"another byte":           {flipped, func(*bundle.Entry) {}, "not an intact feed bundle"},
		"cut":                    {whole[:len(whole)/2], func(*bundle.Entry) {}, "not an intact feed bundle"},
		"longer":                 {append(slices.Clone(whole), 0), func(*bundle.Entry) {}, "is longer than"},
		"another byte and hash":  {flipped, func(e *bundle.Entry) { e.SHA256 = digest(flipped); e.Path = e.File() }, "not an intact feed bundle"},
		"a path outside":         {whole, func(e *bundle.Entry) { e.Path = "../../" + e.Path }, "not a listing of feed bundles"},
		"more than is ever read": {whole, func(e *bundle.Entry) { e.Size = 1 << 60 }, "feeds.max_document_bytes"},
	} {
		changed := entry
		c.edit(&changed)
		server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if strings.HasSuffix(r.URL.Path, ".json") {
				_ = json.NewEncoder(w).Encode(bundle.Listing{Format: bundle.ListingFormat, Version: bundle.ListingVersion, Bundles: []bundle.Entry{changed}})
				return
			}
			_, _ = w.Write(c.body)
		}))
		if said := p.run(1, p.to, "import", server.URL+"/mirror"); !strings.Contains(said, c.want) {
			t.Errorf("%s: %s", name, said)
		}
		server.Close()
	}
	if groups, err := persistence.NewFeeds(p.to).Groups(t.Context()); err != nil || len(groups) > 0 {
		t.Errorf("left behind: %+v, %v", groups, err)
	}
	endless := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		_, _ = w.Write(make([]byte, 2*bundle.MaxListing))
	}))
	defer endless.Close()
	if said := p.run(1, p.to, "import", endless.URL); !strings.Contains(said, "not a listing of feed bundles") {
		t.Errorf("a large listing: %s", said)
	}
	p.trusts = "PLIMSOLL_LOG_LEVEL=info"
	if said := p.run(1, p.to, "import", p.serve(func(h http.Handler) http.Handler { return h })+"/v1/bundles"); !strings.Contains(said, "not signed with a trusted key") {
		t.Errorf("nobody is trusted: %s", said)
	}
}
