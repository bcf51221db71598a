package api

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/go-chi/chi/v5"
	"github.com/google/go-cmp/cmp"

	"plimsoll/authz"
	"plimsoll/persistence"
)

func TestEveryRouteSaysWhoMayUseIt(t *testing.T) {
	t.Parallel()
	s := newServer(t)
	open := map[string]bool{}
	for _, route := range openRoutes {
		method, pattern, _ := strings.Cut(route, " ")
		open[routeKey(method, pattern)] = false
	}
	mounted := map[string]bool{}
	err := chi.Walk(s.api.router, func(method, route string, _ http.Handler, _ ...func(http.Handler) http.Handler) error {
		key := routeKey(method, route)
		op, described := s.api.operations[key]
		_, listed := open[key]
		switch {
		case !described && !listed:
			t.Errorf("%s is mounted, but neither described in the document nor listed as open", key)
		case listed:
			open[key] = true
		case op.access.Action != noAction && !authz.KnownAction(op.access.Action):
			t.Errorf("%s requires the action %q, which the permission table does not have", key, op.access.Action)
		}
		mounted[key] = true
		return nil
	})
	must(t, err)
	for key := range s.api.operations {
		if !mounted[key] {
			t.Errorf("%s is described, but not mounted", key)
		}
	}
	for key, seen := range open {
		if !seen {
			t.Errorf("%s is listed as open, but not mounted", key)
		}
	}
}

func TestOnlyOpenOperationsAnswerWithoutCredentials(t *testing.T) {
	t.Parallel()
	s := newServer(t)
	digest := "sha256:" + strings.Repeat("a", 64)
	values := strings.NewReplacer("{image_digest}", digest, "{content_type}", "os", "{vuln_type}", "all", "{metadata_type}", "manifest",
		"{account_name}", "admin", "{username}", "admin", "{role_name}", "read-only", "{policy_id}", "p", "{registry}", "r", "{service_name}", "api", "{host_id}", "h")
	for key, op := range s.api.operations {
		method, pattern, _ := strings.Cut(key, " ")
		got := s.request(method, values.Replace(pattern), "")
		if op.access.Domain == domainNone {
			got.wants(http.StatusOK)
			continue
		}
		got.fails(http.StatusUnauthorized, codeUnauthenticated)
		if want := `basic realm="Authentication required"`; got.header.Get("WWW-Authenticate") != want {
			t.Errorf("%s: WWW-Authenticate is %q, want %q", key, got.header.Get("WWW-Authenticate"), want)
		}
	}
}

func TestRootRoutes(t *testing.T) {
	t.Parallel()
	s := newServer(t)
	for _, path := range []string{"/", "/v2", "/v2/"} {
		if got := s.request(http.MethodGet, path, "").wants(http.StatusOK); strings.TrimSpace(got.body) != `"v2"` {
			t.Errorf("%s answers %q", path, got.body)
		}
	}
	for _, path := range []string{"/health", "/health/", "/liveness", "/ready", "/v2/health", "/v2/health/"} {
		if got := s.request(http.MethodGet, path, "").wants(http.StatusOK); got.body != "" {
			t.Errorf("%s answers %q, want nothing", path, got.body)
		}
	}
	for _, path := range []string{"/version", "/v2/version"} {
		var got struct {
			Service struct{ Version string }
			API     struct{ Version string }
			DB      struct {
				SchemaVersion string `json:"schema_version"`
			}
		}
		s.request(http.MethodGet, path, "").wants(http.StatusOK).decode(&got)
		if got.API.Version != "2" || got.Service.Version != DefaultConfig().CompatVersion || got.DB.SchemaVersion == "" {
			t.Errorf("%s answers %+v", path, got)
		}
	}
	if got := s.request(http.MethodGet, "/v2/openapi.json", "").wants(http.StatusOK); !strings.Contains(got.body, `"x-authz"`) {
		t.Error("the document is not served")
	}
	for path, kind := range map[string]string{
		"/v2/console/": "text/html", "/v2/console": "text/html", "/v2/console/console.js": "text/javascript", "/v2/console/console.css": "text/css",
	} {
		got := s.request(http.MethodGet, path, "").wants(http.StatusOK)
		if !strings.HasPrefix(got.header.Get("Content-Type"), kind) || got.header.Get("Content-Security-Policy") != consolePolicy {
			t.Errorf("%s: headers %v", path, got.header)
		}
	}
	s.request(http.MethodGet, "/v2/console/..%2fapi.go", "").wants(http.StatusNotFound)
}

func TestReadinessRefusesAnUnfitDatabase(t *testing.T) {
	t.Parallel()
	s := newServer(t, func(d *Deps, _ *Config) {
		d.Ready = func(context.Context) error { return persistence.ErrSchemaOld }
	})
	body := s.request(http.MethodGet, "/ready", "").fails(http.StatusServiceUnavailable, codeUnavailable)
	if !strings.Contains(body.Message, "migrate") {
		t.Errorf("the message %q does not say what to do", body.Message)
	}
}

func TestUnknownRoutesAreProblemsOfRFC7807(t *testing.T) {
	t.Parallel()
	s := newServer(t)
	for _, c := range []struct {
		method, path string
		status       int
		detail       string
	}{
		{http.MethodGet, "/v2/no/such/thing", http.StatusNotFound, "The requested URL was not found"},
		{http.MethodGet, "/v1/images", http.StatusNotFound, "The requested URL was not found"},
		{http.MethodPatch, "/v2/images", http.StatusMethodNotAllowed, "Method Not Allowed"},
	} {
		got := s.request(c.method, c.path, "").wants(c.status)
		var body routeProblem
		got.decode(&body)
		if got.header.Get("Content-Type") != "application/problem+json" || !strings.HasPrefix(body.Detail, c.detail) || body.Status != c.status || body.Title == "" || body.Type == "" {
			t.Errorf("%s %s: %s %+v", c.method, c.path, got.header.Get("Content-Type"), body)
		}
	}
}

func TestCanonicalPath(t *testing.T) {
	t.Parallel()
	for in, want := range map[string][2]string{
		"":                                     {"/", "/"},
		"/":                                    {"/", "/"},
		"/v2":                                  {"/v2/", "/v2/"},
		"/v2/images/":                          {"/v2/images", "/v2/images"},
		"/v2/images/sha256%3Aab/vuln":          {"/v2/images/sha256:ab/vuln", "/v2/images/sha256:ab/vuln"},
		"/v2/registries/docker.io":             {"/v2/registries/docker.io", "/v2/registries/docker.io"},
		"/v2/registries/h:5000/library/alpine": {"/v2/registries/h:5000/library/alpine", "/v2/registries/h:5000%2Flibrary%2Falpine"},
		"/v2/registries/docker.io%2Flibrary%2F%2A": {"/v2/registries/docker.io/library/*", "/v2/registries/docker.io%2Flibrary%2F%2A"},
		"/v2/accounts/a%20b/users/c%2Fd":           {"/v2/accounts/a b/users/c/d", "/v2/accounts/a%20b/users/c%2Fd"},
	} {
		path, raw, err := canonical(in)
		if err != nil || path != want[0] || raw != want[1] {
			t.Errorf("canonical(%q) = %q, %q, %v; want %q", in, path, raw, err, want)
		}
	}
	if _, _, err := canonical("/v2/images/%zz"); err == nil {
		t.Error("an invalid escape was taken")
	}
}

func FuzzCanonicalPath(f *testing.F) {
	for _, seed := range []string{"/v2/registries/a%2Fb", "/v2/registries//", "/v2//images/", "/%2e%2e/x", "/v2/registries/%25%32%46"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, in string) {
		path, raw, err := canonical(in)
		if err != nil {
			return
		}
		again, rawAgain, err := canonical(raw)
		if err != nil || again != path && strings.TrimRight(again, "/") != strings.TrimRight(path, "/") || strings.TrimRight(rawAgain, "/") != strings.TrimRight(raw, "/") {
			t.Fatalf("%q gives %q, %q, which gives %q, %q, %v", in, path, raw, again, rawAgain, err)
		}
	})
}

func TestRequestID(t *testing.T) {
	t.Parallel()
	s := newServer(t)
	if got := s.request(http.MethodGet, "/health", "", header(requestIDHeader, "run-42")); got.header.Get(requestIDHeader) != "run-42" {
		t.Errorf("a request id is not given back: %q", got.header.Get(requestIDHeader))
	}
	got := s.request(http.MethodGet, "/health", "", header(requestIDHeader, "Not An Id\n"))
	if id := got.header.Get(requestIDHeader); !requestIDPattern.MatchString(id) {
		t.Errorf("a malformed request id was replaced by %q", id)
	}
}

func TestPanicsAndUnclassifiedErrorsTellNothing(t *testing.T) {
	t.Parallel()
	for name, version := range map[string]func(context.Context) (int64, int64, error){
		"error": func(context.Context) (int64, int64, error) { return 0, 0, errors.New("password=hunter2") },
		"panic": func(context.Context) (int64, int64, error) { panic("password=hunter2") },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newServer(t, func(d *Deps, _ *Config) { d.SchemaVersion = version })
			got := s.request(http.MethodGet, "/v2/version", "", header(requestIDHeader, "run-7"))
			body := got.fails(http.StatusInternalServerError, codeInternal)
			if strings.Contains(got.body, "hunter2") {
				t.Errorf("the answer leaks: %s", got.body)
			}
			if body.Detail["request_id"] != "run-7" {
				t.Errorf("the answer does not name the request: %v", body.Detail)
			}
			if len(s.logs.FilterMessage("request failed").All()) != 1 {
				t.Error("the cause is not in the log exactly once")
			}
		})
	}
}

func TestBodiesAreLimited(t *testing.T) {
	t.Parallel()
	s := newServer(t, func(_ *Deps, c *Config) { c.MaxBodyBytes = 200 })
	big := `{"name":"` + strings.Repeat("x", 300) + `"}`
	s.admin(http.MethodPost, "/v2/accounts", big).fails(http.StatusRequestEntityTooLarge, codeTooLarge)
	s.admin(http.MethodPost, "/v2/accounts", big, func(r *http.Request) { r.ContentLength = -1 }).fails(http.StatusRequestEntityTooLarge, codeTooLarge)
}

func TestRequestsAreChecked(t *testing.T) {
	t.Parallel()
	s := newServer(t)
	digest := "sha256:" + strings.Repeat("a", 64)
	for name, c := range map[string]struct {
		method, path, body string
		status             int
		code, mentions     string
	}{
		"digest too short":     {http.MethodGet, "/v2/images/sha256:abc", "", http.StatusBadRequest, codeInvalidRequest, "image_digest"},
		"digest encoded":       {http.MethodGet, "/v2/images/sha256%3A" + digest[7:], "", http.StatusNotFound, codeImageNotFound, digest},
		"boolean in Python":    {http.MethodGet, "/v2/images?history=True&full_tag=a.b/c:d", "", http.StatusNotFound, codeImageNotFound, "a.b/c:d"},
		"boolean that is none": {http.MethodGet, "/v2/images?history=perhaps", "", http.StatusBadRequest, codeInvalidRequest, "history"},
		"enum":                 {http.MethodGet, "/v2/images?analysis_status=lost", "", http.StatusBadRequest, codeInvalidRequest, "analysis_status"},
		"missing parameter":    {http.MethodGet, "/v2/images/" + digest + "/check", "", http.StatusBadRequest, codeInvalidRequest, "tag"},
		"unknown key":          {http.MethodPost, "/v2/images", `{"sauce":{},"source":{"tag":{"pull_string":"a.b/c:d"}}}`, http.StatusBadRequest, codeInvalidRequest, "sauce"},
		"unknown nested key":   {http.MethodPost, "/v2/images", `{"source":{"tag":{"pull_string":"a.b/c:d","pull":1}}}`, http.StatusBadRequest, codeInvalidRequest, `"pull"`},
		"unknown source":       {http.MethodPost, "/v2/images", `{"source":{"archive":{"digest":"x"}}}`, http.StatusBadRequest, codeInvalidRequest, "archive"},
		"two sources":          {http.MethodPost, "/v2/images", `{"source":{"tag":{"pull_string":"a.b/c:d"},"digest":{"pull_string":"a.b/c@x","tag":"t"}}}`, http.StatusBadRequest, codeInvalidRequest, "source"},
		"key in another case":  {http.MethodPost, "/v2/accounts", `{"NAME":"harbour"}`, http.StatusBadRequest, codeInvalidRequest, "NAME"},
		"not JSON":             {http.MethodPost, "/v2/accounts", `{"name":`, http.StatusBadRequest, codeInvalidRequest, "body"},
		"no body":              {http.MethodPost, "/v2/accounts", "", http.StatusBadRequest, codeInvalidRequest, "body"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got := s.admin(c.method, c.path, c.body)
			if body := got.fails(c.status, c.code); !strings.Contains(got.body, strings.ReplaceAll(c.mentions, `"`, `\"`)) {
				t.Errorf("%+v does not mention %s", body, c.mentions)
			}
		})
	}
}

func TestValidationNeverRepeatsAPassword(t *testing.T) {
	t.Parallel()
	s := newServer(t)
	for _, body := range []string{
		`{"username":"mate","password":"s3c"}`,
		`{"username":"mate","password":["s3cret-s3cret"]}`,
		`{"username":"mate","password":"s3cret-s3cret","user_type":"s3c"}`,
	} {
		got := s.admin(http.MethodPost, "/v2/accounts/admin/users", body)
		got.fails(http.StatusBadRequest, codeInvalidRequest)
		if strings.Contains(got.body, "s3c") {
			t.Errorf("the answer repeats what was sent: %s", got.body)
		}
	}
}

func TestTextTheDatabaseCannotHoldIsRefused(t *testing.T) {
	t.Parallel()
	s := newServer(t)
	for name, got := range map[string]answer{
		"path":         s.admin(http.MethodGet, "/v2/accounts/a%00b", ""),
		"path bytes":   s.admin(http.MethodGet, "/v2/accounts/a%ffb", ""),
		"query":        s.admin(http.MethodGet, "/v2/images?image_id=a%00b", ""),
		"query bytes":  s.admin(http.MethodGet, "/v2/images?image_id=a%ffb", ""),
		"account":      s.admin(http.MethodGet, "/v2/images", "", in("a\x00b")),
		"user":         s.request(http.MethodGet, "/v2/images", "", as("a\x00b", "password")),
		"body value":   s.admin(http.MethodPost, "/v2/registries?validate=false", `{"registry":"a.b","registry_user":"\u0000"}`),
		"body key":     s.admin(http.MethodPost, "/v2/images", `{"source":{"tag":{"pull_string":"a.b/c:d"}},"annotations":{"\u0000":1}}`),
		"nested value": s.admin(http.MethodPost, "/v2/images", `{"source":{"tag":{"pull_string":"a.b/c:d"}},"annotations":{"a":[{"b":"\u0000"}]}}`),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got.t = t
			got.fails(http.StatusBadRequest, codeInvalidRequest)
		})
	}
}

func TestContentTypes(t *testing.T) {
	t.Parallel()
	s := newServer(t)
	s.admin(http.MethodGet, "/v2/accounts", "", header("Content-Type", "application/json")).wants(http.StatusOK)
	s.admin(http.MethodPost, "/v2/accounts", `{"name":"without"}`).wants(http.StatusOK)
	s.admin(http.MethodPost, "/v2/accounts", `{"name":"charset"}`, header("Content-Type", "application/json; charset=utf-8")).wants(http.StatusOK)
	s.admin(http.MethodPost, "/v2/accounts", `name: yaml`, header("Content-Type", "application/yaml")).fails(http.StatusUnsupportedMediaType, codeUnsupportedMedia)
}

func TestAccessLogNamesTheCaller(t *testing.T) {
	t.Parallel()
	s := newServer(t)
	s.admin(http.MethodGet, "/v2/images?full_tag=secret.example/x:y", "")
	lines := s.logs.FilterMessage("request served").All()
	if len(lines) != 1 {
		t.Fatalf("%d lines", len(lines))
	}
	fields := lines[0].ContextMap()
	got := map[string]any{"route": fields["route"], "status": fields["status"], "user": fields["user"], "account": fields["account"]}
	want := map[string]any{"route": "/v2/images", "status": int64(http.StatusNotFound), "user": "admin", "account": "admin"}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

func TestVerifiedCacheForgets(t *testing.T) {
	t.Parallel()
	c, err := newVerifiedCache()
	must(t, err)
	key := c.key("mate", "hash", "password")
	c.add(key)
	for name, other := range map[string][32]byte{
		"changed hash":   c.key("mate", "other", "password"),
		"shifted border": c.key("matehash", "", "password"),
		"other password": c.key("mate", "hash", "passwort"),
	} {
		if c.has(other) {
			t.Errorf("%s: found", name)
		}
	}
	if !c.has(key) {
		t.Error("a verified credential is not found")
	}
	c.entries[key] = time.Now().Add(-time.Second)
	if c.has(key) {
		t.Error("an expired credential is found")
	}
	for i := range verifiedLimit + 1 {
		c.add(c.key("user", string(rune(i))))
	}
	if len(c.entries) > verifiedLimit {
		t.Errorf("%d entries, limit %d", len(c.entries), verifiedLimit)
	}
}
