package java

import (
	"path"
	"regexp"
	"strings"

	"github.com/package-url/packageurl-go"

	"plimsoll/engine/catalog"
	"plimsoll/engine/catalog/cpe"
)

// identify names the packages of one archive: itself first, then the shaded ones.
func (w *walk) identify(c content, stem, location string) []catalog.Package {
	m := manifest{}
	if c.manifest != nil {
		if r, err := c.manifest.Open(); err == nil {
			m = readManifest(inflating{w, r})
			r.Close()
		}
	}
	var poms []pom
	for _, d := range c.poms {
		p, err := w.pom(d)
		if err != nil {
			w.fault(withPath(err, location))
		}
		poms = append(poms, p)
	}
	name, version := splitName(stem)
	own := ownPom(poms, m, name, version, stem)
	var found []catalog.Package
	add := func(p catalog.Package) {
		if p.Version == "" {
			return // nothing to compare: most are the modules of a runtime
		}
		if err := p.Check(); err != nil {
			w.fault(withPath(err, location))
			return
		}
		for _, f := range found {
			if f.Identity() == p.Identity() {
				return
			}
		}
		found = append(found, p)
	}
	add(itself(m, own, poms, name, version, location))
	for i := range poms {
		if i != own {
			add(shaded(poms[i], location))
		}
	}
	return found
}

// itself describes the archive. own is the index of its descriptor or -1.
func itself(m manifest, own int, poms []pom, name, version, location string) catalog.Package {
	var p pom
	if own >= 0 {
		p = poms[own]
	} else {
		p = fromManifest(m, name)
	}
	implementation := m.first("Implementation-Version", "Plugin-Version")
	specification := m.first("Specification-Version")
	mavenVersion := p.version
	if p.version == "" {
		p.version = version
	}
	if p.version == "" {
		p.version, _, _ = strings.Cut(firstOf(implementation, m.first("Bundle-Version"), specification), " ")
	}
	if len(p.licenses) == 0 {
		p.licenses = bundleLicenses(m.get("Bundle-License"))
	}
	origin := firstOf(m.first("Implementation-Vendor", "Specification-Vendor", "Bundle-Vendor"), p.group)
	described := describe(p, location, origin)
	for key, value := range map[string]string{
		"implementation-version": implementation,
		"specification-version":  specification,
		"maven-version":          mavenVersion,
		"implementation-title":   m.first("Implementation-Title"),
		"bundle-symbolic-name":   m.first("Bundle-SymbolicName"),
	} {
		if value = catalog.Text(value); value != "" {
			described.Metadata[key] = value
		}
	}
	return described
}

func shaded(p pom, location string) catalog.Package {
	described := describe(p, location, p.group)
	if p.version != "" {
		described.Metadata["maven-version"] = catalog.Text(p.version)
	}
	return described
}

func describe(p pom, location, origin string) catalog.Package {
	described := catalog.Package{
		Type: catalog.TypeJava, Namespace: p.group, Name: p.artifact, Version: p.version,
		Licenses: catalog.Licenses(p.licenses...), Origin: catalog.Text(origin), Location: location,
		CPEs:         candidates(p),
		MetadataType: "JavaMetadata", Metadata: map[string]string{},
	}
	if described.Origin != "" {
		described.Metadata["origin"] = described.Origin
	}
	if p.group != "" { // the maven type of purls demands a namespace
		described.PURL = catalog.PURL(packageurl.TypeMaven, p.group, p.artifact, p.version, nil)
	}
	return described
}

// fromManifest names an archive that has no descriptor of its own, by the rules in the package comment.
func fromManifest(m manifest, name string) pom {
	if group := m.first("Group-Id"); group != "" {
		return pom{group: group, artifact: firstOf(m.first("Short-Name", "Extension-Name"), name)}
	}
	p := pom{artifact: name}
	symbolic, _, _ := strings.Cut(m.first("Bundle-SymbolicName"), ";")
	group, ok := strings.CutSuffix(strings.TrimSpace(symbolic), "."+name)
	if ok && strings.Contains(name, "-") && strings.Contains(group, ".") {
		p.group = group
	}
	return p
}

// ownPom finds the descriptor of the archive itself among those inside: the one the file is named after
// (the longest such name), or a single one that nothing contradicts. -1 when all are shaded.
func ownPom(poms []pom, m manifest, name, version, stem string) int {
	own := -1
	for i, p := range poms {
		if namedAfter(p, name, stem) && (own < 0 || len(p.artifact) > len(poms[own].artifact)) {
			own = i
		}
	}
	if own < 0 && len(poms) == 1 && (version == poms[0].version || version == "" && !contradicts(m, poms[0])) {
		own = 0
	}
	return own
}

// contradicts reports whether the manifest gives versions and none agrees with the descriptor's in its first two
// numbers: the descriptor then came along with copied classes.
func contradicts(m manifest, p pom) bool {
	given := false
	for _, key := range []string{"Implementation-Version", "Plugin-Version", "Bundle-Version"} {
		if v := m.first(key); v != "" && p.version != "" {
			if firstTwo(v) == firstTwo(p.version) {
				return false
			}
			given = true
		}
	}
	return given
}

// firstTwo are the numbers that Bundle-Version, which must have three, shares with the version it was made from.
func firstTwo(version string) [2]string {
	parts := strings.FieldsFunc(version, func(r rune) bool { return r < '0' || r > '9' })
	return [2]string{at(parts, 0), at(parts, 1)}
}

// at is a number of a version; those left out are zero.
func at(parts []string, i int) string {
	if i < len(parts) {
		return parts[i]
	}
	return "0"
}

func namedAfter(p pom, name, stem string) bool {
	return p.artifact != "" && (name == p.artifact || stem == p.artifact ||
		p.version != "" && strings.HasPrefix(stem, p.artifact+"-"+p.version) ||
		name == p.group+"."+p.artifact || name == p.group+"-"+p.artifact)
}

// stem is a file's name without directory and extension.
func stem(file string) string {
	base := path.Base(file)
	return strings.TrimSuffix(base, path.Ext(base))
}

// qualifier is what may follow the number in a version after a hyphen.
var qualifier = regexp.MustCompile(`(?i)^(?:[0-9].*|(?:alpha|beta|m|rc|cr|sp|b|p|pre|preview|ea|dev|jre|jdk|java|android|incubating|final|ga|release|snapshot|redhat|build|hadoop|scala)[-.0-9]*)$`)

// splitName splits NAME-VERSION: the version begins at the first number after which everything looks like
// one. If that leaves something over (a classifier such as linux-x86_64), it is the last dotted number. A number
// before "spec" is the specification's and part of the name (geronimo-servlet-3.0-spec).
func splitName(stem string) (name, version string) {
	parts := strings.Split(stem, "-")
	if len(parts) > 64 {
		return stem, ""
	}
	for i := 1; i < len(parts); i++ {
		if startsWithDigit(parts[i]) && allQualifiers(parts[i:]) {
			return strings.Join(parts[:i], "-"), strings.Join(parts[i:], "-")
		}
	}
	for i := len(parts) - 1; i > 0; i-- {
		if startsWithDigit(parts[i]) && strings.Contains(parts[i], ".") && (i+1 == len(parts) || parts[i+1] != "spec") {
			return strings.Join(parts[:i], "-"), parts[i]
		}
	}
	return stem, ""
}

func startsWithDigit(s string) bool { return s != "" && s[0] >= '0' && s[0] <= '9' }

func allQualifiers(parts []string) bool {
	for _, part := range parts {
		if !qualifier.MatchString(part) {
			return false
		}
	}
	return true
}

// bundleLicenses reads Bundle-License (OSGi Core 3.2.1.10): names or URLs with attributes after a semicolon.
func bundleLicenses(value string) []string {
	var names []string
	for item := range strings.SplitSeq(value, ",") {
		name, _, _ := strings.Cut(item, ";")
		if name = strings.Trim(strings.TrimSpace(name), `"`); name != "" && !strings.Contains(name, "=") {
			names = append(names, name)
		}
	}
	return names
}

// candidates: the NVD names the second part of the group (org.apache.x: apache) or the product itself as
// vendor, and the artifact or the group's last part as product.
func candidates(p pom) []string {
	group := strings.Split(p.group, ".")
	vendors, products := []string{p.artifact}, []string{p.artifact}
	if len(group) > 1 {
		vendors = []string{group[1], p.artifact}
		products = []string{p.artifact, group[len(group)-1]}
	}
	return cpe.Candidates(vendors, products, p.version, cpe.AnySoftware)
}

func firstOf(values ...string) string {
	for _, v := range values {
		if v != "" {
			return v
		}
	}
	return ""
}
