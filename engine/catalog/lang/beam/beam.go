// Package beam finds applications of the Erlang virtual machine: those in an installation or a release, by their
// resource files (ebin/NAME.app), and those a rebar.lock asks for.
//
// Both files hold Erlang terms; only the few members of interest are looked for, nothing is evaluated.
package beam

import (
	"context"
	"path"
	"regexp"
	"slices"
	"strings"

	"github.com/package-url/packageurl-go"

	"plimsoll/engine/catalog"
	"plimsoll/engine/catalog/listing"
)

const (
	// maxResource: modules are listed by name; the largest application of OTP takes 20 KB.
	maxResource = 1 << 20
	// maxLock: a dependency takes some 200 bytes.
	maxLock = 4 << 20
)

// Applications returns the analyzer of resource files.
func Applications() catalog.Analyzer {
	return catalog.Analyzer{Name: "beam-app", Version: 1, MaxSize: maxResource, Wants: wantsResource, Analyze: analyzeResource}
}

// Lock returns the analyzer of rebar.lock.
func Lock() catalog.Analyzer {
	return catalog.Analyzer{
		Name: "rebar-lock", Version: 1, MaxSize: maxLock, Analyze: analyzeLock,
		Wants: func(c catalog.Candidate) bool { return strings.HasSuffix(c.Path, "/rebar.lock") },
	}
}

func wantsResource(c catalog.Candidate) bool {
	return strings.HasSuffix(c.Path, ".app") && path.Base(path.Dir(c.Path)) == "ebin"
}

// Members of a resource file (erlang.org, app(4)).
var (
	application = regexp.MustCompile(`\{\s*application\s*,\s*'?([a-z][0-9A-Za-z_@]*)'?\s*,`)
	vsn         = regexp.MustCompile(`\{\s*vsn\s*,\s*"([^"\n]+)"\s*\}`)
	description = regexp.MustCompile(`\{\s*description\s*,\s*"([^"\n]*)"\s*\}`)
)

func analyzeResource(_ context.Context, f *catalog.File) (catalog.Evidence, error) {
	content, err := listing.Content(f)
	if err != nil {
		return catalog.Evidence{}, err
	}
	name, version, about := first(application, content), first(vsn, content), first(description, content)
	kind, purl := catalog.TypeHex, packageurl.TypeHex
	if slices.Contains(platform, name) {
		kind, purl = catalog.TypeOTP, packageurl.TypeOTP
	}
	list := listing.Installed(f, kind, "ErlangApplicationMetadata")
	if name != "" {
		list.Add(catalog.Package{
			Name: name, Version: version, PURL: catalog.PURL(purl, "", name, version, nil),
			Metadata: map[string]string{"description": about},
		})
	}
	return list.Evidence()
}

func first(what *regexp.Regexp, content []byte) string {
	if m := what.FindSubmatch(content); m != nil {
		return string(m[1])
	}
	return ""
}

// platform are the applications of Erlang/OTP (erlang.org/doc, "Applications") and of Elixir (hexdocs.pm/elixir): they
// come with the platform and not from hex.pm.
var platform = []string{
	"asn1", "common_test", "compiler", "crypto", "debugger", "dialyzer", "diameter", "edoc", "eldap", "erl_interface", "erts", "et",
	"eunit", "ftp", "inets", "jinterface", "kernel", "megaco", "mnesia", "observer", "odbc", "os_mon", "parsetools", "public_key",
	"reltool", "runtime_tools", "sasl", "snmp", "ssh", "ssl", "stdlib", "syntax_tools", "tftp", "tools", "wx", "xmerl",
	"eex", "elixir", "ex_unit", "iex", "logger", "mix",
}

// pkg is a dependency from hex.pm in a lock: {<<"app">>,{pkg,<<"name">>,<<"1.0.0">>},0} (rebar3, rebar.lock format 1).
var pkg = regexp.MustCompile(`\{\s*pkg\s*,\s*<<"([^"]+)">>\s*,\s*<<"([^"]+)">>`)

func analyzeLock(_ context.Context, f *catalog.File) (catalog.Evidence, error) {
	content, err := listing.Content(f)
	if err != nil {
		return catalog.Evidence{}, err
	}
	list := listing.Declared(f, catalog.TypeHex, "RebarLockMetadata")
	for _, m := range pkg.FindAllSubmatch(content, listing.MaxPackages+1) {
		name, version := string(m[1]), string(m[2])
		list.Add(catalog.Package{Name: name, Version: version, PURL: catalog.PURL(packageurl.TypeHex, "", name, version, nil)})
	}
	return list.Evidence()
}
