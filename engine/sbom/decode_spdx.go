package sbom

import (
	"bytes"
	"strings"

	spdxjson "github.com/spdx/tools-golang/json"
	"github.com/spdx/tools-golang/spdx"
	"github.com/spdx/tools-golang/spdx/v2/common"
	"github.com/spdx/tools-golang/spdx/v2/v2_3"
	"github.com/spdx/tools-golang/tagvalue"

	"plimsoll/engine/catalog"
)

func (r *reader) spdx(data []byte) error {
	var doc *spdx.Document
	var err error
	if r.Format == FormatSPDX {
		doc, err = spdxjson.Read(bytes.NewReader(data))
	} else {
		doc, err = tagvalue.Read(bytes.NewReader(data))
	}
	if err != nil {
		return err
	}
	r.Name = doc.DocumentName
	if doc.CreationInfo != nil {
		r.Tool = spdxTool(doc.CreationInfo.Creators)
	}
	described := spdxDescribed(doc)
	texts := map[string]string{}
	for _, l := range doc.OtherLicenses {
		texts[l.LicenseIdentifier] = l.LicenseName
		if l.LicenseName == "" || l.LicenseName == noAssertion {
			texts[l.LicenseIdentifier] = l.ExtractedText
		}
	}
	for _, p := range doc.Packages {
		switch {
		case p == nil:
		case p.PrimaryPackagePurpose == "OPERATING_SYSTEM" || p.PrimaryPackagePurpose == "OPERATING-SYSTEM":
			if r.Distro == nil {
				r.Distro = &catalog.Distro{ID: p.PackageName, VersionID: p.PackageVersion, Name: catalog.Text(p.PackageDescription)}
			}
		case described[p.PackageSPDXIdentifier] && len(doc.Packages) > 1:
			r.Name, r.Version = p.PackageName, p.PackageVersion
		default:
			if err := r.add(spdxRead(p, texts)); err != nil {
				return err
			}
		}
	}
	return nil
}

func spdxTool(creators []common.Creator) string {
	for _, c := range creators {
		if c.CreatorType == "Tool" {
			return c.Creator
		}
	}
	return ""
}

// spdxDescribed are the packages a document is about, which are not what is inside: those it describes by a
// relationship and that contain others, or are containers.
func spdxDescribed(doc *spdx.Document) map[common.ElementID]bool {
	described, containing := map[common.ElementID]bool{}, map[common.ElementID]bool{}
	for _, r := range doc.Relationships {
		switch {
		case r == nil:
		case r.Relationship == common.TypeRelationshipDescribe && r.RefA.ElementRefID == spdxDocument:
			described[r.RefB.ElementRefID] = true
		case r.Relationship == common.TypeRelationshipDescribeBy && r.RefB.ElementRefID == spdxDocument:
			described[r.RefA.ElementRefID] = true
		case r.Relationship == common.TypeRelationshipContains:
			containing[r.RefA.ElementRefID] = true
		}
	}
	out := map[common.ElementID]bool{}
	for _, p := range doc.Packages {
		if p != nil && described[p.PackageSPDXIdentifier] && (containing[p.PackageSPDXIdentifier] || p.PrimaryPackagePurpose == "CONTAINER") {
			out[p.PackageSPDXIdentifier] = true
		}
	}
	return out
}

func spdxRead(in *v2_3.Package, texts map[string]string) catalog.Package {
	p := catalog.Package{Name: in.PackageName, Version: in.PackageVersion}
	for _, ref := range in.PackageExternalReferences {
		switch {
		case ref == nil:
		case ref.RefType == common.TypePackageManagerPURL && p.PURL == "":
			p.PURL = ref.Locator
		case ref.RefType == common.TypeSecurityCPE23Type:
			p.CPEs = append(p.CPEs, ref.Locator)
		}
	}
	for _, l := range conjuncts(in.PackageLicenseDeclared) {
		if text, ok := texts[l]; ok {
			l = text
		}
		if l != noAssertion && l != "NONE" {
			p.Licenses = append(p.Licenses, l)
		}
	}
	if s := in.PackageSupplier; s != nil && s.Supplier != noAssertion {
		p.Origin = s.Supplier
	}
	readSourceInfo(&p, in.PackageSourceInfo)
	return p
}

// Words before the source package in the source information of our documents and of Trivy's.
const (
	builtFrom      = "built from "
	builtFromTrivy = "built package from: "
)

// readSourceInfo takes what our documents and those of Syft and Trivy say in words about where a package was found
// and what it was built from.
func readSourceInfo(p *catalog.Package, info string) {
	if kind, rest, ok := strings.Cut(info, " package found in "); ok && !strings.Contains(kind, " ") {
		p.Type = kind
		place, more, _ := strings.Cut(rest, "; ")
		p.Location, p.Layer, _ = strings.Cut(place, ", layer ")
		info = more
	} else if _, rest, ok := strings.Cut(info, "acquired package info from "); ok {
		if _, place, ok := strings.Cut(rest, ": "); ok {
			p.Location, _, _ = strings.Cut(place, ", ")
		}
	}
	source, ok := strings.CutPrefix(info, builtFrom)
	if !ok {
		source, ok = strings.CutPrefix(info, builtFromTrivy)
	}
	if ok {
		p.Source, p.SourceVersion, _ = strings.Cut(source, " ")
	}
}

// conjuncts splits a licence expression where AND joins its parts, and takes parentheses off them.
func conjuncts(expression string) []string {
	var out []string
	depth, from := 0, 0
	part := func(s string) {
		s = strings.TrimSpace(s)
		if strings.HasPrefix(s, "(") && strings.HasSuffix(s, ")") && strings.Count(s, "(") == 1 {
			s = s[1 : len(s)-1]
		}
		if s != "" {
			out = append(out, s)
		}
	}
	for i := range len(expression) {
		switch expression[i] {
		case '(':
			depth++
		case ')':
			depth--
		case ' ':
			if depth == 0 && strings.HasPrefix(expression[i:], " AND ") {
				part(expression[from:i])
				from = i + len(" AND ")
			}
		}
	}
	part(expression[min(from, len(expression)):])
	return out
}
