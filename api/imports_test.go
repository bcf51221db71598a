package api

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"plimsoll/persistence"
	"plimsoll/workflows"
)

func sumOf(document string) string {
	sum := sha256.Sum256([]byte(document))
	return "sha256:" + hex.EncodeToString(sum[:])
}

// The documents of an image, as a client would upload them; the last byte of some is a new line, which counts.
const (
	importedConfig   = `{"os":"linux","architecture":"amd64","rootfs":{"diff_ids":[]},"config":{"Labels":{"deck":"upper"}}}` + "\n"
	importedPackages = `{"artifacts":[{"id":"1","name":"left-pad","version":"1.2.0","type":"npm","locations":[{"path":"/p"}],"purl":"pkg:npm/left-pad@1.2.0"}],` +
		`"source":{"type":"image"},"distro":{},"descriptor":{"name":"syft","version":"1"},"schema":{"version":"16","url":"u"}}` + "\n"
	importedSearch     = `[{"location":{"path":"/etc/key"},"content_searches":[{"classification":"KEY","line_number":3,"line_offset":0,"seek_position":9,"length":4}]}]`
	importedFiles      = `[{"location":{"path":"/etc/motd"},"contents":"aGVsbG8="}]`
	importedDockerfile = "FROM scratch\nEXPOSE 80\n"
)

var (
	importedManifest = `{"schemaVersion":2,"mediaType":"application/vnd.oci.image.manifest.v1+json","config":{"digest":"` + sumOf(importedConfig) + `","size":3},"layers":[]}` + "\n"
	importedIndex    = `{"schemaVersion":2,"manifests":[{"digest":"` + sumOf(importedManifest) + `"}]}`
)

// uploads gives the parts by their last path element.
func uploads() map[string]struct{ kind, body, contentType string } {
	return map[string]struct{ kind, body, contentType string }{
		"packages": {"packages", importedPackages, "application/json"}, "image-config": {"image_config", importedConfig, "application/json"},
		"manifest":         {"manifest", importedManifest, "application/vnd.oci.image.manifest.v1+json"},
		"parent-manifest":  {"parent_manifest", importedIndex, "application/vnd.oci.image.index.v1+json"},
		"dockerfile":       {"dockerfile", importedDockerfile, "text/plain"},
		"secret-searches":  {"secret_searches", importedSearch, "application/json"},
		"content-searches": {"content_searches", importedSearch, "application/json"},
		"file-contents":    {"file_contents", importedFiles, "application/json"},
	}
}

type importAnswer struct {
	UUID     string `json:"uuid"`
	Status   string `json:"status"`
	Digest   string `json:"digest"`
	Contents map[string]string
}

func (s *server) openImport(options ...func(*http.Request)) string {
	s.t.Helper()
	var op importAnswer
	s.admin(http.MethodPost, "/v2/imports/images", "", options...).wants(http.StatusOK).decode(&op)
	if op.Status != persistence.ImportPending {
		s.t.Errorf("a new operation is %s", op.Status)
	}
	return op.UUID
}

func importRequest(t *testing.T, operation, digest string, contents map[string]string, tags ...string) string {
	t.Helper()
	body, err := json.Marshal(map[string]any{"source": map[string]any{"import": map[string]any{
		"operation_uuid": operation, "digest": digest, "contents": contents, "tags": tags,
	}}})
	must(t, err)
	return string(body)
}

// importSample goes through an import from its opening to its end and asks every operation there is about imports.
func (s *server) importSample(t *testing.T, options ...func(*http.Request)) (operation string, submit string) {
	t.Helper()
	operation = s.openImport(options...)
	at := "/v2/imports/images/" + operation
	contents := map[string]string{}
	for path, u := range uploads() {
		var got importAnswer
		s.admin(http.MethodPost, at+"/"+path, u.body, append(options, header("Content-Type", u.contentType))...).wants(http.StatusOK).decode(&got)
		if got.Digest != sumOf(u.body) {
			t.Errorf("%s has the digest %s, want that of the bytes sent, %s", path, got.Digest, sumOf(u.body))
		}
		contents[u.kind] = got.Digest
		var listed []string
		s.admin(http.MethodGet, at+"/"+path, "", options...).wants(http.StatusOK).decode(&listed)
		if diff := cmp.Diff([]string{got.Digest}, listed); diff != "" {
			t.Errorf("digests of %s: %s", path, diff)
		}
	}
	submit = importRequest(t, operation, sumOf(importedManifest), contents, "registry.example/ship/deck:1", "registry.example/ship/deck:latest")
	s.admin(http.MethodGet, at, "", options...).wants(http.StatusOK)
	s.admin(http.MethodGet, "/v2/imports/images", "", options...).wants(http.StatusOK)

	whole := s.openImport(options...)
	document := strings.Replace(importedPackages, `"source":{"type":"image"}`, fmt.Sprintf(`"source":{"type":"image","metadata":{"manifest":%q,"config":%q}}`,
		base64.StdEncoding.EncodeToString([]byte(importedManifest)), base64.StdEncoding.EncodeToString([]byte(importedConfig))), 1)
	var said importAnswer
	s.admin(http.MethodPost, "/v2/imports/images/"+whole+"/sbom", document, append(options, header("Content-Type", "application/json"))...).wants(http.StatusOK).decode(&said)
	want := map[string]string{"packages": sumOf(document), "image_config": sumOf(importedConfig), "manifest": sumOf(importedManifest)}
	if diff := cmp.Diff(want, said.Contents); diff != "" {
		t.Errorf("parts of the whole document: %s", diff)
	}
	s.admin(http.MethodDelete, "/v2/imports/images/"+whole, "", options...).wants(http.StatusOK)
	s.admin(http.MethodGet, "/v2/imports/images/"+whole, "", options...).fails(http.StatusNotFound, codeImportNotFound)
	return operation, submit
}

func TestAnImportBecomesAnImageThatWaitsForItsAnalysis(t *testing.T) {
	t.Parallel()
	s := newServer(t)
	operation, submit := s.importSample(t)
	at := "/v2/imports/images/" + operation
	var image struct {
		ImageDigest  string `json:"image_digest"`
		ParentDigest string `json:"parent_digest"`
		ImageDetail  []struct {
			FullTag    string  `json:"full_tag"`
			ImageID    string  `json:"image_id"`
			Dockerfile *string `json:"dockerfile"`
		} `json:"image_detail"`
	}
	s.admin(http.MethodPost, "/v2/images", submit).wants(http.StatusOK).decode(&image)
	if image.ImageDigest != sumOf(importedManifest) || image.ParentDigest != sumOf(importedIndex) || len(image.ImageDetail) != 2 {
		t.Errorf("%+v", image)
	}
	for _, d := range image.ImageDetail {
		if "sha256:"+d.ImageID != sumOf(importedConfig) || d.Dockerfile == nil || *d.Dockerfile != base64.StdEncoding.EncodeToString([]byte(importedDockerfile)) {
			t.Errorf("%+v", d)
		}
	}
	wantStatus := func(want string) {
		t.Helper()
		var op importAnswer
		s.admin(http.MethodGet, at, "").wants(http.StatusOK).decode(&op)
		if op.Status != want {
			t.Errorf("the operation is %s, want %s", op.Status, want)
		}
	}
	wantStatus(persistence.ImportQueued)
	s.admin(http.MethodPost, "/v2/images", submit).wants(http.StatusOK) // again is once
	if len(s.starter.launched) != 2 {
		t.Fatalf("%d analyses launched", len(s.starter.launched))
	}
	var first, second workflows.AnalyzeImageInput
	must(t, json.Unmarshal(s.starter.launched[0].Input, &first))
	must(t, json.Unmarshal(s.starter.launched[1].Input, &second))
	if first != second {
		t.Errorf("submitting twice asks for %+v and %+v", first, second)
	}
	s.admin(http.MethodDelete, at, "").fails(http.StatusConflict, codeConflict)
	s.admin(http.MethodPost, at+"/packages", `{}`).fails(http.StatusConflict, codeConflict)
	s.analyze("admin", image.ImageDigest, npm)
	wantStatus(persistence.ImportComplete)
	s.admin(http.MethodGet, "/v2/images?label=deck=upper", "").wants(http.StatusOK)
}

func TestAnySBOMCanBeImported(t *testing.T) {
	t.Parallel()
	s := newServer(t)
	for name, document := range map[string]string{
		"cyclonedx.xml": `<bom xmlns="http://cyclonedx.org/schema/bom/1.5"><components><component type="library"><name>left-pad</name><version>1.2.0</version><purl>pkg:npm/left-pad@1.2.0</purl></component></components></bom>`,
		"spdx.tags":     "SPDXVersion: SPDX-2.3\nSPDXID: SPDXRef-DOCUMENT\n\nPackageName: left-pad\nSPDXID: SPDXRef-1\nPackageVersion: 1.2.0\n",
	} {
		operation := s.openImport()
		var said struct {
			importAnswer
			ImageDigest string `json:"image_digest"`
		}
		s.admin(http.MethodPost, "/v2/imports/images/"+operation+"/sbom", document, header("Content-Type", "application/octet-stream")).wants(http.StatusOK).decode(&said)
		if said.Contents["packages"] != sumOf(document) {
			t.Errorf("%s: parts %v", name, said.Contents)
		}
		s.admin(http.MethodPost, "/v2/images", importRequest(t, operation, said.ImageDigest, said.Contents, "registry.example/"+name+":1")).wants(http.StatusOK)
	}
	s.admin(http.MethodPost, "/v2/imports/images/"+s.openImport()+"/sbom", "<html></html>", header("Content-Type", "application/octet-stream")).fails(http.StatusBadRequest, codeImportInvalid)
}

func TestImportsBelongToTheirAccount(t *testing.T) {
	t.Parallel()
	s := newServer(t)
	operation, submit := s.importSample(t)
	other := s.user("quay", "mate1", "full-control")
	at := "/v2/imports/images/" + operation
	for _, path := range []string{"", "/packages", "/manifest"} {
		s.request(http.MethodGet, at+path, "", other).fails(http.StatusNotFound, codeImportNotFound)
	}
	s.request(http.MethodPost, at+"/packages", `{}`, other).fails(http.StatusNotFound, codeImportNotFound)
	s.request(http.MethodDelete, at, "", other).fails(http.StatusNotFound, codeImportNotFound)
	s.request(http.MethodPost, "/v2/images", submit, other).fails(http.StatusNotFound, codeImportNotFound)
	if got := s.request(http.MethodGet, "/v2/imports/images", "", other); strings.TrimSpace(got.body) != "[]" {
		t.Errorf("another account lists %s", got.body)
	}
	// Knowing the digests of what another account uploaded opens nothing.
	var op importAnswer
	s.request(http.MethodPost, "/v2/imports/images", "", other).wants(http.StatusOK).decode(&op)
	s.request(http.MethodPost, "/v2/images", strings.ReplaceAll(submit, operation, op.UUID), other).fails(http.StatusBadRequest, codeImportInvalid)
}

func TestImportsThatContradictThemselvesAreRefused(t *testing.T) {
	t.Parallel()
	s := newServer(t)
	add := func(operation, path, body string) string {
		t.Helper()
		var got importAnswer
		s.admin(http.MethodPost, "/v2/imports/images/"+operation+"/"+path, body).wants(http.StatusOK).decode(&got)
		return got.Digest
	}
	for name, tt := range map[string]struct {
		manifest, config, index, digest string
		code                            string
	}{
		"a manifest of another image":             {importedManifest, importedConfig, "", sumOf("x"), codeImportInvalid},
		"a configuration of another image":        {importedManifest, `{}`, "", "", codeImportInvalid},
		"an index that does not list the image":   {importedManifest, importedConfig, `{"manifests":[]}`, "", codeImportInvalid},
		"an index in place of a manifest":         {importedIndex, importedConfig, "", "", codeImageUnsupported},
		"a manifest of schema 1":                  {`{"schemaVersion":1}`, importedConfig, "", "", codeImageUnsupported},
		"a layer whose digest is none":            {strings.Replace(importedManifest, `"layers":[]`, `"layers":[{"digest":"../x"}]`, 1), importedConfig, "", "", codeImportInvalid},
		"a manifest that is JSON of another kind": {`[]`, importedConfig, "", "", codeImportInvalid},
	} {
		operation := s.openImport()
		contents := map[string]string{
			"packages": add(operation, "packages", importedPackages), "manifest": add(operation, "manifest", tt.manifest), "image_config": add(operation, "image-config", tt.config),
		}
		if tt.index != "" {
			contents["parent_manifest"] = add(operation, "parent-manifest", tt.index)
		}
		digest := tt.digest
		if digest == "" {
			digest = sumOf(tt.manifest)
		}
		t.Log(name)
		s.admin(http.MethodPost, "/v2/images", importRequest(t, operation, digest, contents, "registry.example/a:1")).fails(http.StatusBadRequest, tt.code)
	}
	var list struct{ Items []any }
	s.admin(http.MethodGet, "/v2/images", "").wants(http.StatusOK).decode(&list)
	if len(list.Items) != 0 {
		t.Errorf("a refused import left %v", list.Items)
	}
}

func TestUploadsAreBounded(t *testing.T) {
	t.Parallel()
	s := newServer(t, func(_ *Deps, c *Config) { c.MaxImportContentBytes, c.MaxBodyBytes = 64, 32 })
	at := "/v2/imports/images/" + s.openImport()
	long := `"` + strings.Repeat("a", 62) + `"`
	s.admin(http.MethodPost, at+"/packages", long).wants(http.StatusOK)
	s.admin(http.MethodPost, at+"/packages", long+" ").fails(http.StatusRequestEntityTooLarge, codeTooLarge)
	chunked := func(r *http.Request) { r.ContentLength = -1 }
	s.admin(http.MethodPost, at+"/packages", long+" ", chunked).fails(http.StatusRequestEntityTooLarge, codeTooLarge)
	s.admin(http.MethodPost, at+"/packages", "{").fails(http.StatusBadRequest, codeImportInvalid)
	s.admin(http.MethodPost, at+"/dockerfile", "\x00", header("Content-Type", "text/plain")).fails(http.StatusBadRequest, codeImportInvalid)
	s.admin(http.MethodPost, at+"/packages", "{}", header("Content-Type", "application/xml")).fails(http.StatusUnsupportedMediaType, codeUnsupportedMedia)
	for i := range 40 {
		got := s.admin(http.MethodPost, at+"/packages", fmt.Sprint(i))
		if got.status != http.StatusOK {
			got.fails(http.StatusBadRequest, codeLimitExceeded)
			return
		}
	}
	t.Error("an operation takes any number of documents")
}

func TestArchivesOfInlineAnalysesAreSentElsewhere(t *testing.T) {
	t.Parallel()
	got := newServer(t).admin(http.MethodPost, "/v2/import/images", "x").wants(http.StatusGone)
	if !strings.Contains(got.body, "/v2/imports/images") {
		t.Errorf("the answer does not say what to do: %s", got.body)
	}
}

// A document that is decoded as a whole must be small, whatever the limit for package lists is.
func TestSmallPartsOfAnImportStaySmall(t *testing.T) {
	t.Parallel()
	s := newServer(t)
	at := "/v2/imports/images/" + s.openImport()
	long := strings.Repeat(" ", 4<<20)
	for path, document := range map[string]string{
		"manifest": importedManifest + long, "parent-manifest": importedIndex + long, "image-config": importedConfig + long + long,
	} {
		s.admin(http.MethodPost, at+"/"+path, document, header("Content-Type", "application/json")).fails(http.StatusRequestEntityTooLarge, codeTooLarge)
	}
	s.admin(http.MethodPost, at+"/packages", importedPackages+long+long, header("Content-Type", "application/json")).wants(http.StatusOK)
	inside := strings.Replace(importedPackages, `"source":{"type":"image"}`, fmt.Sprintf(`"source":{"type":"image","metadata":{"manifest":%q,"config":%q}}`,
		base64.StdEncoding.EncodeToString([]byte(importedManifest+long)), base64.StdEncoding.EncodeToString([]byte(importedConfig))), 1)
	s.admin(http.MethodPost, at+"/sbom", inside, header("Content-Type", "application/json")).fails(http.StatusRequestEntityTooLarge, codeTooLarge)
}

// What a registry's image could not say, an import cannot either: later answers would fail over it.
func TestAnImportNeedsAConfigurationInTheRightForm(t *testing.T) {
	t.Parallel()
	s := newServer(t)
	for _, odd := range []string{`"history":[5]`, `"history":"x"`, `"created":5`, `"config":{"Env":"x"}`, `"rootfs":{"type":1}`} {
		at := "/v2/imports/images/" + s.openImport()
		config := `{"os":"linux","architecture":"amd64",` + odd + `}`
		manifest := strings.Replace(importedManifest, sumOf(importedConfig), sumOf(config), 1)
		contents := map[string]string{"packages": sumOf(importedPackages), "image_config": sumOf(config), "manifest": sumOf(manifest)}
		for path, document := range map[string]string{"packages": importedPackages, "image-config": config, "manifest": manifest} {
			s.admin(http.MethodPost, at+"/"+path, document, header("Content-Type", "application/json")).wants(http.StatusOK)
		}
		operation := strings.TrimPrefix(at, "/v2/imports/images/")
		submit := importRequest(t, operation, sumOf(manifest), contents, "registry.example/ship/odd:1")
		s.admin(http.MethodPost, "/v2/images", submit).fails(http.StatusBadRequest, codeImportInvalid)
	}
}
