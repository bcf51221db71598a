package worker_test

import (
	"archive/tar"
	"bytes"
	"context"
	"errors"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-containerregistry/pkg/name"
	"github.com/google/go-containerregistry/pkg/registry"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/remote"
	"github.com/google/go-containerregistry/pkg/v1/tarball"
	"github.com/google/uuid"
	"github.com/jackc/pgx/v5/pgxpool"
	"go.temporal.io/api/workflowservice/v1"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/testsuite"
	"google.golang.org/protobuf/types/known/durationpb"

	"plimsoll/activities"
	"plimsoll/engine/policy"
	"plimsoll/internal/config"
	"plimsoll/persistence"
	"plimsoll/persistence/blob"
	"plimsoll/persistence/pgtest"
	"plimsoll/persistence/seal"
	"plimsoll/worker"
	"plimsoll/workflows"
)

type silent struct{}

func (silent) Debug(string, ...any) {}
func (silent) Info(string, ...any)  {}
func (silent) Warn(string, ...any)  {}
func (silent) Error(string, ...any) {}

// temporal is a dev server that the tests of this package share. It knows no search attributes of ours.
var temporal = sync.OnceValues(func() (*testsuite.DevServer, error) {
	program, err := temporalProgram()
	if err != nil {
		return nil, err
	}
	for attempt := 1; ; attempt++ {
		server, err := testsuite.StartDevServer(context.Background(), testsuite.DevServerOptions{
			ExistingPath: program, LogLevel: "error", ClientOptions: &client.Options{Logger: silent{}}, Stdout: io.Discard, Stderr: io.Discard,
		})
		// The server chooses ports for its own parts; somebody may take one before it listens.
		if err == nil || attempt == 3 {
			return server, err
		}
	}
})

func TestMain(m *testing.M) {
	code := m.Run()
	if server, err := temporal(); err == nil {
		if err := server.Stop(); err != nil {
			log.Print(err)
		}
	}
	os.Exit(code)
}

// temporalProgram finds the dev server: PLIMSOLL_TEST_TEMPORAL, PATH, or what `make setup` built.
func temporalProgram() (string, error) {
	if path := os.Getenv("PLIMSOLL_TEST_TEMPORAL"); path != "" {
		return path, nil
	}
	if path, err := exec.LookPath("temporal"); err == nil {
		return path, nil
	}
	path, err := filepath.Abs("../.cache/bin/temporal")
	if err == nil {
		_, err = os.Stat(path)
	}
	if err != nil {
		return "", errors.Join(errors.New("no temporal program: set PLIMSOLL_TEST_TEMPORAL or run `make setup`"), err)
	}
	return path, nil
}

func dial(t *testing.T, namespace string) client.Client {
	t.Helper()
	server, err := temporal()
	if err != nil {
		t.Fatal(err)
	}
	c, err := client.NewLazyClient(client.Options{HostPort: server.FrontendHostPort(), Namespace: namespace, Logger: silent{}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	return c
}

// eventually waits for a condition that other processes bring about.
func eventually(t *testing.T, what string, condition func() bool) {
	t.Helper()
	deadline := time.After(30 * time.Second)
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	for !condition() {
		select {
		case <-deadline:
			t.Fatalf("waited in vain: %s", what)
		case <-tick.C:
		}
	}
}

func pushImage(t *testing.T, ref string) {
	t.Helper()
	pushNamed(t, ref, "")
}

// pushNamed pushes an image that differs by its label.
func pushNamed(t *testing.T, ref, label string) {
	t.Helper()
	var buffer bytes.Buffer
	w := tar.NewWriter(&buffer)
	const release = "ID=debian\nVERSION_ID=\"12\"\n"
	if err := w.WriteHeader(&tar.Header{Name: "etc/os-release", Mode: 0o644, Size: int64(len(release))}); err != nil {
		t.Fatal(err)
	}
	if _, err := io.WriteString(w, release); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	layer, err := tarball.LayerFromOpener(func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(buffer.Bytes())), nil })
	if err != nil {
		t.Fatal(err)
	}
	img, err := mutate.AppendLayers(empty.Image, layer)
	if err != nil {
		t.Fatal(err)
	}
	if img, err = mutate.Config(img, v1.Config{User: "1000", Labels: map[string]string{"is": label}}); err != nil {
		t.Fatal(err)
	}
	parsed, err := name.ParseReference(ref)
	if err != nil {
		t.Fatal(err)
	}
	if err := remote.Write(parsed, img); err != nil {
		t.Fatal(err)
	}
}

// stack is a worker with all it needs: a namespace and a database of its own, and a registry with one image.
type stack struct {
	t      *testing.T
	pool   *pgxpool.Pool
	client client.Client
	addr   string // of the registry
	sealer *seal.Sealer
	blobs  blob.Store
	acts   *activities.Activities

	namespace string
	stop      func()
	ended     chan error
}

// newStack starts everything. before sees each request to the registry first.
func newStack(t *testing.T, namespace string, before func(*http.Request)) *stack {
	t.Helper()
	s := &stack{t: t, pool: pgtest.New(t), ended: make(chan error, 1)}
	images := registry.New(registry.Logger(log.New(io.Discard, "", 0)))
	host := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		before(r)
		images.ServeHTTP(w, r)
	}))
	t.Cleanup(host.Close)
	s.addr = strings.TrimPrefix(host.URL, "http://")
	pushImage(t, s.addr+"/team/app:1")

	sealer, err := seal.New(seal.GenerateKey())
	if err != nil {
		t.Fatal(err)
	}
	s.sealer, s.blobs = sealer, blob.NewPostgres(s.pool)
	feeds := activities.DefaultFeeds()
	feeds.Only = []string{"osv"}
	feeds.MirrorURL = config.SecretURL("file://" + filepath.ToSlash(t.TempDir())) // nothing in it
	s.client, namespace = newNamespace(t, namespace)
	s.namespace = namespace
	acts, err := activities.New(activities.Deps{
		Pool: s.pool, Sealer: sealer, Blobs: blob.NewPostgres(s.pool), Host: "worker-1", Version: "v1",
		Schedules: s.client.ScheduleClient(), Watch: activities.DefaultWatch(), MaxImageMiB: -1,
	}, activities.DefaultAnalysis(), feeds)
	if err != nil {
		t.Fatal(err)
	}
	s.acts = acts
	_, err = persistence.NewAccounts(s.pool).Create(t.Context(), persistence.NewAccount{
		Name: "acme", Policy: persistence.NewPolicy{Account: "acme", ID: "default", Name: "Default", Document: policy.Default()},
	})
	if err != nil {
		t.Fatal(err)
	}
	cfg := worker.DefaultConfig()
	cfg.DispatchInterval = 50 * time.Millisecond
	cfg.StopTimeout = 5 * time.Second
	if err := errors.Join(cfg.Validate(), cfg.Slots.Validate(), cfg.Analysis.Validate(), feeds.Validate()); err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(context.Background())
	go func() {
		s.ended <- worker.New(worker.Deps{Client: s.client, Namespace: namespace, Activities: acts}, cfg).Run(ctx)
	}()
	s.stop = sync.OnceFunc(func() {
		stop()
		select {
		case err := <-s.ended:
			if err != nil {
				t.Errorf("Run ended with %v", err)
			}
		case <-time.After(20 * time.Second):
			t.Error("the worker does not stop")
		}
	})
	t.Cleanup(s.stop)
	return s
}

// newNamespace registers a namespace and waits until the server serves it.
func newNamespace(t *testing.T, namespace string) (client.Client, string) {
	t.Helper()
	namespace += "-" + uuid.NewString() // the server outlives the test
	_, err := dial(t, "default").WorkflowService().RegisterNamespace(t.Context(), &workflowservice.RegisterNamespaceRequest{
		Namespace: namespace, WorkflowExecutionRetentionPeriod: durationpb.New(24 * time.Hour),
	})
	if err != nil {
		t.Fatal(err)
	}
	c := dial(t, namespace)
	eventually(t, "the new namespace is served", func() bool {
		_, err := c.ListWorkflow(t.Context(), &workflowservice.ListWorkflowExecutionsRequest{Namespace: namespace})
		return err == nil
	})
	return c, namespace
}

// submit adds the image as the API does, up to the start of its analysis.
func (s *stack) submit() workflows.AnalyzeImageInput {
	s.t.Helper()
	var found workflows.ResolveImageResult
	var run client.WorkflowRun
	eventually(s.t, "search attributes are registered by the worker", func() bool {
		var err error
		run, err = workflows.StartResolveImage(s.t.Context(), s.client, workflows.ResolveImageInput{Account: "acme", Ref: s.addr + "/team/app:1"}, "1")
		return err == nil
	})
	if err := run.Get(s.t.Context(), &found); err != nil {
		s.t.Fatal(err)
	}
	in := workflows.AnalyzeImageInput{Account: "acme", Digest: found.Digest}
	_, err := persistence.NewImages(s.pool).Submit(s.t.Context(), persistence.SubmitImage{
		Account: "acme", Digest: found.Digest, ImageID: found.ImageID, MediaType: found.MediaType,
		ManifestBlob: found.ManifestBlob, ConfigBlob: found.ConfigBlob,
		Registry: s.addr, Repository: "team/app", Tag: "1", PullDigest: found.Digest, DetectedAt: time.Now(),
		Start: func(request int64) persistence.Start {
			in.Request = request
			return persistence.Start{Workflow: workflows.AnalyzeImageName, WorkflowID: workflows.AnalyzeImageID("acme", found.Digest), Input: in}
		},
	})
	if err != nil {
		s.t.Fatal(err)
	}
	// As if the API had died right after the submission, and the time it is given had passed.
	if _, err := s.pool.Exec(s.t.Context(), `UPDATE plimsoll.outbox SET next_attempt = now()`); err != nil {
		s.t.Fatal(err)
	}
	return in
}

func (s *stack) record(in workflows.AnalyzeImageInput) persistence.Image {
	s.t.Helper()
	record, err := persistence.NewImages(s.pool).Get(s.t.Context(), in.Account, in.Digest)
	if err != nil {
		s.t.Fatal(err)
	}
	return record
}

func TestCancelledAnalysisStopsReadingAndCanBeSubmittedAgain(t *testing.T) {
	t.Parallel()
	reading, ended := make(chan struct{}, 1), make(chan struct{}, 1)
	var blobs atomic.Int32 // the first one read is the config, of the look-up
	var free atomic.Bool
	s := newStack(t, "cancel", func(r *http.Request) {
		if r.Method == http.MethodGet && strings.Contains(r.URL.Path, "/blobs/sha256:") && blobs.Add(1) > 1 && !free.Load() {
			reading <- struct{}{}
			<-r.Context().Done()
			ended <- struct{}{}
		}
	})
	in := s.submit()
	wait := func(what string, c chan struct{}) {
		t.Helper()
		select {
		case <-c:
		case <-time.After(30 * time.Second):
			t.Fatalf("waited in vain: %s", what)
		}
	}
	wait("the layer is being read", reading)
	id := workflows.AnalyzeImageID(in.Account, in.Digest)
	if err := s.client.CancelWorkflow(t.Context(), id, ""); err != nil {
		t.Fatal(err)
	}
	wait("the layer is not read on", ended)
	eventually(t, "the record is back where it was", func() bool {
		return s.record(in).AnalysisStatus == persistence.NotAnalyzed
	})
	free.Store(true)
	again := s.submit()
	if again.Request <= in.Request {
		t.Errorf("submitted again as request %d after %d", again.Request, in.Request)
	}
	eventually(t, "the image is analysed after all", func() bool {
		return s.record(again).AnalysisStatus == persistence.Analyzed
	})
}

func TestWorkerStartsWhatTheOutboxAsksForAndStopsGently(t *testing.T) {
	t.Parallel()
	s := newStack(t, "flow", func(*http.Request) {})
	pool, c := s.pool, s.client
	in := s.submit()
	eventually(t, "the image is analysed", func() bool {
		record := s.record(in)
		if record.AnalysisStatus == persistence.AnalysisFailed {
			t.Fatalf("analysis failed: %s %s", record.ErrorCode, record.ErrorMessage)
		}
		return record.AnalysisStatus == persistence.Analyzed
	})
	var summary workflows.AnalyzeImageResult
	if err := c.GetWorkflow(t.Context(), workflows.AnalyzeImageID(in.Account, in.Digest), "").Get(t.Context(), &summary); err != nil {
		t.Fatal(err)
	}
	if summary.Layers != 1 || summary.BytesRead == 0 {
		t.Errorf("summary %+v", summary)
	}
	eventually(t, "the analysis can be found by its search attributes", func() bool {
		list, err := c.ListWorkflow(t.Context(), &workflowservice.ListWorkflowExecutionsRequest{
			Query: workflows.AttributeAccount + " = 'acme' AND " + workflows.AttributeImageDigest + " = '" + in.Digest + "'",
		})
		return err == nil && len(list.GetExecutions()) == 1
	})
	eventually(t, "the feed schedule exists and has been triggered, as no feed was ever synced", func() bool {
		s, err := c.ScheduleClient().GetHandle(t.Context(), workflows.FeedScheduleID).Describe(t.Context())
		return err == nil && s.Info.NumActions > 0
	})
	services, err := persistence.NewServices(pool).List(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, s := range services {
		names = append(names, s.Name)
	}
	slices.Sort(names)
	if want := []string{"analyzer", "catalog", "notifications", "policy_engine", "simplequeue"}; !slices.Equal(names, want) {
		t.Errorf("services %v, want %v", names, want)
	}
	s.stop()
}

func TestMissingNamespaceIsSaidClearly(t *testing.T) {
	t.Parallel()
	err := worker.New(worker.Deps{Client: dial(t, "nowhere"), Namespace: "nowhere"}, worker.DefaultConfig()).Run(t.Context())
	if !errors.Is(err, worker.ErrNamespace) || !strings.Contains(err.Error(), "nowhere") {
		t.Errorf("error %v, want %v", err, worker.ErrNamespace)
	}
}

func TestConfigNamesItsFaults(t *testing.T) {
	t.Parallel()
	cfg := worker.DefaultConfig()
	cfg.Queues = []string{"control", "kontrol"}
	cfg.DispatchInterval = 0
	err := cfg.Validate()
	if err == nil || !strings.Contains(err.Error(), `"kontrol"`) || !strings.Contains(err.Error(), "dispatch_interval") {
		t.Errorf("Validate() = %v", err)
	}
	if err := (worker.Slots{Control: 1, Feeds: 1, Rescan: 0, Notify: 1}).Validate(); err == nil || !strings.Contains(err.Error(), "rescan") {
		t.Errorf("Slots.Validate() = %v", err)
	}
}
