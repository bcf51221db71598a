package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

const root = "openapi: 3.0.3\ninfo: {title: t, version: \"2\"}\npaths: {}\ncomponents:\n  schemas:\n    A: {type: string}\n"

func parts(t *testing.T, files map[string]string) string {
	t.Helper()
	dir := t.TempDir()
	for name, text := range files {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

func TestPartsAreJoinedOrRefused(t *testing.T) {
	t.Parallel()
	path := "paths:\n  /x:\n    get: {responses: {\"200\": {description: d, content: {application/json: {schema: {$ref: \"#/components/schemas/A\"}}}}}}\n"
	for name, c := range map[string]struct {
		files   map[string]string
		refused string
	}{
		"joined":                 {map[string]string{"root.yaml": root, "a.yaml": path}, ""},
		"no root":                {map[string]string{"a.yaml": path}, "root.yaml"},
		"schema declared twice":  {map[string]string{"root.yaml": root, "a.yaml": "components: {schemas: {A: {type: integer}}}"}, "A is declared twice"},
		"path declared twice":    {map[string]string{"root.yaml": root, "a.yaml": path, "b.yaml": path}, "declared twice"},
		"part with its own head": {map[string]string{"root.yaml": root, "a.yaml": "info: {title: other}"}, `not "info"`},
		"dangling reference":     {map[string]string{"root.yaml": root, "a.yaml": strings.Replace(path, "schemas/A", "schemas/B", 1)}, "load joined document"},
		"not YAML":               {map[string]string{"root.yaml": root, "a.yaml": "paths: ["}, "a.yaml"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			output := filepath.Join(t.TempDir(), "out.yaml")
			err := run(parts(t, c.files), output)
			_, missing := os.Stat(output)
			if c.refused == "" {
				if err != nil || missing != nil {
					t.Fatal(err, missing)
				}
				return
			}
			if err == nil || !strings.Contains(err.Error(), c.refused) || missing == nil {
				t.Errorf("error %v, want one about %q and no output", err, c.refused)
			}
		})
	}
}

func TestCommittedDocumentIsFresh(t *testing.T) {
	t.Parallel()
	output := filepath.Join(t.TempDir(), "openapi.yaml")
	if err := run("..", output); err != nil {
		t.Fatal(err)
	}
	fresh, err := os.ReadFile(output)
	if err != nil {
		t.Fatal(err)
	}
	committed, err := os.ReadFile("../../openapi.yaml")
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(committed), string(fresh)); diff != "" {
		t.Errorf("run `make generate`:\n%s", diff)
	}
}
