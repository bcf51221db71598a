package e2e

import (
	"context"
	"crypto/rand"
	"encoding/base64"
	"net/url"
	"path/filepath"
	"testing"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/jackc/pgx/v5"

	"plimsoll/api/client"
	"plimsoll/internal/nettest"
	"plimsoll/internal/standalone"
)

// wantOneResult checks what must hold however often an analysis was interrupted: the image is analysed, there
// is one analysis of it, each package once, and the record went to analyzed once.
func wantOneResult(t testing.TB, c *client.ClientWithResponses, database, digest string) {
	t.Helper()
	image := status(t, c, digest, "analyzed")
	completed := 0
	if image.AnalysisStatusDetail != nil {
		for _, d := range *image.AnalysisStatusDetail {
			if d.ToStatus == "analyzed" {
				completed++
			}
		}
	}
	if completed != 1 {
		t.Errorf("the record went to analyzed %d times, want once", completed)
	}
	if got := names(t, c, digest, "npm"); len(got) != 1 {
		t.Errorf("npm = %v, want lodash once", got)
	}
	if database == "" {
		return
	}
	conn, err := pgx.Connect(t.Context(), database)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = conn.Close(context.WithoutCancel(t.Context())) }()
	var analyses, outbox int
	if err := conn.QueryRow(t.Context(), `SELECT (SELECT count(*) FROM plimsoll.analysis WHERE image_digest = $1), (SELECT count(*) FROM plimsoll.outbox)`, digest).
		Scan(&analyses, &outbox); err != nil {
		t.Fatal(err)
	}
	if analyses != 1 || outbox != 0 {
		t.Errorf("%d analyses and %d outbox rows, want 1 and 0", analyses, outbox)
	}
}

func TestAKilledSystemFinishesItsAnalysisAfterTheRestart(t *testing.T) {
	t.Parallel()
	s := newSystem(t)
	c := admin(t, s.api)
	img, registry := sampleImage(t), newSource(t)
	image := registry.push(t, img, "sample/app:1")
	waiting, release := registry.hold(applicationLayer(t, img))
	digest := submit(t, c, image, false).ImageDigest
	<-waiting
	got := status(t, c, digest, "analyzing").AnalysisProgress
	if layers, err := img.Layers(); err != nil || got == nil || got.LayersTotal != len(layers) || got.BytesTotal == 0 || got.LayersDone == got.LayersTotal {
		t.Errorf("progress in the middle of an analysis = %+v", got)
	}
	s.kill(t)
	release()
	s.start(t)
	wantOneResult(t, c, "", digest)
}

// installation has its parts in processes of their own, over servers that can be restarted.
type installation struct {
	api      string
	env      []string
	database string // as seen through the relay
	mirror   string // folder of feed documents
	cfg      standalone.Config
	want     standalone.Servers
	stack    *standalone.Stack
	pg, flow *relay
}

func newInstallation(t testing.TB) *installation {
	t.Helper()
	i := &installation{api: nettest.FreeAddr(t), cfg: standalone.DefaultConfig()}
	i.cfg.DataDir = filepath.Join(t.TempDir(), "data")
	i.cfg.TemporalBin = temporal(t)
	i.want = standalone.Servers{TemporalUIAddr: nettest.FreeAddr(t), Namespace: "plimsoll"}
	i.startServers(t)
	t.Cleanup(func() { _ = i.stack.Close() })
	i.pg, i.flow = newRelay(t, i.databaseHost(t)), newRelay(t, i.stack.TemporalAddress)
	address := i.databaseURL(t)
	address.Host = i.pg.addr()
	i.database = address.String()
	dir, base := mirror(t)
	i.mirror = dir
	key := make([]byte, 32)
	if _, err := rand.Read(key); err != nil {
		t.Fatal(err)
	}
	i.env = []string{
		"PLIMSOLL_DATABASE_URL=" + i.database, "PLIMSOLL_TEMPORAL_ADDRESS=" + i.flow.addr(), "PLIMSOLL_API_ADDR=" + i.api,
		"PLIMSOLL_ADMIN_PASSWORD=" + adminPassword, "PLIMSOLL_FEEDS_MIRROR_URL=" + base, "PLIMSOLL_FEEDS_ONLY=osv", "PLIMSOLL_FEEDS_OSV_ECOSYSTEMS=" + ecosystems,
		"PLIMSOLL_SEALING_KEY=" + base64.StdEncoding.EncodeToString(key),
	}
	migrate := launch(t, i.env, plimsoll(t), "migrate")
	<-migrate.done
	if migrate.err != nil {
		t.Fatalf("migrate: %v", migrate.err)
	}
	launch(t, i.env, plimsoll(t), "api")
	return i
}

func (i *installation) startServers(t testing.TB) {
	t.Helper()
	stack, err := standalone.Open(i.cfg)
	if err == nil {
		err = stack.Start(t.Context(), i.want, t.Logf)
	}
	if err != nil {
		t.Fatal(err)
	}
	i.stack = stack
}

func (i *installation) databaseURL(t testing.TB) *url.URL {
	t.Helper()
	u, err := url.Parse(i.stack.DatabaseURL.Reveal())
	if err != nil {
		t.Fatal(err)
	}
	return u
}

func (i *installation) databaseHost(t testing.TB) string { return i.databaseURL(t).Host }

// restartServers ends PostgreSQL and Temporal and starts both again.
func (i *installation) restartServers(t testing.TB) {
	t.Helper()
	i.pg.point("")
	i.flow.point("")
	if err := i.stack.Close(); err != nil {
		t.Fatalf("stop the servers: %v", err)
	}
	i.startServers(t)
	i.pg.point(i.databaseHost(t))
	i.flow.point(i.stack.TemporalAddress)
}

func (i *installation) worker(t testing.TB) *process {
	t.Helper()
	return launch(t, i.env, plimsoll(t), "worker")
}

func TestAnotherWorkerFinishesWhatAKilledOneBegan(t *testing.T) {
	t.Parallel()
	i := newInstallation(t)
	first := i.worker(t)
	c := admin(t, i.api)
	ready(t, c)
	img, registry := sampleImage(t), newSource(t)
	image := registry.push(t, img, "sample/app:1")
	waiting, release := registry.hold(applicationLayer(t, img))
	digest := submit(t, c, image, false).ImageDigest
	<-waiting
	first.kill(t)
	release()
	i.worker(t)
	wantOneResult(t, c, i.database, digest)
}

func TestAnAnalysisSurvivesARestartOfItsServers(t *testing.T) {
	t.Parallel()
	i := newInstallation(t)
	i.worker(t)
	c := admin(t, i.api)
	ready(t, c)
	img, registry := sampleImage(t), newSource(t)
	image := registry.push(t, img, "sample/app:1")
	waiting, release := registry.hold(applicationLayer(t, img))
	digest := submit(t, c, image, false).ImageDigest
	<-waiting
	i.restartServers(t)
	release()
	wantOneResult(t, c, i.database, digest)
}

// Two images that share a layer, submitted at the same moment, have it read once.
func TestASharedLayerIsReadOnce(t *testing.T) {
	t.Parallel()
	i := newInstallation(t)
	i.worker(t)
	i.worker(t)
	c := admin(t, i.api)
	ready(t, c)
	img, registry := sampleImage(t), newSource(t)
	first := registry.push(t, img, "sample/app:1")
	second := registry.push(t, relabelled(t, img), "sample/other:1")
	waiting, release := registry.hold(applicationLayer(t, img))
	a := submit(t, c, first, false).ImageDigest
	<-waiting
	b := submit(t, c, second, false).ImageDigest
	if a == b {
		t.Fatal("the two images are the same")
	}
	release()
	wantOneResult(t, c, i.database, a)
	wantOneResult(t, c, i.database, b)
	if n := registry.reads(applicationLayer(t, img)); n != 1 {
		t.Errorf("the shared layer was read %d times, want once", n)
	}
}

// relabelled is the same layers under another configuration.
func relabelled(t testing.TB, img v1.Image) v1.Image {
	t.Helper()
	layers, err := img.Layers()
	if err != nil {
		t.Fatal(err)
	}
	other, err := mutate.AppendLayers(empty.Image, layers...)
	if err != nil {
		t.Fatal(err)
	}
	cfg, err := img.ConfigFile()
	if err != nil {
		t.Fatal(err)
	}
	return must(t)(mutate.Config(other, v1.Config{Env: append(cfg.Config.Env, "OTHER=1")}))
}

func must(t testing.TB) func(v1.Image, error) v1.Image {
	return func(img v1.Image, err error) v1.Image {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return img
	}
}
