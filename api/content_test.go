package api

import (
	"encoding/base64"
	"net/http"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"plimsoll/api/oas"
)

func TestContent(t *testing.T) {
	t.Parallel()
	s := newServer(t)
	digest := s.known(testTag, "one")
	s.admin(http.MethodPost, "/v2/images", addTag).wants(http.StatusOK)
	base := "/v2/images/" + digest
	body := s.admin(http.MethodGet, base+"/content/os", "").fails(http.StatusNotFound, codeImageNotAnalyzed)
	if !strings.Contains(body.Message, "analysis_status: not_analyzed") {
		t.Errorf("message %q", body.Message)
	}
	s.analyze("admin", digest, npm, deb, jar)

	var types []string
	s.admin(http.MethodGet, base+"/content", "").wants(http.StatusOK).decode(&types)
	if diff := cmp.Diff([]string{"files", "java", "npm", "os"}, types); diff != "" {
		t.Error(diff)
	}
	var packages oas.ContentPackageResponse
	s.admin(http.MethodGet, base+"/content/os", "").wants(http.StatusOK).decode(&packages)
	wantOS := []oas.PackageContent{{
		Package: "hull", Version: "2-1", Type: "dpkg", Size: "4096", Location: deb.Location, Purl: deb.PURL,
		Licenses: []string{}, Cpes: []string{}, Metadata: map[string]any{},
	}}
	if diff := cmp.Diff(wantOS, packages.Content); diff != "" {
		t.Error(diff)
	}
	s.admin(http.MethodGet, base+"/content/npm", "").wants(http.StatusOK).decode(&packages)
	if len(packages.Content) != 1 || packages.Content[0].Metadata["integrity"] != "x" || packages.Content[0].Size != "N/A" {
		t.Errorf("npm: %+v", packages.Content)
	}
	if got := s.admin(http.MethodGet, base+"/content/gem", "").wants(http.StatusOK); !strings.Contains(got.body, `"content":[]`) {
		t.Errorf("gem: %s", got.body)
	}
	s.admin(http.MethodGet, base+"/content/cobol", "").fails(http.StatusNotFound, codeContentNotFound)
	var java oas.ContentJavaPackageResponse
	s.admin(http.MethodGet, base+"/content/java", "").wants(http.StatusOK).decode(&java)
	if len(java.Content) != 1 || java.Content[0].ImplementationVersion != "3.1" || java.Content[0].SpecificationVersion != "N/A" || java.Content[0].MavenVersion != "3" {
		t.Errorf("java: %+v", java.Content)
	}
	var files oas.ContentFilesResponse
	s.admin(http.MethodGet, base+"/content/files", "").wants(http.StatusOK).decode(&files)
	sum, link, least, most := strings.Repeat("a", 64), "/app/big", -2147483648, 2147483647
	wantFiles := []oas.FilesContent{
		{Filename: "/app", Type: "dir", Mode: "0o755"},
		{Filename: "/app/big", Type: "file", Mode: "0o4755", Uid: least, Gid: most, Size: most, Sha256: &sum},
		{Filename: "/link", Type: "symlink", Mode: "0o777", Linkdest: &link},
	}
	if diff := cmp.Diff(wantFiles, files.Content); diff != "" {
		t.Error(diff)
	}
	for _, kind := range []string{"native-json", "spdx-json", "cyclonedx-json"} {
		var document map[string]any
		got := s.admin(http.MethodGet, base+"/sboms/"+kind, "").wants(http.StatusOK)
		got.decode(&document)
		if !strings.Contains(got.body, "rigging") || got.header.Get("Content-Type") != "application/json" {
			t.Errorf("%s: %s", kind, got.body)
		}
		if again := s.admin(http.MethodGet, base+"/sboms/"+kind, ""); again.body != got.body {
			t.Errorf("%s differs when asked twice", kind)
		}
	}
}

func TestMetadata(t *testing.T) {
	t.Parallel()
	s := newServer(t)
	digest := s.known(testTag, "one")
	s.admin(http.MethodPost, "/v2/images", addTag).wants(http.StatusOK)
	base := "/v2/images/" + digest + "/metadata"
	if got := s.admin(http.MethodGet, base, "").wants(http.StatusOK); strings.TrimSpace(got.body) != `["manifest","docker_history","dockerfile","labels","docker_inspect"]` {
		t.Errorf("types %s", got.body)
	}
	read := func(kind string) string {
		var answer oas.MetadataResponse
		s.admin(http.MethodGet, base+"/"+kind, "").wants(http.StatusOK).decode(&answer)
		text, err := base64.StdEncoding.DecodeString(answer.Metadata)
		must(t, err)
		return string(text)
	}
	if got := read("manifest"); got != testManifest {
		t.Errorf("manifest %s", got)
	}
	if got := read("docker_history"); got != `[{"created_by":"/bin/sh -c #(nop)  CMD [\"sail\"]"}]` {
		t.Errorf("history %s", got)
	}
	if got := read("dockerfile"); !strings.HasPrefix(got, "FROM scratch") || !strings.Contains(got, "CMD") {
		t.Errorf("guessed Dockerfile %s", got)
	}
	text := base64.StdEncoding.EncodeToString([]byte("FROM sea\n"))
	s.admin(http.MethodPost, "/v2/images", `{"source":{"tag":{"pull_string":"`+testTag+`","dockerfile":"`+text+`"}}}`).wants(http.StatusOK)
	if got := read("dockerfile"); got != "FROM sea\n" {
		t.Errorf("sent Dockerfile %s", got)
	}
	s.admin(http.MethodGet, base+"/diary", "").fails(http.StatusNotFound, codeContentNotFound)
}
