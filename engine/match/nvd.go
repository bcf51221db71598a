package match

import (
	"slices"
	"strings"

	"plimsoll/engine/catalog"
	"plimsoll/engine/feed"
	"plimsoll/engine/version"
)

// cpeName is what a package's CPE candidate says, unescaped.
type cpeName struct {
	part, vendor, product, version, update, software string
}

// maxCPEs bounds how many names of one package are looked up.
const maxCPEs = 16

// nvdReadings are the names of the subject in the NVD, from the CPE candidates its analyzer made. Versions there are
// those of the upstream project.
func nvdReadings(s Subject) []reading {
	var out []reading
	for _, text := range s.CPEList() {
		name, ok := parseCPE(text)
		if !ok || len(out) == maxCPEs {
			continue
		}
		n := reading{
			Target: Target{NVD, name.vendor + ":" + name.product}, kind: feed.Convention, version: name.version,
			tier: tierNVD, scheme: upstreamScheme(s.Type), cpe: &name,
		}
		if catalog.IsOS(s.Type) {
			n.version = upstream(s)
		}
		out = append(out, n)
	}
	return out
}

// upstreamScheme orders upstream versions: as the ecosystem does, and for programs and OS packages segment by segment.
func upstreamScheme(packageType string) version.Scheme {
	switch packageType {
	case catalog.TypeNpm:
		return version.Semver
	case catalog.TypePython:
		return version.PEP440
	case catalog.TypeGo:
		return version.Go
	case catalog.TypeGem:
		return version.RubyGems
	case catalog.TypeJava:
		return version.Maven
	}
	return version.Rpm
}

// upstream takes the packaging off a version: epoch and revision of deb and rpm, the revision of apk.
func upstream(s Subject) string {
	v := s.Version
	if _, rest, ok := strings.Cut(v, ":"); ok {
		v = rest
	}
	if i := strings.LastIndexByte(v, '-'); i > 0 {
		v = v[:i]
	}
	return v
}

// parseCPE reads a formatted string of CPE 2.3 (NIST IR 7695 section 6.2).
func parseCPE(text string) (cpeName, bool) {
	rest, ok := strings.CutPrefix(text, "cpe:2.3:")
	if !ok {
		return cpeName{}, false
	}
	var fields []string
	var b strings.Builder
	for i := 0; i < len(rest); i++ {
		switch c := rest[i]; {
		case c == '\\' && i+1 < len(rest):
			i++
			b.WriteByte(rest[i])
		case c == ':':
			fields = append(fields, b.String())
			b.Reset()
		default:
			b.WriteByte(c)
		}
	}
	fields = append(fields, b.String())
	if len(fields) != 11 || fields[1] == "" || fields[2] == "" {
		return cpeName{}, false
	}
	for i, f := range fields {
		if f == "*" {
			fields[i] = ""
		}
	}
	return cpeName{fields[0], strings.ToLower(fields[1]), strings.ToLower(fields[2]), fields[3], fields[4], strings.ToLower(fields[8])}, fields[1] != "" && fields[2] != ""
}

// targetSoftware is what the NVD calls the ecosystem of a package type.
var targetSoftware = map[string][]string{
	catalog.TypeNpm:    {"node.js", "nodejs", "npm", "javascript"},
	catalog.TypePython: {"python", "pypi", "pip"},
	catalog.TypeGem:    {"ruby", "rails", "ruby_on_rails"},
	catalog.TypeJava:   {"java", "maven", "jenkins"},
	catalog.TypeGo:     {"go", "golang"},
}

// speaksAbout reports whether an entry of the NVD means software of this kind: the part, the ecosystem it is for, and
// the platforms it has to run on.
func (n reading) speaksAbout(s Subject, c *feed.CPE) bool {
	if c == nil {
		return true
	}
	if c.Part == "h" || n.cpe.part != "" && c.Part != "" && n.cpe.part != c.Part {
		return false
	}
	if sw := strings.ToLower(c.TargetSW); sw != "" && sw != "-" {
		known, ok := targetSoftware[s.Type]
		if ok && !slices.Contains(known, sw) || !ok && sw != "linux" && sw != "linux_kernel" && sw != "unix" {
			return false
		}
	}
	if len(c.RunningOn) > 0 && !slices.ContainsFunc(c.RunningOn, plausibleHost) {
		return false
	}
	return c.Update == "" || c.Update == "-" && n.cpe.update == "" || strings.EqualFold(c.Update, n.cpe.update)
}

// plausibleHost reports whether a container may run on the platform: hardware of a vendor and other operating systems
// are no places for one.
func plausibleHost(platform string) bool {
	part, name, _ := strings.Cut(platform, ":")
	switch {
	case part == "h":
		return false
	case part == "o":
		return strings.Contains(name, "linux") || strings.Contains(name, "unix")
	}
	return true
}
