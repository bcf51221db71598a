package e2e

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/static"
	"github.com/google/go-containerregistry/pkg/v1/types"
	"github.com/jackc/pgx/v5/pgxpool"

	"plimsoll/api/client"
)

// patience is what a person may have to wait for the answer to a submission.
const patience = 25 * time.Second

// refusal is the whole of an error answer that clients rely on.
type refusal struct {
	status  int
	code    string
	message string
}

// submitRaw adds an image and returns what was refused, or the record.
func submitRaw(t testing.TB, c *client.ClientWithResponses, source client.ImageSource) (*client.AnchoreImage, refusal) {
	t.Helper()
	began := time.Now()
	r, err := c.AddImageWithResponse(t.Context(), &client.AddImageParams{}, client.ImageAnalysisRequest{Source: source})
	if err != nil {
		t.Fatal(err)
	}
	took := time.Since(began)
	t.Logf("answered after %s", took.Round(time.Millisecond))
	if took > patience {
		t.Errorf("the answer took %s, want less than %s", took, patience)
	}
	if r.JSON200 != nil {
		return r.JSON200, refusal{}
	}
	return nil, readRefusal(t, r.StatusCode(), r.Body)
}

func readRefusal(t testing.TB, status int, answer []byte) refusal {
	t.Helper()
	var body struct {
		Message  string
		HTTPCode int `json:"httpcode"`
		Detail   struct {
			Codes []string `json:"error_codes"`
		}
	}
	if err := json.Unmarshal(answer, &body); err != nil {
		t.Fatalf("%v in %s", err, answer)
	}
	if body.HTTPCode != status || len(body.Detail.Codes) != 1 {
		t.Fatalf("status %d, answer %s; want them to agree and one code", status, answer)
	}
	return refusal{status: status, code: body.Detail.Codes[0], message: body.Message}
}

// wantWords checks that a message names what happened to what, and gives nothing away.
func wantWords(t testing.TB, message string, words []string) {
	t.Helper()
	for _, word := range words {
		if !strings.Contains(message, word) {
			t.Errorf("message %q lacks %q", message, word)
		}
	}
	if strings.Contains(message, registryPassword) || strings.Contains(message, wrongPassword) {
		t.Errorf("message %q holds a password", message)
	}
	t.Logf("message: %s", message)
}

const (
	registryUser     = "robot"
	registryPassword = "hunter2-right"
	wrongPassword    = "hunter2-wrong"
)

// trouble is a registry's behaviour and what must come of it.
type trouble struct {
	name     string
	img      func(t testing.TB, name string) v1.Image // nil: a small Debian image of its own
	lies     map[string]lie
	password string // stored for the repository; empty: none
	private  bool   // at the registry that wants a password
	tag      string // instead of 1
	platform string
	byDigest bool

	status int      // of the answer to the submission; 0: 200
	code   string   // of that answer, or of analysis_error; empty: the image is analysed
	words  []string // of the message
}

const platformIndex = `{"schemaVersion":2,"mediaType":"application/vnd.oci.image.index.v1+json","manifests":[
	{"mediaType":"application/vnd.oci.image.manifest.v1+json","digest":"sha256:` + anyDigest + `","size":7,"platform":{"os":"linux","architecture":"s390x"}},
	{"mediaType":"application/vnd.oci.image.manifest.v1+json","digest":"sha256:` + anyDigest + `","size":7,"platform":{"os":"linux","architecture":"riscv64"}}]}`

const anyDigest = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"

func troubles() []trouble {
	manifest := func(l lie) map[string]lie { return map[string]lie{askedManifest: l} }
	layer := func(l lie) map[string]lie { return map[string]lie{askedLayer: l} }
	config := func(l lie) map[string]lie { return map[string]lie{askedConfig: l} }
	const ociManifest = "application/vnd.oci.image.manifest.v1+json"
	return []trouble{
		// Who may.
		{name: "401 without credentials", lies: manifest(refuse(401, "UNAUTHORIZED", "")),
			status: 400, code: "REGISTRY_PERMISSION_DENIED", words: []string{"manifest 1", "401", "no registry credentials"}},
		{name: "403 without credentials", lies: manifest(refuse(403, "DENIED", "")),
			status: 400, code: "REGISTRY_PERMISSION_DENIED", words: []string{"manifest 1", "403", "no registry credentials"}},
		{name: "private without credentials", private: true,
			status: 400, code: "REGISTRY_PERMISSION_DENIED", words: []string{"401", "no registry credentials"}},
		{name: "private with a wrong password", private: true, password: wrongPassword,
			status: 400, code: "REGISTRY_PERMISSION_DENIED", words: []string{"401", "the credentials of registry entry"}},
		{name: "private with the right password", private: true, password: registryPassword},
		{name: "layer forbidden", lies: layer(refuse(403, "DENIED", "")),
			code: "REGISTRY_PERMISSION_DENIED", words: []string{"layer sha256:", "403"}},

		// What is not there.
		{name: "no such repository", lies: manifest(refuse(404, "NAME_UNKNOWN", "")),
			status: 400, code: "REGISTRY_IMAGE_NOT_FOUND", words: []string{"manifest 1", "404", "NAME_UNKNOWN"}},
		{name: "no such tag", tag: "2", status: 400, code: "REGISTRY_IMAGE_NOT_FOUND", words: []string{"manifest 2", "404"}},
		{name: "no such layer", lies: layer(refuse(404, "BLOB_UNKNOWN", "")),
			code: "REGISTRY_IMAGE_NOT_FOUND", words: []string{"layer sha256:", "404"}},
		{name: "no such config", lies: config(refuse(404, "BLOB_UNKNOWN", "")),
			status: 400, code: "REGISTRY_IMAGE_NOT_FOUND", words: []string{"config sha256:", "404"}},

		// Not now.
		{name: "429 for a minute", lies: manifest(refuse(429, "TOOMANYREQUESTS", "60")),
			status: 503, code: "REGISTRY_RATE_LIMITED", words: []string{"manifest 1", "429"}},
		{name: "429 once", lies: manifest(once(refuse(429, "TOOMANYREQUESTS", "1")))},
		{name: "429 on the layer once", lies: layer(once(refuse(429, "TOOMANYREQUESTS", "1")))},
		{name: "429 on the layer always", lies: layer(refuse(429, "TOOMANYREQUESTS", "1")),
			code: "REGISTRY_RATE_LIMITED", words: []string{"layer sha256:", "429"}},
		{name: "500 always", lies: manifest(refuse(500, "UNKNOWN", "")),
			status: 502, code: "REGISTRY_UNREACHABLE", words: []string{"manifest 1", "500"}},
		{name: "500 once", lies: manifest(once(refuse(500, "UNKNOWN", "")))},
		{name: "500 on the layer once", lies: layer(once(refuse(500, "UNKNOWN", "")))},
		{name: "503 on the layer always", lies: layer(refuse(503, "UNAVAILABLE", "1")),
			code: "REGISTRY_UNREACHABLE", words: []string{"layer sha256:", "503"}},
		{name: "no answer", lies: manifest(hangs),
			status: 502, code: "REGISTRY_UNREACHABLE", words: []string{"manifest 1", "no answer within"}},

		// Half of it.
		{name: "manifest breaks off", lies: manifest(breaksOff),
			status: 502, code: "REGISTRY_BAD_RESPONSE", words: []string{"manifest 1", "broke off after"}},
		{name: "manifest breaks off once", lies: manifest(once(breaksOff))},
		{name: "layer breaks off once", lies: layer(once(breaksOff))},
		{name: "layer breaks off once, and there are no ranges", lies: layer(breaksOffWithoutRanges)},
		{name: "layer breaks off always", lies: layer(breaksOffAlways),
			code: "REGISTRY_BAD_RESPONSE", words: []string{"layer sha256:", "broke off after", "bytes"}},

		// Something else.
		{name: "other layer bytes", lies: layer(alters(flipByte)), code: "DIGEST_MISMATCH", words: []string{"layer sha256:"}},
		{name: "more layer bytes", lies: layer(alters(appendBytes)), code: "DIGEST_MISMATCH", words: []string{"layer sha256:", "larger than"}},
		{name: "other config bytes", lies: config(alters(flipByte)), status: 502, code: "DIGEST_MISMATCH", words: []string{"config sha256:"}},
		{name: "other manifest than the digest asked for", byDigest: true, lies: manifest(alters(appendBytes)),
			status: 502, code: "DIGEST_MISMATCH", words: []string{"manifest sha256:", "instead of sha256:"}},
		{name: "other manifest than the header says", lies: manifest(alters(appendBytes)),
			status: 502, code: "DIGEST_MISMATCH", words: []string{"manifest 1", "instead of sha256:"}},
		{name: "page instead of a manifest", lies: manifest(sends("text/html", "<html>Please sign in</html>")),
			status: 502, code: "REGISTRY_BAD_RESPONSE", words: []string{"manifest 1", "text/html", "no manifest"}},
		{name: "artifact", lies: manifest(sends(ociManifest, `{"schemaVersion":2,"mediaType":"`+ociManifest+`",
			"config":{"mediaType":"application/vnd.cncf.helm.config.v1+json","digest":"sha256:`+anyDigest+`","size":7},
			"layers":[{"mediaType":"application/vnd.cncf.helm.chart.content.v1.tar+gzip","digest":"sha256:`+anyDigest+`","size":7}]}`)),
			status: 400, code: "IMAGE_UNSUPPORTED", words: []string{"manifest sha256:", "Helm chart", "not a container image"}},
		{name: "schema 1", lies: manifest(sends("application/vnd.docker.distribution.manifest.v1+prettyjws",
			`{"schemaVersion":1,"name":"x","tag":"1","architecture":"amd64","fsLayers":[{"blobSum":"sha256:`+anyDigest+`"}],"history":[],"signatures":[]}`)),
			status: 400, code: "IMAGE_UNSUPPORTED", words: []string{"manifest 1", "schema 1", "push the image again"}},
		{name: "index without the platform", lies: manifest(sends("application/vnd.oci.image.index.v1+json", platformIndex)),
			status: 400, code: "IMAGE_UNSUPPORTED", words: []string{"linux/amd64", "linux/s390x", "linux/riscv64"}},
		{name: "image of another platform", platform: "linux/arm64",
			status: 400, code: "IMAGE_UNSUPPORTED", words: []string{"is for linux/amd64, not for linux/arm64"}},
		{name: "huge manifest", lies: manifest(sends(ociManifest, `{"schemaVersion":2,"annotations":{"a":"`+strings.Repeat("a", 5<<20)+`"}}`)),
			status: 400, code: "LIMIT_EXCEEDED", words: []string{"manifest 1", "larger than"}},

		// Read, and no use.
		{name: "corrupt gzip", img: layerBytes(types.DockerLayer, "\x1f\x8b\x08\x00 not deflate at all, %s"),
			code: "LAYER_CORRUPT", words: []string{"layer sha256:", "decompress"}},
		{name: "corrupt tar", img: layerBytes(types.DockerUncompressedLayer, "%s is not a tar archive, though it is long enough "+strings.Repeat("to be one ", 100)),
			code: "LAYER_CORRUPT", words: []string{"layer sha256:"}},
		{name: "garbage for a package database", img: func(t testing.TB, name string) v1.Image {
			return smallImage(t, name, map[string]string{"var/lib/dpkg/status": strings.Repeat("\x00\xff\xfe garbage\n", 200)})
		}},
	}
}

// layerBytes is an image whose only layer holds just these bytes, whatever its media type says.
func layerBytes(kind types.MediaType, format string) func(testing.TB, string) v1.Image {
	return func(t testing.TB, name string) v1.Image {
		t.Helper()
		return must(t)(mutate.AppendLayers(empty.Image, static.NewLayer(fmt.Appendf(nil, format, name), kind)))
	}
}

// A registry that refuses, breaks off or lies gets every submission to a clear end, and leaves nothing half-written.
func TestTroubleWithARegistryEndsClearly(t *testing.T) {
	t.Parallel()
	i := newInstallation(t)
	i.worker(t)
	c := admin(t, i.api)
	ready(t, c)
	db, err := pgxpool.New(t.Context(), i.database)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(db.Close)
	open, private := newLiar(t, "", ""), newLiar(t, registryUser, registryPassword)
	cases := map[string]func(*testing.T){
		"sign-in is tried before a password is stored": func(t *testing.T) { wantSignInChecked(t, c, private.host()+"/checked") },
	}
	for number, tt := range troubles() {
		registry := open
		if tt.private {
			registry = private
		}
		cases[tt.name] = func(t *testing.T) { tt.run(t, c, db, registry, fmt.Sprintf("trouble/case%d", number)) }
	}
	together(t, cases)
	wantNothingPending(t, db)
}

// atOnce is how many cases of one test are under way, so that registries in trouble do not add up to load.
const atOnce = 12

// together runs subtests side by side, however few processors there are: they mostly wait.
func together(t *testing.T, cases map[string]func(*testing.T)) {
	t.Helper()
	slots := make(chan struct{}, atOnce)
	var all sync.WaitGroup
	for name, run := range cases {
		all.Go(func() {
			slots <- struct{}{}
			defer func() { <-slots }()
			t.Run(name, run)
		})
	}
	all.Wait()
}

func (tt trouble) run(t *testing.T, c *client.ClientWithResponses, db *pgxpool.Pool, registry *liar, repository string) {
	img := tt.img
	if img == nil {
		img = func(t testing.TB, name string) v1.Image { return smallImage(t, name, nil) }
	}
	image := img(t, tt.name)
	at := registry.push(t, image, repository, tt.lies)
	digest, err := image.Digest()
	if err != nil {
		t.Fatal(err)
	}
	if tt.password != "" {
		storeRegistry(t, c, at, tt.password, false, http.StatusOK)
	}
	added, refused := submitRaw(t, c, tt.source(at, digest.String()))
	if tt.status != 0 {
		if refused.status != tt.status || refused.code != tt.code {
			t.Errorf("refused with %d %s %q, want %d %s", refused.status, refused.code, refused.message, tt.status, tt.code)
		}
		wantWords(t, refused.message, append(tt.words, registry.host()))
		wantNothingOf(t, db, digest.String(), image)
		return
	}
	if added == nil {
		t.Fatalf("refused with %d %s %q", refused.status, refused.code, refused.message)
	}
	began := time.Now()
	ended := status(t, c, added.ImageDigest, "analyzed", "analysis_failed")
	t.Logf("%s after %s", ended.AnalysisStatus, time.Since(began).Round(time.Millisecond))
	if tt.code == "" {
		if ended.AnalysisStatus != "analyzed" {
			t.Fatalf("ended as %s: %+v", ended.AnalysisStatus, ended.AnalysisError)
		}
		tt.wantAnalysed(t, c, db, added.ImageDigest)
		return
	}
	if ended.AnalysisStatus != "analysis_failed" || ended.AnalysisError == nil || ended.AnalysisError.Code != tt.code {
		t.Fatalf("ended as %s with %+v, want analysis_failed with %s", ended.AnalysisStatus, ended.AnalysisError, tt.code)
	}
	wantWords(t, ended.AnalysisError.Message, tt.words)
	wantNoResultOf(t, db, digest.String(), image)
}

func (tt trouble) source(at, digest string) client.ImageSource {
	if tt.byDigest {
		return client.ImageSource{Digest: &client.RegistryDigestSource{PullString: at + "@" + digest, Tag: at + ":1"}}
	}
	tag := "1"
	if tt.tag != "" {
		tag = tt.tag
	}
	source := &client.RegistryTagSource{PullString: at + ":" + tag}
	if tt.platform != "" {
		source.Platform = &tt.platform
	}
	return client.ImageSource{Tag: source}
}

// wantAnalysed checks that the package is found, or that it is on record that the database could not be read.
func (tt trouble) wantAnalysed(t testing.TB, c *client.ClientWithResponses, db *pgxpool.Pool, digest string) {
	t.Helper()
	var analyses, incomplete int
	if err := db.QueryRow(t.Context(), `SELECT count(*), coalesce(sum(incomplete), 0) FROM plimsoll.analysis WHERE image_digest = $1`, digest).
		Scan(&analyses, &incomplete); err != nil {
		t.Fatal(err)
	}
	found := names(t, c, digest, "os")
	broken := tt.img != nil
	if analyses != 1 || (incomplete > 0) != broken || (len(found) == 1) == broken {
		t.Errorf("%d analyses, %d things not read, packages %v; want one analysis, and either the package or what was not read", analyses, incomplete, found)
	}
}

func storeRegistry(t testing.TB, c *client.ClientWithResponses, registry, password string, validate bool, want int) refusal {
	t.Helper()
	user, verify := registryUser, false
	r, err := c.CreateRegistryWithResponse(t.Context(), &client.CreateRegistryParams{Validate: &validate}, client.RegistryConfigurationRequest{
		Registry: &registry, RegistryUser: &user, RegistryPass: &password, RegistryVerify: &verify,
	})
	if err != nil {
		t.Fatal(err)
	}
	if r.StatusCode() != want {
		t.Fatalf("store credentials for %s: %d %s, want %d", registry, r.StatusCode(), r.Body, want)
	}
	if r.StatusCode() == http.StatusOK {
		return refusal{}
	}
	return readRefusal(t, r.StatusCode(), r.Body)
}

// wantSignInChecked stores a wrong password, which is refused and leaves nothing, and then the right one.
func wantSignInChecked(t testing.TB, c *client.ClientWithResponses, registry string) {
	t.Helper()
	refused := storeRegistry(t, c, registry, wrongPassword, true, http.StatusBadRequest)
	if refused.code != "REGISTRY_PERMISSION_DENIED" {
		t.Errorf("a wrong password is refused with %+v", refused)
	}
	host, _, _ := strings.Cut(registry, "/")
	wantWords(t, refused.message, []string{host})
	if r, err := c.GetRegistryWithResponse(t.Context(), registry, &client.GetRegistryParams{}); err != nil || r.StatusCode() != http.StatusNotFound {
		t.Errorf("the refused credentials are stored: %v %v", err, r)
	}
	storeRegistry(t, c, registry, registryPassword, true, http.StatusOK)
}

func count(t testing.TB, db *pgxpool.Pool, sql string, args ...any) (n int) {
	t.Helper()
	if err := db.QueryRow(t.Context(), "SELECT count(*) FROM plimsoll."+sql, args...).Scan(&n); err != nil {
		t.Fatalf("%s: %v", sql, err)
	}
	return n
}

// wantNothingOf checks that a refused submission left no trace.
func wantNothingOf(t testing.TB, db *pgxpool.Pool, digest string, img v1.Image) {
	t.Helper()
	manifest, err := img.RawManifest()
	if err != nil {
		t.Fatal(err)
	}
	sum := sha256.Sum256(manifest)
	for _, left := range []struct {
		sql string
		arg any
	}{
		{"image WHERE digest = $1", digest},
		{"image_tag WHERE digest = $1", digest},
		{"outbox WHERE input::text LIKE '%' || $1 || '%'", digest},
		{"blob WHERE digest LIKE '%' || $1", hex.EncodeToString(sum[:])},
	} {
		if n := count(t, db, left.sql, left.arg); n != 0 {
			t.Errorf("%d rows left in %s", n, left.sql)
		}
	}
	wantNoResultOf(t, db, digest, img)
}

// wantNoResultOf checks that a failed analysis left no result that anything could take for a good one.
func wantNoResultOf(t testing.TB, db *pgxpool.Pool, digest string, img v1.Image) {
	t.Helper()
	manifest, err := img.Manifest()
	if err != nil {
		t.Fatal(err)
	}
	for _, l := range manifest.Layers {
		if n := count(t, db, "layer WHERE digest = $1", l.Digest.String()); n != 0 {
			t.Errorf("%d results of layer %s are stored", n, l.Digest)
		}
	}
	if n := count(t, db, "analysis WHERE image_digest = $1", digest); n != 0 {
		t.Errorf("%d analyses are stored", n)
	}
	if n := count(t, db, "evaluation WHERE image_digest = $1", digest); n != 0 {
		t.Errorf("%d verdicts are stored", n)
	}
	if n := count(t, db, "analysis_progress WHERE digest = $1 AND done", digest); n != 0 {
		t.Errorf("%d steps claim to be done", n)
	}
}

// wantNothingPending checks that all is at rest: nothing waits to be started, every record is in a state that
// ends, and how far a step came is kept for failed images only.
func wantNothingPending(t testing.TB, db *pgxpool.Pool) {
	t.Helper()
	for _, sql := range []string{
		"outbox",
		"image WHERE analysis_status NOT IN ('analyzed', 'analysis_failed') OR image_status <> 'active'",
		"image WHERE analysis_status = 'analysis_failed' AND (error_code = '' OR error_message = '' OR analysis_id IS NOT NULL)",
		"image_package p WHERE NOT EXISTS (SELECT FROM plimsoll.analysis a WHERE a.id = p.analysis_id)",
	} {
		if n := count(t, db, sql); n != 0 {
			t.Errorf("%d rows in %s, want none", n, sql)
		}
	}
	eventually(t, 10*time.Second, "progress of ended analyses cleared", func() (bool, error) {
		var n int
		err := db.QueryRow(context.WithoutCancel(t.Context()), `SELECT count(*) FROM plimsoll.analysis_progress p
			WHERE NOT EXISTS (SELECT FROM plimsoll.image i WHERE i.account = p.account AND i.digest = p.digest AND i.analysis_status = 'analysis_failed')`).Scan(&n)
		return n == 0, err
	})
}
