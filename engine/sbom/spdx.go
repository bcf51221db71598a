package sbom

import (
	"fmt"
	"io"
	"maps"
	"net/mail"
	"slices"
	"strings"
	"time"

	spdxjson "github.com/spdx/tools-golang/json"
	"github.com/spdx/tools-golang/spdx"
	"github.com/spdx/tools-golang/spdx/v2/common"
	"github.com/spdx/tools-golang/spdx/v2/v2_3"
	"github.com/spdx/tools-golang/tagvalue"

	"plimsoll/engine/catalog"
	"plimsoll/engine/image"
)

const (
	noAssertion = "NOASSERTION"
	// spdxNamespace is where the specification puts documents whose creator has no web site (SPDX 2.3
	// section 6.5).
	spdxNamespace = "https://spdx.org/spdxdocs/"
	spdxDocument  = common.ElementID("DOCUMENT")
	spdxImage     = common.ElementID("Image")
)

// SPDX writes an SPDX 2.3 document in JSON.
func SPDX(w io.Writer, s Subject, img *image.Image, now time.Time) error {
	if err := spdxjson.Write(s.spdx(img, now), w, spdxjson.Indent(" "), spdxjson.EscapeHTML(false)); err != nil {
		return fmt.Errorf("write SPDX document of %s: %w", s.ImageDigest, err)
	}
	return nil
}

// SPDXTagValue writes an SPDX 2.3 document as tags and values.
func SPDXTagValue(w io.Writer, s Subject, img *image.Image, now time.Time) error {
	if err := tagvalue.Write(s.spdx(img, now), w); err != nil {
		return fmt.Errorf("write SPDX document of %s: %w", s.ImageDigest, err)
	}
	return nil
}

func (s Subject) spdx(img *image.Image, now time.Time) *spdx.Document {
	name := s.reference()
	doc := &spdx.Document{
		SPDXVersion: v2_3.Version, DataLicense: v2_3.DataLicense, SPDXIdentifier: spdxDocument, DocumentName: name,
		DocumentNamespace: spdxNamespace + slug(name) + "-" + s.documentID("spdx").String(),
		CreationInfo: &v2_3.CreationInfo{
			Creators: []common.Creator{{CreatorType: "Tool", Creator: Tool + "-" + s.ToolVersion}},
			Created:  now.UTC().Format(time.RFC3339),
		},
		Packages:      []*v2_3.Package{spdxSubject(s)},
		Relationships: []*v2_3.Relationship{relate(spdxDocument, spdxImage, common.TypeRelationshipDescribe, "")},
	}
	if d := img.Distro; d != nil && d.ID != "" {
		os := spdxDistro(d)
		doc.Packages = append(doc.Packages, os)
		doc.Relationships = append(doc.Relationships, relate(spdxImage, os.PackageSPDXIdentifier, common.TypeRelationshipContains, ""))
	}
	all := artifacts(img)
	names, owner := s.licensing(), owners(all)
	for _, a := range all {
		id := spdxID(a)
		doc.Packages = append(doc.Packages, spdxPackage(id, a, names))
		doc.Relationships = append(doc.Relationships, relate(spdxImage, id, common.TypeRelationshipContains, ""))
		if by, owned := owner[a.Owner]; owned {
			doc.Relationships = append(doc.Relationships, relate(spdxID(by), id, common.TypeRelationshipOther, "ownership-by-file-overlap: the first package installed the files of the second"))
		}
	}
	doc.OtherLicenses = names.extracted()
	confess(doc, img, Tool+"-"+s.ToolVersion, now)
	return doc
}

func relate(a, b common.ElementID, kind, comment string) *v2_3.Relationship {
	return &v2_3.Relationship{
		RefA: common.DocElementID{ElementRefID: a}, RefB: common.DocElementID{ElementRefID: b}, Relationship: kind, RelationshipComment: comment,
	}
}

func spdxID(a artifact) common.ElementID {
	return common.ElementID("Package-" + slug(a.Type+"-"+a.Name) + "-" + a.id)
}

// blank is a package about which nothing but its name is stated.
func blank(id common.ElementID, name, version, purpose string) *v2_3.Package {
	return &v2_3.Package{
		PackageSPDXIdentifier: id, PackageName: name, PackageVersion: version, PrimaryPackagePurpose: purpose,
		PackageDownloadLocation: noAssertion, PackageLicenseConcluded: noAssertion, PackageLicenseDeclared: noAssertion,
		PackageCopyrightText: noAssertion, PackageSupplier: &common.Supplier{Supplier: noAssertion},
	}
}

func spdxSubject(s Subject) *v2_3.Package {
	repository, _ := s.split()
	if repository == "" {
		repository = s.ImageDigest
	}
	p := blank(spdxImage, repository, s.ImageDigest, "CONTAINER")
	if algorithm, value, ok := strings.Cut(s.ImageDigest, ":"); ok && algorithm == "sha256" {
		p.PackageChecksums = []common.Checksum{{Algorithm: common.SHA256, Value: value}}
	}
	p.PackageExternalReferences = references(s.PURL(), nil)
	return p
}

func spdxDistro(d *catalog.Distro) *v2_3.Package {
	p := blank("OperatingSystem", d.ID, d.VersionID, "OPERATING_SYSTEM")
	p.PackageDescription = catalog.Text(d.Name)
	return p
}

func spdxPackage(id common.ElementID, a artifact, names licensing) *v2_3.Package {
	purpose := "LIBRARY"
	if a.Type == catalog.TypeBinary {
		purpose = "APPLICATION"
	}
	p := blank(id, a.Name, a.Version, purpose)
	p.PackageSourceInfo = fmt.Sprintf("%s package found in %s, layer %s", a.Type, catalog.Text(a.Location), a.Layer)
	if a.Source != "" {
		p.PackageSourceInfo += "; " + builtFrom + strings.TrimSpace(a.Source+" "+a.SourceVersion)
	}
	p.PackageExternalReferences = references(a.PURL, a.CPEs)
	if licenses := names.all(a.Licenses); len(licenses) > 0 {
		p.PackageLicenseDeclared = conjunction(licenses, func(l license) string { return l.expression + l.ref })
	}
	if a.Origin != "" {
		p.PackageSupplier = supplier(a.Package)
	}
	return p
}

// supplier reads "Name <address>". OS packages come from teams, others mostly from people.
func supplier(p *catalog.Package) *common.Supplier {
	kind := "Person"
	if catalog.IsOS(p.Type) {
		kind = "Organization"
	}
	who := strings.Join(strings.Fields(catalog.Text(p.Origin)), " ")
	if a, err := mail.ParseAddress(who); err == nil && a.Name != "" {
		who = fmt.Sprintf("%s (%s)", a.Name, a.Address)
	}
	return &common.Supplier{SupplierType: kind, Supplier: who}
}

// references lists a purl and CPEs. A locator must not contain white space (SPDX 2.3 section 7.21).
func references(purl string, cpes []string) []*v2_3.PackageExternalReference {
	var out []*v2_3.PackageExternalReference
	add := func(category, kind, locator string) {
		if locator != "" && !strings.ContainsAny(locator, " \t\r\n") {
			out = append(out, &v2_3.PackageExternalReference{Category: category, RefType: kind, Locator: locator})
		}
	}
	for _, c := range cpes {
		add(common.CategorySecurity, common.TypeSecurityCPE23Type, c)
	}
	add(common.CategoryPackageManager, common.TypePackageManagerPURL, purl)
	return out
}

// extracted defines every LicenseRef that was handed out.
func (l licensing) extracted() []*v2_3.OtherLicense {
	var out []*v2_3.OtherLicense
	for _, text := range slices.Sorted(maps.Keys(l.known)) {
		if found := l.known[text]; found.ref != "" {
			out = append(out, &v2_3.OtherLicense{LicenseIdentifier: found.ref, ExtractedText: found.text, LicenseName: found.text})
		}
	}
	return out
}
