package match

import (
	"slices"
	"strings"

	"plimsoll/engine/catalog"
	"plimsoll/engine/feed"
	"plimsoll/engine/feed/cpe"
	"plimsoll/engine/version"
)

// maxCPEs bounds how many names of one package are looked up.
const maxCPEs = 16

// nvdReadings are the names of the subject in the NVD, from the CPE candidates its analyzer made. Versions there are
// those of the upstream project.
func nvdReadings(s Subject) []reading {
	var out []reading
	for _, text := range s.CPEList() {
		name, err := cpe.Parse(text)
		if err != nil || name.Vendor == "" || name.Product == "" || len(out) == maxCPEs {
			continue
		}
		n := reading{
			Target: Target{NVD, name.Vendor + ":" + name.Product}, kind: feed.Convention, version: name.Version,
			tier: tierNVD, scheme: upstreamScheme(s.Type), cpe: &name,
		}
		if releases := name.Releases(); len(releases) > 0 {
			n.version = releases[0]
		}
		switch given := s.givenCPEs(); {
		case catalog.IsOS(s.Type) && (!given || n.version == ""):
			n.version = upstream(s)
		case given && n.version == "":
			n.version = s.Version
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
	if c.Part == "h" || n.cpe.Part != "" && c.Part != "" && n.cpe.Part != c.Part {
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
	// Versions are written with their update; "-" means those without one.
	return c.Update != cpe.None || n.cpe.Update == "" || n.cpe.Update == cpe.None
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
