package receipt

import (
	"context"
	"path"
	"regexp"
	"strings"

	"github.com/package-url/packageurl-go"

	"plimsoll/engine/catalog"
	"plimsoll/engine/catalog/cpe"
	"plimsoll/engine/catalog/listing"
)

// wantsBitnami: /opt/bitnami/NAME/.spdx-NAME.spdx (github.com/bitnami/containers).
func wantsBitnami(c catalog.Candidate) bool {
	return strings.HasPrefix(c.Path, "/opt/bitnami/") && strings.HasSuffix(c.Path, ".spdx") && strings.HasPrefix(path.Base(c.Path), ".spdx-")
}

// revision ends the version of a component that Bitnami built more than once. Its advisories speak of the version
// before it.
var revision = regexp.MustCompile(`-([0-9]{1,4})$`)

// bitnami lists the components that have a purl of Bitnami's; what they bundle has analyzers of its own.
func bitnami(_ context.Context, f *catalog.File) (catalog.Evidence, error) {
	d, fault := read(f)
	list := listing.Installed(f, catalog.TypeBitnami, "BitnamiSbomMetadata")
	for i := range d.Packages {
		p := &d.Packages[i]
		u, ok := p.purl(packageurl.TypeBitnami)
		if !ok {
			continue
		}
		version := revision.ReplaceAllString(u.Version, "")
		rebuilt := strings.TrimPrefix(strings.TrimPrefix(u.Version, version), "-")
		qualifiers := u.Qualifiers.Map()
		list.Add(catalog.Package{
			Name: u.Name, Version: version, Arch: qualifiers["arch"],
			PURL:     catalog.PURL(packageurl.TypeBitnami, "", u.Name, u.Version, qualifiers),
			CPEs:     cpe.Candidates([]string{u.Name}, []string{u.Name}, version, cpe.AnySoftware),
			Licenses: p.licenses(),
			Metadata: map[string]string{"revision": rebuilt, "distro": qualifiers["distro"]},
		})
	}
	return list.Evidence(fault)
}

// wantsVcpkg: INSTALLED/TRIPLET/share/NAME/vcpkg.spdx.json (learn.microsoft.com/vcpkg, "Software bill of materials").
func wantsVcpkg(c catalog.Candidate) bool { return strings.HasSuffix(c.Path, "/vcpkg.spdx.json") }

// vcpkg lists the port; beside it the document has its sources and its files.
func vcpkg(_ context.Context, f *catalog.File) (catalog.Evidence, error) {
	d, fault := read(f)
	list := listing.Installed(f, catalog.TypeVcpkg, "VcpkgPortMetadata")
	triplet := ""
	if place := tail(f.Path, 4); place != nil && place[1] == "share" {
		triplet = place[0]
	}
	var licenses []string
	for i := range d.Packages {
		if p := &d.Packages[i]; p.SPDXID == "SPDXRef-binary" || licenses == nil {
			licenses = p.licenses()
		}
	}
	for i := range d.Packages {
		p := &d.Packages[i]
		if p.SPDXID != "SPDXRef-port" {
			continue
		}
		version, port, _ := strings.Cut(p.VersionInfo, "#")
		qualifiers := map[string]string{}
		for key, value := range map[string]string{"triplet": triplet, "port_version": port} {
			if value != "" {
				qualifiers[key] = value
			}
		}
		list.Add(catalog.Package{
			Name: p.Name, Version: version, Licenses: licenses,
			PURL:     catalog.PURL(packageurl.TypeVcpkg, "", p.Name, version, qualifiers),
			CPEs:     cpe.Candidates([]string{p.Name, p.Name + "_project"}, []string{p.Name}, version, cpe.AnySoftware),
			Metadata: map[string]string{"port-version": port, "triplet": triplet, "homepage": p.HomePage},
		})
	}
	return list.Evidence(fault)
}
