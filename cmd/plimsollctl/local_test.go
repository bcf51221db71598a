package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path"
	"path/filepath"
	"strings"
	"testing"
)

// importServer takes an import and remembers the requests.
func importServer(t *testing.T, refuse string, look ...func(*http.Request)) (url string, asked *[]string) {
	t.Helper()
	asked = new([]string)
	digest := "sha256:" + strings.Repeat("a", 64)
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		*asked = append(*asked, r.Method+" "+r.URL.Path)
		for _, f := range look {
			f(r)
		}
		w.Header().Set("Content-Type", "application/json")
		switch {
		case refuse != "" && strings.HasSuffix(r.URL.Path, refuse):
			w.WriteHeader(http.StatusRequestEntityTooLarge)
			fmt.Fprint(w, `{"code":413,"error_type":"REQUEST_TOO_LARGE","message":"too large","detail":{},"httpcode":413}`)
		case strings.HasSuffix(r.URL.Path, "/sbom"):
			fmt.Fprintf(w, `{"digest":%q,"created_at":"2026-01-01T00:00:00Z","image_digest":%q,"contents":{"packages":%q,"image_config":%q,"manifest":%q}}`, digest, digest, digest, digest, digest)
		case strings.HasSuffix(r.URL.Path, "/dockerfile"), strings.HasSuffix(r.URL.Path, "-searches"), strings.HasSuffix(r.URL.Path, "/file-contents"):
			fmt.Fprintf(w, `{"digest":%q,"created_at":"2026-01-01T00:00:00Z"}`, digest)
		case r.URL.Path == "/v2/images":
			fmt.Fprintf(w, `{"image_digest":%q,"analysis_status":"not_analyzed","image_content":{"metadata":{}},"image_detail":[],"annotations":{}}`, digest)
		default:
			fmt.Fprint(w, `{"uuid":"op1","status":"pending","expires_at":"2026-01-01T00:00:00Z","created_at":"2026-01-01T00:00:00Z"}`)
		}
	}))
	t.Cleanup(server.Close)
	return server.URL, asked
}

func perform(t *testing.T, url string, args ...string) (stdout, stderr string, err error) {
	t.Helper()
	root := newRoot()
	var out, diagnostics bytes.Buffer
	root.SetOut(&out)
	root.SetErr(&diagnostics)
	root.SetArgs(append([]string{"--url", url, "--config", writeConfig(t)}, args...))
	err = root.ExecuteContext(t.Context())
	return out.String(), diagnostics.String(), err
}

func tree(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	for name, content := range map[string]string{
		"etc/os-release":                       "ID=debian\nVERSION_ID=12\n",
		"app/node_modules/lodash/package.json": `{"name":"lodash","version":"4.17.10"}`,
	} {
		if err := os.MkdirAll(filepath.Dir(filepath.Join(dir, name)), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(dir, name), []byte(content), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

func TestAnImageIsAnalysedHereAndImported(t *testing.T) {
	t.Parallel()
	url, asked := importServer(t, "")
	dockerfile := filepath.Join(t.TempDir(), "Dockerfile")
	if err := os.WriteFile(dockerfile, []byte("FROM scratch\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	stdout, stderr, err := perform(t, url, "image", "add", "r.example/app:1", "--from", "dir:"+tree(t), "--dockerfile", dockerfile)
	if err != nil || !strings.Contains(stdout, "not_analyzed") || !strings.Contains(stderr, "layer 1 of 1") {
		t.Fatalf("%v\n%s%s", err, stdout, stderr)
	}
	want := "POST /v2/imports/images, POST /v2/imports/images/op1/sbom, POST /v2/imports/images/op1/secret-searches, POST /v2/imports/images/op1/file-contents, POST /v2/imports/images/op1/dockerfile, POST /v2/images"
	if got := strings.Join(*asked, ", "); got != want {
		t.Errorf("asked %s, want %s", got, want)
	}
}

func TestWhatIsSearchedForIsTheUsersChoice(t *testing.T) {
	t.Parallel()
	sent := map[string]string{}
	url, _ := importServer(t, "", func(r *http.Request) {
		if body, err := io.ReadAll(r.Body); err == nil {
			sent[path.Base(r.URL.Path)] = string(body)
		}
	})
	dir := tree(t)
	settings := filepath.Join(t.TempDir(), "searches.yaml")
	write := func(text string) {
		if err := os.WriteFile(settings, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write("secrets: {enabled: false}\ncontent: {expressions: [{name: release, regex: 'VERSION_ID=\\d+'}], store_values: true}\nretrieved_files: {paths: [/etc/os-release]}\n")
	if _, stderr, err := perform(t, url, "image", "add", "r.example/app:1", "--from", "dir:"+dir, "--searches", settings); err != nil {
		t.Fatalf("%v\n%s", err, stderr)
	}
	if _, asked := sent["secret-searches"]; asked || !strings.Contains(sent["content-searches"], `"classification":"release","line_number":2`) ||
		!strings.Contains(sent["content-searches"], `"value":"VERSION_ID=12"`) || !strings.Contains(sent["file-contents"], `"/etc/os-release"`) ||
		!strings.Contains(sent["images"], `"content_searches":"sha256:`) {
		t.Errorf("sent %v", sent)
	}
	write("content: {expressions: [{name: broken, regex: '('}]}\n")
	if _, _, err := perform(t, url, "image", "add", "r.example/app:1", "--from", "dir:"+dir, "--searches", settings); err == nil || !strings.Contains(err.Error(), "broken") {
		t.Errorf("a rule that is none: %v", err)
	}
	write("secret: {}\n")
	if _, _, err := perform(t, url, "image", "add", "r.example/app:1", "--from", "dir:"+dir, "--searches", settings); err == nil || !strings.Contains(err.Error(), `"secret"`) {
		t.Errorf("a misspelt key: %v", err)
	}
	for _, from := range []string{"registry", settings} {
		if _, _, err := perform(t, url, "image", "add", "r.example/app:1", "--from", from, "--searches", settings); err == nil || !strings.Contains(err.Error(), "--searches goes with") {
			t.Errorf("from %s: %v", from, err)
		}
	}
}

func TestASBOMThatIsNoJSONIsImportedAsItIs(t *testing.T) {
	t.Parallel()
	var kinds []string
	url, _ := importServer(t, "", func(r *http.Request) {
		if strings.HasSuffix(r.URL.Path, "/sbom") {
			kinds = append(kinds, r.Header.Get("Content-Type"))
		}
	})
	for _, document := range []string{"<bom/>", "{}"} {
		file := filepath.Join(t.TempDir(), "bom")
		if err := os.WriteFile(file, []byte(document), 0o600); err != nil {
			t.Fatal(err)
		}
		if _, _, err := perform(t, url, "image", "add", "r.example/app:1", "--from", file); err != nil {
			t.Fatal(err)
		}
	}
	if got := strings.Join(kinds, " "); got != "application/octet-stream application/json" {
		t.Errorf("sent as %s", got)
	}
}

func TestDocumentsInEveryFormArePrinted(t *testing.T) {
	t.Parallel()
	digest := "sha256:" + strings.Repeat("a", 64)
	kinds := map[string]string{"cyclonedx-xml": "application/xml", "spdx-tag-value": "text/plain; charset=utf-8", "spdx-json": "text/html"}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		kind, ok := kinds[filepath.Base(r.URL.Path)]
		if !ok {
			w.Header().Set("Content-Type", "application/json")
			fmt.Fprintf(w, `{"image_digest":%q,"analysis_status":"analyzed","image_content":{"metadata":{}},"image_detail":[],"annotations":{}}`, digest)
			return
		}
		w.Header().Set("Content-Type", kind)
		fmt.Fprint(w, "<bom></bom>")
	}))
	t.Cleanup(server.Close)
	for _, format := range []string{"cyclonedx-xml", "spdx-tag-value"} {
		stdout, _, err := perform(t, server.URL, "image", "sbom", digest, "--format", format)
		if err != nil || stdout != "<bom></bom>" {
			t.Errorf("%s: %q, %v", format, stdout, err)
		}
	}
	if _, _, err := perform(t, server.URL, "image", "sbom", digest, "--format", "spdx-json"); err == nil || !strings.Contains(err.Error(), "is --url right?") {
		t.Errorf("a stranger's page: %v", err)
	}
}

func TestAnImportThatIsRefusedIsTakenBack(t *testing.T) {
	t.Parallel()
	url, asked := importServer(t, "/sbom")
	_, _, err := perform(t, url, "image", "add", "r.example/app:1", "--from", "dir:"+tree(t))
	if exitCode(err) != exitRefused || !strings.Contains(fmt.Sprint(err), "too large") {
		t.Errorf("exit code %d, %v", exitCode(err), err)
	}
	if last := (*asked)[len(*asked)-1]; last != "DELETE /v2/imports/images/op1" {
		t.Errorf("the last request is %s", last)
	}
}

func TestABillOfMaterialsNeedsNoServer(t *testing.T) {
	t.Parallel()
	dir := tree(t)
	stdout, _, err := perform(t, "http://127.0.0.1:1", "sbom", "create", "dir:"+dir)
	var document struct {
		Artifacts []struct{ Name, Version string }
		Files     []any
		Distro    struct{ ID string }
	}
	if err != nil || json.Unmarshal([]byte(stdout), &document) != nil {
		t.Fatalf("%v in %s", err, stdout)
	}
	if len(document.Artifacts) != 1 || document.Artifacts[0].Name != "lodash" || document.Distro.ID != "debian" || len(document.Files) != 6 {
		t.Errorf("%+v", document)
	}
	stdout, _, err = perform(t, "http://127.0.0.1:1", "sbom", "create", "dir:"+dir, "-o", "text")
	if err != nil || !strings.Contains(stdout, "LOCATION") || !strings.Contains(stdout, "4.17.10") {
		t.Errorf("%v\n%s", err, stdout)
	}
	if _, _, err = perform(t, "http://127.0.0.1:1", "sbom", "create", "nonsense"); exitCode(err) != exitTrouble || !strings.Contains(err.Error(), "docker-archive:FILE") {
		t.Errorf("an unknown source: %v", err)
	}
}
