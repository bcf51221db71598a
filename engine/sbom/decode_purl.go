package sbom

import (
	"strings"

	"github.com/package-url/packageurl-go"

	"plimsoll/engine/catalog"
)

// purlTypes maps purl types to ours where they differ.
var purlTypes = map[string]string{
	packageurl.TypeDebian: catalog.TypeDpkg, packageurl.TypeApk: catalog.TypeApk, packageurl.TypeRPM: catalog.TypeRpm,
	packageurl.TypePyPi: catalog.TypePython, packageurl.TypeMaven: catalog.TypeJava, packageurl.TypeGolang: catalog.TypeGo,
	packageurl.TypeGem: catalog.TypeGem, packageurl.TypeCargo: catalog.TypeRust, packageurl.TypeNuget: catalog.TypeNuget,
	packageurl.TypeComposer: catalog.TypeComposer, packageurl.TypeNPM: catalog.TypeNpm, packageurl.TypeGeneric: catalog.TypeBinary,
}

// complete cleans a package and fills in from its purl what the document left out.
func complete(p *catalog.Package) {
	if u, err := packageurl.FromString(p.PURL); err == nil && u.Name != "" {
		fromPURL(p, u)
	} else {
		p.PURL = ""
	}
	if p.Source == "" && (p.Type == catalog.TypeDpkg || p.Type == catalog.TypeApk) {
		p.Source = p.Name // the databases leave it out then
	}
	if p.Type == catalog.TypeGo && p.Name == "stdlib" {
		p.Version = strings.TrimPrefix(p.Version, "go")
	}
	if p.Source != "" && p.SourceVersion == "" && catalog.IsOS(p.Type) {
		p.SourceVersion = p.Version
	}
	if _, release, ok := strings.Cut(p.Version, ":"); ok && p.Type == catalog.TypeRpm && p.SourceVersion == release {
		p.SourceVersion = p.Version // a source package's file name has no epoch
	}
	p.Location, p.Origin = catalog.Text(p.Location), catalog.Text(p.Origin)
	p.Licenses = catalog.Licenses(p.Licenses...)
	p.CPEs = texts(p.CPEs, 32)
}

func fromPURL(p *catalog.Package, u packageurl.PackageURL) {
	if p.Type == "" {
		p.Type = u.Type
		if known, ok := purlTypes[u.Type]; ok {
			p.Type = known
		}
	}
	name := u.Name
	switch {
	case catalog.IsOS(p.Type): // the namespace is the vendor
	case p.Type == catalog.TypeJava:
		if p.Namespace == "" {
			p.Namespace = u.Namespace
		}
		p.Name = name // documents write group:artifact, too
	case u.Namespace != "":
		name = u.Namespace + "/" + name
		if p.Name == u.Name { // CycloneDX has the scope beside the name
			p.Name = name
		}
	}
	if p.Name == "" {
		p.Name = name
	}
	q := u.Qualifiers.Map()
	if catalog.IsOS(p.Type) {
		version := u.Version
		if epoch := q["epoch"]; epoch != "" && !strings.Contains(version, ":") {
			version = epoch + ":" + version
		}
		if p.Version == "" || p.Version == u.Version {
			p.Version = version
		}
		if p.Arch == "" {
			p.Arch = q["arch"]
		}
		if p.Source == "" {
			p.Source, p.SourceVersion = upstream(p.Type, q["upstream"])
		}
		label(p, q["rpmmod"])
	}
	if p.Version == "" {
		p.Version = u.Version
	}
}

// label notes the module an rpm was built in, without which it is compared with the fixes of all streams of the module. Syft
// and Red Hat's own documents have it in the qualifier rpmmod; what is there already stands.
func label(p *catalog.Package, module string) {
	if module = catalog.Text(module); p.Type != catalog.TypeRpm && p.Type != "" || module == "" || p.Metadata[catalog.MetadataModularity] != "" {
		return
	}
	if p.Metadata == nil {
		p.Metadata = map[string]string{}
	}
	p.Metadata[catalog.MetadataModularity] = module
}

// upstream reads the qualifier in which Syft keeps the source package: NAME, NAME@VERSION, or an rpm's file name.
func upstream(kind, value string) (name, version string) {
	if kind == catalog.TypeRpm {
		return sourceRPM(value)
	}
	name, version, _ = strings.Cut(value, "@")
	return name, version
}

// sourceRPM takes NAME-VERSION-RELEASE.src.rpm apart.
func sourceRPM(file string) (name, version string) {
	stem, ok := strings.CutSuffix(file, ".rpm")
	if !ok {
		return file, ""
	}
	stem = strings.TrimSuffix(strings.TrimSuffix(stem, ".src"), ".nosrc")
	release := strings.LastIndexByte(stem, '-')
	if release < 1 {
		return stem, ""
	}
	at := strings.LastIndexByte(stem[:release], '-')
	if at < 1 {
		return stem, ""
	}
	return stem[:at], stem[at+1:]
}

// distroOf reads the distribution from the purls of OS packages, which carry it as distro=ID-VERSION.
func distroOf(packages []catalog.Package) *catalog.Distro {
	for i := range packages {
		if !catalog.IsOS(packages[i].Type) {
			continue
		}
		u, err := packageurl.FromString(packages[i].PURL)
		if err != nil {
			continue
		}
		value := u.Qualifiers.Map()["distro"]
		if value == "" {
			continue
		}
		cut := strings.LastIndexByte(value, '-')
		if cut < 1 {
			return &catalog.Distro{ID: distroID(u.Namespace), VersionID: value} // some write the version alone
		}
		d := &catalog.Distro{ID: value[:cut], VersionID: value[cut+1:]}
		if first := d.VersionID[:min(1, len(d.VersionID))]; first < "0" || first > "9" {
			d.VersionID, d.Codename = "", d.VersionID
		}
		return d
	}
	return nil
}

// distroID is the os-release ID for the vendor in a purl.
func distroID(vendor string) string {
	switch vendor {
	case "redhat":
		return "rhel"
	case "amazon":
		return "amzn"
	case "oracle":
		return "ol"
	}
	return vendor
}
