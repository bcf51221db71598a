package api

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path"
	"regexp"
	"strings"
	"testing"

	"plimsoll/authz"
	"plimsoll/engine/policy"
	"plimsoll/persistence"
	"plimsoll/persistence/blob"
	"plimsoll/persistence/seal"
	"plimsoll/workflows"
)

// conditions lists every exported sentinel of the packages the API calls, with the code a client is told when no handler said
// something better. INTERNAL_ERROR is for conditions that mean nothing to a client.
var conditions = map[string]struct {
	err  error
	code string
}{
	"persistence.ErrNotFound":    {persistence.ErrNotFound, codeNotFound},
	"persistence.ErrExists":      {persistence.ErrExists, codeConflict},
	"persistence.ErrActive":      {persistence.ErrActive, codeConflict},
	"persistence.ErrAnalyzing":   {persistence.ErrAnalyzing, codeConflict},
	"persistence.ErrSubscribed":  {persistence.ErrSubscribed, codeConflict},
	"persistence.ErrNotAnalyzed": {persistence.ErrNotAnalyzed, codeImageNotAnalyzed},
	"persistence.ErrSuperseded":  {persistence.ErrSuperseded, codeConflict},
	"persistence.ErrState":       {persistence.ErrState, codeConflict},
	"persistence.ErrSchemaOld":   {persistence.ErrSchemaOld, codeUnavailable},
	"persistence.ErrSchemaNew":   {persistence.ErrSchemaNew, codeUnavailable},
	"persistence.ErrBusy":        {persistence.ErrBusy, codeConflict},
	"persistence.ErrTooMany":     {persistence.ErrTooMany, codeLimitExceeded},
	"persistence.ErrNotUploaded": {persistence.ErrNotUploaded, codeImportInvalid},
	"blob.ErrTooLarge":           {blob.ErrTooLarge, codeLimitExceeded},
	"workflows.ErrRunning":       {workflows.ErrRunning, codeConflict},
	"authz.ErrAccountNotFound":   {authz.ErrAccountNotFound, codeAccountNotFound},

	"persistence.ErrShrunk":     {persistence.ErrShrunk, codeInternal},
	"persistence.ErrUnsuitable": {persistence.ErrUnsuitable, codeInternal},
	"blob.ErrNotFound":          {blob.ErrNotFound, codeInternal}, // a row refers to a document that is gone
	"blob.ErrCorrupt":           {blob.ErrCorrupt, codeInternal},
	"seal.ErrKey":               {seal.ErrKey, codeInternal},
	"seal.ErrUnknownKey":        {seal.ErrUnknownKey, codeInternal},
	"seal.ErrTampered":          {seal.ErrTampered, codeInternal},
	"workflows.ErrUnknown":      {workflows.ErrUnknown, codeInternal},
	"authz.ErrPasswordHash":     {authz.ErrPasswordHash, codeInternal},
	"policy.ErrInvalid":         {policy.ErrInvalid, codeInternal}, // a stored policy; a fresh one is POLICY_INVALID
	"policy.ErrTooManyFindings": {policy.ErrTooManyFindings, codeInternal},
	"policy.ErrTag":             {policy.ErrTag, codeInternal},       // tags are checked before
	"policy.ErrNoDetails":       {policy.ErrNoDetails, codeInternal}, // handlers never explain
}

var sentinelName = regexp.MustCompile(`^Err[A-Z]`)

func TestEverySentinelIsClassified(t *testing.T) {
	t.Parallel()
	declared := map[string]bool{}
	for _, dir := range []string{"persistence", "persistence/blob", "persistence/seal", "workflows", "authz", "engine/policy"} {
		for _, name := range sentinelsOf(t, dir) {
			declared[path.Base(dir)+"."+name] = true
		}
	}
	for name := range declared {
		if _, ok := conditions[name]; !ok {
			t.Errorf("%s has no place in the catalogue: add it to sentinels, or here as an internal error", name)
		}
	}
	for name, c := range conditions {
		if !declared[name] {
			t.Errorf("%s is listed, but not declared", name)
		}
		if got := classify(fmt.Errorf("attempt: %w", c.err)).Code; got != c.code {
			t.Errorf("%s is %s, want %s", name, got, c.code)
		}
	}
}

// sentinelsOf reads the names of a package's exported error variables from its source.
func sentinelsOf(t *testing.T, dir string) []string {
	t.Helper()
	var names []string
	root := os.DirFS(path.Join("..", dir))
	files, err := fs.Glob(root, "*.go")
	must(t, err)
	for _, file := range files {
		if strings.HasSuffix(file, "_test.go") {
			continue
		}
		source, err := fs.ReadFile(root, file)
		must(t, err)
		tree, err := parser.ParseFile(token.NewFileSet(), file, source, parser.SkipObjectResolution)
		must(t, err)
		for _, declaration := range tree.Decls {
			general, ok := declaration.(*ast.GenDecl)
			if !ok || general.Tok != token.VAR {
				continue
			}
			for _, spec := range general.Specs {
				for _, name := range spec.(*ast.ValueSpec).Names {
					if sentinelName.MatchString(name.Name) {
						names = append(names, name.Name)
					}
				}
			}
		}
	}
	return names
}
