package sbom

import (
	"bytes"
	"strings"

	cdx "github.com/CycloneDX/cyclonedx-go"

	"plimsoll/engine/catalog"
)

func (r *reader) cyclonedx(data []byte) error {
	format := cdx.BOMFileFormatJSON
	if r.Format == FormatCycloneDXXML {
		format = cdx.BOMFileFormatXML
	}
	var bom cdx.BOM
	if err := cdx.NewBOMDecoder(bytes.NewReader(data), format).Decode(&bom); err != nil {
		return err
	}
	if m := bom.Metadata; m != nil {
		r.Tool = cdxTool(m.Tools)
		if m.Component != nil {
			r.Name, r.Version = m.Component.Name, m.Component.Version
			if err := r.components(m.Component.Components); err != nil {
				return err
			}
		}
	}
	return r.components(bom.Components)
}

func cdxTool(tools *cdx.ToolsChoice) string {
	if tools == nil {
		return ""
	}
	if tools.Components != nil && len(*tools.Components) > 0 {
		c := (*tools.Components)[0]
		return strings.TrimSpace(c.Name + " " + c.Version)
	}
	if tools.Tools != nil && len(*tools.Tools) > 0 { //nolint:staticcheck // documents before 1.5 have it
		t := (*tools.Tools)[0] //nolint:staticcheck // as above
		return strings.TrimSpace(t.Name + " " + t.Version)
	}
	return ""
}

// components takes in a list with everything inside its members; Decode has bounded the nesting.
func (r *reader) components(all *[]cdx.Component) error {
	if all == nil {
		return nil
	}
	for i := range *all {
		c := &(*all)[i]
		switch {
		case c.Type == cdx.ComponentTypeOS:
			if r.Distro == nil && c.Name != "" {
				r.Distro = &catalog.Distro{ID: c.Name, VersionID: c.Version, Name: catalog.Text(c.Description)}
			}
		case c.Type == cdx.ComponentTypeFile || c.PackageURL == "" && c.Version == "":
		default:
			if err := r.add(cdxRead(c)); err != nil {
				return err
			}
		}
		if err := r.components(c.Components); err != nil {
			return err
		}
	}
	return nil
}

func cdxRead(c *cdx.Component) catalog.Package {
	p := catalog.Package{Name: c.Name, Version: c.Version, PURL: c.PackageURL, Origin: cdxOrigin(c)}
	known := cdxProperties(c.Properties)
	p.Type = firstOf(known, propertyPrefix+"package:type")
	if p.Type == "" {
		p.Type = firstOf(known, "syft:package:type")
		if ours, ok := syftTypes[p.Type]; ok {
			p.Type = ours
		}
	}
	p.Arch = firstOf(known, propertyPrefix+"package:arch", "syft:metadata:architecture")
	p.Source = firstOf(known, propertyPrefix+"package:source", "syft:metadata:source", "syft:metadata:originPackage", "aquasecurity:trivy:SrcName")
	p.SourceVersion = firstOf(known, propertyPrefix+"package:source_version", "syft:metadata:sourceVersion")
	if p.SourceVersion == "" {
		p.SourceVersion = trivySource(known)
	}
	p.Layer = firstOf(known, propertyPrefix+"package:layer", "syft:location:0:layerID", "aquasecurity:trivy:LayerDigest")
	p.Owner = firstOf(known, propertyPrefix+"package:owner")
	p.Location = firstOf(known, "syft:location:0:path", "aquasecurity:trivy:FilePath")
	if e := c.Evidence; e != nil && e.Occurrences != nil && len(*e.Occurrences) > 0 {
		p.Location = (*e.Occurrences)[0].Location
	}
	if c.Group != "" && p.PURL == "" {
		if strings.HasPrefix(c.Group, "@") {
			p.Name = c.Group + "/" + c.Name
		} else {
			p.Namespace = c.Group
		}
	}
	if p.Type == catalog.TypeJava {
		p.Namespace = c.Group
	}
	if c.CPE != "" {
		p.CPEs = append(p.CPEs, c.CPE)
	}
	p.CPEs = append(p.CPEs, known[propertyPrefix+"package:cpe"]...)
	p.CPEs = append(p.CPEs, known["syft:cpe23"]...)
	if c.Licenses != nil {
		p.Licenses = cdxLicenseTexts(*c.Licenses)
	}
	return p
}

// trivySource puts together the version of the source package that Trivy has in pieces.
func trivySource(known map[string][]string) string {
	version := firstOf(known, "aquasecurity:trivy:SrcVersion")
	if version == "" {
		return ""
	}
	if release := firstOf(known, "aquasecurity:trivy:SrcRelease"); release != "" {
		version += "-" + release
	}
	if epoch := firstOf(known, "aquasecurity:trivy:SrcEpoch"); epoch != "" && epoch != "0" {
		version = epoch + ":" + version
	}
	return version
}

func cdxOrigin(c *cdx.Component) string {
	switch {
	case c.Publisher != "":
		return c.Publisher
	case c.Author != "":
		return c.Author
	case c.Supplier != nil:
		return c.Supplier.Name
	}
	return ""
}

func cdxProperties(all *[]cdx.Property) map[string][]string {
	known := map[string][]string{}
	if all == nil {
		return known
	}
	for _, p := range *all {
		known[p.Name] = append(known[p.Name], p.Value)
	}
	return known
}

func firstOf(known map[string][]string, names ...string) string {
	for _, n := range names {
		for _, value := range known[n] {
			if value != "" {
				return value
			}
		}
	}
	return ""
}

func cdxLicenseTexts(all cdx.Licenses) []string {
	var out []string
	for _, choice := range all {
		switch {
		case choice.Expression != "":
			out = append(out, conjuncts(choice.Expression)...)
		case choice.License != nil && choice.License.ID != "":
			out = append(out, choice.License.ID)
		case choice.License != nil:
			out = append(out, choice.License.Name)
		}
	}
	return out
}
