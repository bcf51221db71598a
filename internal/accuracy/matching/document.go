package matching

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/package-url/packageurl-go"
)

// Document is a bill of materials of packages of one ecosystem, or of one release of a distribution.
type Document struct {
	Name      string // for a file
	Ecosystem string // OSV's name with its release
	Subjects  []Subject
	Body      []byte // CycloneDX
	byKey     map[string]Subject
}

// languages are the purl types of ecosystems.
var languages = map[string]string{
	"Bitnami": packageurl.TypeBitnami, "CRAN": packageurl.TypeCran, "crates.io": packageurl.TypeCargo, "Go": packageurl.TypeGolang,
	"Hex": packageurl.TypeHex, "Maven": packageurl.TypeMaven, "npm": packageurl.TypeNPM, "NuGet": packageurl.TypeNuget,
	"Packagist": packageurl.TypeComposer, "Pub": packageurl.TypePub, "PyPI": packageurl.TypePyPi, "RubyGems": packageurl.TypeGem,
	"SwiftURL": packageurl.TypeSwift,
}

// distros are the purl types of distributions, and what os-release calls them.
var distros = map[string]struct{ kind, id, vendor string }{
	"AlmaLinux":   {packageurl.TypeRPM, "almalinux", "almalinux"},
	"Alpine":      {packageurl.TypeApk, "alpine", "alpine"},
	"Debian":      {packageurl.TypeDebian, "debian", "debian"},
	"Red Hat":     {packageurl.TypeRPM, "rhel", "redhat"},
	"Rocky Linux": {packageurl.TypeRPM, "rocky", "rocky"},
	"Ubuntu":      {packageurl.TypeDebian, "ubuntu", "ubuntu"},
}

// releaseOf is the release an ecosystem's name says, as os-release writes it; none for a language. It is false for what no
// image names so: builds for subscribers ("Ubuntu:Pro:…"), a distribution without a release, Alpine's edge.
func releaseOf(ecosystem string) (string, bool) {
	name, release, _ := strings.Cut(ecosystem, ":")
	if _, ok := distros[name]; !ok {
		return "", true
	}
	release = strings.TrimSuffix(strings.TrimPrefix(release, "v"), ":LTS")
	return release, release != "" && !strings.Contains(release, ":") && release != "edge"
}

// Documents writes subjects as bills of materials, in a fixed order.
func Documents(subjects []Subject) ([]Document, error) {
	byEcosystem := map[string][]Subject{}
	for _, s := range subjects {
		byEcosystem[s.Ecosystem] = append(byEcosystem[s.Ecosystem], s)
	}
	var out []Document
	for _, ecosystem := range slices.Sorted(maps.Keys(byEcosystem)) {
		d, err := document(ecosystem, byEcosystem[ecosystem])
		if err != nil {
			return nil, err
		}
		out = append(out, d)
	}
	return out, nil
}

type component struct {
	Type    string `json:"type"`
	Group   string `json:"group,omitempty"`
	Name    string `json:"name"`
	Version string `json:"version"`
	PURL    string `json:"purl,omitempty"`
	Ref     string `json:"bom-ref"`
}

func document(ecosystem string, subjects []Subject) (Document, error) {
	d := Document{
		Name: strings.NewReplacer(":", "-", " ", "-").Replace(ecosystem), Ecosystem: ecosystem, Subjects: subjects, byKey: map[string]Subject{},
	}
	var components []component
	name, _, _ := strings.Cut(ecosystem, ":")
	release, ok := releaseOf(ecosystem)
	if to, isDistro := distros[name]; isDistro && ok {
		components = append(components, component{Type: "operating-system", Name: to.id, Version: release, Ref: "os"})
	} else if _, isLanguage := languages[name]; !isLanguage {
		return d, fmt.Errorf("ecosystem %q has no purls here", ecosystem)
	}
	for i, s := range subjects {
		u := purl(name, release, s)
		key, err := keyOf(u)
		if err != nil {
			return d, fmt.Errorf("purl of %v: %w", s, err)
		}
		d.byKey[key] = s
		c := component{Type: "library", Name: s.Name, Version: s.Version, PURL: u, Ref: fmt.Sprintf("p%d", i)}
		if group, artifact, ok := strings.Cut(s.Name, ":"); ok && name == "Maven" {
			c.Group, c.Name = group, artifact
		}
		components = append(components, c)
	}
	var err error
	d.Body, err = json.Marshal(map[string]any{"bomFormat": "CycloneDX", "specVersion": "1.5", "version": 1, "components": components})
	return d, err
}

// purl names a subject (purl-spec, "Known types").
func purl(ecosystem, release string, s Subject) string {
	u := packageurl.PackageURL{Name: s.Name, Version: s.Version}
	if to, ok := distros[ecosystem]; ok {
		u.Type, u.Namespace = to.kind, to.vendor
		qualifiers := map[string]string{"distro": to.id + "-" + release}
		if epoch, rest, ok := strings.Cut(s.Version, ":"); ok && to.kind == packageurl.TypeRPM {
			qualifiers["epoch"], u.Version = epoch, rest
		}
		u.Qualifiers = packageurl.QualifiersFromMap(qualifiers)
		return u.ToString()
	}
	u.Type = languages[ecosystem]
	separator := "/"
	if ecosystem == "Maven" {
		separator = ":"
	}
	if at := strings.LastIndex(s.Name, separator); at > 0 {
		u.Namespace, u.Name = s.Name[:at], s.Name[at+1:]
	}
	return u.ToString()
}

// keyOf is what all sides' purls of a package have in common.
func keyOf(text string) (string, error) {
	u, err := packageurl.FromString(text)
	if err != nil {
		return "", err
	}
	namespace, epoch := u.Namespace, u.Qualifiers.Map()["epoch"]
	if u.Type == packageurl.TypeRPM || u.Type == packageurl.TypeDebian || u.Type == packageurl.TypeApk {
		namespace = ""
	}
	if epoch == "0" {
		epoch = ""
	}
	key := strings.Join([]string{u.Type, namespace, u.Name, epoch, u.Version}, "\x00")
	if u.Type == packageurl.TypeNuget || u.Type == packageurl.TypeComposer || u.Type == packageurl.TypePyPi {
		key = strings.ToLower(strings.ReplaceAll(key, "_", "-"))
	}
	return key, nil
}

// Subject finds the subject another side names by a purl.
func (d *Document) Subject(purl string) (Subject, bool) {
	key, err := keyOf(purl)
	if err != nil {
		return Subject{}, false
	}
	s, ok := d.byKey[key]
	return s, ok
}
