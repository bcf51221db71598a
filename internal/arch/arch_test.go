package arch

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// module is the name in go.mod and the prefix of our own import paths.
const module = "plimsoll"

// rule says what the packages below a folder may import of our own besides
// packages below that same folder. A trailing /... is implied.
type rule struct {
	folder   string
	may      []string
	internal bool // may import internal/...
	strict   bool // the rule holds for test files, too
}

// rules is the import table of ARCHITECTURE.md; the longest folder that
// matches decides.
var rules = []rule{
	{folder: "engine", strict: true},
	{folder: "workflows", strict: true},
	{folder: "persistence", may: []string{"engine"}, internal: true},
	{folder: "activities", may: []string{"engine", "persistence", "workflows"}, internal: true},
	{folder: "authz", may: []string{"persistence"}, internal: true},
	{folder: "api", may: []string{"persistence", "authz", "workflows", "engine"}, internal: true},
	{folder: "api/client", strict: true},
	{folder: "worker", may: []string{"workflows", "activities"}, internal: true},
	{folder: "ui", strict: true},
	{folder: "cmd", may: []string{""}, internal: true},
	{folder: "cmd/plimsollctl", may: []string{"api/client", "engine"}, internal: true},
	{folder: "internal", internal: true},
	// Programs, not libraries: some drive the finished system from outside, others
	// measure the engine, or steps on a real database, by themselves.
	{folder: "internal/demo", may: []string{"api/client"}, internal: true},
	{folder: "internal/bench/sharing", may: []string{"api/client"}, internal: true},
	{folder: "internal/bench/rescan", may: []string{"engine", "persistence", "activities", "workflows"}, internal: true},
	{folder: "internal/bench", may: []string{"engine"}, internal: true},
	{folder: "internal/sample/feed", may: []string{"engine"}, internal: true},
	{folder: "internal/accuracy", may: []string{"engine"}, internal: true},
}

// ctlForbidden are the server libraries that plimsollctl must not carry.
var ctlForbidden = []string{"github.com/jackc/pgx", "go.temporal.io", "github.com/casbin"}

// engineForbidden are packages that would give the engine a socket, a child
// process or a logger. Names ending in / stand for everything below.
var engineForbidden = []string{
	"net", "net/http", "net/http/", "net/rpc", "os/exec", "log", "log/", "go.uber.org/zap", "go.uber.org/zap/",
	"github.com/google/go-containerregistry/pkg/v1/remote", "github.com/google/go-containerregistry/pkg/v1/remote/",
}

// engineCalls are functions that would give it a clock or the environment.
var engineCalls = map[string][]string{
	"time": {"Now", "Since", "Until"},
	"os":   {"Getenv", "LookupEnv", "Environ", "ExpandEnv"},
}

// source is one parsed Go file.
type source struct {
	name    string // slash path below the module root
	file    *ast.File
	imports []string
}

func (s source) folder() string { return path.Dir(s.name) }
func (s source) test() bool     { return strings.HasSuffix(s.name, "_test.go") }

// sources parses every Go file of the module; nested modules are their own.
func sources(t *testing.T) []source {
	t.Helper()
	root := filepath.Join("..", "..")
	var all []source
	err := filepath.WalkDir(root, func(name string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if entry.IsDir() {
			return enter(root, name)
		}
		if !strings.HasSuffix(name, ".go") {
			return nil
		}
		file, err := parser.ParseFile(token.NewFileSet(), name, nil, parser.ParseComments|parser.SkipObjectResolution)
		if err != nil {
			return err
		}
		relative, err := filepath.Rel(root, name)
		if err != nil {
			return err
		}
		s := source{name: filepath.ToSlash(relative), file: file}
		for _, spec := range file.Imports {
			imported, err := strconv.Unquote(spec.Path.Value)
			if err != nil {
				return err
			}
			s.imports = append(s.imports, imported)
		}
		all = append(all, s)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if len(all) < 10 {
		t.Fatalf("only %d Go files found: wrong folder?", len(all))
	}
	return all
}

// enter decides whether a folder belongs to the module.
func enter(root, name string) error {
	base := filepath.Base(name)
	if name == root {
		return nil
	}
	if base == "testdata" || base == "node_modules" || strings.HasPrefix(base, ".") || strings.HasPrefix(base, "_") {
		return fs.SkipDir
	}
	if _, err := os.Stat(filepath.Join(name, "go.mod")); err == nil {
		return fs.SkipDir
	}
	return nil
}

func within(name, folder string) bool {
	return folder == "" || name == folder || strings.HasPrefix(name, folder+"/")
}

func ruleFor(folder string) (rule, bool) {
	best, found := rule{}, false
	for _, r := range rules {
		if within(folder, r.folder) && (!found || len(r.folder) > len(best.folder)) {
			best, found = r, true
		}
	}
	return best, found
}

// permits reports whether the rule lets a file of its folder import own.
func (r rule) permits(own string) bool {
	if within(own, "internal") {
		return r.internal
	}
	return within(own, r.folder) || slices.ContainsFunc(r.may, func(folder string) bool { return within(own, folder) })
}

func TestPackagesImportOnlyWhatTheyMay(t *testing.T) {
	t.Parallel()
	for _, s := range sources(t) {
		r, ok := ruleFor(s.folder())
		if !ok {
			t.Errorf("%s: no rule for this folder; add a row to the table", s.name)
			continue
		}
		if s.test() && !r.strict {
			continue // a test may join parts; it is not shipped
		}
		for _, imported := range s.imports {
			own, isOwn := strings.CutPrefix(imported, module+"/")
			if isOwn && !r.permits(own) {
				t.Errorf("%s imports %s: %s may import %v, internal %v", s.name, imported, r.folder, r.may, r.internal)
			}
		}
	}
}

func TestRulesTellRightFromWrong(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		folder, own string
		want        bool
	}{
		{"engine/match", "engine/version", true},
		{"engine/match", "persistence", false},
		{"engine", "internal/log", false},
		{"persistence/blob", "engine/catalog", true},
		{"api", "engine/policy/gates/dockerfile", true},
		{"api", "engine/match", true},
		{"api", "activities", false},
		{"api/client", "api/oas", false},
		{"worker", "activities", true},
		{"worker", "persistence", false},
		{"cmd/plimsoll", "worker", true},
		{"cmd/plimsollctl", "api/client", true},
		{"cmd/plimsollctl", "engine/image", true},
		{"cmd/plimsollctl", "api", false},
		{"cmd/plimsollctl", "persistence", false},
		{"ui", "internal/build", false},
		{"internal/config", "internal/log", true},
		{"internal/config", "persistence", false},
	} {
		r, ok := ruleFor(tc.folder)
		if got := ok && r.permits(tc.own); got != tc.want {
			t.Errorf("%s importing %s: permitted %v, want %v", tc.folder, tc.own, got, tc.want)
		}
	}
	if _, ok := ruleFor("pkg/utils"); ok {
		t.Error("a folder outside the layout has a rule")
	}
}

func TestCommandLineClientCarriesNoServerLibrary(t *testing.T) {
	t.Parallel()
	cmd := exec.Command("go", "list", "-deps", "./cmd/plimsollctl")
	cmd.Dir = filepath.Join("..", "..")
	cmd.Stderr = os.Stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("list dependencies of plimsollctl: %v", err)
	}
	for dependency := range strings.FieldsSeq(string(out)) {
		for _, forbidden := range ctlForbidden {
			if strings.HasPrefix(dependency, forbidden) {
				t.Errorf("plimsollctl depends on %s", dependency)
			}
		}
	}
}

func TestEngineIsPure(t *testing.T) {
	t.Parallel()
	for _, s := range sources(t) {
		if !within(s.folder(), "engine") || s.test() {
			continue
		}
		for _, imported := range s.imports {
			for _, forbidden := range engineForbidden {
				if imported == forbidden || strings.HasSuffix(forbidden, "/") && strings.HasPrefix(imported, forbidden) {
					t.Errorf("%s imports %s", s.name, imported)
				}
			}
		}
		ast.Inspect(s.file, func(n ast.Node) bool {
			selector, ok := n.(*ast.SelectorExpr)
			if !ok {
				return true
			}
			if pkg, ok := selector.X.(*ast.Ident); ok && slices.Contains(s.imports, pkg.Name) && slices.Contains(engineCalls[pkg.Name], selector.Sel.Name) {
				t.Errorf("%s uses %s.%s; pass the value in", s.name, pkg.Name, selector.Sel.Name)
			}
			return true
		})
	}
}

func TestEveryPackageSaysWhatItIsFor(t *testing.T) {
	t.Parallel()
	documented := map[string]bool{}
	for _, s := range sources(t) {
		if !s.test() {
			documented[s.folder()] = documented[s.folder()] || s.file.Doc != nil
		}
	}
	for folder, ok := range documented {
		if !ok {
			t.Errorf("package %s has no package comment", folder)
		}
	}
}
