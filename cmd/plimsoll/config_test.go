package main

import (
	"bytes"
	"context"
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"plimsoll/internal/config"
)

var update = flag.Bool("update", false, "write golden files")

var examplePath = filepath.Join("..", "..", "deploy", "config.example.yaml")

// exampleHead begins the example file.
const exampleHead = `# Every setting with its default. A file only needs the settings it changes;
# name it with --config or PLIMSOLL_CONFIG. The variable in parentheses wins over
# the file; a secret can also be read from the file that <VARIABLE>_FILE names.
# Lists in variables are separated by commas.
# ` + "`plimsoll config check`" + ` prints what is in effect.

`

func TestExampleConfigurationIsCurrent(t *testing.T) {
	t.Parallel()
	cfg := DefaultConfig()
	want := bytes.NewBufferString(exampleHead)
	if err := config.RenderExample(want, &cfg); err != nil {
		t.Fatal(err)
	}
	if *update {
		if err := os.WriteFile(examplePath, want.Bytes(), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	got, err := os.ReadFile(examplePath)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want.String(), string(got)); diff != "" {
		t.Errorf("deploy/config.example.yaml is stale (make generate):\n%s", diff)
	}
	loaded := Config{}
	if _, err := config.Load(&loaded, config.Source{File: examplePath}); err != nil {
		t.Fatal(err)
	}
	var reloaded bytes.Buffer
	if err := config.Render(&reloaded, &loaded); err != nil {
		t.Fatal(err)
	}
	var defaults bytes.Buffer
	if err := config.Render(&defaults, &cfg); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(defaults.String(), reloaded.String()); diff != "" {
		t.Errorf("the example does not load as the defaults (-defaults +example):\n%s", diff)
	}
}

// execute runs a command line with an environment.
func execute(t *testing.T, environ []string, args ...string) (code int, stdout, stderr string) {
	t.Helper()
	var out, errs bytes.Buffer
	code = run(context.Background(), args, environ, &out, &errs)
	return code, out.String(), errs.String()
}

func TestConfigCheckShowsWhatIsInEffect(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "plimsoll.yaml")
	if err := os.WriteFile(file, []byte("api:\n  addr: 0.0.0.0:1234\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	code, stdout, stderr := execute(t, []string{
		"PLIMSOLL_CONFIG=" + file, "PLIMSOLL_UI_ADDR=127.0.0.1:9", "PLIMSOLL_TEMPORAL_UI_ADDR=127.0.0.1:10",
		"PLIMSOLL_DATABASE_URL=postgres://u:hunter2@db:5432/x", "PLIMSOLL_REDIS_URL=redis://:hunter2@r/0",
		"PLIMSOLL_ADMIN_PASSWORD=hunter2", "PLIMSOLL_SEALING_KEY=hunter2", "PLIMSOLL_SEALING_PREVIOUS_KEYS=hunter2,hunter2",
		"PLIMSOLL_TEMPORAL_ADDRESS=temporal:7233", "PLIMSOLL_API_PORT=tcp://x", "PLIMSOLL_USERNAME=admin",
	}, "config", "check")
	if code != 0 {
		t.Fatalf("status %d: %s", code, stderr)
	}
	for _, want := range []string{"addr: 0.0.0.0:1234", "addr: 127.0.0.1:9", "ui_addr: 127.0.0.1:10", "@db:5432/x", "address: temporal:7233"} {
		if !strings.Contains(stdout, want) {
			t.Errorf("output lacks %q:\n%s", want, stdout)
		}
	}
	if strings.Contains(stdout+stderr, "hunter2") {
		t.Errorf("a secret is shown:\n%s%s", stdout, stderr)
	}
	if !strings.Contains(stderr, "PLIMSOLL_API_PORT") || strings.Contains(stderr, "PLIMSOLL_USERNAME") {
		t.Errorf("want a warning for PLIMSOLL_API_PORT alone, got %q", stderr)
	}
}

func TestFaultySettingsEndWithStatusOne(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		name    string
		environ []string
		args    []string
		want    []string
	}{
		{"faults are all told", []string{"PLIMSOLL_LOG_LEVEL=loud", "PLIMSOLL_UI_ADDR=nowhere"}, []string{"config", "check"}, []string{"log.level", "ui.addr"}},
		{"file missing", nil, []string{"config", "check", "--config", "/nonexistent.yaml"}, []string{"/nonexistent.yaml"}},
		{"api needs its servers", nil, []string{"api"}, []string{"PLIMSOLL_DATABASE_URL", "PLIMSOLL_TEMPORAL_ADDRESS", "PLIMSOLL_SEALING_KEY"}},
		{"worker needs its servers", nil, []string{"worker"}, []string{"PLIMSOLL_DATABASE_URL", "PLIMSOLL_TEMPORAL_ADDRESS"}},
		{"unknown queue", nil, []string{"worker", "--queues", "nonsense"}, []string{"nonsense"}},
		{"migrate needs a database", nil, []string{"migrate"}, []string{"PLIMSOLL_DATABASE_URL"}},
		{"half a certificate", []string{"PLIMSOLL_TEMPORAL_TLS_CERT_FILE=x"}, []string{"config", "check"}, []string{"temporal.tls.cert_file"}},
		{"unknown command", nil, []string{"sail"}, []string{"sail"}},
		{"unknown part of a command", nil, []string{"config", "sail"}, []string{"sail"}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			environ := append([]string{"PLIMSOLL_API_ADDR=127.0.0.1:0"}, tc.environ...)
			code, _, stderr := execute(t, environ, tc.args...)
			if code != 1 {
				t.Errorf("status %d, want 1", code)
			}
			for _, want := range tc.want {
				if !strings.Contains(stderr, want) {
					t.Errorf("message lacks %q:\n%s", want, stderr)
				}
			}
		})
	}
}

func TestVersionIsOneLine(t *testing.T) {
	t.Parallel()
	code, stdout, _ := execute(t, nil, "version")
	if code != 0 || !strings.HasPrefix(stdout, "plimsoll ") || strings.Count(stdout, "\n") != 1 {
		t.Errorf("status %d, output %q", code, stdout)
	}
}
