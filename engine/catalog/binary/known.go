package binary

import (
	"bytes"
	"regexp"
	"slices"
	"strings"
)

// known is every classifier, by the names of its files.
var known = newIndex(slices.Concat(languages, servers, libraries, goPrograms, tools, linkedPrograms, []Classifier{javaRelease}))

// Most versions are three of the numbers n1.
const (
	n1 = `[0-9]{1,4}`
	n3 = n1 + `\.` + n1 + `\.` + n1
)

func generic(name string) PURL { return PURL{Type: "generic", Name: name, Version: "{version}"} }

// after is the common pattern: the version stands right behind the anchor. rest is what has to follow it.
func after(anchor, version, rest string) Pattern {
	return Pattern{
		Anchors: []string{anchor}, After: 64,
		Regexp: regexp.MustCompile(`\A` + regexp.QuoteMeta(anchor) + `(?P<version>` + version + `)` + rest),
	}
}

// before is the other one: the version stands in front of the anchor, led by what lead says.
func before(lead, version, rest string, anchors ...string) Pattern {
	quoted := make([]string, len(anchors))
	for i, anchor := range anchors {
		quoted[i] = regexp.QuoteMeta(anchor)
	}
	return Pattern{
		Anchors: anchors, Before: 96,
		Regexp: regexp.MustCompile(lead + `(?P<version>` + version + `)` + rest + `(?:` + strings.Join(quoted, "|") + `)\z`),
	}
}

// languages are interpreters and run-time systems.
var languages = []Classifier{
	{
		// Include/patchlevel.h: PY_VERSION, used by Py_GetVersion. The linker may lay it over the end of a
		// longer string, as a rule the path of the sources or of the installation.
		Name: "python", Package: "python", PURL: generic("python"),
		Names:       []string{"python*", "libpython*"},
		NameVersion: regexp.MustCompile(`^(?:lib)?python([23]\.[0-9]{1,2})[a-z]*(?:\.so.*)?$`),
		Patterns: []Pattern{{
			Anchors: []string{NameVersion}, Before: 1, After: 12,
			Regexp: regexp.MustCompile(`\A[\x00/-](?P<version>[23]\.[0-9]{1,2}\.[0-9]{1,2}(?:(?:a|b|rc)[0-9]{1,2})?)\+?\x00`),
		}},
		Vendors: []string{"python", "python_software_foundation"}, Products: []string{"python"},
	},
	{
		// src/inspector_socket_server.cc ("node.js/" NODE_VERSION) and src/node_metadata.cc (NODE_RELEASE_URLBASE).
		Name: "node", Package: "node", PURL: generic("node"),
		Names: []string{"node", "nodejs", "libnode.so*"},
		Patterns: []Pattern{
			after("node.js/v", n3+`(?:-[0-9A-Za-z.]{1,20})?`, `\x00`),
			after("nodejs.org/download/release/v", n3, `/node-v`),
			after("\x00node v", n3, `\x00`), // up to 0.10
		},
		Vendors: []string{"nodejs"}, Products: []string{"node.js"},
	},
	{
		// main/SAPI.h: SAPI_PHP_VERSION_HEADER.
		Name: "php", Package: "php", PURL: generic("php"),
		Names:    []string{"php", "php-fpm", "php-cgi", "php[0-9]*", "php-fpm[0-9]*", "php-cgi[0-9]*", "libphp*.so"},
		Patterns: []Pattern{after("X-Powered-By: PHP/", n3+`(?:(?:alpha|beta|RC)[0-9]{1,2}|-dev)?`, `[^0-9]`)},
		Vendors:  []string{"php"}, Products: []string{"php"},
	},
	{
		// version.c: ruby_description. The patch level counts within the version and is left out.
		Name: "ruby", Package: "ruby", PURL: generic("ruby"),
		Names:    []string{"ruby", "ruby[0-9]*", "libruby*.so*"},
		Patterns: []Pattern{after("\x00ruby ", n3+`(?:(?:preview|rc)[0-9]{1,2}|dev)?`, `(?:p[0-9]{1,4})? \([0-9]{4}-[0-9]{2}-[0-9]{2}`)},
		Vendors:  []string{"ruby-lang"}, Products: []string{"ruby"},
	},
	{
		// perl.c: minus_v.
		Name: "perl", Package: "perl", PURL: generic("perl"),
		Names: []string{"perl", "perl5*", "libperl.so*"},
		Patterns: []Pattern{{
			Anchors: []string{"This is perl 5, version "}, After: 64,
			Regexp: regexp.MustCompile(`\AThis is perl (?P<n1>5), version (?P<n2>[0-9]{1,3}), subversion (?P<n3>[0-9]{1,3}) \(`),
		}},
		Vendors: []string{"perl"}, Products: []string{"perl"},
	},
	{
		// The producer in the debug information or in .comment; without them the paths of the sources.
		Name: "rust-std", Package: "rust", PURL: generic("rust"),
		Names: []string{"libstd-*.so"},
		Patterns: []Pattern{
			after("rustc version ", n3+`(?:-(?:nightly|beta(?:\.[0-9]{1,2})?))?`, ` \([0-9a-f]{7,12} [0-9]{4}-`),
			after("/rustc-", n3, `(?:-src)?/library/`),
		},
		Vendors: []string{"rust-lang"}, Products: []string{"rust"},
	},
	{
		// erts/emulator/beam/erl_bif_info.c: the banner, with OTP_VERSION beside it; or where it was built.
		Name: "erlang", Package: "erlang", PURL: generic("erlang"),
		Names: []string{"beam.smp", "beam"},
		Patterns: []Pattern{
			{
				Anchors: []string{"Erlang/OTP "}, After: 320,
				Regexp: regexp.MustCompile(`\AErlang/OTP [0-9]{2}%s \[erts-[^\x00]{1,240}\x00{1,32}(?P<version>[0-9]{2}(?:\.` + n1 + `){1,4})\x00`),
			},
			before(`\x00`, `[0-9]{2}(?:\.`+n1+`){1,4}(?:-rc[0-9])?`, `\x00{1,32}`, "Erlang/OTP "),
			after("/otp_src_", `[0-9]{2}(?:\.`+n1+`){1,4}(?:-rc[0-9])?`, `/`),
		},
		Vendors: []string{"erlang"}, Products: []string{"erlang/otp"},
	},
	{
		// The file VERSION of a Go distribution (cmd/dist, findgoversion). The Go vulnerability database calls
		// the commands "toolchain".
		Name: "go-toolchain", Package: "go", PURL: PURL{Type: "golang", Name: "toolchain", Version: "{version}"},
		Names: []string{"VERSION"}, Text: func(head []byte) bool { return bytes.HasPrefix(head, []byte("go1.")) },
		Patterns: []Pattern{{
			Anchors: []string{"go1."}, Before: 1, After: 16, // \A: nothing before the anchor
			Regexp: regexp.MustCompile(`\Ago(?P<version>1\.[0-9]{1,3}(?:\.[0-9]{1,3})?(?:(?:beta|rc)[0-9]{1,2})?)(?:[\s-]|\z)`),
		}},
		Vendors: []string{"golang"}, Products: []string{"go"},
	},
	{
		// wp-includes/version.php, of a release or of its locale's package. Plugins have an analyzer of their own.
		Name: "wordpress", Package: "wordpress", PURL: generic("wordpress"),
		Names: []string{"version.php"}, Text: func(head []byte) bool { return bytes.HasPrefix(head, []byte("<?php")) },
		Patterns: []Pattern{{
			Anchors: []string{"\n$wp_version"}, After: 64,
			Regexp: regexp.MustCompile(`\A\n\$wp_version[ \t]{0,8}=[ \t]{0,8}['"](?P<version>[0-9]{1,2}\.[0-9]{1,2}(?:\.[0-9]{1,3}){0,2}(?:-(?:alpha|beta|RC)[0-9]{0,2}(?:-[0-9]{1,6})?)?)['"]`),
		}},
		Vendors: []string{"wordpress"}, Products: []string{"wordpress"},
	},
	{
		// version.c: sccs string.
		Name: "bash", Package: "bash", PURL: generic("bash"),
		Names: []string{"bash"}, Patterns: []Pattern{after("@(#)Bash version ", n3, `\(`)},
		Vendors: []string{"gnu"}, Products: []string{"bash"},
	},
	{
		// libbb/messages.c: bb_banner. Images made from an archive carry the content under the first applet's
		// name and the rest, busybox too, as hard links to it.
		Name: "busybox", Package: "busybox", PURL: generic("busybox"),
		Names:    []string{"busybox", "busybox.static", "[", "[["},
		Patterns: []Pattern{after("BusyBox v", n1+`\.`+n1+`(?:\.`+n1+`)?`, `[\x00 (.-]`)},
		Vendors:  []string{"busybox"}, Products: []string{"busybox"},
	},
}

// servers are daemons and their clients.
var servers = []Classifier{
	{
		// src/core/nginx.c: ngx_show_version_info.
		Name: "nginx", Package: "nginx", PURL: generic("nginx"),
		Names: []string{"nginx", "nginx-debug"}, Patterns: []Pattern{after("nginx version: nginx/", n3, `[^0-9]`)},
		Vendors: []string{"f5", "nginx"}, Products: []string{"nginx"},
	},
	{
		Name: "openresty", Package: "openresty", PURL: generic("openresty"),
		Names: []string{"nginx"}, Patterns: []Pattern{after("nginx version: openresty/", n3+`(?:\.`+n1+`)?`, `[^0-9]`)},
		Vendors: []string{"openresty"}, Products: []string{"openresty"},
	},
	{
		// src/release.c: REDIS_BUILD_ID_RAW is the version, the host (a container's twelve digits, or a name) and
		// the time of the build, the count of changes and eight digits of the commit, written without separators;
		// src/server.c has the version next to the kind of atomic variables; before 3.0 the start message has it.
		Name: "redis", Package: "redis", PURL: generic("redis"),
		Names: []string{"redis-server"},
		Patterns: []Pattern{
			before(`[^0-9.]`, n3, `[0-9a-f]{12}-[0-9]{10}`, "000000000\x00"),
			before(`[^0-9.]`, n3, `[A-Za-z][0-9A-Za-z.-]{0,62}-[0-9]{10}`, "000000000\x00"),
			before(`\x00`, n3, `\x00`, "c11-builtin\x00", "atomic-builtin\x00", "sync-builtin\x00"),
			after("Server started, Redis version ", n3, `\x00`),
		},
		Vendors: []string{"redis", "redislabs"}, Products: []string{"redis"},
	},
	{
		// src/include/pg_config.h: PG_BACKEND_VERSIONSTR and PG_VERSION_STR.
		Name: "postgresql", Package: "postgresql", PURL: generic("postgresql"),
		Names: []string{"postgres"},
		Patterns: []Pattern{
			after("postgres (PostgreSQL) ", postgresVersion, `[ \n]`),
			after("PostgreSQL ", postgresVersion, ` (?:on|\()`),
		},
		Vendors: []string{"postgresql"}, Products: []string{"postgresql"},
	},
	{
		// include/mysql_version.h: MYSQL_SERVER_VERSION.
		Name: "mariadb", Package: "mariadb", PURL: generic("mariadb"),
		Names:    []string{"mariadbd", "mysqld", "mariadb", "mysql"},
		Patterns: []Pattern{before(`\x00`, n3, ``, "-MariaDB")},
		Vendors:  []string{"mariadb"}, Products: []string{"mariadb"},
	},
	{
		// The paths of the sources in assertions, and in the client MYSQL_SERVER_VERSION before the names it imports.
		Name: "mysql", Package: "mysql", PURL: generic("mysql"),
		Names: []string{"mysqld", "mysql"},
		Patterns: []Pattern{
			after("/mysql-", `[5-9]\.`+n1+`\.`+n1, `(?:-[a-z0-9]{1,10})?/`),
			before(`\x00`, `[5-9]\.`+n1+`\.`+n1, `\x00{1,16}`, "mysql_real_escape_string"),
		},
		Vendors: []string{"oracle"}, Products: []string{"mysql"},
	},
	{
		// src/version.c: the full version between two markers; src/haproxy.c: what -v prints.
		Name: "haproxy", Package: "haproxy", PURL: generic("haproxy"),
		Names: []string{"haproxy"},
		Patterns: []Pattern{
			before(` version `, haproxyVersion, `[^ ,\x00]{0,40}`, ", released "),
			after("HA-Proxy version ", haproxyVersion, `[-+ ]`),
			before(`\x00`, haproxyVersion, `(?:[-+][^ \x00]{1,40})?\x00{1,32}`, "HAProxy version follows"),
		},
		Vendors: []string{"haproxy"}, Products: []string{"haproxy"},
	},
	{
		// include/ap_release.h: AP_SERVER_BASEVERSION.
		Name: "httpd", Package: "httpd", PURL: generic("httpd"),
		Names: []string{"httpd", "apache2"}, Patterns: []Pattern{after("\x00Apache/", n3, `[\x00 -]`)},
		Vendors: []string{"apache"}, Products: []string{"http_server"},
	},
	{
		// memcached.c: PACKAGE " " VERSION.
		Name: "memcached", Package: "memcached", PURL: generic("memcached"),
		Names: []string{"memcached"}, Patterns: []Pattern{after("memcached ", n3, `[\x00\n]`)},
		Vendors: []string{"memcached"}, Products: []string{"memcached"},
	},
}

const (
	postgresVersion = `[0-9]{1,2}(?:\.` + n1 + `){0,2}(?:(?:alpha|beta|rc)[0-9]{1,2}|devel)?`
	haproxyVersion  = `[0-9]\.[0-9]{1,2}(?:\.[0-9]{1,3}|-(?:dev|rc)[0-9]{1,2})`
)

// libraries are shared libraries with the tool that comes along.
var libraries = []Classifier{
	{
		// include/openssl/opensslv.h: OPENSSL_VERSION_TEXT. The date tells it from forks that claim a version for
		// the sake of compatibility.
		Name: "openssl", Package: "openssl", PURL: generic("openssl"),
		Names: []string{"openssl", "libcrypto.so*", "libcrypto-*.so*", "libssl.so*", "libssl-*.so*"},
		Patterns: []Pattern{after("OpenSSL ", n3+`(?:[a-z]{1,2}|-(?:alpha|beta|pre)[0-9]{1,2})?`,
			`(?:-fips)?(?: {1,2}FIPS)? {1,2}[0-9]{1,2} [A-Z][a-z]{2} [0-9]{4}`)},
		Vendors: []string{"openssl"}, Products: []string{"openssl"},
	},
	{
		// include/openssl/opensslv.h of LibreSSL: LIBRESSL_VERSION_TEXT.
		Name: "libressl", Package: "libressl", PURL: generic("libressl"),
		Names: []string{"openssl", "libcrypto.so*", "libssl.so*"}, Patterns: []Pattern{after("LibreSSL ", n3, `[\x00 ]`)},
		Vendors: []string{"openbsd"}, Products: []string{"libressl"},
	},
	{
		// lib/version.c: LIBCURL_NAME "/" LIBCURL_VERSION.
		Name: "libcurl", Package: "curl", PURL: generic("curl"),
		Names:    []string{"libcurl.so*", "libcurl-*.so*"},
		Patterns: []Pattern{after("libcurl/", n3, `(?:-DEV)?\x00`)},
		Vendors:  []string{"haxx"}, Products: []string{"libcurl", "curl"},
	},
	{
		// src/tool_version.h: CURL_NAME "/" CURL_VERSION.
		Name: "curl", Package: "curl", PURL: generic("curl"),
		Names:    []string{"curl"},
		Patterns: []Pattern{after("curl/", n3, `(?:-DEV)?\x00`)},
		Vendors:  []string{"haxx"}, Products: []string{"curl"},
	},
}

// goPrograms are programs of which the Go build information names no version, because releases are made from
// a checkout with the version given to the linker.
var goPrograms = []Classifier{
	{
		// The page of the user interface built in (ui/packages/consul-ui/lib/startup/templates/head.html.js).
		Name: "consul", Package: "consul", PURL: PURL{"golang", "github.com/hashicorp", "consul", "v{version}"},
		Names:    []string{"consul"},
		Patterns: []Pattern{after("CONSUL_VERSION: ", n3, `(?:\+ent)?\s`)},
		Vendors:  []string{"hashicorp"}, Products: []string{"consul"},
	},
	{
		Name: "traefik", Package: "traefik", PURL: PURL{"golang", "github.com/traefik/traefik", "v{major}", "v{version}"},
		Names: []string{"traefik"}, Patterns: []Pattern{linked}, Sole: true, GoPackage: "github.com/traefik/traefik/",
		Vendors: []string{"traefik"}, Products: []string{"traefik"},
	},
	{
		Name: "helm", Package: "helm", PURL: PURL{"golang", "helm.sh/helm", "v{major}", "v{version}"},
		Names: []string{"helm"}, Patterns: []Pattern{linked}, Sole: true, GoPackage: "helm.sh/helm/",
		Vendors: []string{"helm"}, Products: []string{"helm"},
	},
	{
		Name: "kubectl", Package: "kubectl", PURL: PURL{"golang", "k8s.io", "kubernetes", "v{version}"},
		Names: []string{"kubectl"}, Patterns: []Pattern{linked}, Sole: true, GoPackage: "k8s.io/kubernetes/",
		Vendors: []string{"kubernetes"}, Products: []string{"kubernetes"},
	},
}

// linked is a version set by the linker (-X, cmd/link): unlike all other strings of a Go program it ends in a
// null byte. Nothing around it says whose version it is, so it has to be the only one in the file.
var linked = Pattern{
	Anchors: []string{"."}, Digits: true, Before: 8, After: 24,
	Regexp: regexp.MustCompile(`[^0-9A-Za-z.+/_-]v?(?P<version>` + n3 + `(?:-(?:alpha|beta|rc)\.?[0-9]{1,2})?)\x00`),
}
