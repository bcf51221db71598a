package builtin_test

import (
	"archive/tar"
	"archive/zip"
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"plimsoll/engine/catalog"
	"plimsoll/engine/catalog/builtin"
	"plimsoll/engine/image"
)

// samples are files under names that analyzers want, each with a beginning of its own kind. Every analyzer has to
// want one of them: TestEveryAnalyzerMeetsTheHostileFiles.
func samples(t testing.TB) map[string][]byte {
	t.Helper()
	program, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	elf, err := os.ReadFile(program)
	if err != nil {
		t.Fatal(err)
	}
	all := map[string][]byte{
		"usr/bin/app": elf, "usr/bin/node": elf, "usr/bin/python3.11": elf,
		"app/app.exe": append([]byte("MZ"), elf...), "app/mach": append([]byte("\xcf\xfa\xed\xfe"), elf...),
		"app/lib.jar": jar(t), "app/site.war": jar(t), "app/plugin.hpi": jar(t),
	}
	for name, text := range texts {
		all[name] = []byte(text)
	}
	for name, text := range rare {
		all[name] = []byte(text)
	}
	for name, database := range databases(t) {
		all[name] = database
	}
	return all
}

var texts = map[string]string{
	"etc/os-release":                               "ID=debian\nVERSION_ID=\"12\"\n",
	"var/lib/dpkg/status":                          "Package: bash\nStatus: install ok installed\nVersion: 5.2-1\nArchitecture: amd64\nDescription: shell\n more\n\n",
	"var/lib/dpkg/status.d/base":                   "Package: base\nVersion: 1\nArchitecture: all\n\n",
	"var/lib/dpkg/status.d/base.md5sums":           "d41d8cd98f00b204e9800998ecf8427e  etc/x\n",
	"var/lib/dpkg/info/bash.list":                  "/.\n/bin\n/bin/bash\n",
	"var/lib/dpkg/diversions":                      "/bin/sh\n/bin/sh.distrib\ndash\n",
	"var/lib/dpkg/info/bash.md5sums":               "d41d8cd98f00b204e9800998ecf8427e  bin/bash\n",
	"usr/share/doc/bash/copyright":                 "Format: https://www.debian.org/doc/packaging-manuals/copyright-format/1.0/\n\nFiles: *\nLicense: GPL-3+\n",
	"lib/apk/db/installed":                         "C:Q1abc=\nP:musl\nV:1.2.4-r1\nA:x86_64\nF:lib\nR:libc.so\nZ:Q1xyz=\n\n",
	"var/lib/rpmmanifest/container-manifest-2":     "bash\t5.1-1.azl3\t1700000000\t1700000000\tMicrosoft\t(none)\t1234\tx86_64\t0\tbash-5.1-1.azl3.src.rpm\n",
	"app/node_modules/x/package.json":              `{"name": "x", "version": "1.0.0", "license": {"type": "MIT"}, "author": {"name": "a"}}`,
	"app/package-lock.json":                        `{"lockfileVersion": 3, "packages": {"": {}, "node_modules/x": {"version": "1.0.0"}}, "dependencies": {"x": {"version": "1.0.0"}}}`,
	"app/yarn.lock":                                "# yarn lockfile v1\n\nx@^1.0.0:\n  version \"1.0.0\"\n  resolved \"https://r/x.tgz\"\n",
	"app/pnpm-lock.yaml":                           "lockfileVersion: '9.0'\npackages:\n  x@1.0.0:\n    resolution: {integrity: sha512-x}\n",
	"app/x.dist-info/METADATA":                     "Metadata-Version: 2.1\nName: x\nVersion: 1\nLicense: MIT\n\nlong text\n",
	"app/x.egg-info":                               "Metadata-Version: 1.0\nName: x\nVersion: 1\n",
	"app/requirements.txt":                         "x==1.0 ; python_version > '3'\n-r other.txt\n",
	"app/Pipfile.lock":                             `{"default": {"x": {"version": "==1.0"}}}`,
	"app/poetry.lock":                              "[[package]]\nname = \"x\"\nversion = \"1\"\n\n[package.dependencies]\ny = {version = \"1\"}\n",
	"app/uv.lock":                                  "version = 1\n[[package]]\nname = \"x\"\nversion = \"1\"\nsource = { registry = \"https://r\" }\n",
	"app/Gemfile.lock":                             "GEM\n  remote: https://rubygems.org/\n  specs:\n    x (1.0)\n      y\n",
	"app/Cargo.lock":                               "[[package]]\nname = \"x\"\nversion = \"1.0.0\"\nsource = \"registry+https://r\"\n",
	"app/packages.lock.json":                       `{"version": 1, "dependencies": {"net6.0": {"x": {"type": "Direct", "resolved": "1.0.0"}}}}`,
	"app/composer.lock":                            `{"packages": [{"name": "a/x", "version": "1.0"}]}`,
	"app/vendor/composer/installed.json":           `{"packages": [{"name": "a/x", "version": "1.0", "license": ["MIT"]}]}`,
	"usr/share/php/.registry/a.reg":                `a:2:{s:4:"name";s:1:"a";s:7:"version";a:1:{s:7:"release";s:3:"1.0";}}`,
	"usr/lib/ruby/gems/specifications/a-1.gemspec": "Gem::Specification.new do |s|\n  s.name = \"a\".freeze\n  s.version = \"1\"\n  s.licenses = [\"MIT\"]\nend\n",
	"app/a.deps.json":                              `{"runtimeTarget": {"name": ".NETCoreApp,Version=v6.0"}, "targets": {".NETCoreApp,Version=v6.0": {"x/1.0": {}}}, "libraries": {"x/1.0": {"type": "package"}}}`,
	"usr/local/go/VERSION":                         "go1.26.8\ntime 2026-01-01\n",
	"opt/java/release":                             "IMPLEMENTOR=\"N/A\"\nJAVA_VERSION=\"17.0.1\"\n",
}

func jar(t testing.TB) []byte {
	var out bytes.Buffer
	w := zip.NewWriter(&out)
	for name, text := range map[string]string{
		"META-INF/MANIFEST.MF":                      "Manifest-Version: 1.0\nImplementation-Title: x\nImplementation-Version: 1\n",
		"META-INF/maven/g/a/pom.properties":         "groupId=g\nartifactId=a\nversion=1\n",
		"META-INF/maven/g/a/pom.xml":                "<project><groupId>g</groupId><artifactId>a</artifactId><version>1</version></project>",
		"BOOT-INF/lib/nested-1.0.jar":               "PK\x03\x04 not really",
		"META-INF/native-image/reflect-config.json": "[]",
	} {
		f, err := w.Create(name)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := f.Write([]byte(text)); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

// databases are real ones: of rpm one of each format, and a cache of Conan.
func databases(t testing.TB) map[string][]byte {
	dir, err := exec.Command("go", "list", "-m", "-f", "{{.Dir}}", "github.com/knqyf263/go-rpmdb").Output()
	if err != nil {
		t.Fatal(err)
	}
	all := map[string][]byte{}
	for name, from := range map[string]string{
		"var/lib/rpm/Packages":             "libuuid/Packages",
		"usr/lib/sysimage/rpm/Packages.db": "sle15-bci/Packages.db",
		"var/lib/rpm/rpmdb.sqlite":         "cbl-mariner-2.0/rpmdb.sqlite",
	} {
		content, err := os.ReadFile(filepath.Join(strings.TrimSpace(string(dir)), "pkg", "testdata", from))
		if err != nil {
			t.Fatal(err)
		}
		all[name] = content
	}
	cache, err := os.ReadFile(filepath.Join("..", "receipt", "testdata", "cache.sqlite3"))
	if err != nil {
		t.Fatal(err)
	}
	all["root/.conan2/p/cache.sqlite3"] = cache
	return all
}

// damages turn a sample into something hostile.
var damages = map[string]func(sample []byte, r *rand.Rand) []byte{
	"whole":       func(s []byte, _ *rand.Rand) []byte { return s },
	"empty":       func([]byte, *rand.Rand) []byte { return nil },
	"head only":   func(s []byte, _ *rand.Rand) []byte { return s[:min(len(s), catalog.HeadSize)] },
	"cut in half": func(s []byte, _ *rand.Rand) []byte { return s[:len(s)/2] },
	"noise after the head": func(s []byte, r *rand.Rand) []byte {
		return append(bytes.Clone(s[:min(len(s), catalog.HeadSize)]), noise(r, 1<<20)...)
	},
	"flipped bits": func(s []byte, r *rand.Rand) []byte {
		out := bytes.Clone(s)
		for range max(1, len(out)/200) {
			if len(out) > 0 {
				out[r.IntN(len(out))] ^= 1 << r.IntN(8)
			}
		}
		return out
	},
	"huge numbers": func(s []byte, r *rand.Rand) []byte {
		out := bytes.Clone(s)
		for i := 16; i+8 <= len(out); i += 97 + r.IntN(4000) {
			binary.LittleEndian.PutUint32(out[i:], 0x7fffffff)
		}
		return out
	},
	"zeros":         func(s []byte, _ *rand.Rand) []byte { return append(bytes.Clone(s), make([]byte, 4<<20)...) },
	"invalid UTF-8": func(s []byte, _ *rand.Rand) []byte { return bytes.ReplaceAll(s, []byte("x"), []byte("\xff\xfe\x00")) },
	"one long line": func(s []byte, _ *rand.Rand) []byte {
		return append(bytes.Clone(s), bytes.Repeat([]byte("a"), 8<<20)...)
	},
	"repeated":     func(s []byte, _ *rand.Rand) []byte { return bytes.Repeat(s[:min(len(s), 4<<10)], 2<<10) },
	"deep lists":   func([]byte, *rand.Rand) []byte { return bytes.Repeat([]byte("["), 4<<20) },
	"deep objects": func([]byte, *rand.Rand) []byte { return bytes.Repeat([]byte(`{"packages":`), 1<<18) },
	"deep tables":  func([]byte, *rand.Rand) []byte { return []byte("a = " + strings.Repeat("{b=", 1<<20)) },
	"deep blocks": func([]byte, *rand.Rand) []byte {
		var b strings.Builder
		for i := range 2000 {
			b.WriteString(strings.Repeat(" ", i) + "a:\n")
		}
		return []byte(b.String())
	},
	"deep elements": func([]byte, *rand.Rand) []byte { return bytes.Repeat([]byte("<a>"), 1<<20) },
	"many fields":   func([]byte, *rand.Rand) []byte { return bytes.Repeat([]byte("Name: x\nVersion: 1\n"), 1<<18) },
	"alias bomb": func([]byte, *rand.Rand) []byte {
		var b strings.Builder
		b.WriteString("packages:\n  - &a0 x\n")
		for i := 1; i < 40; i++ {
			fmt.Fprintf(&b, "  - &a%d [%s]\n", i, strings.TrimSuffix(strings.Repeat(fmt.Sprintf("*a%d,", i-1), 9), ","))
		}
		return []byte(b.String())
	},
}

func noise(r *rand.Rand, size int) []byte {
	out := make([]byte, size)
	for i := range out {
		out[i] = byte(r.Uint32())
	}
	return out
}

// Whatever a file under a name of interest holds, the layer's pass ends in time with a result, within bounded
// memory, and leaves nothing in the scratch directory.
func TestHostileFilesEndInAResult(t *testing.T) {
	const (
		memory  = 1 << 30 // bytes in use at most; the pass itself keeps up to 64 MiB of files
		perFile = 10 * time.Second
	)
	analyzers, err := builtin.Choose(builtin.Choice{})
	if err != nil {
		t.Fatal(err)
	}
	all := samples(t)
	for name, damage := range damages {
		t.Run(name, func(t *testing.T) { // one after the other: memory is the process's
			blob := layer(t, all, damage)
			scratch := t.TempDir()
			pass := image.NewPass(analyzers, image.Limits{FileTime: perFile}, scratch)
			peak := watch(t)
			l, err := pass.Read(t.Context(), fmt.Sprintf("sha256:%x", sha256.Sum256(blob)), bytes.NewReader(blob), nil)
			if err != nil {
				t.Fatal(err)
			}
			if used := peak(); used > memory {
				t.Errorf("%d MiB in use", used>>20)
			}
			for _, m := range l.Incomplete {
				if m.Reason == catalog.ReasonTimeout || strings.Contains(m.Detail, "panicked") {
					t.Errorf("%s: %s: %s %s", m.Path, m.Analyzer, m.Reason, m.Detail)
				}
			}
			left, err := os.ReadDir(scratch)
			if err != nil || len(left) > 0 {
				t.Errorf("left in the scratch directory: %v, %v", left, err)
			}
			if _, _, err := image.Assemble([]*image.Layer{l}, func(*catalog.Distro) string { return "" }); err != nil {
				t.Errorf("assemble: %v", err)
			}
		})
	}
}

func layer(t *testing.T, all map[string][]byte, damage func([]byte, *rand.Rand) []byte) []byte {
	var blob bytes.Buffer
	w := tar.NewWriter(&blob)
	for name, sample := range all {
		content := damage(sample, rand.New(rand.NewPCG(1, uint64(len(name)))))
		if err := w.WriteHeader(&tar.Header{Name: name, Mode: 0o755, Size: int64(len(content))}); err != nil {
			t.Fatal(err)
		}
		if _, err := w.Write(content); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return blob.Bytes()
}

// watch samples the memory in use above what it is now; the returned function ends that and tells the highest.
func watch(t *testing.T) func() uint64 {
	var stats runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&stats)
	before := stats.HeapAlloc + stats.StackInuse
	var highest atomic.Uint64
	stop, done := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(done)
		tick := time.NewTicker(20 * time.Millisecond)
		defer tick.Stop()
		for {
			select {
			case <-stop:
				return
			case <-tick.C:
				var now runtime.MemStats
				runtime.ReadMemStats(&now)
				if used := now.HeapAlloc + now.StackInuse; used > before {
					highest.Store(max(highest.Load(), used-before))
				}
			}
		}
	}()
	return func() uint64 {
		close(stop)
		<-done
		return highest.Load()
	}
}

func TestEveryAnalyzerMeetsTheHostileFiles(t *testing.T) {
	t.Parallel()
	analyzers, err := builtin.Choose(builtin.Choice{})
	if err != nil {
		t.Fatal(err)
	}
	all := samples(t)
	for _, a := range analyzers {
		met := false
		for name, sample := range all {
			met = met || a.Wants(catalog.Candidate{
				Entry: catalog.Entry{Path: "/" + name, Type: catalog.Regular, Size: int64(len(sample)), Mode: 0o755},
				Head:  sample[:min(len(sample), catalog.HeadSize)],
			})
		}
		if !met {
			t.Errorf("%s: none of the sample files is one it wants: add one", a.Name)
		}
	}
}
