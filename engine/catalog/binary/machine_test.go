package binary

import (
	"bytes"
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"plimsoll/engine/catalog"
)

// program returns the test's own executable.
func program(b *testing.B) []byte {
	b.Helper()
	self, err := os.Executable()
	if err != nil {
		b.Fatal(err)
	}
	content, err := os.ReadFile(self)
	if err != nil {
		b.Fatal(err)
	}
	return content
}

// Programs of the machine say which file they are and which version; both are asked here. A program that is
// missing is not compared; TestVersions has its strings.
func TestAgreesWithProgramsOfThisMachine(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		program string
		args    []string // to print the file and the version, on two lines
	}{
		"bash": {"bash", []string{"-c", `type -P bash; echo ${BASH_VERSION%%(*}`}},
		"perl": {"perl", []string{"-MConfig", "-e",
			`my $lib = "$Config{archlibexp}/CORE/$Config{libperl}"; print -f $lib ? $lib : $Config{perlpath}; printf "\n%vd\n", $^V`}},
		"python": {"python3", []string{"-c", `import os, platform, sys, sysconfig as s
v = s.get_config_var
print(os.path.join(v("LIBDIR"), v("INSTSONAME")) if v("Py_ENABLE_SHARED") else os.path.realpath(sys.executable))
print(platform.python_version().rstrip("+"))`}},
		"node": {"node", []string{"-e", `console.log(fs.realpathSync(process.execPath)); console.log(process.version.slice(1))`}},
		"go":   {"go", []string{"env", "GOROOT", "GOVERSION"}},
	} {
		if _, err := exec.LookPath(c.program); err != nil {
			continue
		}
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			out, err := exec.Command(c.program, c.args...).Output()
			if err != nil {
				t.Fatal(err)
			}
			path, version, _ := strings.Cut(strings.TrimSpace(string(out)), "\n")
			if name == "go" {
				path, version = filepath.Join(path, "VERSION"), strings.TrimPrefix(version, "go")
			}
			compare(t, path, name+" "+version)
		})
	}
}

// compare analyses a file of the machine under its own name.
func compare(t *testing.T, path, want string) {
	t.Helper()
	path, err := filepath.EvalSymlinks(path)
	if err != nil {
		t.Fatal(err)
	}
	in, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer in.Close()
	info, err := in.Stat()
	if err != nil {
		t.Fatal(err)
	}
	entry := catalog.Entry{Path: path, Type: catalog.Regular, Size: info.Size()}
	head := make([]byte, catalog.HeadSize)
	n, _ := in.ReadAt(head, 0)
	if !wants(catalog.Candidate{Entry: entry, Head: head[:n]}) {
		t.Fatalf("%s is not wanted", path)
	}
	got, err := analyze(context.Background(), &catalog.File{Entry: entry, Content: in})
	if err != nil {
		t.Fatal(err)
	}
	if len(got.Packages) != 1 || got.Packages[0].Name+" "+got.Packages[0].Version != want {
		t.Errorf("%s: got %+v, want %s", path, got.Packages, want)
	}
}

// Go programs are built as their projects build releases: from a checkout, the version given to the linker.
func TestGoPrograms(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	for name, content := range map[string]string{
		"go.mod":              "module github.com/traefik/traefik/v3\n\ngo 1.21\n",
		"cmd/traefik/main.go": "package main\n\nimport \"net/http\"\n\nvar Version = \"dev\"\n\nfunc main() { println(Version); _ = http.ListenAndServe(\"\", nil) }\n",
		"cmd/other/main.go":   "package main\n\nfunc main() { println(\"v1.2.3\\x00\") }\n",
	} {
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(content), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	build := exec.Command("go", "build", "-trimpath", "-ldflags", "-s -w -X main.Version=3.0.4", "-o", ".", "./cmd/...")
	build.Dir, build.Env = dir, append(os.Environ(), "GOFLAGS=-mod=mod", "GOWORK=off", "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	content, err := os.ReadFile(filepath.Join(dir, "traefik"))
	if err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]string{"/traefik": "traefik 3.0.4", "/helm": "", "/kubectl": ""} {
		if got := found(t, name, string(content)); got != want {
			t.Errorf("%s: got %q", name, got)
		}
	}
	second := append(bytes.Clone(content), "\x00v3.0.5\x00"...)
	if got := found(t, "/traefik", string(second)); got != "" {
		t.Errorf("with two versions: got %q", got)
	}
}
