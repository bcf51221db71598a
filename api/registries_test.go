package api

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"plimsoll/api/oas"
)

// registryServer answers GET /v2/ as a registry with Basic authentication does.
func registryServer(t *testing.T, user, password string) string {
	t.Helper()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if u, p, ok := r.BasicAuth(); !ok || u != user || p != password {
			w.Header().Set("WWW-Authenticate", `Basic realm="registry"`)
			w.WriteHeader(http.StatusUnauthorized)
		}
	}))
	t.Cleanup(server.Close)
	return strings.TrimPrefix(server.URL, "http://")
}

func TestRegistriesThroughTheirLife(t *testing.T) {
	t.Parallel()
	s := newServer(t)
	mate := s.user("harbour", "mate1", "read-write")
	body := `{"registry":"docker.io/library/*","registry_user":"u","registry_pass":"hunter2","extra":1}`
	var created []oas.RegistryConfiguration
	got := s.request(http.MethodPost, "/v2/registries?validate=false", body, mate).wants(http.StatusOK)
	got.decode(&created)
	if len(created) != 1 || created[0].RegistryName != "docker.io/library/*" || created[0].RegistryType != "docker_v2" || !created[0].RegistryVerify || created[0].AccountName != "harbour" {
		t.Errorf("created %s", got.body)
	}
	if problem := s.request(http.MethodPost, "/v2/registries?validate=False", body, mate).fails(http.StatusConflict, codeRegistryExists); problem.Message != "registry already exists in DB" {
		t.Errorf("message %q is not the one clients compare", problem.Message)
	}
	for _, path := range []string{"/v2/registries/docker.io/library/*", "/v2/registries/docker.io%2Flibrary%2F%2A", "/v2/registries/docker.io/library/%2A/"} {
		read := s.request(http.MethodGet, path, "", mate).wants(http.StatusOK)
		if strings.Contains(read.body, "hunter2") || strings.Contains(read.body, "pass") {
			t.Errorf("the password is given back: %s", read.body)
		}
		s.request(http.MethodGet, path, "", s.user("quay", "q"+strings.Repeat("x", len(path)), "read-only")).fails(http.StatusNotFound, codeRegistryNotFound)
	}
	s.request(http.MethodPut, "/v2/registries/docker.io/library/*?validate=false", `{"registry_user":"v","registry_verify":false}`, mate).wants(http.StatusOK).decode(&created)
	if created[0].RegistryUser != "v" || created[0].RegistryVerify {
		t.Errorf("updated %+v", created)
	}
	s.request(http.MethodPut, "/v2/registries/docker.io/library/*?validate=false", `{"registry":"other.example"}`, mate).fails(http.StatusBadRequest, codeInvalidRequest)
	s.request(http.MethodPut, "/v2/registries/other.example?validate=false", `{}`, mate).fails(http.StatusNotFound, codeRegistryNotFound)
	s.request(http.MethodDelete, "/v2/registries/docker.io/library/*", "", mate).wants(http.StatusNoContent)
	s.request(http.MethodDelete, "/v2/registries/docker.io/library/*", "", mate).fails(http.StatusNotFound, codeRegistryNotFound)
	if list := s.request(http.MethodGet, "/v2/registries", "", mate).wants(http.StatusOK); strings.TrimSpace(list.body) != "[]" {
		t.Errorf("list %s", list.body)
	}
}

func TestRegistryNamesAreChecked(t *testing.T) {
	t.Parallel()
	s := newServer(t)
	for _, name := range []string{"", "https://docker.io", "a b", "-x.example", "host:99999999", "x.example/../../y%"} {
		s.admin(http.MethodPost, "/v2/registries?validate=false", `{"registry":"`+name+`"}`).fails(http.StatusBadRequest, codeInvalidRequest)
	}
	s.admin(http.MethodPost, "/v2/registries?validate=false", `{"registry":"1.dkr.ecr.eu.amazonaws.com","registry_type":"awsecr"}`).fails(http.StatusBadRequest, codeInvalidRequest)
}

func TestCredentialsAreTriedBeforeTheyAreStored(t *testing.T) {
	t.Parallel()
	s := newServer(t)
	host := registryServer(t, "u", "right")
	s.admin(http.MethodPost, "/v2/registries", `{"registry":"`+host+`","registry_user":"u","registry_pass":"wrong"}`).fails(http.StatusBadRequest, codeRegistryDenied)
	s.admin(http.MethodPost, "/v2/registries", `{"registry":"`+host+`/team","registry_user":"u","registry_pass":"right"}`).wants(http.StatusOK)
	s.admin(http.MethodPut, "/v2/registries/"+host+"/team", `{"registry_user":"u","registry_pass":"wrong"}`).fails(http.StatusBadRequest, codeRegistryDenied)
	s.admin(http.MethodPost, "/v2/registries", `{"registry":"127.0.0.1:1","registry_user":"u","registry_pass":"p"}`).fails(http.StatusBadGateway, codeRegistryUnreachable)
	broken := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusTeapot) }))
	t.Cleanup(broken.Close)
	s.admin(http.MethodPost, "/v2/registries", `{"registry":"`+strings.TrimPrefix(broken.URL, "http://")+`"}`).fails(http.StatusBadGateway, codeRegistryBadResponse)
}
