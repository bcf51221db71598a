package activities_test

import (
	"archive/tar"
	"archive/zip"
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
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
	"github.com/jackc/pgx/v5/pgxpool"
	"go.temporal.io/sdk/testsuite"

	"plimsoll/activities"
	"plimsoll/engine/policy"
	"plimsoll/internal/config"
	"plimsoll/persistence"
	"plimsoll/persistence/blob"
	"plimsoll/persistence/pgtest"
	"plimsoll/persistence/seal"
	"plimsoll/workflows"
)

// system is everything but Temporal's server and the API: PostgreSQL, a registry, a feed mirror, activities.
type system struct {
	t      *testing.T
	pool   *pgxpool.Pool
	acts   *activities.Activities
	host   string // of the registry
	mirror string
	blobs  atomic.Int64 // GETs of blobs at the registry
	deny   atomic.Bool  // the registry refuses blobs
	hide   atomic.Bool  // the registry refuses what is attached to images
	// remake makes the activities anew over another feed configuration.
	remake func(activities.Feeds) *activities.Activities
	set    activities.Feeds
}

// feeds changes the feed configuration, as a restart of the worker does.
func (s *system) feeds(change func(*activities.Feeds)) {
	s.t.Helper()
	change(&s.set)
	s.acts = s.remake(s.set)
}

func newSystem(t *testing.T, change ...func(*activities.Analysis)) *system {
	t.Helper()
	return newSystemWith(t, func(*activities.Deps) {}, change...)
}

func newSystemWith(t *testing.T, depend func(*activities.Deps), change ...func(*activities.Analysis)) *system {
	t.Helper()
	return newSystemOf(t, depend, func(*activities.Feeds) {}, change...)
}

func newSystemOf(t *testing.T, depend func(*activities.Deps), feed func(*activities.Feeds), change ...func(*activities.Analysis)) *system {
	t.Helper()
	s := &system{t: t, pool: pgtest.New(t), mirror: t.TempDir()}
	next := registry.New(registry.Logger(log.New(io.Discard, "", 0)))
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if s.hide.Load() && (strings.Contains(r.URL.Path, "/referrers/") || strings.Contains(r.URL.Path, "/manifests/sha256-")) {
			w.WriteHeader(http.StatusForbidden)
			return
		}
		if strings.Contains(r.URL.Path, "/blobs/sha256:") {
			if s.deny.Load() {
				w.WriteHeader(http.StatusForbidden)
				return
			}
			if r.Method == http.MethodGet {
				s.blobs.Add(1)
			}
		}
		next.ServeHTTP(w, r)
	}))
	t.Cleanup(server.Close)
	s.host = strings.TrimPrefix(server.URL, "http://")

	sealer, err := seal.New(seal.GenerateKey())
	if err != nil {
		t.Fatal(err)
	}
	feeds := activities.DefaultFeeds()
	feeds.MirrorURL = config.SecretURL("file://" + filepath.ToSlash(s.mirror))
	feeds.Only = []string{"osv"}
	feeds.OSV.Ecosystems = []string{"Debian", "npm"}
	feed(&feeds)
	analysis := activities.DefaultAnalysis()
	analysis.ScratchDir = t.TempDir()
	for _, c := range change {
		c(&analysis)
	}
	analysis.Cache = 0 // what no image needs goes as soon as it may
	deps := activities.Deps{
		Pool: s.pool, Sealer: sealer, Blobs: blob.NewPostgres(s.pool), Host: "test", Version: "v0",
		Watch: activities.DefaultWatch(), MaxImageMiB: -1,
	}
	depend(&deps)
	s.remake = func(feeds activities.Feeds) *activities.Activities {
		t.Helper()
		if err := feeds.Validate(); err != nil {
			t.Fatal(err)
		}
		acts, err := activities.New(deps, analysis, feeds)
		if err != nil {
			t.Fatal(err)
		}
		return acts
	}
	s.set = feeds
	s.acts = s.remake(feeds)
	for _, account := range []string{"acme", "globex"} {
		_, err := persistence.NewAccounts(s.pool).Create(t.Context(), persistence.NewAccount{
			Name:   account,
			Policy: persistence.NewPolicy{Account: account, ID: "default", Name: "Default", Document: policy.Default()},
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	return s
}

// run executes a workflow with the real activities.
func (s *system) run(workflow string, in, out any) error {
	s.t.Helper()
	var suite testsuite.WorkflowTestSuite
	suite.SetLogger(silent{})
	env := suite.NewTestWorkflowEnvironment()
	env.SetTestTimeout(time.Minute)
	workflows.Register(env, "")
	for _, queue := range workflows.Queues() {
		s.acts.Register(env, queue)
	}
	env.ExecuteWorkflow(workflow, in)
	if out == nil || env.GetWorkflowError() != nil {
		return env.GetWorkflowError()
	}
	return env.GetWorkflowResult(out)
}

type silent struct{}

func (silent) Debug(string, ...any) {}
func (silent) Info(string, ...any)  {}
func (silent) Warn(string, ...any)  {}
func (silent) Error(string, ...any) {}

// layer makes a gzip layer of files.
func layer(t *testing.T, files map[string]string) v1.Layer {
	t.Helper()
	var buffer bytes.Buffer
	w := tar.NewWriter(&buffer)
	for _, name := range sorted(files) {
		if err := w.WriteHeader(&tar.Header{Name: name, Mode: 0o644, Size: int64(len(files[name]))}); err != nil {
			t.Fatal(err)
		}
		if _, err := io.WriteString(w, files[name]); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	l, err := tarball.LayerFromOpener(func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(buffer.Bytes())), nil })
	if err != nil {
		t.Fatal(err)
	}
	return l
}

func sorted(m map[string]string) []string {
	var keys []string
	for k := range m {
		keys = append(keys, k)
	}
	for i := range keys {
		for j := i; j > 0 && keys[j] < keys[j-1]; j-- {
			keys[j], keys[j-1] = keys[j-1], keys[j]
		}
	}
	return keys
}

const debian = `PRETTY_NAME="Debian GNU/Linux 12 (bookworm)"
ID=debian
VERSION_ID="12"
VERSION_CODENAME=bookworm
`

const status = `Package: libssl3
Status: install ok installed
Architecture: amd64
Source: openssl
Version: 3.0.11-1~deb12u2
Maintainer: Debian OpenSSL Team

Package: bash
Status: install ok installed
Architecture: amd64
Version: 5.2.15-2
Maintainer: Someone

`

func (s *system) push(ref string, layers ...v1.Layer) {
	s.t.Helper()
	img, err := mutate.AppendLayers(empty.Image, layers...)
	if err != nil {
		s.t.Fatal(err)
	}
	img, err = mutate.ConfigFile(img, func() *v1.ConfigFile {
		c, err := img.ConfigFile()
		if err != nil {
			s.t.Fatal(err)
		}
		c = c.DeepCopy()
		c.OS, c.Architecture = "linux", "amd64"
		return c
	}())
	if err != nil {
		s.t.Fatal(err)
	}
	parsed, err := name.ParseReference(s.host + "/" + ref)
	if err != nil {
		s.t.Fatal(err)
	}
	if err := remote.Write(parsed, img); err != nil {
		s.t.Fatal(err)
	}
}

func advisory(id, ecosystem, pkg, fixed string) string {
	return fmt.Sprintf(`{"schema_version":"1.6.0","id":%q,"modified":"2026-01-02T03:04:05Z","published":"2026-01-01T00:00:00Z","summary":"s",
"severity":[{"type":"CVSS_V3","score":"CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:U/C:H/I:H/A:H"}],
"affected":[{"package":{"ecosystem":%q,"name":%q},"ranges":[{"type":"ECOSYSTEM","events":[{"introduced":"0"},{"fixed":%q}]}]}]}`, id, ecosystem, pkg, fixed)
}

// publish writes a group's archive into the mirror.
func (s *system) publish(ecosystem string, records ...string) {
	s.t.Helper()
	var buffer bytes.Buffer
	w := zip.NewWriter(&buffer)
	for _, r := range records {
		var head struct {
			ID string `json:"id"`
		}
		if err := json.Unmarshal([]byte(r), &head); err != nil {
			s.t.Fatal(err)
		}
		f, err := w.Create(head.ID + ".json")
		if err != nil {
			s.t.Fatal(err)
		}
		if _, err := io.WriteString(f, r); err != nil {
			s.t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		s.t.Fatal(err)
	}
	s.write(ecosystem, buffer.Bytes())
}

func (s *system) write(ecosystem string, data []byte) {
	s.t.Helper()
	dir := filepath.Join(s.mirror, "osv", "osv-vulnerabilities.storage.googleapis.com", ecosystem)
	if err := os.MkdirAll(dir, 0o755); err != nil {
		s.t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "all.zip"), data, 0o644); err != nil {
		s.t.Fatal(err)
	}
}

func (s *system) sync() map[string]workflows.GroupResult {
	s.t.Helper()
	var out workflows.SyncFeedsResult
	if err := s.run(workflows.SyncFeedsName, workflows.SyncFeedsInput{}, &out); err != nil {
		s.t.Fatal(err)
	}
	groups := make(map[string]workflows.GroupResult)
	for _, g := range out.Groups {
		groups[g.Group] = g
	}
	return groups
}

// add resolves and submits an image, as the API does.
func (s *system) add(account, repository, tag string) workflows.AnalyzeImageInput {
	s.t.Helper()
	var found workflows.ResolveImageResult
	err := s.run(workflows.ResolveImageName, workflows.ResolveImageInput{Account: account, Ref: s.host + "/" + repository + ":" + tag}, &found)
	if err != nil {
		s.t.Fatal(err)
	}
	in := workflows.AnalyzeImageInput{Account: account, Digest: found.Digest}
	submission, err := persistence.NewImages(s.pool).Submit(s.t.Context(), persistence.SubmitImage{
		Account: account, Digest: found.Digest, ImageID: found.ImageID, MediaType: found.MediaType,
		ManifestBlob: found.ManifestBlob, ConfigBlob: found.ConfigBlob,
		Registry: s.host, Repository: repository, Tag: tag, PullDigest: found.Digest, DetectedAt: time.Now(),
		Start: func(request int64) persistence.Start {
			in.Request = request
			return persistence.Start{Workflow: workflows.AnalyzeImageName, WorkflowID: workflows.AnalyzeImageID(account, found.Digest), Input: in}
		},
	})
	if err != nil {
		s.t.Fatal(err)
	}
	if !submission.Due {
		s.t.Fatal("no analysis is due")
	}
	return in
}

func (s *system) analyze(in workflows.AnalyzeImageInput) workflows.AnalyzeImageResult {
	s.t.Helper()
	var out workflows.AnalyzeImageResult
	if err := s.run(workflows.AnalyzeImageName, in, &out); err != nil {
		s.t.Fatal(err)
	}
	return out
}

func (s *system) status(in workflows.AnalyzeImageInput) persistence.Image {
	s.t.Helper()
	record, err := persistence.NewImages(s.pool).Get(s.t.Context(), in.Account, in.Digest)
	if err != nil {
		s.t.Fatal(err)
	}
	return record
}

func (s *system) found(in workflows.AnalyzeImageInput) []string {
	s.t.Helper()
	list, err := persistence.NewMatches(s.pool, s.pool).Vulnerabilities(s.t.Context(), in.Account, in.Digest, persistence.VulnerabilityFilter{})
	if err != nil {
		s.t.Fatal(err)
	}
	var out []string
	for _, v := range list {
		out = append(out, v.Vulnerability+" "+v.PackageName+" "+v.FixVersion)
	}
	return out
}

func (s *system) verdicts(in workflows.AnalyzeImageInput, tag string) (out []string) {
	s.t.Helper()
	list, err := persistence.NewEvaluations(s.pool).History(s.t.Context(), persistence.EvaluationKey{
		Account: in.Account, ImageDigest: in.Digest, Tag: s.host + "/" + tag, PolicyID: "default",
	}, 10)
	if err != nil {
		s.t.Fatal(err)
	}
	for _, e := range list {
		out = append(out, e.FinalAction+" by "+e.Cause)
	}
	return out
}
