package rpm_test

import (
	"archive/tar"
	"bytes"
	"context"
	"crypto/sha256"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"plimsoll/engine/catalog"
	"plimsoll/engine/catalog/lang/python"
	"plimsoll/engine/catalog/os/osrelease"
	"plimsoll/engine/catalog/os/rpm"
	"plimsoll/engine/image"
	"plimsoll/engine/match"
)

// A database of CentOS in a layer: packages are named as that distribution's advisories and purls do,
// and a Python package whose file one of them lists is that package's.
func TestInAnImage(t *testing.T) {
	t.Parallel()
	dir, err := exec.Command("go", "list", "-m", "-f", "{{.Dir}}", "github.com/knqyf263/go-rpmdb").Output()
	if err != nil {
		t.Fatal(err)
	}
	database, err := os.ReadFile(filepath.Join(strings.TrimSpace(string(dir)), "pkg", "testdata", "centos7-python35", "Packages"))
	if err != nil {
		t.Fatal(err)
	}
	var blob bytes.Buffer
	w := tar.NewWriter(&blob)
	for _, f := range []struct {
		name    string
		content []byte
	}{
		{"etc/os-release", []byte("ID=\"centos\"\nVERSION_ID=\"7\"\n")},
		{"usr/lib/python2.7/site-packages/chardet-2.2.1-py2.7.egg-info/PKG-INFO", []byte("Metadata-Version: 1.0\nName: chardet\nVersion: 2.2.1\n")},
		{"opt/free-1.dist-info/METADATA", []byte("Metadata-Version: 2.1\nName: free\nVersion: 1\n")},
		{"var/lib/rpm/Packages", database},
	} {
		if err := w.WriteHeader(&tar.Header{Name: f.name, Size: int64(len(f.content)), Mode: 0o644}); err != nil {
			t.Fatal(err)
		}
		if _, err := w.Write(f.content); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	analyzers := append(rpm.Analyzers(), osrelease.Analyzer(), python.Analyzer())
	layer, err := image.NewPass(analyzers, image.Limits{}, t.TempDir()).
		Read(context.Background(), fmt.Sprintf("sha256:%x", sha256.Sum256(blob.Bytes())), &blob, nil)
	if err != nil {
		t.Fatal(err)
	}
	img, _, err := image.Assemble([]*image.Layer{layer}, match.DistroNamespace)
	if err != nil {
		t.Fatal(err)
	}
	if len(layer.Incomplete) > 0 {
		t.Errorf("incomplete: %v", layer.Incomplete)
	}
	found := map[string]catalog.Package{}
	for _, p := range img.Packages {
		found[p.Name] = p
	}
	openssl := found["openssl-libs"]
	if want := "pkg:rpm/centos/openssl-libs@1.0.2k-16.el7_6.1?arch=x86_64&distro=centos-7&epoch=1"; openssl.PURL != want || openssl.Namespace != "centos:7" {
		t.Errorf("got %s in %s", openssl.PURL, openssl.Namespace)
	}
	if got := match.DefaultRules().Targets(match.Subject{Identity: openssl.Identity()})[0]; got != (match.Target{Namespace: "rhel:7", Name: "openssl"}) {
		t.Errorf("target %+v", got)
	}
	if owner := found["chardet"].Owner; !strings.HasPrefix(owner, "pkg:rpm/centos/python-chardet@2.2.1-") {
		t.Errorf("chardet is owned by %q", owner)
	}
	if owner := found["free"].Owner; owner != "" {
		t.Errorf("free is owned by %q", owner)
	}
}
