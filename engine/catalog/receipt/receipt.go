// Package receipt finds what installers beside the operating system's put into an image, by the receipt each of them
// leaves: Bitnami and vcpkg an SPDX document for every component, Conan and MacPorts a file at a place that names the
// package, Conan 2 a database.
package receipt

import (
	"path"
	"strings"

	"github.com/package-url/packageurl-go"

	"plimsoll/engine/catalog"
	"plimsoll/engine/catalog/listing"
)

// maxSize: a document lists the files or parts of one component.
const maxSize = 8 << 20

// Analyzers returns the analyzers of all receipts.
func Analyzers() []catalog.Analyzer {
	return []catalog.Analyzer{
		{Name: "bitnami-component", Version: 1, MaxSize: maxSize, Wants: wantsBitnami, Analyze: bitnami},
		{Name: "vcpkg-port", Version: 1, MaxSize: maxSize, Wants: wantsVcpkg, Analyze: vcpkg},
		{Name: "conan-package", Version: 1, MaxSize: maxSize, Wants: wantsConan, Analyze: conan},
		{Name: "conan-cache", Version: 1, MaxSize: maxSize, Wants: wantsConanCache, Analyze: conanCache},
		{Name: "macports-registry", Version: 1, MaxSize: maxSize, Wants: wantsMacports, Analyze: macports},
	}
}

// spdxDocument is what we need of an SPDX 2.3 document (spdx.github.io/spdx-spec/v2.3).
type spdxDocument struct{ Packages []spdxPackage }

type spdxPackage struct {
	SPDXID           string
	Name             string
	VersionInfo      string
	LicenseConcluded string
	LicenseDeclared  string
	Supplier         string
	HomePage         string
	ExternalRefs     []struct{ ReferenceType, ReferenceLocator string }
}

// licenses takes the licence somebody concluded before the one declared.
func (p *spdxPackage) licenses() []string {
	for _, l := range []string{p.LicenseConcluded, p.LicenseDeclared} {
		if l != "" && l != "NOASSERTION" && l != "NONE" {
			return catalog.Licenses(l)
		}
	}
	return nil
}

// purl returns the package's URL of a type, if it has one.
func (p *spdxPackage) purl(kind string) (packageurl.PackageURL, bool) {
	for _, ref := range p.ExternalRefs {
		if u, err := packageurl.FromString(ref.ReferenceLocator); err == nil && ref.ReferenceType == "purl" && u.Type == kind {
			return u, true
		}
	}
	return packageurl.PackageURL{}, false
}

// read decodes the document. With an error, what could be read is there.
func read(f *catalog.File) (spdxDocument, error) {
	var d spdxDocument
	return d, listing.JSON(f, &d)
}

// tail returns the last n components of a path, nil if it has fewer.
func tail(file string, n int) []string {
	parts := strings.Split(path.Clean(file), "/")
	if len(parts) <= n {
		return nil
	}
	return parts[len(parts)-n:]
}
