package binary

import "regexp"

// tools are further programs and libraries, less often in images or most often with a package of their own.
var tools = []Classifier{
	{
		// pypy/module/sys/version.py: get_version.
		Name: "pypy", Package: "pypy", PURL: generic("pypy"),
		Names: []string{"libpypy*.so*"}, Patterns: []Pattern{after("[PyPy ", n3, `[^0-9.]`)},
		Vendors: []string{"pypy"}, Products: []string{"pypy"},
	},
	{
		Name: "julia", Package: "julia", PURL: generic("julia"),
		Names: []string{"libjulia-internal.so*"}, Patterns: []Pattern{after("__init__\x00", n3, `\x00verify`)},
		Vendors: []string{"julialang"}, Products: []string{"julia"},
	},
	{
		// runtime/vm/version_in.cc: the version with its channel behind.
		Name: "dart", Package: "dart", PURL: generic("dart"),
		Names:    []string{"dart"},
		Patterns: []Pattern{before(`\x00`, n3+`(?:-[0-9]{1,4}(?:\.[0-9]{1,3})?\.beta)?`, ``, " (stable)", " (beta)")},
		Vendors:  []string{"dart"}, Products: []string{"dart_software_development_kit"},
	},
	{
		// cli/version.rs: the user agent.
		Name: "deno", Package: "deno", PURL: generic("deno"),
		Names: []string{"deno"}, Patterns: []Pattern{after("Deno/", n3, `[^0-9.]`)},
		Vendors: []string{"deno"}, Products: []string{"deno"},
	},
	{
		Name: "ghc", Package: "ghc", PURL: generic("ghc"),
		Names: []string{"ghc", "ghc-[0-9]*"}, Patterns: []Pattern{after("\x00GHC ", n3, `\x00`)},
		Vendors: []string{"haskell"}, Products: []string{"ghc"},
	},
	{
		Name: "stack", Package: "stack", PURL: generic("stack"),
		Names: []string{"stack"}, Patterns: []Pattern{after("Version ", n3, `, Git`)},
		Vendors: []string{"haskell"}, Products: []string{"stack"},
	},
	{
		// The paths of the sources in assertions.
		Name: "swipl", Package: "swipl", PURL: generic("swipl"),
		Names: []string{"swipl", "libswipl.so*"}, Patterns: []Pattern{after("swipl-", n3, `/`)},
		Vendors: []string{"swi-prolog"}, Products: []string{"swi-prolog"},
	},
	{
		// What the compiler leaves in .comment: that of the project's own images was built with itself, those of
		// distributions name the distribution instead.
		Name: "gcc", Package: "gcc", PURL: generic("gcc"),
		Names: []string{"gcc"}, Patterns: []Pattern{after("GCC: (GNU) ", n3, `\x00`)},
		Vendors: []string{"gnu"}, Products: []string{"gcc"},
	},
	{
		// src/version.c of Valkey: as Redis, with a name before the version in newer releases.
		Name: "valkey", Package: "valkey", PURL: generic("valkey"),
		Names: []string{"valkey-server"},
		Patterns: []Pattern{
			before(`[^0-9.]`, n3, `[0-9a-f]{12}-[0-9]{10}`, "000000000\x00"),
			before(`[^0-9.]`, n3, `[A-Za-z][0-9A-Za-z.-]{0,62}-[0-9]{10}`, "000000000\x00"),
		},
		Vendors: []string{"lfprojects", "linuxfoundation", "valkey-io"}, Products: []string{"valkey"},
	},
	{
		Name: "lighttpd", Package: "lighttpd", PURL: generic("lighttpd"),
		Names: []string{"lighttpd"}, Patterns: []Pattern{after("\x00lighttpd/", n3, `[\x00 ]`)},
		Vendors: []string{"lighttpd"}, Products: []string{"lighttpd"},
	},
	{
		Name: "proftpd", Package: "proftpd", PURL: generic("proftpd"),
		Names: []string{"proftpd"}, Patterns: []Pattern{after("ProFTPD Version ", n3+`[a-z]?`, `[\x00 ]`)},
		Vendors: []string{"proftpd"}, Products: []string{"proftpd"},
	},
	{
		// src/fluent-bit.c: the version goes into the banner behind it.
		Name: "fluent-bit", Package: "fluent-bit", PURL: generic("fluent-bit"),
		Names:    []string{"fluent-bit"},
		Patterns: []Pattern{before(`\x00`, n3, `\x00{1,8}(?:\x1b\[1m\x00{1,4})?(?:%s)?`, "Fluent Bit")},
		Vendors:  []string{"treasuredata"}, Products: []string{"fluent_bit"},
	},
	{
		// src/mongo/util/version: next to the keys of the answer to buildInfo.
		Name: "mongodb", Package: "mongodb", PURL: generic("mongodb"),
		Names: []string{"mongod", "mongos"}, Patterns: []Pattern{before(`[^0-9.]`, n3, `\x00{1,8}`, "tcmalloc", "heap_size", "cppdefines")},
		Vendors: []string{"mongodb"}, Products: []string{"mongodb"},
	},
	{
		Name: "percona-server", Package: "percona-server", PURL: generic("percona-server"),
		Names: []string{"mysqld", "mysql"}, Patterns: []Pattern{after("/percona-server-", n3, `[-/]`)},
		Vendors: []string{"percona", "oracle"}, Products: []string{"percona_server", "mysql"},
	},
	{
		Name: "percona-xtrabackup", Package: "percona-xtrabackup", PURL: generic("percona-xtrabackup"),
		Names: []string{"xtrabackup"}, Patterns: []Pattern{after("/percona-xtrabackup-", n3, `[-/]`)},
		Vendors: []string{"percona"}, Products: []string{"xtrabackup"},
	},
	{
		Name: "arangodb", Package: "arangodb", PURL: generic("arangodb"),
		Names:    []string{"arangosh", "arangod"},
		Patterns: []Pattern{before(`[^0-9.]`, n3+`(?:-[0-9]{1,3})?`, ` (?:enterprise )?`, "[linux]")},
		Vendors:  []string{"arangodb"}, Products: []string{"arangodb"},
	},
	{
		Name: "openldap", Package: "openldap", PURL: generic("openldap"),
		Names:    []string{"ldapsearch", "slapd"},
		Patterns: []Pattern{after("$OpenLDAP: ldapsearch ", n3, `[^0-9.]`), after("$OpenLDAP: slapd ", n3, `[^0-9.]`)},
		Vendors:  []string{"openldap"}, Products: []string{"openldap"},
	},
	{
		// AWS-LC says which OpenSSL it stands in for, then its own version.
		Name: "aws-lc", Package: "aws-lc", PURL: generic("aws-lc"),
		Names: []string{"openssl", "libcrypto.so*"}, Patterns: []Pattern{after("AWS-LC ", n3, `\)\x00`)},
		Vendors: []string{"amazon"}, Products: []string{"aws_libcrypto"},
	},
	{
		Name: "util-linux", Package: "util-linux", PURL: generic("util-linux"),
		Names: []string{"getopt"}, Patterns: []Pattern{after("\x00util-linux ", n1+`\.`+n1+`(?:\.`+n1+`)?`, `\x00`)},
		Vendors: []string{"kernel"}, Products: []string{"util-linux"},
	},
	{
		Name: "xz", Package: "xz", PURL: generic("xz"),
		Names: []string{"xz"}, Patterns: []Pattern{after("xz (XZ Utils) ", n3, `[\x00\n]`)},
		Vendors: []string{"tukaani"}, Products: []string{"xz"},
	},
	{
		// fftools/opt_common.c: print_program_info.
		Name: "ffmpeg", Package: "ffmpeg", PURL: generic("ffmpeg"),
		Names: []string{"ffmpeg", "ffprobe"}, Patterns: []Pattern{after("%s version ", n1+`\.`+n1+`(?:\.`+n1+`)?`, `[\x00 -]`)},
		Vendors: []string{"ffmpeg"}, Products: []string{"ffmpeg"},
	},
	{
		Name: "libavcodec", Package: "ffmpeg", PURL: generic("ffmpeg"),
		Names: []string{"libavcodec.so*", "libavformat.so*", "libavutil.so*"}, Patterns: []Pattern{after("FFmpeg version ", n1+`\.`+n1+`(?:\.`+n1+`)?`, `[\x00 -]`)},
		Vendors: []string{"ffmpeg"}, Products: []string{"ffmpeg"},
	},
	{
		// src/corelib/global/qlibraryinfo.cpp: qt_build_string.
		Name: "qtbase", Package: "qtbase", PURL: generic("qtbase"),
		Names:    []string{"libQt5Core.so*", "libQt6Core.so*", "libQtCore.so*"},
		Patterns: []Pattern{after("\x00Qt ", n3, ` \(`), after("QtCore library version ", n3, `[^0-9.]`)},
		Vendors:  []string{"qt"}, Products: []string{"qt", "qtbase"},
	},
	{
		Name: "chrome", Package: "chrome", PURL: generic("chrome"),
		Names: []string{"chrome"}, Patterns: []Pattern{before(`\x00`, `[0-9]{2,3}\.[0-9]{1,2}\.[0-9]{4,5}\.[0-9]{1,4}`, `\x00`, "Default")},
		Vendors: []string{"google"}, Products: []string{"chrome"},
	},
	{
		// Nothing beside the version says whose it is, but Envoy's has minor versions above 9: the only such string of
		// the file, or none is taken. Libraries linked in have such versions, too.
		Name: "envoy", Package: "envoy", PURL: generic("envoy"), Sole: true,
		Names: []string{"envoy"}, Patterns: []Pattern{{
			Anchors: []string{"\x001."}, After: 16,
			Regexp: regexp.MustCompile(`\A\x00(?P<version>1\.[1-9][0-9]\.[0-9]{1,2}(?:-dev)?)\x00`),
		}},
		Vendors: []string{"envoyproxy"}, Products: []string{"envoy"},
	},
	{
		// The linker of Go lays constant strings one behind the other by length: the word and a version of six
		// characters follow each other. Older releases have the version from the linker.
		Name: "vault", Package: "vault", PURL: PURL{"golang", "github.com/hashicorp", "vault", "v{version}"},
		Names: []string{"vault"}, Patterns: []Pattern{after("revoke", `1\.[0-9]{2}\.[0-9]`, ``)}, GoPackage: "github.com/hashicorp/vault",
		Vendors: []string{"hashicorp"}, Products: []string{"vault"},
	},
}

// linkedPrograms are Go programs with the version given to the linker, like goPrograms.
var linkedPrograms = []Classifier{
	fromLinker("vault-linked", "vault", "github.com/hashicorp/vault", PURL{"golang", "github.com/hashicorp", "vault", "v{version}"}, "hashicorp", "vault"),
	fromLinker("kubernetes", "kubernetes", "k8s.io/kubernetes/", PURL{"golang", "k8s.io", "kubernetes", "v{version}"}, "kubernetes",
		"kubernetes", "kube-apiserver", "kube-controller-manager", "kube-proxy", "kube-scheduler", "kubeadm", "kubelet"),
	fromLinker("prometheus", "prometheus", "github.com/prometheus/prometheus/", generic("prometheus"), "prometheus", "prometheus", "prometheus", "promtool"),
	fromLinker("alertmanager", "alertmanager", "github.com/prometheus/alertmanager/", generic("alertmanager"), "prometheus",
		"alertmanager", "alertmanager", "amtool"),
	fromLinker("node-exporter", "node_exporter", "github.com/prometheus/node_exporter", generic("node_exporter"), "prometheus",
		"node_exporter", "node_exporter"),
	fromLinker("containerd", "containerd", "github.com/containerd/containerd", PURL{"golang", "github.com/containerd", "containerd", "v{version}"},
		"linuxfoundation", "containerd", "containerd", "ctr", "containerd-shim-runc-v2"),
	fromLinker("runc", "runc", "github.com/opencontainers/runc", PURL{"golang", "github.com/opencontainers", "runc", "v{version}"},
		"linuxfoundation", "runc", "runc"),
	fromLinker("dockerd", "docker", "github.com/docker/docker/cmd/dockerd", PURL{"golang", "github.com/docker", "docker", "v{version}"},
		"mobyproject", "moby", "dockerd"),
	fromLinker("docker-cli", "docker-cli", "github.com/docker/cli/", PURL{"golang", "github.com/docker", "cli", "v{version}"},
		"docker", "command_line_interface", "docker"),
	fromLinker("grafana", "grafana", "github.com/grafana/grafana/", generic("grafana"), "grafana", "grafana", "grafana", "grafana-server"),
	fromLinker("istio", "istio", "istio.io/istio/", generic("istio"), "istio", "istio", "pilot-discovery", "pilot-agent", "istioctl"),
}

// fromLinker describes a program by the import path of its main package; without names, the file is called as the
// product.
func fromLinker(name, pkg, goPackage string, purl PURL, vendor, product string, names ...string) Classifier {
	if len(names) == 0 {
		names = []string{product}
	}
	return Classifier{
		Name: name, Package: pkg, PURL: purl, Names: names, Patterns: []Pattern{linked}, Sole: true, GoPackage: goPackage,
		Vendors: []string{vendor}, Products: []string{product},
	}
}
