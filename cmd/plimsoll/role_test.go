package main

import (
	"bytes"
	"context"
	"encoding/base64"
	"net/http"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"

	"plimsoll/engine/feed"
	"plimsoll/internal/nettest"
	"plimsoll/persistence"
	"plimsoll/persistence/pgtest"
	"plimsoll/persistence/seal"
)

const testPassword = "correct horse battery staple"

// settings are the variables of a role on a database. Temporal's address
// leads nowhere: a role starts without it and recovers later.
func settings(database string, more ...string) []string {
	return append([]string{
		"PLIMSOLL_DATABASE_URL=" + database,
		"PLIMSOLL_TEMPORAL_ADDRESS=127.0.0.1:1",
		"PLIMSOLL_SEALING_KEY=" + base64.StdEncoding.EncodeToString(make([]byte, 32)),
		"PLIMSOLL_API_ADDR=127.0.0.1:0",
	}, more...)
}

// safeBuffer is written by a running role and read by the test.
type safeBuffer struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (b *safeBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.text.Write(p)
}

func (b *safeBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.text.String()
}

// start runs a role on a free address until the returned function is called,
// which gives the exit status and what the role wrote.
func start(t *testing.T, variable string, environ []string, role string) (address string, stop func() (int, string)) {
	t.Helper()
	address = nettest.FreeAddr(t)
	ctx, cancel := context.WithCancel(context.Background())
	var out safeBuffer
	status := make(chan int, 1)
	go func() {
		status <- run(ctx, []string{role}, append(environ, variable+"="+address), &out, &out)
	}()
	t.Cleanup(cancel)
	deadline := time.Now().Add(time.Minute)
	for {
		res, err := http.Get("http://" + address + "/health")
		if err == nil {
			res.Body.Close()
			break
		}
		select {
		case code := <-status:
			t.Fatalf("%s ended with %d:\n%s", role, code, out.String())
		case <-time.After(20 * time.Millisecond):
		}
		if time.Now().After(deadline) {
			t.Fatalf("%s does not answer: %v\n%s", role, err, out.String())
		}
	}
	return address, func() (int, string) {
		cancel()
		return <-status, out.String()
	}
}

func get(t *testing.T, url, password string) int {
	t.Helper()
	req, err := http.NewRequest(http.MethodGet, url, nil)
	if err != nil {
		t.Fatal(err)
	}
	if password != "" {
		req.SetBasicAuth("admin", password)
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	res.Body.Close()
	return res.StatusCode
}

func TestRolesRefuseADatabaseTheyDoNotFit(t *testing.T) {
	t.Parallel()
	empty, migrated := pgtest.Empty(t), pgtest.URL(t)
	for _, tc := range []struct{ name, role, database, want string }{
		{"api without schema", "api", empty, "plimsoll migrate"},
		{"worker without schema", "worker", empty, "plimsoll migrate"},
		{"api without administrator", "api", migrated, "PLIMSOLL_ADMIN_PASSWORD"},
		{"worker without administrator", "worker", migrated, "PLIMSOLL_ADMIN_PASSWORD"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			code, _, stderr := execute(t, settings(tc.database), tc.role)
			if code != 1 || !strings.Contains(stderr, tc.want) {
				t.Errorf("status %d, message lacks %q:\n%s", code, tc.want, stderr)
			}
		})
	}
}

func TestFirstStartMakesTheAdministratorAndLaterOnesKeepIt(t *testing.T) {
	t.Parallel()
	database := pgtest.Empty(t)
	if code, _, stderr := execute(t, []string{"PLIMSOLL_DATABASE_URL=" + database}, "migrate"); code != 0 {
		t.Fatalf("migrate: status %d\n%s", code, stderr)
	}
	address, stop := start(t, "PLIMSOLL_API_ADDR", settings(database, "PLIMSOLL_ADMIN_PASSWORD="+testPassword), "api")
	for url, want := range map[string]int{"/ready": http.StatusOK, "/metrics": http.StatusOK, "/v2/user": http.StatusOK} {
		if got := get(t, "http://"+address+url, testPassword); got != want {
			t.Errorf("GET %s = %d, want %d", url, got, want)
		}
	}
	code, out := stop()
	if code != 0 {
		t.Errorf("status %d after the signal:\n%s", code, out)
	}
	if strings.Contains(out, testPassword) {
		t.Error("the log shows the password")
	}

	address, stop = start(t, "PLIMSOLL_API_ADDR", settings(database, "PLIMSOLL_ADMIN_PASSWORD=something else entirely"), "api")
	if got := get(t, "http://"+address+"/v2/user", testPassword); got != http.StatusOK {
		t.Errorf("a later setting replaced the administrator's password: %d", got)
	}
	if code, out := stop(); code != 0 {
		t.Errorf("status %d after the signal:\n%s", code, out)
	}
}

func TestUIServesItsPage(t *testing.T) {
	t.Parallel()
	address, stop := start(t, "PLIMSOLL_UI_ADDR", []string{"PLIMSOLL_UI_API_URL=http://api.example"}, "ui")
	for url, want := range map[string]int{"/": http.StatusOK, "/ready": http.StatusOK, "/none": http.StatusNotFound} {
		if got := get(t, "http://"+address+url, ""); got != want {
			t.Errorf("GET %s = %d, want %d", url, got, want)
		}
	}
	if code, _, stderr := execute(t, nil, "health", "--url", "http://"+address+"/ready"); code != 0 {
		t.Errorf("health of a ready role: %d %s", code, stderr)
	}
	if code, _, _ := execute(t, nil, "health", "--url", "http://"+address+"/none"); code != 1 {
		t.Errorf("health of a missing route: %d, want 1", code)
	}
	if code, out := stop(); code != 0 {
		t.Errorf("status %d after the signal:\n%s", code, out)
	}
}

func TestUIIsNotReadyWithoutItsRedis(t *testing.T) {
	t.Parallel()
	address, stop := start(t, "PLIMSOLL_UI_ADDR", []string{"PLIMSOLL_REDIS_URL=redis://127.0.0.1:1/0"}, "ui")
	if got := get(t, "http://"+address+"/ready", ""); got != http.StatusServiceUnavailable {
		t.Errorf("GET /ready = %d", got)
	}
	if code, out := stop(); code != 0 {
		t.Errorf("status %d after the signal:\n%s", code, out)
	}
}

// A new key comes first, the old one behind it; once migrate has run, the old one is needed no more.
func TestMigrateSealsAnewAfterAChangeOfKeys(t *testing.T) {
	t.Parallel()
	database := pgtest.Empty(t)
	earlier, current := seal.GenerateKey(), seal.GenerateKey()
	migrate := func(settings ...string) {
		t.Helper()
		if code, _, stderr := execute(t, append(settings, "PLIMSOLL_DATABASE_URL="+database), "migrate"); code != 0 {
			t.Fatalf("migrate: status %d\n%s", code, stderr)
		}
	}
	migrate()
	pool, err := persistence.Open(t.Context(), database, persistence.DefaultConfig())
	if err != nil {
		t.Fatal(err)
	}
	defer pool.Close()
	registries := func(key string) *persistence.Registries {
		sealer, err := seal.New(key)
		if err != nil {
			t.Fatal(err)
		}
		return persistence.NewRegistries(pool, sealer)
	}
	if _, err := pool.Exec(t.Context(), `INSERT INTO plimsoll.account (name, type) VALUES ('quay', 'user')`); err != nil {
		t.Fatal(err)
	}
	if _, err := registries(earlier).Create(t.Context(), persistence.RegistryWrite{Account: "quay", Registry: "r.example", Type: "docker_v2", Username: "u", Password: "p"}); err != nil {
		t.Fatal(err)
	}
	migrate("PLIMSOLL_SEALING_KEY="+current, "PLIMSOLL_SEALING_PREVIOUS_KEYS="+earlier)
	opened, err := registries(current).Credentials(t.Context(), "quay")
	if err != nil || len(opened) != 1 || opened[0].Password != "p" {
		t.Errorf("with the new key alone: %d credentials, %v", len(opened), err)
	}
}

func TestFeedDataCrossesAnAirGapInAFile(t *testing.T) {
	t.Parallel()
	from, to := pgtest.New(t), pgtest.New(t)
	for _, pool := range []*pgxpool.Pool{from, to} { // copies of one have the same name
		if _, err := pool.Exec(t.Context(), `UPDATE plimsoll_feeds.origin SET id = gen_random_uuid()`); err != nil {
			t.Fatal(err)
		}
	}
	_, err := persistence.NewFeeds(from).Commit(t.Context(), persistence.CommitFeed{
		Source: "osv", Group: "npm", At: time.Now(),
		Load: func(in *persistence.Staging) error {
			return in.Record(feed.Record{Vulnerability: feed.Vulnerability{Source: "osv", ID: "GHSA-1", Severity: feed.High}})
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	var keys safeBuffer
	command := func(want int, pool *pgxpool.Pool, settings []string, words ...string) string {
		t.Helper()
		var out safeBuffer
		environ := append([]string{"PLIMSOLL_DATABASE_FEEDS_URL=" + pool.Config().ConnString()}, settings...)
		if code := run(t.Context(), append([]string{"feeds"}, words...), environ, &out, &out); code != want {
			t.Fatalf("%v ends with %d, want %d:\n%s", words, code, want, out.String())
		}
		return out.String()
	}
	if code := run(t.Context(), []string{"feeds", "keygen"}, nil, &keys, &keys); code != 0 {
		t.Fatal(keys.String())
	}
	words := strings.Fields(keys.String())
	private := "PLIMSOLL_FEED_BUNDLES_SIGNING_KEY=" + words[2]
	public := "PLIMSOLL_FEED_BUNDLES_TRUSTED_KEYS=" + strings.Trim(words[slices.Index(words, "trusted_keys:")+1], "[]")
	file := filepath.Join(t.TempDir(), "feeds.tar")
	command(1, from, nil, "export", file) // without a key
	command(0, from, []string{private}, "export", file)
	command(1, to, nil, "import", file) // nobody is trusted
	if said := command(0, to, []string{public}, "import", file); !strings.Contains(said, "osv/npm: 1 added") {
		t.Errorf("import says %s", said)
	}
	delta := filepath.Join(t.TempDir(), "delta.tar")
	command(0, from, []string{private}, "export", delta, "--since", file)
	if said := command(0, to, []string{public}, "import", delta); !strings.Contains(said, "0 groups changed") {
		t.Errorf("import of nothing new says %s", said)
	}
}
