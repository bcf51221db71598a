package config_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"plimsoll/internal/config"
)

type server struct {
	Addr    string        `yaml:"addr" doc:"Address to listen on."`
	Timeout time.Duration `yaml:"timeout" doc:"Longest request."`
	Limits  limits        `yaml:"limits" doc:"What is too much."`
}

type limits struct {
	Bytes int64    `yaml:"bytes" doc:"Largest body."`
	Types []string `yaml:"types" doc:"Accepted media types."`
	Debug bool     `yaml:"debug" doc:"Say more."`
}

func (s server) Validate() error {
	var faults []error
	if s.Addr == "" {
		faults = append(faults, errors.New("addr: must be set"))
	}
	if s.Timeout <= 0 {
		faults = append(faults, errors.New("timeout: must be positive"))
	}
	return errors.Join(faults...)
}

func (l limits) Validate() error {
	if l.Bytes < 0 {
		return errors.New("bytes: must not be negative")
	}
	return nil
}

type admin struct {
	Password config.Secret    `yaml:"password" doc:"First password."`
	URL      config.SecretURL `yaml:"url" doc:"Database."`
}

type root struct {
	API   server `yaml:"api" doc:"The API."`
	Admin admin  `yaml:"admin" doc:"The administrator."`
}

func defaults() root {
	return root{API: server{Addr: ":1", Timeout: time.Minute, Limits: limits{Bytes: 10, Types: []string{"a/b"}}}}
}

func write(t *testing.T, name, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestLaterSourcesWin(t *testing.T) {
	t.Parallel()
	file := write(t, "c.yaml", "api:\n  addr: file:1\n  timeout: 5s\n  limits: {bytes: 20, types: [x/y, z/w]}\n")
	cfg := defaults()
	warnings, err := config.Load(&cfg, config.Source{
		File:      file,
		Environ:   []string{"PLIMSOLL_API_ADDR=env:2", "PLIMSOLL_API_LIMITS_BYTES=30", "PLIMSOLL_API_LIMITS_TYPES=p/q, r/s", "PLIMSOLL_API_LIMITS_DEBUG=true", "PLIMSOLL_API_TIMEOUT=", "HOME=/"},
		Overrides: []config.Override{{Key: "api.addr", Value: "flag:3", Origin: "--addr"}},
	})
	if err != nil || len(warnings) > 0 {
		t.Fatalf("Load: %v, warnings %v", err, warnings)
	}
	want := root{API: server{Addr: "flag:3", Timeout: 5 * time.Second, Limits: limits{Bytes: 30, Types: []string{"p/q", "r/s"}, Debug: true}}}
	if diff := cmp.Diff(want, cfg); diff != "" {
		t.Errorf("settings (-want +got):\n%s", diff)
	}
}

func TestFaultsAreNamed(t *testing.T) {
	t.Parallel()
	secret := write(t, "s", "x")
	for _, tc := range []struct {
		name, file string
		environ    []string
		want       []string
	}{
		{"unknown key", "api:\n  adr: x\n", nil, []string{"c.yaml", "line 2", `unknown key "adr"`}},
		{"unknown section", "apii: {}\n", nil, []string{"line 1", `unknown key "apii"`}},
		{"wrong type", "api:\n  timeout: [1]\n", nil, []string{"line 2"}},
		{"not YAML", "api: [\n", nil, []string{"c.yaml"}},
		{"two documents", "api: {addr: x}\n---\napi: {addr: y}\n", nil, []string{"more than one"}},
		{"every section is validated", "api: {addr: '', timeout: 0s, limits: {bytes: -1}}\n", nil, []string{"api.addr: must be set", "api.timeout: must be positive", "api.limits.bytes: must not be negative"}},
		{"bad duration", "", []string{"PLIMSOLL_API_TIMEOUT=soon"}, []string{"PLIMSOLL_API_TIMEOUT", "soon"}},
		{"bad number", "", []string{"PLIMSOLL_API_LIMITS_BYTES=lots"}, []string{"PLIMSOLL_API_LIMITS_BYTES", "lots"}},
		{"bad bool", "", []string{"PLIMSOLL_API_LIMITS_DEBUG=maybe"}, []string{"PLIMSOLL_API_LIMITS_DEBUG"}},
		{"secret given twice", "", []string{"PLIMSOLL_ADMIN_PASSWORD=x", "PLIMSOLL_ADMIN_PASSWORD_FILE=" + secret}, []string{"both set"}},
		{"secret file missing", "", []string{"PLIMSOLL_ADMIN_PASSWORD_FILE=" + secret + ".none"}, []string{"PLIMSOLL_ADMIN_PASSWORD_FILE"}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			cfg := defaults()
			_, err := config.Load(&cfg, config.Source{File: write(t, "c.yaml", tc.file), Environ: tc.environ})
			if err == nil {
				t.Fatal("no error")
			}
			for _, want := range tc.want {
				if !strings.Contains(err.Error(), want) {
					t.Errorf("error %q does not say %q", err, want)
				}
			}
		})
	}
}

func TestUnknownVariableIsAWarning(t *testing.T) {
	t.Parallel()
	cfg := defaults()
	warnings, err := config.Load(&cfg, config.Source{
		Environ: []string{"PLIMSOLL_API_PORT=tcp://10.0.0.1:80", "PLIMSOLL_TEST_X=1", "PLIMSOLL_CONFIG=c"},
		Ignore:  []string{"PLIMSOLL_TEST_*"},
	})
	if err != nil {
		t.Fatal(err)
	}
	if len(warnings) != 1 || !strings.Contains(warnings[0], "PLIMSOLL_API_PORT") || strings.Contains(warnings[0], "tcp://") {
		t.Errorf("warnings = %q, want one that names the variable and hides its value", warnings)
	}
}

func TestEmptyFileKeepsDefaults(t *testing.T) {
	t.Parallel()
	cfg := defaults()
	if _, err := config.Load(&cfg, config.Source{File: write(t, "c.yaml", "# nothing\n")}); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(defaults(), cfg); diff != "" {
		t.Error(diff)
	}
}

func TestSecretsNeverShow(t *testing.T) {
	t.Parallel()
	cfg := defaults()
	_, err := config.Load(&cfg, config.Source{Environ: []string{
		"PLIMSOLL_ADMIN_PASSWORD_FILE=" + write(t, "pw", "hunter2\n"),
		"PLIMSOLL_ADMIN_URL=postgres://bob:hunter2@db:5432/x?sslpassword=hunter2&sslmode=require",
	}})
	if err != nil {
		t.Fatal(err)
	}
	if got := cfg.Admin.Password.Reveal(); got != "hunter2" {
		t.Fatalf("password read as %q", got)
	}
	var rendered bytes.Buffer
	if err := config.Render(&rendered, &cfg); err != nil {
		t.Fatal(err)
	}
	asJSON, err := json.Marshal(cfg)
	if err != nil {
		t.Fatal(err)
	}
	for _, text := range []string{rendered.String(), string(asJSON), fmt.Sprintf("%v %+v %#v %s %q", cfg, cfg, cfg, cfg.Admin.Password, cfg.Admin.URL)} {
		if strings.Contains(text, "hunter2") {
			t.Errorf("secret shown in %s", text)
		}
	}
	if !strings.Contains(rendered.String(), "@db:5432/x") {
		t.Errorf("the server of a SecretURL should stay visible:\n%s", rendered.String())
	}
	if got := config.SecretURL("host=db password=hunter2").String(); strings.Contains(got, "hunter2") {
		t.Errorf("keyword list shown: %s", got)
	}
	bad := defaults()
	_, err = config.Load(&bad, config.Source{File: write(t, "c.yaml", "api:\n  timeout: hunter2\n")})
	if err == nil || strings.Contains(err.Error(), "hunter2") {
		t.Errorf("a value of the file is repeated: %v", err)
	}
}

func TestExampleLoadsAsDefaults(t *testing.T) {
	t.Parallel()
	want := defaults()
	var example bytes.Buffer
	if err := config.RenderExample(&example, &want); err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(example.String(), "  # Address to listen on. (PLIMSOLL_API_ADDR)\n  addr: :1\n") {
		t.Errorf("example:\n%s", example.String())
	}
	var got root
	if _, err := config.Load(&got, config.Source{File: write(t, "c.yaml", example.String())}); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	if err := config.RenderExample(&example, &struct{ X int }{}); err == nil {
		t.Error("a setting without a doc tag must be refused")
	}
}

func FuzzLoadFile(f *testing.F) {
	f.Add("api:\n  addr: x\n  timeout: 5s\n")
	f.Add("api: &a {addr: x}\nadmin: *a\n")
	f.Add("api: [\n")
	f.Fuzz(func(t *testing.T, text string) {
		cfg := defaults()
		path := write(t, "c.yaml", text)
		if _, err := config.Load(&cfg, config.Source{File: path}); err == nil && cfg.API.Addr == "" {
			t.Errorf("accepted a file that breaks a rule: %q", text)
		}
	})
}
