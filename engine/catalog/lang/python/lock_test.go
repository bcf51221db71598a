package python

import (
	"context"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"plimsoll/engine/catalog"
)

func lockAnalyzers() map[string]func(context.Context, *catalog.File) (catalog.Evidence, error) {
	all := map[string]func(context.Context, *catalog.File) (catalog.Evidence, error){}
	for _, a := range Locks() {
		all[a.Name] = a.Analyze
	}
	return all
}

func TestLockWants(t *testing.T) {
	t.Parallel()
	for name, want := range map[string]string{
		"/app/requirements.txt": "pip-requirements", "/app/Pipfile.lock": "pipenv-lock", "/app/poetry.lock": "poetry-lock", "/app/uv.lock": "uv-lock",
		"/usr/lib/python3/site-packages/x/requirements.txt": "", "/usr/lib/python3/dist-packages/x/poetry.lock": "", "/app/pyproject.toml": "",
		"/app/requirements-dev.txt": "",
	} {
		var got []string
		for _, a := range Locks() {
			if a.Wants(catalog.Candidate{Entry: catalog.Entry{Path: name}}) {
				got = append(got, a.Name)
			}
		}
		if strings.Join(got, " ") != want {
			t.Errorf("%s: got %v", name, got)
		}
	}
}

func TestLocks(t *testing.T) {
	t.Parallel()
	tests := map[string]struct{ analyzer, in, want string }{
		"requirements": {"pip-requirements", `# a comment
--index-url https://example.org/simple
-r other.txt
-e ./mine
Flask==2.3.2
requests[socks, use_chardet] == 2.31.0 ; python_version < "3.12"  # why
typing_extensions===4.12.0
urllib3==2.0.7 \
    --hash=sha256:c97dfde1f7bd43a71c8d2a58e369e9b2bf692d1334ea9f9cae55add7d0dd0f84
numpy==1.* # a range
idna>=3,<4
six==1.16.0,!=1.15
pip @ https://github.com/pypa/pip/archive/22.0.2.zip
torch==2.1.0+cu118 --hash=sha256:00
epoch==1!2.0
`, "Flask@2.3.2 epoch@1!2.0 requests@2.31.0 torch@2.1.0+cu118 typing_extensions@4.12.0 urllib3@2.0.7"},
		"pipenv": {"pipenv-lock", `{"_meta": {"hash": {"sha256": "0"}}, "default": {
  "requests": {"hashes": ["sha256:0"], "index": "pypi", "version": "==2.31.0"},
  "mine": {"editable": true, "path": "."}, "git": {"git": "https://example.org/x.git", "ref": "01"}},
  "develop": {"pytest": {"version": "==7.0.0"}}}`, "requests@2.31.0"},
		"poetry 1.4": {"poetry-lock", `[[package]]
name = "requests"
version = "2.31.0"
description = "Python [HTTP] for Humans."
category = "main"
optional = false
files = [
    {file = "requests-2.31.0.tar.gz", hash = "sha256:00"},
]

[package.dependencies]
version = "not this"

[[package]]
name = "pytest"
version = "7.0.0"
category = "dev"

[[package]]
name = "mine"
version = "0.1.0"
category = "main"

[package.source]
type = "directory"
url = "../mine"

[metadata]
lock-version = "2.0"
`, "requests@2.31.0"},
		"poetry 2": {"poetry-lock", `[[package]]
name = "requests"
version = "2.31.0"
groups = ["main", "dev"]
markers = "python_version >= \"3.8\""

[[package]]
name = "pytest"
version = "7.0.0"
groups = ["dev"]
`, "requests@2.31.0"},
		"uv": {"uv-lock", `version = 1
requires-python = ">=3.12"

[manifest]
members = ["shop", "tool"]

[[package]]
name = "shop"
version = "0.1.0"
source = { virtual = "." }
dependencies = [
    { name = "requests", extra = ["socks"] },
    { name = "tool" },
    { name = "numpy", version = "1.26.4", source = { registry = "https://pypi.org/simple" }, marker = "python_full_version < '3.13'" },
]

[package.optional-dependencies]
fast = [
    { name = "orjson" },
]

[package.dev-dependencies]
dev = [
    { name = "pytest" },
]

[package.metadata]
requires-dist = [{ name = "pytest" }]

[[package]]
name = "tool"
version = "0.1.0"
source = { editable = "packages/tool" }

[[package]]
name = "requests"
version = "2.31.0"
source = { registry = "https://pypi.org/simple" }
dependencies = [
    { name = "urllib3" },
]
sdist = { url = "https://example.org/requests-2.31.0.tar.gz", hash = "sha256:00", size = 110794 }
wheels = [
    { url = "https://example.org/requests-2.31.0-py3-none-any.whl", hash = "sha256:00", size = 62574 },
]

[[package]]
name = "urllib3"
version = "2.0.7"
dependencies = [{ name = "requests" }]

[[package]]
name = "numpy"
version = "1.26.4"

[[package]]
name = "numpy"
version = "2.1.0"

[[package]]
name = "orjson"
version = "3.9.0"

[[package]]
name = "pytest"
version = "7.0.0"
dependencies = [{ name = "pluggy" }]

[[package]]
name = "pluggy"
version = "1.0.0"
`, "numpy@1.26.4 orjson@3.9.0 requests@2.31.0 urllib3@2.0.7"},
		"uv without a project": {"uv-lock", "[[package]]\nname = \"a\"\nversion = \"1\"\nsource = { registry = \"x\" }\n", "a@1"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got, err := lockAnalyzers()[test.analyzer](context.Background(), file("/app/lock", test.in))
			if err != nil {
				t.Fatal(err)
			}
			var words []string
			for _, p := range got.Packages {
				if !p.Declared() || p.Type != "python" || p.Location != "/app/lock" || p.PURL == "" {
					t.Errorf("got %+v", p)
				}
				words = append(words, p.Name+"@"+p.Version)
			}
			if diff := cmp.Diff(test.want, strings.Join(words, " ")); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestLockFaults(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		analyzer, in string
		packages     int
	}{
		"json":       {"pipenv-lock", `{`, 0},
		"json shape": {"pipenv-lock", `{"default": {"a": {"version": 7}, "b": {"version": "==1"}}}`, 1},
		"toml":       {"poetry-lock", "[[package]]\nname = \"a\"\nversion = \"1\"\n[[package", 1},
		"no version": {"poetry-lock", "[[package]]\nname = \"a\"\n[[package]]\nname = \"b\"\nversion = \"1\"\n", 1},
		"uv":         {"uv-lock", "[[package]]\nname = \"a\"\nversion = \"1\"\nx = [[[[", 1},
	} {
		got, err := lockAnalyzers()[test.analyzer](context.Background(), file("/app/lock", test.in))
		if len(got.Packages) != test.packages || err == nil {
			t.Errorf("%s: got %+v, %v", name, got, err)
		}
	}
}

func FuzzLocks(f *testing.F) {
	f.Add("a[b]==1.0 ; x\nb===2 --hash=sha256:00\n")
	f.Add(`{"default": {"a": {"version": "==1"}}}`)
	f.Add("[[package]]\nname = \"a\"\nversion = \"1\"\nsource = {virtual = \".\"}\ndependencies = [{name = \"a\", version = \"1\"}]\n[package.optional-dependencies]\nx = [{name = \"b\"}]\n")
	f.Fuzz(func(t *testing.T, in string) {
		for name, analyze := range lockAnalyzers() {
			evidence, _ := analyze(context.Background(), file("/lock", in))
			for _, p := range evidence.Packages {
				if err := p.Check(); err != nil {
					t.Fatal(name, err)
				}
			}
		}
	})
}
