package redhat

import (
	"regexp"
	"strings"

	"github.com/package-url/packageurl-go"

	"plimsoll/engine/feed"
	"plimsoll/engine/feed/csaf"
	"plimsoll/engine/feed/field"
	"plimsoll/engine/version"
)

// component is what can be installed: a package, or with feed.Source all that is built from one.
type component struct {
	name, module string
	kind         feed.Kind
	evr          string // epoch:version-release; empty when nothing is said about versions
	arch         string // of a binary; empty: any
}

const (
	archSource = "src"
	flatpak    = "flatpak"
	maxPURL    = 2 << 10
)

var (
	// nevra is the id of a component with a version, used where no purl says what it is.
	nevra = regexp.MustCompile(`^([^\s:]+)-([0-9]+):([^\s:-]+)-([^\s:-]+)\.([a-z0-9_]+)$`)
	// unfixed is the id of a component without one: "kernel", "postgresql:15/postgresql".
	unfixed = regexp.MustCompile(`^(?:([^\s:/]+:[^\s:/]+)/)?([^\s:/]+?)(\.src)?$`)
	// moduleBuild is the "release" of a whole module: the time of its build and a hash.
	moduleBuild = regexp.MustCompile(`-[0-9]{13,}\.[0-9a-f]{8}$`)
)

// componentOf tells what a component is. It is false for what is no rpm of a release, and for symbols.
func componentOf(id string, p csaf.Product) (component, bool) {
	c, ok := byID(id)
	if p.PURL != "" {
		c, ok = byPURL(p.PURL)
	}
	if !ok || isDebugging(c.name) {
		return component{}, false
	}
	if _, err := field.Name(c.name); err != nil {
		return component{}, false
	}
	return c, true
}

// isDebugging reports whether a package has symbols and sources for a debugger.
func isDebugging(name string) bool {
	return strings.HasSuffix(name, "-debuginfo") || strings.HasSuffix(name, "-debugsource") || strings.Contains(name, "-debuginfo-common")
}

func byID(id string) (component, bool) {
	if m := nevra.FindStringSubmatch(id); m != nil {
		return component{name: m[1], evr: evr(m[2], m[3]+"-"+m[4])}.builtFor(m[5]), true
	}
	m := unfixed.FindStringSubmatch(id)
	if m == nil {
		return component{}, false
	}
	return component{name: m[2], module: m[1], kind: feed.Source}, true
}

// byPURL reads "pkg:rpm/redhat/redis@6.2.17-1.el9?arch=x86_64&epoch=1&rpmmod=redis:6:8100020250113083959:489197e6".
func byPURL(text string) (component, bool) {
	if len(text) > maxPURL {
		return component{}, false
	}
	u, err := packageurl.FromString(text)
	if err != nil || u.Type != packageurl.TypeRPM || u.Name == "" {
		return component{}, false
	}
	q := u.Qualifiers.Map()
	c := component{name: u.Name}
	if label := q["rpmmod"]; label != "" {
		name, rest, _ := strings.Cut(label, ":")
		stream, _, _ := strings.Cut(rest, ":")
		if name == "" || stream == "" || stream == flatpak { // one of a flatpak is not installed as an rpm
			return component{}, false
		}
		c.module = name + ":" + stream
	}
	if u.Version != "" {
		c.evr = evr(q["epoch"], u.Version)
	}
	if q["arch"] == "" && c.evr == "" {
		c.kind = feed.Binary
		return c, true
	}
	return c.builtFor(q["arch"]), true
}

// builtFor adds an architecture. What has a version but no architecture is named by its source.
func (c component) builtFor(arch string) component {
	c.kind = feed.Source
	if arch != "" && arch != archSource {
		c.kind, c.arch = feed.Binary, arch
	}
	return c
}

func evr(epoch, versionRelease string) string {
	if epoch == "" || epoch == "0" {
		return versionRelease
	}
	return epoch + ":" + versionRelease
}

// fixes reports whether the version is one of a package, not of a whole module, and can be compared.
func (c component) fixes() bool {
	return strings.Contains(c.evr, "-") && !moduleBuild.MatchString(c.evr) && version.Valid(version.Rpm, c.evr)
}
