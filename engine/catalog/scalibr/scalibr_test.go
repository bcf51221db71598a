package scalibr

import (
	"bytes"
	"context"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"plimsoll/engine/catalog"
)

var update = flag.Bool("update", false, "write the golden file")

// samples are files of the library's own tests, in the formats' real form, and where they lie in an image. Those
// without a file are told by their path alone.
var samples = map[string]struct{ file, place string }{
	"alpm-desc":         {"os/pacman/testdata/valid", "/var/lib/pacman/local/gawk-5.3.0-1/desc"},
	"conda-meta":        {"language/python/condameta/testdata/valid", "/opt/conda/conda-meta/jupyterlab-1.0.0-py.json"},
	"cpan-meta":         {"language/perl/cpan/testdata/META_correct1.json", "/root/.cpan/build/X-1/META.json"},
	"flatpak-metainfo":  {"os/flatpak/testdata/valid.xml", "/var/lib/flatpak/app/org.gimp.GIMP/current/active/export/share/metainfo/org.gimp.GIMP.metainfo.xml"},
	"homebrew-receipt":  {"", "/home/linuxbrew/.linuxbrew/Cellar/rclone/1.67.0/INSTALL_RECEIPT.json"},
	"linux-kernel":      {"os/kernel/vmlinuz/testdata/valid", "/boot/vmlinuz-6.1"},
	"linux-module":      {"os/kernel/module/testdata/valid", "/usr/lib/modules/6.5.0/kernel/intel_oaktrail.ko"},
	"luarocks-rockspec": {"", "/usr/local/lib/luarocks/rocks-5.4/aesfileencrypt/0.1.3-1/aesfileencrypt-0.1.3-1.rockspec"},
	"nimble":            {"", "/root/.nimble/pkgs/libp2p-1.2.3/libp2p.nimble"},
	"portage-pf":        {"os/portage/testdata/valid", "/var/db/pkg/dev-lang/rust/PF"},
	"snap-yaml":         {"os/snap/testdata/single-arch.yaml", "/snap/core/current/meta/snap.yaml"},
	"wordpress-plugin":  {"misc/wordpress/plugins/testdata/valid", "/var/www/html/wp-content/plugins/akismet/akismet.php"},
	"opam-install":      {"language/ocaml/opam/testdata/valid.install", "/home/opam/.opam/default/.opam-switch/install"},
	"conan-lock":        {"language/cpp/conanlock/testdata/nested-dependencies.v2.json", "/app/conan.lock"},
	"pub-lock":          {"language/dart/pubspec/testdata/two-packages.lock", "/app/pubspec.lock"},
	"mix-lock":          {"language/elixir/mixlock/testdata/valid", "/app/mix.lock"},
	"cabal-freeze":      {"language/haskell/cabal/testdata/valid", "/app/cabal.project.freeze"},
	"stack-lock":        {"language/haskell/stacklock/testdata/valid", "/app/stack.yaml.lock"},
	"renv-lock":         {"language/r/renvlock/testdata/two-packages.lock", "/app/renv.lock"},
	"swift-resolved":    {"language/swift/packageresolved/testdata/valid", "/app/Package.resolved"},
	"podfile-lock":      {"language/swift/podfilelock/testdata/valid", "/app/Podfile.lock"},
	"github-workflow":   {"misc/githubactions/testdata/valid.yml", "/src/.github/workflows/ci.yml"},
}

func TestEachEcosystem(t *testing.T) {
	t.Parallel()
	var b strings.Builder
	all := append(Installed(), Declared()...)
	if err := catalog.Validate(all); err != nil {
		t.Fatal(err)
	}
	slices.SortFunc(all, func(x, y catalog.Analyzer) int { return strings.Compare(x.Name, y.Name) })
	for _, a := range all {
		content := sample(t, a.Name)
		f := file(samples[a.Name].place, content)
		if !a.Wants(catalog.Candidate{Entry: f.Entry, Head: content[:min(len(content), catalog.HeadSize)]}) {
			t.Errorf("%s does not want %s", a.Name, f.Path)
		}
		got, err := a.Analyze(context.Background(), f)
		if err != nil || len(got.Packages) == 0 {
			t.Errorf("%s: %d packages, %v", a.Name, len(got.Packages), err)
		}
		for i, p := range got.Packages {
			if i == 5 {
				fmt.Fprintf(&b, "%s: ... %d in all\n", a.Name, len(got.Packages))
				break
			}
			fmt.Fprintf(&b, "%s: %s %s %s %s %s\n", a.Name, p.Type, p.Name, p.Version, p.PURL, p.Metadata[catalog.MetadataEvidence])
		}
	}
	if *update {
		if err := os.WriteFile("testdata/found.txt", []byte(b.String()), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile("testdata/found.txt")
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), b.String()); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func sample(t testing.TB, analyzer string) []byte {
	t.Helper()
	s, ok := samples[analyzer]
	if !ok {
		t.Fatalf("%s has no sample", analyzer)
	}
	if s.file == "" {
		return []byte("{}\n")
	}
	content, err := os.ReadFile(filepath.Join(library(t), "extractor", "filesystem", filepath.FromSlash(s.file)))
	if err != nil {
		t.Fatal(err)
	}
	return content
}

// library is where the module cache keeps osv-scalibr.
func library(t testing.TB) string {
	t.Helper()
	dir, err := exec.Command("go", "list", "-m", "-f", "{{.Dir}}", "github.com/google/osv-scalibr").Output()
	if err != nil {
		t.Fatal(err)
	}
	return strings.TrimSpace(string(dir))
}

func file(place string, content []byte) *catalog.File {
	return &catalog.File{
		Entry:   catalog.Entry{Path: place, Type: catalog.Regular, Mode: 0o644, Size: int64(len(content))},
		Content: bytes.NewReader(content),
	}
}

func TestGuards(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		guard   func([]byte) error
		in      string
		refused bool
	}{
		"plain YAML":        {plainYAML, "a:\n  b:\n    - c: [1, {d: 2}]\n", false},
		"many lines":        {plainYAML, "a:\n" + strings.Repeat("  - b: 1\n    c: 2\n", 10_000), false},
		"a key twice":       {plainYAML, "a:\n  b: 1\nc: 2\na:\n", true},
		"a key again below": {plainYAML, "a:\n  b: 1\nb:\n  a: 1\n  b: 2\n", false},
		"text of lines":     {plainYAML, "run: |\n  a: 1\n  a: 1\nb:\n- |\n  c: 1\n  c: 1\n", false},
		"a long list":       {plainYAML, "a: [" + strings.Repeat("b, ", 3000) + "]\n", true},
		"deep by lines":     {plainYAML, steps(200), true},
		"deep by brackets":  {plainYAML, "a: " + strings.Repeat("[", 200), true},
		"deep by dashes":    {plainYAML, strings.Repeat("- ", 200) + "a\n", true},
		"an alias":          {plainYAML, "a: &x 1\nb: *x\n", false},
		"an alias bomb":     {plainYAML, "a: &x [1]\nb: [" + strings.Repeat("*x,", 30) + "]\n", true},
		"stars in text":     {plainYAML, "a: 5*5*5\n", false},
		"plain XML":         {plainXML, "<a><b/><c>x</c><?p?><!-- d --></a>", false},
		"deep XML":          {plainXML, strings.Repeat("<a>", 200), true},
		"an endless tag":    {plainXML, strings.Repeat("<a", 200), true},
		"many siblings XML": {plainXML, "<a>" + strings.Repeat("<b></b>", 1000) + "</a>", false},
	} {
		if err := c.guard([]byte(c.in)); (err != nil) != c.refused {
			t.Errorf("%s: got %v", name, err)
		}
	}
}

func steps(n int) string {
	var b strings.Builder
	for i := range n {
		b.WriteString(strings.Repeat(" ", i) + "a:\n")
	}
	return b.String()
}

func FuzzExtractors(f *testing.F) {
	all := append(Installed(), Declared()...)
	for i, a := range all {
		if content := sample(f, a.Name); len(content) < 64<<10 {
			f.Add(i, content)
		}
	}
	f.Fuzz(func(t *testing.T, i int, content []byte) {
		if i < 0 || i >= len(all) || len(content) > 1<<20 {
			return
		}
		a := all[i]
		defer func() { // the pass turns a panic into one unreadable file
			if p := recover(); p != nil {
				t.Logf("%s panicked: %v", a.Name, p)
			}
		}()
		got, _ := a.Analyze(context.Background(), file(samples[a.Name].place, content))
		for _, p := range got.Packages {
			if p.Check() != nil || p.Type == "" {
				t.Fatalf("%s gives %+v", a.Name, p)
			}
		}
	})
}

// Every file of a layer is shown to every analyzer.
func BenchmarkWants(b *testing.B) {
	all := append(Installed(), Declared()...)
	c := catalog.Candidate{Entry: catalog.Entry{Path: "/usr/lib/python3/dist-packages/numpy/core/tests/test_multiarray.py", Type: catalog.Regular}}
	for b.Loop() {
		for i := range all {
			all[i].Wants(c)
		}
	}
}
