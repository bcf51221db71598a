package e2e

import (
	"archive/tar"
	"bytes"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"sort"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-containerregistry/pkg/name"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/layout"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/tarball"

	"plimsoll/api/client"
)

// TestImagesImportedFromHereAnswerAsThoseFromARegistry analyses the sample image three times: pulled by the server,
// and by the command line from a Docker archive and from an OCI layout.
func TestImagesImportedFromHereAnswerAsThoseFromARegistry(t *testing.T) { //nolint:tparallel // the steps build on one another
	t.Parallel()
	s := newSystem(t)
	c := admin(t, s.api)
	registry := newSource(t)
	img := plantedImage(t)
	pulled := registry.push(t, img, "sample/app:1")
	syncFeeds(t, c)
	pulledDigest := submit(t, c, pulled, false).ImageDigest
	status(t, c, pulledDigest, "analyzed")
	reads := registry.blobReads.Load()
	for _, account := range []string{"harbour", "quay", "liar"} {
		if r, err := c.CreateAccountWithResponse(t.Context(), client.AccountCreationRequest{Name: account}); err != nil || r.StatusCode() != http.StatusOK {
			t.Fatalf("create account: %v %v", err, r)
		}
	}

	for _, tt := range []struct{ account, from, tag, digest string }{
		{"harbour", "docker-archive:" + savedArchive(t, img), "registry.example/team/app:docker", ""},
		{"quay", "oci-layout:" + savedLayout(t, img), "registry.example/team/app:oci", pulledDigest},
	} {
		t.Run(tt.account, func(t *testing.T) {
			as := ctl{api: s.api, env: []string{"PLIMSOLL_ACCOUNT=" + tt.account}}
			stdout, stderr, code := as.run(t, "image", "add", tt.tag, "--from", tt.from, "--wait", "--annotation", "built=here", "-o", "json")
			if code != 0 {
				t.Fatalf("exit code %d\n%s%s", code, stdout, stderr)
			}
			var image client.AnchoreImage
			if err := json.Unmarshal([]byte(stdout), &image); err != nil {
				t.Fatalf("%v in %s", err, stdout)
			}
			if !strings.Contains(stderr, "layer 5 of 5") {
				t.Errorf("no progress in %q", stderr)
			}
			if tt.digest != "" && image.ImageDigest != tt.digest {
				t.Errorf("digest %s, want %s", image.ImageDigest, tt.digest)
			}
			own := user(t, s.api, "admin", adminPassword, tt.account)
			wantSameAnswers(t, c, pulledDigest, own, image.ImageDigest)
			wantVulnerabilities(t, own, image.ImageDigest)
			wantVerdict(t, own, image.ImageDigest, tt.tag)
			if image.ImageDigest == pulledDigest {
				return
			}
			if r, err := c.GetImageWithResponse(t.Context(), image.ImageDigest, &client.GetImageParams{}); err != nil || r.StatusCode() != http.StatusNotFound {
				t.Errorf("another account sees the import: %v %v", r.StatusCode(), err)
			}
		})
	}
	t.Run("what one account says of an image is no other's answer", func(t *testing.T) { wantLiesKept(t, s, c, img, pulledDigest) })
	if n := registry.blobReads.Load() - reads; n != 0 {
		t.Errorf("%d blobs were pulled for imports", n)
	}
	t.Run("analysis without a server", func(t *testing.T) {
		stdout, stderr, code := ctl{api: "127.0.0.1:1"}.run(t, "sbom", "create", "oci-layout:"+savedLayout(t, img), "-o", "text")
		if code != 0 || !strings.Contains(stdout, "lodash") || !strings.Contains(stdout, "4.17.10") {
			t.Errorf("exit code %d\n%s%s", code, stdout, stderr)
		}
		if _, stderr, code = (ctl{api: s.api}).run(t, "image", "add", "a.example/x:1", "--from", "docker-archive:"+os.DevNull); code != 2 || !strings.Contains(stderr, "not a file") {
			t.Errorf("an archive that is none: exit code %d, %s", code, stderr)
		}
	})
}

func savedArchive(t testing.TB, img v1.Image) string {
	t.Helper()
	to := filepath.Join(t.TempDir(), "image.tar")
	tag, err := name.NewTag("registry.example/team/app:docker")
	if err == nil {
		err = tarball.WriteToFile(to, tag, img)
	}
	if err != nil {
		t.Fatal(err)
	}
	return to
}

func savedLayout(t testing.TB, img v1.Image) string {
	t.Helper()
	dir := t.TempDir()
	if _, err := layout.Write(dir, mutate.AppendManifests(empty.Index, mutate.IndexAddendum{Add: img})); err != nil {
		t.Fatal(err)
	}
	return dir
}

// plantedImage is the sample with a credential in a file, and one in a file that is deleted again.
func plantedImage(t testing.TB) v1.Image {
	t.Helper()
	img := sampleImage(t)
	for _, files := range []map[string]string{
		{"srv/.aws/credentials": "[default]\naws_access_key_id = AKIAQ3XN7KSPLT2MB6WD\n", "srv/key.pem": "-----BEGIN PRIVATE KEY-----\nMIIEvQIBADANBgkqhkiG9w0B\n"},
		{"srv/.wh.key.pem": ""},
	} {
		var content bytes.Buffer
		w := tar.NewWriter(&content)
		for _, name := range slices.Sorted(maps.Keys(files)) {
			if err := w.WriteHeader(&tar.Header{Name: name, Mode: 0o600, Size: int64(len(files[name]))}); err != nil {
				t.Fatal(err)
			}
			if _, err := io.WriteString(w, files[name]); err != nil {
				t.Fatal(err)
			}
		}
		if err := w.Close(); err != nil {
			t.Fatal(err)
		}
		layer, err := tarball.LayerFromOpener(func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(content.Bytes())), nil },
			tarball.WithMediaType("application/vnd.oci.image.layer.v1.tar+gzip"))
		if err != nil {
			t.Fatal(err)
		}
		if img, err = mutate.AppendLayers(img, layer); err != nil {
			t.Fatal(err)
		}
	}
	return img
}

// planted are the hits and the kept file that plantedImage shows, wherever it was analysed.
var planted = []string{
	"/etc/passwd kept", "/srv/.aws/credentials AWS_ACCESS_KEY [2] false",
	"/srv/app/.aws/credentials AWS_ACCESS_KEY [2] false", "/srv/app/.aws/credentials AWS_SECRET_KEY [3] false", // the sample's own
	"/srv/key.pem PRIV_KEY [1] true",
}

func searched(t testing.TB, c *client.ClientWithResponses, digest string) (all []string) {
	t.Helper()
	secrets, err := c.GetImageSecretSearchWithResponse(t.Context(), digest, &client.GetImageSecretSearchParams{})
	if err != nil || secrets.JSON200 == nil {
		t.Fatalf("secret search: %v", err)
	}
	for _, file := range *secrets.JSON200 {
		for _, m := range file.Matches {
			all = append(all, fmt.Sprint(file.Path, " ", m.Name, " ", m.Lines, " ", *m.Removed))
		}
	}
	kept, err := c.GetImageRetrievedFilesWithResponse(t.Context(), digest, &client.GetImageRetrievedFilesParams{})
	if err != nil || kept.JSON200 == nil {
		t.Fatalf("kept files: %v", err)
	}
	for _, file := range *kept.JSON200 {
		if content, err := base64.StdEncoding.DecodeString(file.B64Content); err == nil && len(content) > 0 {
			all = append(all, file.Path+" kept")
		}
	}
	sort.Strings(all)
	return all
}

// wantSameAnswers compares findings, packages, files and search results of two records of one image.
func wantSameAnswers(t *testing.T, c *client.ClientWithResponses, digest string, own *client.ClientWithResponses, imported string) {
	t.Helper()
	if diff := cmp.Diff(findings(t, c, digest), findings(t, own, imported)); diff != "" {
		t.Errorf("vulnerabilities (-pulled +imported):\n%s", diff)
	}
	for _, kind := range []string{"os", "npm", "java", "python", "go"} {
		if diff := cmp.Diff(names(t, c, digest, kind), names(t, own, imported, kind)); diff != "" {
			t.Errorf("%s (-pulled +imported):\n%s", kind, diff)
		}
	}
	for who, got := range map[string][]string{"pulled": searched(t, c, digest), "imported": searched(t, own, imported)} {
		if diff := cmp.Diff(planted, got); diff != "" {
			t.Errorf("searches of the %s image (-want +got):\n%s", who, diff)
		}
	}
	if diff := cmp.Diff(files(t, c, digest), files(t, own, imported)); diff != "" {
		t.Errorf("files (-pulled +imported):\n%s", diff)
	}
}

func findings(t testing.TB, c *client.ClientWithResponses, digest string) []string {
	t.Helper()
	var all []string
	for key, v := range vulnerable(t, c, digest) {
		all = append(all, strings.Join([]string{key, v.PackageVersion, v.PackageType, v.Severity, v.Fix, v.FeedGroup, v.PackagePath}, " | "))
	}
	sort.Strings(all)
	return all
}

func files(t testing.TB, c *client.ClientWithResponses, digest string) []client.FilesContent {
	t.Helper()
	r, err := c.GetImageFilesWithResponse(t.Context(), digest, &client.GetImageFilesParams{})
	if err != nil || r.JSON200 == nil {
		t.Fatalf("files: %v", err)
	}
	return r.JSON200.Content
}

// wantLiesKept imports the digest that others have with a package list that hides all but one package, and calls
// that one by another's name.
func wantLiesKept(t *testing.T, s *system, c *client.ClientWithResponses, img v1.Image, digest string) {
	before := findings(t, c, digest)
	stdout, stderr, code := ctl{api: s.api}.run(t, "sbom", "create", "oci-layout:"+savedLayout(t, img))
	if code != 0 {
		t.Fatal(stderr)
	}
	var document map[string]any
	if err := json.Unmarshal([]byte(stdout), &document); err != nil {
		t.Fatal(err)
	}
	var kept []any
	for _, a := range document["artifacts"].([]any) {
		artifact := a.(map[string]any)
		if artifact["name"] == "jackson-databind" {
			artifact["purl"] = "pkg:maven/nobody/nothing@1"
			kept = append(kept, artifact)
		}
	}
	document["artifacts"], document["artifactRelationships"] = kept, []any{}
	lie, err := json.Marshal(document)
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(t.TempDir(), "lie.json")
	if err := os.WriteFile(file, lie, 0o600); err != nil {
		t.Fatal(err)
	}
	as := ctl{api: s.api, env: []string{"PLIMSOLL_ACCOUNT=liar"}}
	if stdout, stderr, code := as.run(t, "image", "add", "registry.example/team/app:lie", "--from", file, "--wait"); code != 0 {
		t.Fatalf("exit code %d\n%s%s", code, stdout, stderr)
	}
	liar := user(t, s.api, "admin", adminPassword, "liar")
	if got := names(t, liar, digest, "os"); len(got) != 0 {
		t.Errorf("the import has packages it does not list: %v", got)
	}
	if diff := cmp.Diff(before, findings(t, c, digest)); diff != "" {
		t.Errorf("the pulled image's findings changed (-before +after):\n%s", diff)
	}
	// The same again after a feed sync that looks at every package anew.
	force := true
	if r, err := c.SyncFeedsWithResponse(t.Context(), &client.SyncFeedsParams{ForceSync: &force}); err != nil || r.StatusCode() != http.StatusOK {
		t.Fatalf("sync: %v", err)
	}
	if diff := cmp.Diff(before, findings(t, c, digest)); diff != "" {
		t.Errorf("the pulled image's findings changed (-before +after):\n%s", diff)
	}
}
