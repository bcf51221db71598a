package sbom

import (
	"encoding/json"

	"plimsoll/engine/catalog"
)

// spdx3Element is an element of an SPDX 3.0 graph (SPDX 3.0.1, JSON-LD serialization) with the properties that are
// read; every type has some of them.
type spdx3Element struct {
	Type         string      `json:"type"`
	ID           string      `json:"spdxId"`
	Name         string      `json:"name"`
	Version      string      `json:"software_packageVersion"`
	PURL         string      `json:"software_packageUrl"`
	Purpose      string      `json:"software_primaryPurpose"`
	SourceInfo   string      `json:"software_sourceInfo"`
	Description  string      `json:"description"`
	RootElement  few[string] `json:"rootElement"`
	Expression   string      `json:"simplelicensing_licenseExpression"`
	From         string      `json:"from"`
	To           few[string] `json:"to"`
	Relationship string      `json:"relationshipType"`
	SuppliedBy   string      `json:"suppliedBy"`
	Identifiers  few[struct {
		Type       string `json:"externalIdentifierType"`
		Identifier string `json:"identifier"`
	}] `json:"externalIdentifier"`
}

// spdx3Context are the elements that packages refer to.
type spdx3Context struct {
	packages    int
	roots       map[string]bool
	names       map[string]string   // of people and organisations, by id
	expressions map[string]string   // of licences, by id
	declared    map[string][]string // ids of licences, by that of the package
}

// spdx3 reads an SPDX 3 document, twice: its elements come in any order. The library for SPDX in use reads version 2
// only.
func (r *reader) spdx3(data []byte) error {
	c := spdx3Context{roots: map[string]bool{}, names: map[string]string{}, expressions: map[string]string{}, declared: map[string][]string{}}
	graph := func(each func(*spdx3Element) error) error {
		return members(data, fields{"@graph": listOf(func(raw json.RawMessage) error {
			var e spdx3Element
			if err := json.Unmarshal(raw, &e); err != nil {
				return each(&spdx3Element{Type: unreadable, Name: err.Error()})
			}
			return each(&e)
		})})
	}
	if err := graph(func(e *spdx3Element) error {
		r.gather(&c, e)
		return r.count()
	}); err != nil {
		return err
	}
	return graph(func(e *spdx3Element) error {
		switch {
		case e.Type != typePackage:
			return nil
		case e.Purpose == "operatingSystem":
			if r.Distro == nil {
				r.Distro = &catalog.Distro{ID: e.Name, VersionID: e.Version, Name: catalog.Text(e.Description)}
			}
			return nil
		case c.roots[e.ID] && c.packages > 1:
			r.Name, r.Version = e.Name, e.Version
			return nil
		}
		return r.add(e.read(&c))
	})
}

const (
	typePackage = "software_Package"
	unreadable  = "" // no element has this type
	maxLicenses = 64 // of a package
)

func (r *reader) gather(c *spdx3Context, e *spdx3Element) {
	switch e.Type {
	case unreadable:
		if e.Name != "" {
			r.refuse(e.Name)
		}
	case typePackage:
		c.packages++
	case "SpdxDocument", "software_Sbom", "Bom":
		for _, id := range e.RootElement {
			c.roots[id] = true
		}
	case "Tool":
		r.Tool = e.Name
	case "Organization", "Person", "Agent":
		c.names[e.ID] = e.Name
	case "simplelicensing_LicenseExpression":
		c.expressions[e.ID] = e.Expression
	case "Relationship":
		if e.Relationship == "hasDeclaredLicense" {
			c.declared[e.From] = append(c.declared[e.From], e.To...)
		}
	}
}

func (e *spdx3Element) read(c *spdx3Context) catalog.Package {
	p := catalog.Package{Name: e.Name, Version: e.Version, PURL: e.PURL, Origin: c.names[e.SuppliedBy]}
	for _, id := range c.declared[e.ID] {
		if len(p.Licenses) >= maxLicenses { // any package may refer to any list of expressions
			break
		}
		p.Licenses = append(p.Licenses, conjuncts(c.expressions[id])...)
	}
	for _, id := range e.Identifiers {
		switch id.Type {
		case "packageUrl":
			if p.PURL == "" {
				p.PURL = id.Identifier
			}
		case "cpe23":
			p.CPEs = append(p.CPEs, id.Identifier)
		}
	}
	readSourceInfo(&p, e.SourceInfo)
	return p
}
