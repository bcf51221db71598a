package ubuntu

import (
	"fmt"
	"regexp"
	"strings"

	"github.com/package-url/packageurl-go"
)

// place is where packages come from: a release and a channel, "" for the plain archive.
type place struct{ release, channel string }

func (p place) namespace() string { return "ubuntu:" + p.release }

// key tells places apart in a table.
func (p place) key() string { return p.release + "/" + p.channel }

// pro is the channel of Expanded Security Maintenance.
const pro = "pro"

var (
	ecosystemShape = regexp.MustCompile(`^Ubuntu:(?:([A-Za-z][0-9A-Za-z:-]*):)?([0-9]{1,2}\.[0-9]{2})(?::LTS)?$`)
	releaseShape   = regexp.MustCompile(`^[0-9]{1,2}\.[0-9]{2}$`)
	codenameShape  = regexp.MustCompile(`^[a-z]+$`)
	channelShape   = regexp.MustCompile(`^[0-9A-Za-z-]+$`)
)

// placeOf reads an OSV ecosystem: "Ubuntu:22.04:LTS", "Ubuntu:Pro:FIPS-updates:18.04:LTS". It is false for what is none
// of Ubuntu with a release.
func placeOf(ecosystem string) (place, bool) {
	m := ecosystemShape.FindStringSubmatch(ecosystem)
	if m == nil {
		return place{}, false
	}
	channel := m[1][strings.LastIndexByte(m[1], ':')+1:]
	return place{release: m[2], channel: strings.ToLower(channel)}, true
}

// distroOf is the qualifier by which a purl names the place: "jammy", "esm-infra/xenial", "trusty/esm". It is "" when
// the purl has none or is not that of a source package.
func distroOf(purl string) (name, distro string) {
	u, err := packageurl.FromString(purl)
	if err != nil {
		return "", ""
	}
	q := u.Qualifiers.Map()
	if q["arch"] != "source" {
		return "", ""
	}
	return u.Name, q["distro"]
}

// split separates a distro qualifier into code name and channel; false for what is no such qualifier.
func split(distro string) (codename, channel string, ok bool) {
	channel, codename, both := strings.Cut(distro, "/")
	switch {
	case !both:
		codename, channel = distro, ""
	case !channelShape.MatchString(channel):
		return "", "", false
	case codename == "esm": // as it once was
		codename, channel = channel, pro
	case strings.HasPrefix(channel, "esm-"):
		channel = pro
	}
	return codename, strings.ToLower(channel), codenameShape.MatchString(codename)
}

// learn notes which release a code name stands for, from a purl beside its ecosystem.
func (b *base) learn(p place, distro string) {
	if codename, _, ok := split(distro); ok && len(b.codenames) < maxReleases && b.codenames[codename] == "" {
		b.codenames[codename] = p.release
	}
}

// place is where the package of an entry comes from, and the distro qualifier of its purl, if it has one. The qualifier
// tells channels apart that the ecosystem does not: "Ubuntu:Pro:FIPS:16.04:LTS" is both FIPS and FIPS updates.
func (a *affected) place() (p place, distro string, ok bool) {
	p, ok = placeOf(a.Package.Ecosystem)
	_, distro = distroOf(a.Package.PURL)
	if _, channel, named := split(distro); named && channel != "" {
		p.channel = channel
	}
	return p, distro, ok
}

// maxReleases bounds the code names; there are two new ones a year.
const maxReleases = 1000

// choose restricts the reading to the releases of the settings: ErrRelease.
func (b *base) choose(releases []string) error {
	for _, r := range releases {
		name, number, given := strings.Cut(strings.TrimSpace(r), "=")
		switch {
		case given && codenameShape.MatchString(name):
			b.codenames[name] = number
		case releaseShape.MatchString(name):
			number = name
		default:
			number = b.codenames[name]
		}
		if !releaseShape.MatchString(number) {
			return fmt.Errorf("%w: %q; write its number, like \"22.04\", or both, like \"jammy=22.04\"", ErrRelease, r)
		}
		b.chosen[number] = true
	}
	return nil
}

// wanted reports whether a release is read.
func (b *base) wanted(release string) bool { return len(b.chosen) == 0 || b.chosen[release] }
