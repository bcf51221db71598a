package activities

import (
	"context"
	"errors"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"maps"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.temporal.io/sdk/temporal"

	"plimsoll/activities/fetch"
	"plimsoll/activities/registry"
	"plimsoll/engine/catalog"
	"plimsoll/engine/image"
	"plimsoll/engine/imported"
	"plimsoll/persistence"
	"plimsoll/persistence/blob"
	"plimsoll/workflows"
)

// internalOnly are errors that never reach an activity's end, or that mean a fault of this system: nobody is
// shown more than that, and trying again is right.
var internalOnly = []string{
	"persistence.ErrNotFound", "persistence.ErrExists", "persistence.ErrActive", "persistence.ErrAnalyzing", "persistence.ErrSubscribed",
	"persistence.ErrNotAnalyzed", "persistence.ErrState", "persistence.ErrSchemaOld", "persistence.ErrSchemaNew",
	"persistence.ErrUnsuitable", "persistence.ErrTooMany", "persistence.ErrNotUploaded", "persistence.ErrBusy", "seal.ErrKey",
}

func parseDir(t *testing.T, dir string) []*ast.File {
	t.Helper()
	names, err := filepath.Glob(filepath.Join(dir, "*.go"))
	if err != nil || len(names) == 0 {
		t.Fatalf("no Go files in %s: %v", dir, err)
	}
	var files []*ast.File
	for _, name := range names {
		if strings.HasSuffix(name, "_test.go") {
			continue
		}
		source, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		file, err := parser.ParseFile(token.NewFileSet(), name, source, 0)
		if err != nil {
			t.Fatal(err)
		}
		files = append(files, file)
	}
	return files
}

func TestEveryErrorOfTheLayersBelowIsClassified(t *testing.T) {
	t.Parallel()
	known := make(map[string]bool)
	for _, name := range internalOnly {
		known[name] = true
	}
	packages := map[string]bool{"registry": true, "fetch": true, "image": true, "imported": true, "persistence": true, "blob": true, "seal": true}
	source, err := parser.ParseFile(token.NewFileSet(), "errors.go", nil, 0)
	if err != nil {
		t.Fatal(err)
	}
	ast.Inspect(source, func(n ast.Node) bool {
		if s, ok := n.(*ast.SelectorExpr); ok && strings.HasPrefix(s.Sel.Name, "Err") {
			pkg, ok := s.X.(*ast.Ident)
			if ok && packages[pkg.Name] && s.Sel.Name != "Error" {
				known[pkg.Name+"."+s.Sel.Name] = true
			}
		}
		return true
	})
	exists := make(map[string]bool)
	for _, dir := range []string{"registry", "fetch", "../engine/image", "../engine/imported", "../persistence", "../persistence/blob", "../persistence/seal"} {
		for _, file := range parseDir(t, dir) {
			for _, decl := range file.Decls {
				group, ok := decl.(*ast.GenDecl)
				if !ok || group.Tok != token.VAR {
					continue
				}
				for _, spec := range group.Specs {
					for _, name := range spec.(*ast.ValueSpec).Names {
						if strings.HasPrefix(name.Name, "Err") {
							exists[path.Base(dir)+"."+name.Name] = true
						}
					}
				}
			}
		}
	}
	if diff := cmp.Diff(slices.Sorted(maps.Keys(exists)), slices.Sorted(maps.Keys(known))); diff != "" {
		t.Errorf("exported errors (-) and those classified or internal (+):\n%s", diff)
	}
}

func TestFailuresCarryCodeAndRetryability(t *testing.T) {
	t.Parallel()
	tests := []struct {
		err   error
		code  string
		final bool
		wait  time.Duration
	}{
		{fmt.Errorf("resolve: %w", &registry.Error{Kind: registry.ErrUnauthorized, Message: "401"}), workflows.FailRegistryUnauthorized, true, 0},
		{&registry.Error{Kind: registry.ErrRateLimited, Message: "429", RetryAfter: 9 * time.Second}, workflows.FailRegistryRateLimited, false, 9 * time.Second},
		{&registry.Error{Kind: registry.ErrUnreachable}, workflows.FailRegistryUnreachable, false, 0},
		{&fetch.Error{Kind: fetch.ErrUnreachable, RetryAfter: time.Minute}, workflows.FailFeedUnreachable, false, time.Minute},
		{fmt.Errorf("layer: %w", &image.LimitError{What: "Entries", Max: 1}), workflows.FailLimitExceeded, true, 0},
		{fmt.Errorf("layer: %w", catalog.ErrUnavailable), workflows.FailScannerUnreachable, false, 0},
		{fmt.Errorf("manifest: %w", imported.ErrDigest), workflows.FailDigestMismatch, true, 0},
		{fmt.Errorf("packages: %w", imported.ErrInvalid), workflows.FailImportInvalid, true, 0},
		{fmt.Errorf("layer: %w", image.ErrCorrupt), workflows.FailLayerCorrupt, true, 0},
		{fmt.Errorf("begin: %w", persistence.ErrSuperseded), workflows.FailSuperseded, true, 0},
		{fmt.Errorf("osv/npm: %w", persistence.ErrShrunk), workflows.FailFeedRefused, true, 0},
		{fmt.Errorf("load manifest: %w", blob.ErrNotFound), workflows.FailInternal, true, 0},
		{errors.New("the database is gone"), workflows.FailInternal, false, 0},
	}
	for _, tt := range tests {
		var app *temporal.ApplicationError
		if !errors.As(outward(context.Background(), tt.err), &app) {
			t.Fatalf("%v did not become a failure", tt.err)
		}
		if app.Type() != tt.code || app.NonRetryable() != tt.final || app.NextRetryDelay() != tt.wait {
			t.Errorf("%v became %s, final %t, wait %s; want %s, %t, %s", tt.err, app.Type(), app.NonRetryable(), app.NextRetryDelay(), tt.code, tt.final, tt.wait)
		}
		if !workflows.Known(tt.code) && !strings.HasPrefix(tt.code, "FEED_") {
			t.Errorf("%s is not known to workflows", tt.code)
		}
	}
	if outward(context.Background(), nil) != nil {
		t.Error("success became a failure")
	}
	cancelled, cancel := context.WithCancel(context.Background())
	cancel()
	if err := outward(cancelled, errors.New("read: aborted")); !errors.Is(err, context.Canceled) {
		t.Errorf("after cancellation: %v", err)
	}
}
