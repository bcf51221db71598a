package match

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"plimsoll/engine/catalog"
)

// named is a name advisories use and the version they mean by it.
type named struct{ Namespace, Name, Version string }

func TestTargetIsTheNameAdvisoriesUse(t *testing.T) {
	t.Parallel()
	type id = catalog.Identity
	for name, c := range map[string]struct {
		id   id
		purl string
		want named
	}{
		"dpkg: the source and its version": {
			id{Type: catalog.TypeDpkg, Namespace: "debian:12", Name: "libc6", Version: "2.36-9+b1", Source: "glibc", SourceVersion: "2.36-9"}, "",
			named{"debian:12", "glibc", "2.36-9"},
		},
		"dpkg: a source of the same version": {
			id{Type: catalog.TypeDpkg, Namespace: "ubuntu:22.04", Name: "libssl3", Version: "3.0.2-0ubuntu1", Source: "openssl"}, "",
			named{"ubuntu:22.04", "openssl", "3.0.2-0ubuntu1"},
		},
		"dpkg of a distribution without advisories": {
			id{Type: catalog.TypeDpkg, Namespace: "kali:2024.1", Name: "bash", Version: "5"}, "pkg:deb/kali/bash@5", named{},
		},
		"dpkg without a distribution": {id{Type: catalog.TypeDpkg, Name: "bash", Version: "5"}, "", named{}},
		"apk: the origin":             {id{Type: catalog.TypeApk, Namespace: "alpine:3.18", Name: "libcrypto3", Version: "3.1.4-r0", Source: "openssl"}, "", named{"alpine:3.18", "openssl", "3.1.4-r0"}},
		"rpm: the binary":             {id{Type: catalog.TypeRpm, Namespace: "rhel:9", Name: "openssl-libs", Version: "1:3.0.7-1.el9", Source: "openssl"}, "", named{"rhel:9", "openssl-libs", "1:3.0.7-1.el9"}},
		"rpm of Azure Linux: the source": {
			id{Type: catalog.TypeRpm, Namespace: "azurelinux:3.0", Name: "openssl-libs", Version: "3.3.0-1.azl3", Source: "openssl", SourceVersion: "3.3.0-1.azl3"}, "",
			named{"azurelinux:3.0", "openssl", "3.3.0-1.azl3"},
		},
		"rpm of CBL-Mariner: a source with a version of its own": {
			id{Type: catalog.TypeRpm, Namespace: "mariner:2.0", Name: "perl-Carp", Version: "1.50-489.cm2", Source: "perl", SourceVersion: "5.34.1-489.cm2"}, "",
			named{"mariner:2.0", "perl", "5.34.1-489.cm2"},
		},
		"rpm of Photon: the binary": {id{Type: catalog.TypeRpm, Namespace: "photon:5.0", Name: "openssl-libs", Version: "3.0.9-1.ph5", Source: "openssl"}, "", named{"photon:5.0", "openssl-libs", "3.0.9-1.ph5"}},
		"apk: a package of Wolfi":   {id{Type: catalog.TypeApk, Namespace: "wolfi", Name: "ld-linux", Version: "2.41-r4", Source: "glibc", SourceVersion: "2.41-r4"}, "", named{"wolfi", "glibc", "2.41-r4"}},
		"npm: as is":                {id{Type: catalog.TypeNpm, Name: "@babel/Core", Version: "7.0.0"}, "", named{"npm", "@babel/Core", "7.0.0"}},
		"python: normalised, without the local label": {
			id{Type: catalog.TypePython, Name: "Zope.Interface__X", Version: "5.0+cu118"}, "", named{"pypi", "zope-interface-x", "5.0"},
		},
		"java: group and artifact":       {id{Type: catalog.TypeJava, Namespace: "org.apache", Name: "log4j", Version: "2.0"}, "", named{"maven", "org.apache:log4j", "2.0"}},
		"java: the group from the purl":  {id{Type: catalog.TypeJava, Name: "log4j", Version: "2.0"}, "pkg:maven/org.apache/log4j@2.0", named{"maven", "org.apache:log4j", "2.0"}},
		"java: no group at all":          {id{Type: catalog.TypeJava, Name: "log4j", Version: "2.0"}, "pkg:maven/log4j@2.0", named{}},
		"go: the module":                 {id{Type: catalog.TypeGo, Name: "golang.org/x/net", Version: "v0.1.0"}, "", named{"go", "golang.org/x/net", "v0.1.0"}},
		"a type known by its purl alone": {id{Type: "rust-crate", Name: "openssl", Version: "0.10.1"}, "pkg:cargo/openssl@0.10.1", named{"crates.io", "openssl", "0.10.1"}},
		"rust: lower case":               {id{Type: "rust-crate", Name: "Deno", Version: "1.0.0"}, "pkg:cargo/Deno@1.0.0", named{"crates.io", "deno", "1.0.0"}},
		"bitnami: the version built":     {id{Type: catalog.TypeBitnami, Name: "redis", Version: "7.2.4-3"}, "pkg:bitnami/redis@7.2.4-3", named{"bitnami", "redis", "7.2.4"}},
		"composer: lower case":           {id{Type: "php", Name: "Twig", Version: "3.0"}, "pkg:composer/Twig/Twig@3.0", named{"packagist", "twig/twig", "3.0"}},
		"a binary nothing speaks about":  {id{Type: catalog.TypeBinary, Name: "redis", Version: "7"}, "pkg:generic/redis@7", named{}},
		"hex":                            {id{Type: catalog.TypeHex, Name: "jason", Version: "1.4.1"}, "pkg:hex/jason@1.4.1", named{"hex", "jason", "1.4.1"}},
		"a part of Erlang/OTP":           {id{Type: catalog.TypeOTP, Name: "ssl", Version: "10.8.7"}, "pkg:otp/ssl@10.8.7", named{}},
		"R":                              {id{Type: catalog.TypeCran, Name: "jsonlite", Version: "1.8.8"}, "pkg:cran/jsonlite@1.8.8", named{"cran", "jsonlite", "1.8.8"}},
		"Haskell":                        {id{Type: catalog.TypeHackage, Name: "text", Version: "1.2.5.0"}, "pkg:hackage/text@1.2.5.0", named{"hackage", "text", "1.2.5.0"}},
		"Bitnami: without the revision": {
			id{Type: catalog.TypeBitnami, Name: "redis", Version: "7.2.4", Arch: "amd64"}, "pkg:bitnami/redis@7.2.4-3?arch=amd64", named{"bitnami", "redis", "7.2.4"},
		},
		"no purl": {id{Type: "unheard-of", Name: "x", Version: "7"}, "", named{}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c.id.Known = Known(c.id, c.purl)
			var got named
			if list := (Rules{}).readings(Subject{c.id}); len(list) > 0 {
				got = named{list[0].Namespace, list[0].Name, list[0].version}
			}
			if diff := cmp.Diff(c.want, got); diff != "" {
				t.Errorf("target (-want +got):\n%s", diff)
			}
		})
	}
}

func TestDistroNamespaces(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		d    catalog.Distro
		want string
	}{
		{catalog.Distro{ID: "debian", VersionID: "12", Codename: "bookworm"}, "debian:12"},
		{catalog.Distro{ID: "debian", VersionID: "7.8"}, "debian:7"},
		{catalog.Distro{ID: "debian", Codename: "trixie"}, "debian:13"},
		{catalog.Distro{ID: "debian", Codename: "forky"}, "debian:14"},
		{catalog.Distro{ID: "debian", Codename: "duke"}, "debian:15"},
		{catalog.Distro{ID: "debian", Codename: "sid"}, "debian:sid"},
		{catalog.Distro{ID: "debian"}, "debian"},
		{catalog.Distro{ID: "ubuntu", VersionID: "22.04"}, "ubuntu:22.04"},
		{catalog.Distro{ID: "alpine", VersionID: "3.18.4"}, "alpine:3.18"},
		{catalog.Distro{ID: "alpine", VersionID: "3.21.0_alpha20240923"}, "alpine:edge"},
		{catalog.Distro{ID: "rhel", VersionID: "9.4"}, "rhel:9"},
		{catalog.Distro{ID: "centos", VersionID: "7"}, "centos:7"},
		{catalog.Distro{ID: "rocky", VersionID: "9.3"}, "rocky:9"},
		{catalog.Distro{ID: "almalinux", VersionID: "8.9"}, "almalinux:8"},
		{catalog.Distro{ID: "ol", VersionID: "8.9"}, "ol:8"},
		{catalog.Distro{ID: "amzn", VersionID: "2018.03"}, "amzn:2018.03"},
		{catalog.Distro{ID: "centos", VersionID: "9"}, "centos:9"}, // Stream
		{catalog.Distro{ID: "fedora", VersionID: "40"}, "fedora:40"},
		{catalog.Distro{ID: "amzn", VersionID: "2"}, "amzn:2"},
		{catalog.Distro{ID: "amzn", VersionID: "2023"}, "amzn:2023"},
		{catalog.Distro{ID: "sles", VersionID: "15.5"}, "sles:15.5"},
		{catalog.Distro{ID: "opensuse-leap", VersionID: "15.5"}, "opensuse-leap:15.5"},
		{catalog.Distro{ID: "opensuse-tumbleweed", VersionID: "20240501"}, "opensuse-tumbleweed"},
		{catalog.Distro{ID: "azurelinux", VersionID: "3.0"}, "azurelinux:3.0"},
		{catalog.Distro{ID: "mariner", VersionID: "2.0"}, "mariner:2.0"},
		{catalog.Distro{ID: "photon", VersionID: "4.0"}, "photon:4.0"},
		{catalog.Distro{ID: "wolfi", VersionID: "20230201"}, "wolfi"},
		{catalog.Distro{ID: "chainguard", VersionID: "20230214"}, "chainguard"},
		{catalog.Distro{ID: "arch"}, "arch"},
		{catalog.Distro{ID: "kali", VersionID: "2024.1"}, "kali:2024.1"},
		{catalog.Distro{ID: "alpine", VersionID: "edge"}, "alpine:edge"},
		{catalog.Distro{ID: "gentoo", VersionID: "2.14"}, "gentoo"},
		{catalog.Distro{ID: "void"}, "void"},
		{catalog.Distro{ID: "arch", VersionID: "20240101.0.204074"}, "arch"},
		{catalog.Distro{ID: "archarm", Like: []string{"arch"}}, "arch"},
		{catalog.Distro{ID: "manjaro", Like: []string{"arch"}}, "arch"},
		{catalog.Distro{ID: "opensuse-slowroll", VersionID: "20240501", Like: []string{"opensuse", "suse"}}, "opensuse-slowroll"},
		{catalog.Distro{ID: "sles_sap", VersionID: "15.5", Like: []string{"suse"}}, "sles:15.5"},
		{catalog.Distro{ID: "amzn", VersionID: "2", Like: []string{"centos", "rhel", "fedora"}}, "amzn:2"},
		{catalog.Distro{ID: "amzn", VersionID: "2023", Like: []string{"fedora"}}, "amzn:2023"},
		{catalog.Distro{ID: "ol", VersionID: "9.3", Like: []string{"fedora"}}, "ol:9"},
		{catalog.Distro{ID: "rocky", VersionID: "9.3", Like: []string{"rhel", "centos", "fedora"}}, "rocky:9"},
		{catalog.Distro{ID: "centos", VersionID: "8", Like: []string{"rhel", "fedora"}}, "centos:8"},
		{catalog.Distro{ID: "scientific", VersionID: "7.9", Like: []string{"rhel", "centos", "fedora"}}, "scientific:7"},
		{catalog.Distro{ID: "cloudlinux", VersionID: "8.9", Like: []string{"rhel", "fedora", "centos"}}, "rhel:8"},
		{catalog.Distro{ID: "linuxmint", VersionID: "21.3", Codename: "jammy", Like: []string{"ubuntu", "debian"}}, "ubuntu:22.04"},
		{catalog.Distro{ID: "pop", VersionID: "22.04", Codename: "jammy", Like: []string{"ubuntu", "debian"}}, "ubuntu:22.04"},
		{catalog.Distro{ID: "linuxmint", VersionID: "6", Codename: "bookworm", Like: []string{"debian"}}, "debian:12"},
		{catalog.Distro{ID: "raspbian", VersionID: "11", Codename: "bullseye", Like: []string{"debian"}}, "debian:11"},
		{catalog.Distro{ID: "kali", VersionID: "2024.1", Codename: "kali-rolling", Like: []string{"debian"}}, "kali:2024.1"},
		{catalog.Distro{ID: "novelty", VersionID: "1", Like: []string{"debian"}}, "novelty:1"},
		{catalog.Distro{ID: "ubuntu", VersionID: "24.10", Codename: "oracular", Like: []string{"debian"}}, "ubuntu:24.10"},
		{catalog.Distro{ID: "busybox", VersionID: "1.36.1"}, "busybox:1.36.1"},
		{catalog.Distro{}, ""},
	} {
		if got := DistroNamespace(&c.d); got != c.want {
			t.Errorf("%+v is %q; want %q", c.d, got, c.want)
		}
	}
	if got := DistroNamespace(nil); got != "" {
		t.Errorf("no distribution is %q", got)
	}
}

func TestFeedGroups(t *testing.T) {
	t.Parallel()
	for ns, want := range map[string]string{
		"debian:12": "debian:12", "wolfi": "wolfi", "npm": "github:language:javascript", "pypi": "github:language:python",
		"maven": "github:language:java", "go": "github:language:go",
	} {
		if got := FeedGroup(ns); got != want {
			t.Errorf("group of %s is %s; want %s", ns, got, want)
		}
	}
}
