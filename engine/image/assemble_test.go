package image

import (
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"plimsoll/engine/catalog"
)

// layerWith is a layer of layerOf's words with evidence.
func layerWith(t testing.TB, n int, words string, evidence ...FileEvidence) *Layer {
	return &Layer{Digest: fmt.Sprint("sha256:", n), DiffID: fmt.Sprint("diff", n), CompressedSize: 10, Size: 100,
		Entries: layerOf(t, words), Evidence: evidence}
}

func dpkgs(path string, names ...string) FileEvidence {
	e := FileEvidence{Path: path, Analyzer: "dpkg-status"}
	for _, nv := range names {
		name, version, _ := strings.Cut(nv, "=")
		e.Evidence.Packages = append(e.Evidence.Packages, catalog.Package{Type: catalog.TypeDpkg, Name: name, Version: version, Arch: "amd64", Location: path})
	}
	return e
}

func python(path, name string) FileEvidence {
	return FileEvidence{path, "python", catalog.Evidence{Packages: []catalog.Package{{Type: catalog.TypePython, Name: name, Version: "1", Location: path}}}}
}

func release(path, version string) FileEvidence {
	return FileEvidence{path, "os-release", catalog.Evidence{Distro: &catalog.Distro{ID: "debian", VersionID: version}}}
}

func owns(path, name string, paths ...string) FileEvidence {
	return FileEvidence{path, "dpkg-list", catalog.Evidence{Owns: []catalog.Ownership{{Type: catalog.TypeDpkg, Name: name, Paths: paths}}}}
}

func namespace(d *catalog.Distro) string {
	if d == nil {
		return ""
	}
	return d.ID + ":" + d.VersionID
}

func assemble(t testing.TB, layers ...*Layer) *Image {
	t.Helper()
	img, _, err := Assemble(layers, namespace)
	if err != nil {
		t.Fatal(err)
	}
	return img
}

// summary writes packages as name=version@layer, with location and owner where asked.
func summary(packages []catalog.Package, more func(catalog.Package) string) string {
	var words []string
	for _, p := range packages {
		words = append(words, p.Name+"="+p.Version+"@"+strings.TrimPrefix(p.Layer, "sha256:")+more(p))
	}
	return strings.Join(words, " ")
}

func nothing(catalog.Package) string { return "" }

const status = "/var/lib/dpkg/status"

func TestAssembleIntroducingLayer(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name   string
		layers []*Layer
		want   string
	}{
		{"one layer", []*Layer{layerWith(t, 0, "f"+status, dpkgs(status, "a=1", "b=1"))}, "a=1@0 b=1@0"},
		{"added above", []*Layer{
			layerWith(t, 0, "f"+status, dpkgs(status, "a=1")), layerWith(t, 1, "f"+status, dpkgs(status, "a=1", "b=1")),
		}, "a=1@0 b=1@1"},
		{"upgraded", []*Layer{
			layerWith(t, 0, "f"+status, dpkgs(status, "a=1")), layerWith(t, 1, "f"+status, dpkgs(status, "a=2")),
			layerWith(t, 2, "f/x"), layerWith(t, 3, "f"+status, dpkgs(status, "a=2")),
		}, "a=2@1"},
		{"removed", []*Layer{
			layerWith(t, 0, "f"+status, dpkgs(status, "a=1", "b=1")), layerWith(t, 1, "f"+status, dpkgs(status, "b=1")),
		}, "b=1@0"},
		{"removed and back", []*Layer{
			layerWith(t, 0, "f"+status, dpkgs(status, "a=1")), layerWith(t, 1, "f"+status),
			layerWith(t, 2, "f"+status, dpkgs(status, "a=1")),
		}, "a=1@2"},
		{"database deleted", []*Layer{
			layerWith(t, 0, "f"+status, dpkgs(status, "a=1")), layerWith(t, 1, "w"+status),
		}, ""},
		{"database deleted and back in one layer", []*Layer{
			layerWith(t, 0, "f"+status, dpkgs(status, "a=1")), layerWith(t, 1, "w"+status+" f"+status, dpkgs(status, "a=1")),
		}, "a=1@0"},
		{"database deleted, back in another", []*Layer{
			layerWith(t, 0, "f"+status, dpkgs(status, "a=1")), layerWith(t, 1, "w"+status), layerWith(t, 2, "f"+status, dpkgs(status, "a=1")),
		}, "a=1@2"},
		{"database written twice in a layer, through a link", []*Layer{
			layerWith(t, 0, "f"+status, dpkgs(status, "a=1")),
			layerWith(t, 1, "s/v>/var f"+status+" f/v/lib/dpkg/status", dpkgs(status, "b=1"), dpkgs("/v/lib/dpkg/status", "a=1")),
		}, "a=1@0"},
		{"database unreadable above", []*Layer{
			layerWith(t, 0, "f"+status, dpkgs(status, "a=1")), layerWith(t, 1, "f"+status),
		}, ""},
		{"language package belongs to the layer of its file", []*Layer{
			layerWith(t, 0, "f/p", python("/p", "x")), layerWith(t, 1, "f/p", python("/p", "x")),
		}, "x=1@1"},
		{"mode changed by a copy of the file", []*Layer{
			layerWith(t, 0, "f/p f/q", python("/p", "x"), python("/q", "y")), layerWith(t, 1, "f/p=changed"),
		}, "y=1@0"},
		{"hidden by opaque directory", []*Layer{
			layerWith(t, 0, "f/d/p", python("/d/p", "x")), layerWith(t, 1, "o/d f/d/q", python("/d/q", "y")),
		}, "y=1@1"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			if diff := cmp.Diff(tt.want, summary(assemble(t, tt.layers...).Packages, nothing)); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestAssembleMovesEvidenceWithItsFile(t *testing.T) {
	t.Parallel()
	nested := python("/lib/x.jar", "inner")
	nested.Evidence.Packages[0].Location = "/lib/x.jar:META/y.jar"
	img := assemble(t,
		layerWith(t, 0, "d/usr/lib s/lib>usr/lib"),
		layerWith(t, 1, "f/lib/p f/lib/x.jar", python("/lib/p", "moved"), nested))
	got := summary(img.Packages, func(p catalog.Package) string { return " " + p.Location })
	if want := "inner=1@1 /usr/lib/x.jar:META/y.jar moved=1@1 /usr/lib/p"; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}

func TestAssembleDistro(t *testing.T) {
	t.Parallel()
	const etc, usr = "/etc/os-release", "/usr/lib/os-release"
	tests := []struct {
		name   string
		layers []*Layer
		want   string
	}{
		{"none", []*Layer{layerWith(t, 0, "f/a")}, ""},
		{"link", []*Layer{layerWith(t, 0, "s/etc/os-release>../usr/lib/os-release f"+usr, release(usr, "12"))}, "debian:12"},
		{"broken link", []*Layer{layerWith(t, 0, "s/etc/os-release>../gone f"+usr, release(usr, "12"))}, "debian:12"},
		{"etc before usr", []*Layer{layerWith(t, 0, "f"+etc+" f"+usr, release(etc, "13"), release(usr, "12"))}, "debian:13"},
		{"replaced", []*Layer{layerWith(t, 0, "f"+etc, release(etc, "11")), layerWith(t, 1, "f"+etc, release(etc, "12"))}, "debian:12"},
		{"link to another release", []*Layer{
			layerWith(t, 0, "s/etc/os-release>/opt/os-release f/opt/os-release f"+usr, release("/opt/os-release", "13"), release(usr, "12")),
		}, "debian:13"},
		{"hard link", []*Layer{layerWith(t, 0, "f/opt/os-release h/etc/os-release>/opt/os-release f"+usr, release("/opt/os-release", "13"), release(usr, "12"))}, "debian:13"},
		{"deleted", []*Layer{layerWith(t, 0, "f"+etc, release(etc, "11")), layerWith(t, 1, "w"+etc)}, ""},
		{"link and target in different layers", []*Layer{
			layerWith(t, 0, "f"+usr, release(usr, "12")), layerWith(t, 1, "s/etc/os-release>/usr/lib/os-release"),
		}, "debian:12"},
		{"target replaced above the link", []*Layer{
			layerWith(t, 0, "s/etc/os-release>../usr/lib/os-release f"+usr, release(usr, "11")), layerWith(t, 1, "f"+usr, release(usr, "12")),
		}, "debian:12"},
		{"target deleted above the link", []*Layer{
			layerWith(t, 0, "s/etc/os-release>../usr/lib/os-release f"+usr+" f/etc/debian_version", release(usr, "11"), release("/etc/debian_version", "12")),
			layerWith(t, 1, "w"+usr),
		}, "debian:12"},
		{"through a linked folder", []*Layer{layerWith(t, 0, "s/etc>/opt/etc s/opt/etc/os-release>../os-release f/opt/os-release", release("/opt/os-release", "13"))}, "debian:13"},
		{"a program that is the system", []*Layer{layerWith(t, 0, "f/bin/busybox", release("/bin/busybox", "1"))}, "debian:1"},
		{"a program beside a release file", []*Layer{layerWith(t, 0, "f/bin/busybox f/etc/alpine-release", release("/bin/busybox", "1"), release("/etc/alpine-release", "3"))}, "debian:3"},
		{"link in circles", []*Layer{layerWith(t, 0, "s/etc/os-release>os-release f/etc/debian_version", release("/etc/debian_version", "12"))}, "debian:12"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			if got := namespace(assemble(t, tt.layers...).Distro); got != tt.want {
				t.Errorf("got %q, want %q", got, tt.want)
			}
		})
	}
}

func TestAssembleOwnership(t *testing.T) {
	t.Parallel()
	status1 := dpkgs(status, "libfoo=1", "python3-x=2", "gone=3")
	base := layerWith(t, 0, "d/usr/lib s/lib>usr/lib f/etc/os-release f"+status+" f/info/x.list f/info/foo.list f/info/gone.list f/usr/lib/x f/usr/lib/free",
		release("/etc/os-release", "12"), status1,
		owns("/info/x.list", "python3-x", "/lib", "/lib/x", "/usr/lib/other"), owns("/info/gone.list", "gone", "/opt/p"),
		owns("/info/foo.list", "libfoo", "/usr/lib/x"),
		python("/usr/lib/x", "owned"), python("/usr/lib/free", "free"))
	upper := layerWith(t, 1, "w/info/gone.list f/opt/p", python("/opt/p", "list-deleted"))
	got := summary(assemble(t, base, upper).Packages, func(p catalog.Package) string { return " " + p.Owner + ";" })
	want := "gone=3@0 ; libfoo=1@0 ; python3-x=2@0 ; free=1@0 ; list-deleted=1@1 ; owned=1@0 pkg:deb/debian/libfoo@1?arch=amd64&distro=debian-12;"
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

func TestAssembleOwnershipByArchAndRecord(t *testing.T) {
	t.Parallel()
	both := dpkgs(status, "foo=1", "foo=1")
	both.Evidence.Packages[1].Arch = "i386"
	foreign, record := owns("/i386.list", "foo", "/a"), owns("/md5", "ignored", "/b")
	foreign.Evidence.Owns[0].Arch = "i386"
	record.Evidence.Owns[0].Record = "/status.d/bar"
	img := assemble(t, layerWith(t, 0, "f"+status+" f/status.d/bar f/i386.list f/md5 f/a f/b",
		both, dpkgs("/status.d/bar", "bar=2"), foreign, record, python("/a", "a"), python("/b", "b")))
	var got []string
	for _, p := range img.Packages {
		if p.Type == catalog.TypePython {
			got = append(got, p.Name+" "+p.Owner)
		}
	}
	if diff := cmp.Diff([]string{"a pkg:deb/foo@1?arch=i386", "b pkg:deb/bar@2?arch=amd64"}, got); diff != "" {
		t.Error(diff)
	}
}

func TestAssembleUnitesWhatTwoAnalyzersFound(t *testing.T) {
	t.Parallel()
	first, second, elsewhere := python("/p", "x"), python("/p", "x"), python("/q", "x")
	second.Analyzer = "scan"
	second.Evidence.Packages[0].Licenses = []string{"MIT"}
	img := assemble(t, layerWith(t, 0, "f/p f/q", second, first, elsewhere))
	got := summary(img.Packages, func(p catalog.Package) string { return p.Location + fmt.Sprint(p.Licenses) })
	if want := "x=1@0/p[MIT] x=1@0/q[]"; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
	if len(first.Evidence.Packages[0].Licenses) > 0 {
		t.Error("the layer's result was changed")
	}
}

func TestAssembleLicensesStatedElsewhere(t *testing.T) {
	t.Parallel()
	stated := func(path, name, license string) FileEvidence {
		return FileEvidence{path, "copyright", catalog.Evidence{Licenses: &catalog.LicenseStatement{Type: catalog.TypeDpkg, Name: name, Licenses: []string{license}}}}
	}
	own := dpkgs(status, "a=1", "b=1", "c=1")
	own.Evidence.Packages[1].Licenses = []string{"BSD"}
	img := assemble(t,
		layerWith(t, 0, "f"+status+" f/doc/a f/doc/b f/doc/c", own, stated("/doc/a", "a", "MIT"), stated("/doc/b", "b", "MIT"), stated("/doc/c", "c", "MIT")),
		layerWith(t, 1, "w/doc/c"))
	got := summary(img.Packages, func(p catalog.Package) string { return fmt.Sprint(p.Licenses) })
	if want := "a=1@0[MIT] b=1@0[BSD] c=1@0[]"; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}

func TestAssembleIncompleteness(t *testing.T) {
	t.Parallel()
	lower := layerWith(t, 0, "s/lib>usr f/a f/b f/usr/c.jar")
	lower.Incomplete = []catalog.Incompleteness{
		{Path: "/a", Reason: "unreadable"}, {Path: "/b", Reason: "unreadable"}, {Path: "/b:inner", Reason: "nesting_too_deep"},
		{Path: "/not:an:entry", Reason: "bad_path"}, {Reason: "too_many"},
	}
	upper := layerWith(t, 1, "f/b f/lib/c.jar h/l>/missing s/x>x f/x/y")
	upper.Incomplete = []catalog.Incompleteness{{Path: "/lib/c.jar:d.jar", Reason: "nesting_too_deep"}}
	want := []catalog.Incompleteness{
		{Reason: "too_many"},
		{Path: "/a", Reason: "unreadable"},
		{Path: "/l", Reason: "unreadable", Detail: "hard link to /missing, which does not exist"},
		{Path: "/not:an:entry", Reason: "bad_path"},
		{Path: "/usr/c.jar:d.jar", Reason: "nesting_too_deep"},
		{Path: "/x/y", Reason: "bad_path", Detail: "too many symbolic links on its path"},
	}
	if diff := cmp.Diff(want, assemble(t, lower, upper).Incomplete); diff != "" {
		t.Error(diff)
	}
}

func TestAssembleSummary(t *testing.T) {
	t.Parallel()
	img := assemble(t, layerWith(t, 0, "f/a/b"), layerWith(t, 1, "w/a f/c"))
	want := &Image{
		Packages: []catalog.Package{}, FileCount: 1, Size: 200,
		Layers: []LayerSummary{{"sha256:0", "diff0", 10, 100}, {"sha256:1", "diff1", 10, 100}},
	}
	if diff := cmp.Diff(want, img); diff != "" {
		t.Error(diff)
	}
	if _, _, err := Assemble([]*Layer{nil}, namespace); !errors.Is(err, errNoLayer) {
		t.Errorf("hole in the layers: %v", err)
	}
}

// Evidence counts exactly if the squash shows its file from its layer, and neither the order of evidence nor
// chance changes a result.
func TestAssembleAgreesWithSquash(t *testing.T) {
	t.Parallel()
	for seed := range uint64(3000) {
		r := rand.New(rand.NewPCG(seed, 3))
		var layers []*Layer
		var shuffled []*Layer
		stack := randomStack(r)
		for i, entries := range stack {
			l := &Layer{Digest: fmt.Sprint(i), Entries: entries}
			for _, e := range entries {
				if e.Type == catalog.Regular {
					l.Evidence = append(l.Evidence, python(e.Path, "from"+e.SHA256))
				}
			}
			layers = append(layers, l)
			other := *l
			other.Evidence = slices.Clone(l.Evidence)
			r.Shuffle(len(other.Evidence), func(i, j int) {
				other.Evidence[i], other.Evidence[j] = other.Evidence[j], other.Evidence[i]
			})
			shuffled = append(shuffled, &other)
		}
		want := map[string]string{}
		for _, e := range Squash(stack) {
			if e.Type == catalog.Regular {
				want["from"+e.SHA256] = fmt.Sprint(e.Path, " ", e.Layer)
			}
		}
		img := assemble(t, layers...)
		got := map[string]string{}
		for _, p := range img.Packages {
			got[p.Name] = p.Location + " " + p.Layer
		}
		if !maps.Equal(want, got) {
			t.Fatalf("seed %d: %s", seed, cmp.Diff(want, got))
		}
		if again := assemble(t, shuffled...); !reflect.DeepEqual(img, again) {
			t.Fatalf("seed %d, other order of evidence: %s", seed, cmp.Diff(img, again))
		}
	}
}
