package binary

import (
	"bytes"
	"context"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"plimsoll/engine/catalog"
)

func file(name string, content []byte) *catalog.File {
	return &catalog.File{
		Entry:   catalog.Entry{Path: name, Type: catalog.Regular, Size: int64(len(content))},
		Content: bytes.NewReader(content),
	}
}

// found renders what an analysis found as "name version".
func found(t *testing.T, name, content string) string {
	t.Helper()
	got, err := analyze(context.Background(), file(name, []byte(content)))
	if err != nil {
		t.Fatalf("%s: %v", name, err)
	}
	var all []string
	for _, p := range got.Packages {
		all = append(all, p.Name+" "+p.Version)
	}
	return strings.Join(all, ", ")
}

// The texts are what stands around the version in builds of the program: of Debian 12, of the official images,
// of the projects' own releases.
func TestBusyBoxMayBeTheSystem(t *testing.T) {
	t.Parallel()
	for name, want := range map[string]string{"/bin/[": "busybox 1.36.1", "/usr/bin/busybox": "busybox 1.36.1", "/app/busybox": ""} {
		content := []byte("x\x00BusyBox v1.36.1 (2023-12-04)\x00")
		evidence, err := analyze(t.Context(), file(name, content))
		if err != nil {
			t.Fatal(err)
		}
		got := ""
		if evidence.Distro != nil {
			got = evidence.Distro.ID + " " + evidence.Distro.VersionID
		}
		if got != want || len(evidence.Packages) != 1 {
			t.Errorf("%s: distro %q and %d packages, want %q and one", name, got, len(evidence.Packages), want)
		}
	}
}

func TestVersions(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ file, content, want string }{
		{"/var/www/html/wp-includes/version.php", "<?php\n/**\n * The WordPress version string.\n *\n * @global string $wp_version\n */\n$wp_version = '6.5.2';\n\n$wp_db_version = 57155;\n$wp_local_package = 'de_DE';\n", "wordpress 6.5.2"},
		{"/srv/wp-includes/version.php", "<?php\r\n$wp_version = '4.9';\r\n", "wordpress 4.9"},
		{"/srv/wp-includes/version.php", "<?php\n$wp_version = '5.2-alpha-44833';\n", "wordpress 5.2-alpha-44833"},
		{"/srv/plugin/version.php", "<?php\n// $wp_version = '6.0';\n$wp_versions = '6.0';\nif ($wp_version == '6.0') {}\n", ""},
		{"/usr/local/bin/python3.11", "pymalloc_debug\x003.11.2\x00strict\x00<prefix>/lib/", "python 3.11.2"},
		{"/usr/local/lib/libpython3.7m.so.1.0", "hts Reserved.\x00linux\x003.7.4\x00%.80s (%.80s) %.80s\x00", "python 3.7.4"},
		{"/usr/local/lib/libpython3.12.so.1.0", "/root/.pyenv/versions/3.12.1/lib\x00/tmp/python-build/Python-3.12.1\x00GNU AS", "python 3.12.1"},
		{"/usr/local/bin/python3.13t", "e\x0014.0.0\x00unidata\x00\x003.13.0rc2+\x00", "python 3.13.0rc2"},
		{"/usr/local/bin/python2.7", "\x00Z_TREES\x001.2.13\x00ZLIB\x002.7.18\x00", "python 2.7.18"},
		{"/usr/local/bin/node", "\x00/json\x00node.js/v20.20.2\x00(delegate_) != nullptr\x00", "node 20.20.2"},
		{"/usr/local/bin/node", "\x00node.js/v23.0.0-nightly20240801\x00", "node 23.0.0-nightly20240801"},
		{"/usr/local/bin/node", "https://nodejs.org/download/release/v22.12.0/node-v22.12.0.tar.gz\x00", "node 22.12.0"},
		{"/usr/local/bin/node", "status == 0\x00node v0.10.48\x00FATAL ERROR: %s %s\n", "node 0.10.48"},
		{"/usr/lib/libnode.so.108", "\x00/json\x00node.js/v18.20.4\x00", "node 18.20.4"},
		{"/usr/local/bin/php", "\x00%s,%s\x00X-Powered-By: PHP/8.2.35\x00ZEND_MM_MAX_ALLOCS\x00", "php 8.2.35"},
		{"/usr/local/sbin/php-fpm8.4", "X-Powered-By: PHP/8.4.0RC1\x00index point", "php 8.4.0RC1"},
		{"/usr/lib/apache2/modules/libphp.so", "%s,%s\nX-Powered-By: PHP/8.2.1\nindex pointer\n", "php 8.2.1"},
		{"/usr/local/lib/libruby.so.3.2.2", "\x00\x00ruby 3.1.2p20 (2022-04-12 revision 4491bb740a) +YJIT [x86_64-linux-gnu]", "ruby 3.1.2"},
		{"/usr/local/bin/ruby", "\x00ruby 3.4.0preview1 (2024-05-16 master 9d69619623)", "ruby 3.4.0preview1"},
		{"/usr/local/bin/perl", "\x00\nThis is perl 5, version 36, subversion 0 (%-p) built for x86_64-linux-gnu", "perl 5.36.0"},
		{"/usr/lib/libstd-d1237ef7159db0a2.so", "\x00rustc version 1.95.0 (59807616e 2026-04-14)\x00Linker: LLD", "rust 1.95.0"},
		{"/usr/lib/libstd-ac9480c40695dcba.so", "\x00rustc version 1.97.0-nightly (0123abcde 2026-05-19)\x00", "rust 1.97.0-nightly"},
		{"/usr/lib/libstd-a5a48102fbd58791.so", "idx < CAPACITY/usr/src/rustc-1.63.0/library/alloc/src", "rust 1.63.0"},
		{"/usr/local/lib/erlang/erts-13.1.5/bin/beam.smp", "Erlang/OTP 25%s [erts-13.1.5] [source] [64-bit] [smp:%beu:%beu] [ds:%beu:%beu:%beu] [async-threads:%d] [jit:ns%s]\n\x0025.2.3\x00\x00", "erlang 25.2.3"},
		{"/usr/local/lib/erlang/erts-15.0/bin/beam.smp", `FLAGS " -fno-strict-aliasing -g -O2 -I/usr/src/otp_src_27.0/erts/x86_64-pc-linux-mu`, "erlang 27.0"},
		{"/usr/local/lib/erlang/erts-14.1/bin/beam.smp", "\x00\x0026.1.2\x00\x00\x00\x00Erlang/OTP 26", "erlang 26.1.2"},
		{"/usr/local/go/VERSION", "go1.26.8\ntime 2026-08-28T16:20:06Z\n", "go 1.26.8"},
		{"/usr/local/go/VERSION", "go1.21rc2", "go 1.21rc2"},
		{"/bin/bash", "law.\x00\x00\x00@(#)Bash version 5.2.15(1) release GNU\x00", "bash 5.2.15"},
		{"/bin/[", "of memory\x00BusyBox v1.36.1 (2023-12-04 19:44:32 UTC)\x00/dev/\x00", "busybox 1.36.1"},
		{"/bin/busybox", "out of memory\x00BusyBox v1.35.0 (Debian 1:1.35.0-4+b1)\x00", "busybox 1.35.0"},
		{"/usr/sbin/nginx", "d option: \"%c\"\x00nginx version: nginx/1.22.1\n\x00OpenSSL 3.0.9 30 May 2023\x00", "nginx 1.22.1"},
		{"/usr/local/openresty/nginx/sbin/nginx", "\x00nginx version: openresty/1.21.4.3\n\x00", "openresty 1.21.4.3"},
		{"/usr/local/bin/redis-server", "\x007.2.5buildkitsandbox-1725496002000000000\x00\x00# Server\r\nredis_versi", "redis 7.2.5"},
		{"/usr/local/bin/redis-server", "000000\x00\x00\x004.0.11841ce7054bd9-1542359302000000000\x00networking.c\x00", "redis 4.0.11"},
		{"/usr/local/bin/redis-server", "000000\x00\x00\x004.0.118a1ce7054bd9-1542359302000000000\x00networking.c\x00", "redis 4.0.11"},
		{"/usr/local/bin/redis-server", "\xffA00000000\x00%llx\x00\x007.0.0e11381fbd8bd-1653733480000000000\x00CACHING", "redis 7.0.0"},
		{"/usr/bin/redis-server", "err\x007.0.15\x00c11-builtin\x00shutdown\x00\xffA7.0.151790282056000000000\x00%llx", "redis 7.0.15"},
		{"/usr/bin/redis-server", ".conf\x00\x00Server started, Redis version 2.8.23\x00", "redis 2.8.23"},
		{"/usr/local/bin/postgres", "resql.org\x00postgres (PostgreSQL) 15.18 (Debian 15.18-0+deb12u1)\n\x00", "postgresql 15.18"},
		{"/usr/local/bin/postgres", "\xe4?PostgreSQL 9.6.24 on x86_64-pc-linux-gnu", "postgresql 9.6.24"},
		{"/usr/local/bin/postgres", "\x00PostgreSQL 15beta4 (Debian 15~beta4-1.pgdg110+1)\x00", "postgresql 15beta4"},
		{"/usr/sbin/mariadbd", "Unknown\x00-0+deb12u1\x0010.11.19-MariaDB\x00x86_64\x00", "mariadb 10.11.19"},
		{"/usr/bin/mysql", "linux-gnu\x0010.6.15-MariaDB\x00readline\x00", "mariadb 10.6.15"},
		{"/usr/bin/mysql", "shutdown\x008.0.37\x00\x00\x00\x00\x00\x00\x00mysql_real_escape_string_quote\x00", "mysql 8.0.37"},
		{"/usr/sbin/mysqld", "/var/lib/pb2/sb_1-1538601-1609844120.27/release/mysql-5.6.51/vio/viosocket.c\x00", "mysql 5.6.51"},
		{"/usr/local/sbin/haproxy", "\xfe\xff version 2.6.12-1+deb12u4, released 2026/10/17\x002026/10/17\x00", "haproxy 2.6.12"},
		{"/usr/local/sbin/haproxy", "%lld.\x00\x00HA-Proxy version 1.8.22 2019/10/25\x00", "haproxy 1.8.22"},
		{"/usr/local/sbin/haproxy", "29\x002024/05/29\x00\x003.1-dev0-1eb0f22\x00\x00\x00HAProxy version follows\x00", "haproxy 3.1-dev0"},
		{"/usr/local/apache2/bin/httpd", "mailto:\x00Apache/2.4.71\x00 Server at <a href", "httpd 2.4.71"},
		{"/usr/local/bin/memcached", "listen\x00memcached 1.6.18\x00udp-port\x00", "memcached 1.6.18"},
		{"/usr/local/bin/openssl", "N/A\x00OpenSSL 3.0.22 25 Aug 2026\x00%s (Library: %s)\n", "openssl 3.0.22"},
		{"/usr/lib/libcrypto.so.1.1", "\x00OpenSSL 1.1.1w  11 Sep 2023\x00", "openssl 1.1.1w"},
		{"/usr/lib/libcrypto.so.10", "\x00OpenSSL 1.0.2k-fips  26 Jan 2017\x00", "openssl 1.0.2k"},
		{"/usr/lib/libcrypto.so.1.1", "\x00OpenSSL 1.1.1k  FIPS 25 Mar 2021\x00", "openssl 1.1.1k"},
		{"/a/b.libs/libcrypto-abc123.so.1.1", "\x00OpenSSL 1.1.1w  11 Sep 2023\x00", "openssl 1.1.1w"},
		{"/usr/lib/libcrypto.so.52", "\x00LibreSSL 3.8.2\x00", "libressl 3.8.2"},
		{"/usr/lib/libcurl.so.4.8.0", "\x00/\x00libcurl/7.88.1\x00zlib/%s\x00libidn2/%s\x00", "curl 7.88.1"},
		{"/usr/bin/curl", "Accept: application/json\x00curl/7.88.1\x00\x00", "curl 7.88.1"},
		{"/bin/consul", "%7D\" />\n\n  <!-- CONSUL_VERSION: 1.15.2\n -->\n  <link rel=", "consul 1.15.2"},
	} {
		if got := found(t, c.file, c.content); got != c.want {
			t.Errorf("%s %q: got %q, want %q", c.file, c.content, got, c.want)
		}
	}
}

func TestNoVersionIsBetterThanAWrongOne(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct{ file, content string }{
		"a library's version in an interpreter":     {"/usr/bin/python3.11", "\x003.10.4\x00Z_TREES\x001.2.13\x00ZLIB_VERSION\x00"},
		"the soname of the library beside it":       {"/usr/bin/python3.11", "libpython3.11.so.1.0\x00libm.so.6\x00"},
		"an interpreter without a version to go by": {"/usr/bin/python3", "\x003.11.2\x00"},
		"BoringSSL claiming to be OpenSSL":          {"/usr/bin/openssl", "\x00OpenSSL 1.1.1 (compatible; BoringSSL)\x00"},
		"the short token of Apache":                 {"/usr/sbin/apache2", "Apache\x00Apache/2.4\x00Apache/2\x00"},
		"a user interface built ahead":              {"/bin/consul", "<!-- CONSUL_VERSION: 1.16.0-dev\n -->"},
		"a format string":                           {"/usr/sbin/haproxy", "HAProxy version %s %s - https://haproxy.org/\n"},
		"an absurd number":                          {"/bin/bash", "@(#)Bash version 20231204.1.1(1) release GNU"},
		"nothing but zeros":                         {"/bin/busybox", "BusyBox v0.0.0 (now)"},
		"a build without a host between the parts":  {"/usr/bin/redis-server", "\xffA7.0.151790282056000000000\x00%llx"},
		"a development toolchain":                   {"/usr/local/go/VERSION", "devel go1.23-0123abcd"},
		"a script by the name":                      {"/usr/bin/node", "#!/bin/sh\nexec node-22 \"$@\"\n"},
		"a wrapper for a Go program":                {"/usr/bin/kubectl", "\x00v1.28.4\x00"},
		"another program":                           {"/usr/bin/app", "\x00node.js/v20.20.2\x00"},
		"an empty file":                             {"/usr/bin/node", ""},
	} {
		if got := found(t, c.file, c.content); got != "" {
			t.Errorf("%s: got %q", name, got)
		}
	}
}

func TestPackage(t *testing.T) {
	t.Parallel()
	got, err := analyze(context.Background(), file("/usr/local/bin/redis-server", []byte("\x007.2.5buildkitsandbox-1725496002000000000\x00")))
	if err != nil {
		t.Fatal(err)
	}
	want := catalog.Evidence{Packages: []catalog.Package{{
		Type: "binary", Name: "redis", Version: "7.2.5", PURL: "pkg:generic/redis@7.2.5",
		CPEs:         []string{"cpe:2.3:a:redis:redis:7.2.5:*:*:*:*:*:*:*", "cpe:2.3:a:redislabs:redis:7.2.5:*:*:*:*:*:*:*"},
		Location:     "/usr/local/bin/redis-server",
		MetadataType: "BinaryMetadata", Metadata: map[string]string{"classifier": "redis"},
	}}}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

// Every classifier makes a package that can be stored, with a purl and a CPE.
func TestDescriptions(t *testing.T) {
	t.Parallel()
	seen := map[string]bool{}
	for _, list := range [][]Classifier{languages, servers, libraries, goPrograms, tools, linkedPrograms} {
		for i := range list {
			k := &list[i]
			p := k.describe("3.4.5", "/x")
			if err := p.Check(); err != nil || p.PURL == "" || len(p.CPEs) == 0 || strings.Contains(p.PURL, "%7B") || seen[k.Name] {
				t.Errorf("%s: %+v: %v", k.Name, p, err)
			}
			seen[k.Name] = true
			for _, pattern := range k.Patterns {
				if max(pattern.Before, pattern.After) > margin || len(pattern.Anchors) == 0 {
					t.Errorf("%s: %+v", k.Name, pattern)
				}
			}
		}
	}
	if got := goPrograms[1].describe("2.10.7", "/x").PURL; got != "pkg:golang/github.com/traefik/traefik/v2@v2.10.7" {
		t.Errorf("got %s", got)
	}
}

func TestWants(t *testing.T) {
	t.Parallel()
	elf, object := "\x7fELF\x02\x01\x01"+strings.Repeat("\x00", 9)+"\x03\x00>\x00", "\x7fELF\x02\x01\x01"+strings.Repeat("\x00", 9)+"\x01\x00>\x00"
	for _, c := range []struct {
		path, head string
		want       bool
	}{
		{"/usr/local/bin/node", elf, true},
		{"/usr/local/bin/node", "\xcf\xfa\xed\xfe" + elf, true},
		{"/usr/local/bin/node", "MZ\x90\x00" + elf, true},
		{"/usr/local/bin/node", object, false},
		{"/usr/local/bin/node", "#!/bin/sh\n", false},
		{"/usr/local/bin/node.exe", elf, false},
		{"/bin/[", elf, true},
		{"/bin/busybox", "", true}, // a hard link
		{"/usr/bin/python3.11", elf, true},
		{"/usr/bin/python3", elf, false},
		{"/usr/bin/python3.11-config", elf, false},
		{"/usr/lib/libpython3.11.so.1.0", elf, true},
		{"/usr/lib/libpython3.so", elf, false},
		{"/usr/bin/php8.2", elf, true},
		{"/usr/bin/phpize8.2", elf, false},
		{"/usr/lib/libcrypto.so.3", elf, true},
		{"/a/libssl-abc.so.1.1", elf, true},
		{"/usr/lib/libstdc++.so.6.0.30", elf, false},
		{"/usr/lib/libstd-d1237ef7159db0a2.so", elf, true},
		{"/usr/local/go/VERSION", "go1.21.3\n", true},
		{"/usr/local/app/VERSION", "1.21.3\n", false},
		{"/usr/local/app/VERSION", "", false},
		{"/opt/java/openjdk/release", "IMPLEMENTOR=\"Eclipse Adoptium\"\n", true},
		{"/opt/java/openjdk/release", "JAVA_VERSION=\"1.8.0_411\"\n", true},
		{"/usr/share/doc/release", "Release notes = \"x\"\n", false},
		{"/usr/share/doc/release", "#!/bin/sh\n", false},
	} {
		head := []byte(c.head)
		if got := wants(catalog.Candidate{Entry: catalog.Entry{Path: c.path, Type: catalog.Regular, Size: 1 << 20}, Head: head}); got != c.want {
			t.Errorf("%s %q: got %v", c.path, c.head, got)
		}
	}
}

func TestJavaRelease(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		content, want string
		cpes          []string
		metadata      map[string]string
	}{
		"a build of OpenJDK": {
			"IMPLEMENTOR=\"Eclipse Adoptium\"\nIMPLEMENTOR_VERSION=\"Temurin-25.0.3+9\"\nJAVA_RUNTIME_VERSION=\"25.0.3+9-LTS\"\nJAVA_VERSION=\"25.0.3\"\nLIBC=\"gnu\"\nJVM_VARIANT=\"Hotspot\"\nIMAGE_TYPE=\"JRE\"\n",
			"pkg:generic/openjdk@25.0.3", []string{"cpe:2.3:a:oracle:openjdk:25.0.3:*:*:*:*:*:*:*"},
			map[string]string{"classifier": "java-release", "implementor": "Eclipse Adoptium", "runtime_version": "25.0.3+9-LTS", "image_type": "JRE", "jvm_variant": "Hotspot"},
		},
		"a first release": {
			"IMPLEMENTOR=\"N/A\"\nJAVA_VERSION=\"22\"\n", "pkg:generic/openjdk@22", []string{"cpe:2.3:a:oracle:openjdk:22:*:*:*:*:*:*:*"},
			map[string]string{"classifier": "java-release", "implementor": "N/A"},
		},
		"version 8": {
			"JAVA_VERSION=\"1.8.0_392\"\nOS_NAME=\"Linux\"\n", "pkg:generic/openjdk@1.8.0_392", []string{"cpe:2.3:a:oracle:openjdk:8:update392:*:*:*:*:*:*"},
			map[string]string{"classifier": "java-release"},
		},
		"Oracle's version 8": {
			"JAVA_VERSION=\"1.8.0_411\"\nJAVA_RUNTIME_VERSION=\"1.8.0_411-b25\"\nBUILD_TYPE=\"commercial\"\n", "pkg:generic/jdk@1.8.0_411",
			[]string{"cpe:2.3:a:oracle:jdk:1.8.0:update411:*:*:*:*:*:*", "cpe:2.3:a:oracle:jre:1.8.0:update411:*:*:*:*:*:*"},
			map[string]string{"classifier": "java-release", "runtime_version": "1.8.0_411-b25"},
		},
		"no version":      {content: "OS_NAME=\"Linux\"\nOS_VERSION=\"2.6\"\n"},
		"not a version":   {content: "JAVA_VERSION=\"seventeen\"\n"},
		"not even a name": {content: "=\"\"\n"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got, err := analyze(context.Background(), file("/opt/java/release", []byte(c.content)))
			if err != nil {
				t.Fatal(err)
			}
			if c.want == "" {
				if !got.Empty() {
					t.Errorf("got %+v", got)
				}
				return
			}
			if len(got.Packages) != 1 {
				t.Fatalf("got %+v", got)
			}
			p := got.Packages[0]
			if p.PURL != c.want || p.Location != "/opt/java/release" {
				t.Errorf("got %+v", p)
			}
			if diff := cmp.Diff(c.cpes, p.CPEs); diff != "" {
				t.Error(diff)
			}
			if diff := cmp.Diff(c.metadata, p.Metadata); diff != "" {
				t.Error(diff)
			}
		})
	}
}
