package sbom

import (
	"encoding/json"
	"slices"

	"plimsoll/engine/catalog"
)

// spdx3Element is an element of an SPDX 3.0 graph (SPDX 3.0.1, JSON-LD serialization) with the properties that are
// read; every type has some of them.
type spdx3Element struct {
	Type         string   `json:"type"`
	ID           string   `json:"spdxId"`
	Name         string   `json:"name"`
	Version      string   `json:"software_packageVersion"`
	PURL         string   `json:"software_packageUrl"`
	Purpose      string   `json:"software_primaryPurpose"`
	SourceInfo   string   `json:"software_sourceInfo"`
	Description  string   `json:"description"`
	RootElement  []string `json:"rootElement"`
	Expression   string   `json:"simplelicensing_licenseExpression"`
	From         string   `json:"from"`
	To           []string `json:"to"`
	Relationship string   `json:"relationshipType"`
	SuppliedBy   string   `json:"suppliedBy"`
	Identifiers  []struct {
		Type       string `json:"externalIdentifierType"`
		Identifier string `json:"identifier"`
	} `json:"externalIdentifier"`
}

// spdx3 reads an SPDX 3 document. The library for SPDX in use reads version 2 only.
func (r *reader) spdx3(data []byte) error {
	var doc struct {
		Graph []json.RawMessage `json:"@graph"`
	}
	if err := json.Unmarshal(data, &doc); err != nil {
		return err
	}
	byID := map[string]*spdx3Element{}
	var packages []*spdx3Element
	var roots []string
	licenses := map[string][]string{}
	var all []*spdx3Element
	for _, raw := range doc.Graph {
		e := &spdx3Element{}
		if err := json.Unmarshal(raw, e); err != nil {
			r.refuse(err.Error())
			continue
		}
		all = append(all, e)
		byID[e.ID] = e
	}
	for _, e := range all {
		switch e.Type {
		case "software_Package":
			packages = append(packages, e)
		case "SpdxDocument", "software_Sbom", "Bom":
			roots = append(roots, e.RootElement...)
		case "Tool":
			r.Tool = e.Name
		case "Relationship":
			if e.Relationship == "hasDeclaredLicense" {
				for _, to := range e.To {
					if l := byID[to]; l != nil {
						licenses[e.From] = append(licenses[e.From], conjuncts(l.Expression)...)
					}
				}
			}
		}
	}
	for _, e := range packages {
		switch {
		case e.Purpose == "operatingSystem":
			if r.Distro == nil {
				r.Distro = &catalog.Distro{ID: e.Name, VersionID: e.Version, Name: catalog.Text(e.Description)}
			}
		case slices.Contains(roots, e.ID) && len(packages) > 1:
			r.Name, r.Version = e.Name, e.Version
		default:
			if err := r.add(e.read(licenses[e.ID], byID)); err != nil {
				return err
			}
		}
	}
	return nil
}

func (e *spdx3Element) read(licenses []string, byID map[string]*spdx3Element) catalog.Package {
	p := catalog.Package{Name: e.Name, Version: e.Version, PURL: e.PURL, Licenses: licenses}
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
	if supplier := byID[e.SuppliedBy]; supplier != nil {
		p.Origin = supplier.Name
	}
	readSourceInfo(&p, e.SourceInfo)
	return p
}
