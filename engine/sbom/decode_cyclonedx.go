package sbom

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"

	cdx "github.com/CycloneDX/cyclonedx-go"

	"plimsoll/engine/catalog"
)

// cdxEntry is what is read of a component (CycloneDX 1.2 to 1.7). The library for CycloneDX holds whole documents
// and all that a component may be.
type cdxEntry struct {
	Type, Name, Group, Version, Publisher, Author string
	PURL, CPE, Description                        string
	Supplier                                      cdxOrganization
	Licenses                                      few[cdxLicense]
	Properties                                    few[cdxProperty]
	Evidence                                      struct{ Occurrences few[cdxOccurrence] }
}

type cdxLicense struct {
	License struct {
		ID   string `xml:"id"`
		Name string `xml:"name"`
	}
	Expression string
}

type cdxProperty struct {
	Name  string `xml:"name,attr"`
	Value string `xml:",chardata"`
}

type cdxOccurrence struct {
	Location string `xml:"location"`
}

type cdxOrganization struct {
	Name string `xml:"name"`
}

type cdxTool struct {
	Name    string `xml:"name"`
	Version string `xml:"version"`
}

func (t cdxTool) String() string { return strings.TrimSpace(t.Name + " " + t.Version) }

// deepestComponent is how many components may lie inside one another.
const deepestComponent = 16

func (r *reader) cyclonedx(data []byte) error {
	return members(data, fields{
		"metadata": func(d *json.Decoder) error {
			var tools json.RawMessage
			var subject cdxEntry
			err := object(d, fields{"tools": into(&tools), "component": func(d *json.Decoder) error {
				_, err := r.jsonEntry(d, &subject, 0)
				return err
			}})
			r.Tool, r.Name, r.Version = toolOf(tools), subject.Name, subject.Version
			return err
		},
		"components": func(d *json.Decoder) error { return r.components(d, 1) },
	})
}

// toolOf reads the first tool: a list of tools before 1.5, an object with a list of components since.
func toolOf(raw json.RawMessage) string {
	var tools few[cdxTool]
	if json.Unmarshal(raw, &tools) != nil {
		var since struct{ Components few[cdxTool] }
		_ = json.Unmarshal(raw, &since) // anything else names no tool
		tools = since.Components
	}
	if len(tools) == 0 {
		return ""
	}
	return tools[0].String()
}

// components takes in a list; what lies inside a component comes before it.
func (r *reader) components(d *json.Decoder, depth int) error {
	return list(d, func(d *json.Decoder) error {
		if err := r.count(); err != nil {
			return err
		}
		var e cdxEntry
		if ok, err := r.jsonEntry(d, &e, depth); err != nil || !ok {
			return err
		}
		return r.take(&e)
	})
}

// jsonEntry reads a component and takes in everything inside it. One of another form is told and is not ok.
func (r *reader) jsonEntry(d *json.Decoder, e *cdxEntry, depth int) (ok bool, err error) {
	var fault error
	take := fields{"components": func(d *json.Decoder) error {
		if depth >= deepestComponent {
			return tooDeep()
		}
		err := r.components(d, depth+1)
		if errors.Is(err, errNotList) {
			fault, err = err, nil
		}
		return err
	}}
	values := e.texts()
	values["type"] = &e.Type
	for name, value := range values {
		take[name] = lenient(value, &fault)
	}
	take["supplier"] = lenient(&e.Supplier, &fault)
	take["licenses"] = lenient(&e.Licenses, &fault)
	take["properties"] = lenient(&e.Properties, &fault)
	take["evidence"] = lenient(&e.Evidence, &fault)
	if err := object(d, take); errors.Is(err, errNotObject) {
		fault = err
	} else if err != nil {
		return false, err
	}
	if fault != nil {
		r.refuse(fmt.Sprintf("component %s: %v", catalog.Text(e.Name), fault))
	}
	return fault == nil, nil
}

// lenient makes a reader of a value that notes what is wrong with it. The document is known to be JSON.
func lenient(value any, fault *error) func(*json.Decoder) error {
	return func(d *json.Decoder) error {
		if err := d.Decode(value); err != nil {
			*fault = err
		}
		return nil
	}
}

// texts are the properties that are elements of their own in XML and hold a text only.
func (e *cdxEntry) texts() map[string]*string {
	return map[string]*string{
		"name": &e.Name, "group": &e.Group, "version": &e.Version, "publisher": &e.Publisher, "author": &e.Author, "purl": &e.PURL, "cpe": &e.CPE,
		"description": &e.Description,
	}
}

func tooDeep() error {
	return fmt.Errorf("%w: components inside one another, more than %d deep", ErrTooLarge, deepestComponent)
}

// take takes in a component alone.
func (r *reader) take(e *cdxEntry) error {
	switch {
	case e.Type == string(cdx.ComponentTypeOS):
		if r.Distro == nil && e.Name != "" {
			r.Distro = &catalog.Distro{ID: e.Name, VersionID: e.Version, Name: catalog.Text(e.Description)}
		}
	case e.Type == string(cdx.ComponentTypeFile) || e.PURL == "" && e.Version == "":
	default:
		return r.add(e.read())
	}
	return nil
}

func (e *cdxEntry) read() catalog.Package {
	p := catalog.Package{Name: e.Name, Version: e.Version, PURL: e.PURL}
	for _, who := range []string{e.Publisher, e.Author, e.Supplier.Name} {
		if p.Origin == "" {
			p.Origin = who
		}
	}
	known := e.known()
	p.Type = firstOf(known, propertyPrefix+"package:type")
	if p.Type == "" {
		p.Type = firstOf(known, "syft:package:type")
		if ours, ok := syftTypes[p.Type]; ok {
			p.Type = ours
		}
	}
	p.Arch = firstOf(known, propertyPrefix+"package:arch")
	if catalog.IsOS(p.Type) && p.Arch == "" { // of a Go program it is the machine's
		p.Arch = firstOf(known, "syft:metadata:architecture")
	}
	p.Source = firstOf(known, propertyPrefix+"package:source", "syft:metadata:source", "syft:metadata:originPackage", "aquasecurity:trivy:SrcName")
	p.SourceVersion = firstOf(known, propertyPrefix+"package:source_version", "syft:metadata:sourceVersion")
	if p.SourceVersion == "" {
		p.SourceVersion = trivySource(known)
	}
	label(&p, firstOf(known, propertyPrefix+"package:modularity", "syft:metadata:modularityLabel", "aquasecurity:trivy:Modularitylabel"))
	p.Layer = firstOf(known, propertyPrefix+"package:layer", "syft:location:0:layerID", "aquasecurity:trivy:LayerDigest")
	p.Owner = firstOf(known, propertyPrefix+"package:owner")
	p.Location = firstOf(known, "syft:location:0:path", "aquasecurity:trivy:FilePath")
	if len(e.Evidence.Occurrences) > 0 {
		p.Location = e.Evidence.Occurrences[0].Location
	}
	if e.Group != "" && p.PURL == "" {
		if strings.HasPrefix(e.Group, "@") {
			p.Name = e.Group + "/" + e.Name
		} else {
			p.Namespace = e.Group
		}
	}
	if p.Type == catalog.TypeJava {
		p.Namespace = e.Group
	}
	if e.CPE != "" {
		p.CPEs = append(p.CPEs, e.CPE)
	}
	p.CPEs = append(p.CPEs, known[propertyPrefix+"package:cpe"]...)
	p.CPEs = append(p.CPEs, known["syft:cpe23"]...)
	for _, l := range e.Licenses {
		switch {
		case l.Expression != "":
			p.Licenses = append(p.Licenses, conjuncts(l.Expression)...)
		case l.License.ID != "":
			p.Licenses = append(p.Licenses, l.License.ID)
		default:
			p.Licenses = append(p.Licenses, l.License.Name)
		}
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

func (e *cdxEntry) known() map[string][]string {
	known := map[string][]string{}
	for _, p := range e.Properties {
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
