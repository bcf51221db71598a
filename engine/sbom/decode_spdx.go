package sbom

import (
	"encoding/json"
	"fmt"
	"strings"

	"github.com/spdx/tools-golang/spdx/v2/common"

	"plimsoll/engine/catalog"
)

// spdxEntry is what is read of a package (SPDX 2.3 section 7).
type spdxEntry struct {
	ID              string `json:"SPDXID"`
	Name            string
	VersionInfo     string
	Purpose         string `json:"primaryPackagePurpose"`
	SourceInfo      string
	Supplier        string
	LicenseDeclared string
	Description     string
	ExternalRefs    few[spdxReference]
}

type spdxReference struct {
	Type    string `json:"referenceType"`
	Locator string `json:"referenceLocator"`
}

type spdxLicense struct {
	ID   string `json:"licenseId"`
	Name string
	Text string `json:"extractedText"`
}

type spdxRelation struct {
	From string `json:"spdxElementId"`
	To   string `json:"relatedSpdxElement"`
	Type string `json:"relationshipType"`
}

// spdxContents are what the parts of a document say about each other, until all of it is read.
type spdxContents struct {
	described, containing map[string]bool   // by id
	texts                 map[string]string // of licences, by id
	packages              []spdxPackageRead
}

type spdxPackageRead struct {
	id, purpose, licenses, description string
	catalog.Package
}

func newSPDXContents() *spdxContents {
	return &spdxContents{described: map[string]bool{}, containing: map[string]bool{}, texts: map[string]string{}}
}

func (r *reader) spdx(data []byte) error {
	c := newSPDXContents()
	var creation struct{ Creators few[string] }
	if err := members(data, fields{
		"name": into(&r.Name), "creationInfo": into(&creation),
		"documentDescribes": listOf(func(raw json.RawMessage) error {
			var id string
			ok, err := r.entry(raw, &id)
			c.described[id] = ok
			return err
		}),
		"relationships": listOf(func(raw json.RawMessage) error {
			if err := r.count(); err != nil {
				return err
			}
			var rel spdxRelation
			if json.Unmarshal(raw, &rel) == nil { // others say nothing about packages; there are many
				c.relate(rel)
			}
			return nil
		}),
		"hasExtractedLicensingInfos": listOf(func(raw json.RawMessage) error {
			var l spdxLicense
			ok, err := r.entry(raw, &l)
			if ok {
				c.define(l)
			}
			return err
		}),
		"packages": listOf(func(raw json.RawMessage) error {
			var e spdxEntry
			ok, err := r.entry(raw, &e)
			if ok {
				err = r.hold(c, &e)
			}
			return err
		}),
	}); err != nil {
		return err
	}
	for _, who := range creation.Creators {
		r.creator(who)
	}
	return r.resolve(c)
}

func (r *reader) creator(who string) {
	if tool, ok := strings.CutPrefix(who, "Tool:"); ok && r.Tool == "" {
		r.Tool = strings.TrimSpace(tool)
	}
}

func (c *spdxContents) relate(rel spdxRelation) {
	const document = "SPDXRef-" + string(spdxDocument)
	switch {
	case rel.Type == common.TypeRelationshipDescribe && rel.From == document:
		c.described[rel.To] = true
	case rel.Type == common.TypeRelationshipDescribeBy && rel.To == document:
		c.described[rel.From] = true
	case rel.Type == common.TypeRelationshipContains && !c.containing[rel.From]:
		c.containing[rel.From] = true
	}
}

func (c *spdxContents) define(l spdxLicense) {
	c.texts[l.ID] = l.Name
	if l.Name == "" || l.Name == noAssertion {
		c.texts[l.ID] = l.Text
	}
}

// hold keeps a package until the rest of the document tells its part.
func (r *reader) hold(c *spdxContents, e *spdxEntry) error {
	const others = 1000 // that are subjects or distributions
	if len(c.packages) >= r.limits.Packages+others {
		return r.tooMany()
	}
	c.packages = append(c.packages, spdxPackageRead{e.ID, e.Purpose, e.LicenseDeclared, e.Description, e.read()})
	return nil
}

// resolve takes in the packages of a document that is read. What it describes is not inside: that which contains
// others, or is a container.
func (r *reader) resolve(c *spdxContents) error {
	for i := range c.packages {
		p := &c.packages[i]
		subject := c.described[p.id] && (c.containing[p.id] || p.purpose == "CONTAINER")
		switch {
		case p.purpose == "OPERATING_SYSTEM" || p.purpose == "OPERATING-SYSTEM":
			if r.Distro == nil {
				r.Distro = &catalog.Distro{ID: p.Name, VersionID: p.Version, Name: catalog.Text(p.description)}
			}
		case subject && len(c.packages) > 1:
			r.Name, r.Version = p.Name, p.Version
		default:
			for _, l := range conjuncts(p.licenses) {
				if text, ok := c.texts[l]; ok {
					l = text
				}
				if l != noAssertion && l != "NONE" {
					p.Licenses = append(p.Licenses, l)
				}
			}
			if err := r.add(p.Package); err != nil {
				return err
			}
		}
	}
	return nil
}

func (e *spdxEntry) read() catalog.Package {
	p := catalog.Package{Name: e.Name, Version: e.VersionInfo}
	for _, ref := range e.ExternalRefs {
		switch {
		case ref.Type == common.TypePackageManagerPURL && p.PURL == "":
			p.PURL = ref.Locator
		case ref.Type == common.TypeSecurityCPE23Type:
			p.CPEs = append(p.CPEs, ref.Locator)
		}
	}
	if _, who, ok := strings.Cut(e.Supplier, ":"); ok { // Person: or Organization:
		p.Origin = strings.TrimSpace(who)
	}
	readSourceInfo(&p, e.SourceInfo)
	return p
}

// Words before the source package in the source information of our documents and of Trivy's.
const (
	builtFrom      = "built from "
	builtFromTrivy = "built package from: "
)

// syftDatabases are Syft's words for package databases; without a distribution there is no purl to tell them.
var syftDatabases = map[string]string{"DPKG DB": catalog.TypeDpkg, "APK DB": catalog.TypeApk, "RPM DB": catalog.TypeRpm}

// readSourceInfo takes what our documents and those of Syft and Trivy say in words about where a package was found
// and what it was built from.
func readSourceInfo(p *catalog.Package, info string) {
	if kind, rest, ok := strings.Cut(info, " package found in "); ok && !strings.Contains(kind, " ") {
		p.Type = kind
		place, more, _ := strings.Cut(rest, "; ")
		p.Location, p.Layer, _ = strings.Cut(place, ", layer ")
		info = more
	} else if _, rest, ok := strings.Cut(info, "acquired package info from "); ok {
		if database, place, ok := strings.Cut(rest, ": "); ok {
			p.Type = syftDatabases[database]
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
	const longest = 64 << 10
	if len(expression) > longest {
		return []string{expression}
	}
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

func (r *reader) tooMany() error {
	return fmt.Errorf("%w: more than %d packages", ErrTooLarge, r.limits.Packages)
}
