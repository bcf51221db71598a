package sbom

import (
	"fmt"
	"io"
	"time"

	cdx "github.com/CycloneDX/cyclonedx-go"

	"plimsoll/engine/catalog"
	"plimsoll/engine/image"
)

// propertyPrefix begins the names of our component properties.
const propertyPrefix = Tool + ":"

// CycloneDX writes a CycloneDX 1.6 document in JSON.
func CycloneDX(w io.Writer, s Subject, img *image.Image, now time.Time) error {
	return s.cyclonedx(w, cdx.BOMFileFormatJSON, img, now)
}

// CycloneDXXML writes a CycloneDX 1.6 document in XML.
func CycloneDXXML(w io.Writer, s Subject, img *image.Image, now time.Time) error {
	return s.cyclonedx(w, cdx.BOMFileFormatXML, img, now)
}

func (s Subject) cyclonedx(w io.Writer, format cdx.BOMFileFormat, img *image.Image, now time.Time) error {
	subject := cdxSubject(s)
	components := []cdx.Component{}
	if d := img.Distro; d != nil && d.ID != "" {
		components = append(components, cdx.Component{
			BOMRef: "os-" + s.documentID("os").String(), Type: cdx.ComponentTypeOS, Name: d.ID, Version: d.VersionID, Description: d.Name,
		})
	}
	names := s.licensing()
	for _, a := range artifacts(img) {
		components = append(components, cdxComponent(a, names))
	}
	aggregate := cdx.CompositionAggregateComplete
	if len(img.Incomplete) > 0 {
		aggregate = cdx.CompositionAggregateIncomplete
	}
	bom := cdx.NewBOM()
	bom.SerialNumber = s.documentID("cyclonedx").URN()
	bom.Metadata = &cdx.Metadata{
		Timestamp: now.UTC().Format(time.RFC3339),
		Tools: &cdx.ToolsChoice{Components: &[]cdx.Component{
			{Type: cdx.ComponentTypeApplication, Name: Tool, Version: s.ToolVersion},
		}},
		Component: &subject,
	}
	bom.Components = &components
	bom.Compositions = &[]cdx.Composition{{Aggregate: aggregate, Assemblies: &[]cdx.BOMReference{cdx.BOMReference(subject.BOMRef)}}}
	e := cdx.NewBOMEncoder(w, format).SetPretty(true).SetEscapeHTML(false)
	if err := e.EncodeVersion(bom, cdx.SpecVersion1_6); err != nil {
		return fmt.Errorf("write CycloneDX document of %s: %w", s.ImageDigest, err)
	}
	return nil
}

func cdxSubject(s Subject) cdx.Component {
	repository, tag := s.split()
	if repository == "" {
		repository = s.ImageDigest
	}
	c := cdx.Component{
		BOMRef: s.ImageDigest, Type: cdx.ComponentTypeContainer, Name: repository, Version: s.ImageDigest, PackageURL: s.PURL(),
	}
	c.Properties = properties("image:id", s.ImageID, "image:tag", tag, "image:architecture", s.Architecture, "image:os", s.OS)
	return c
}

func cdxComponent(a artifact, names licensing) cdx.Component {
	c := cdx.Component{
		BOMRef: a.id, Type: cdx.ComponentTypeLibrary, Name: a.Name, Version: a.Version, Publisher: a.Origin,
		PackageURL: a.PURL, Licenses: cdxLicenses(names.all(a.Licenses)),
		Evidence: &cdx.Evidence{Occurrences: &[]cdx.EvidenceOccurrence{{Location: a.Location}}},
	}
	if a.Type == catalog.TypeBinary {
		c.Type = cdx.ComponentTypeApplication
	}
	if !catalog.IsOS(a.Type) {
		c.Group = a.Namespace
	}
	if len(a.CPEs) > 0 {
		c.CPE = a.CPEs[0]
	}
	told := []string{
		"package:type", a.Type, "package:arch", a.Arch, "package:source", a.Source,
		"package:source_version", a.SourceVersion, "package:layer", a.Layer, "package:owner", a.Owner,
		"package:modularity", a.Metadata[catalog.MetadataModularity],
	}
	for _, name := range a.CPEs[min(1, len(a.CPEs)):] { // a component has room for one
		told = append(told, "package:cpe", name)
	}
	c.Properties = properties(told...)
	return c
}

// cdxLicenses states licences as the format allows: one expression alone, or single licences side by side.
func cdxLicenses(all []license) *cdx.Licenses {
	if len(all) == 0 {
		return nil
	}
	listed, expressions := true, true
	for _, l := range all {
		listed = listed && l.expression == l.listed // listed licences and free texts
		expressions = expressions && l.expression != ""
	}
	if !listed && expressions {
		return &cdx.Licenses{{Expression: conjunction(all, func(l license) string { return l.expression })}}
	}
	var out cdx.Licenses
	for _, l := range all {
		if l.listed != "" {
			out = append(out, cdx.LicenseChoice{License: &cdx.License{ID: l.listed}})
		} else {
			out = append(out, cdx.LicenseChoice{License: &cdx.License{Name: l.text}})
		}
	}
	return &out
}

// properties pairs names and values and leaves out empty values.
func properties(pairs ...string) *[]cdx.Property {
	var out []cdx.Property
	for i := 0; i+1 < len(pairs); i += 2 {
		if pairs[i+1] != "" {
			out = append(out, cdx.Property{Name: propertyPrefix + pairs[i], Value: pairs[i+1]})
		}
	}
	if out == nil {
		return nil
	}
	return &out
}
