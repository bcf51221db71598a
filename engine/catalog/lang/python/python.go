// Package python reads the metadata of installed Python distributions: METADATA of wheels (dist-info),
// PKG-INFO of eggs and of distutils installs (egg-info). All are core metadata files: fields, then a body.
// Lock files and pinned requirements only ask for distributions (catalog.EvidenceDeclared).
//
// A package's Name is kept as written; comparing takes the normalised form (Normalize, PEP 503).
package python

import (
	"context"
	"fmt"
	"io"
	"path"
	"regexp"
	"strings"

	"github.com/package-url/packageurl-go"

	"plimsoll/engine/catalog"
	"plimsoll/engine/catalog/cpe"
	"plimsoll/engine/catalog/stanza"
)

// maxSize: the body holds the whole readme; a few reach a megabyte.
const maxSize = 16 << 20

// maxLicense bounds a licence name: older setup scripts put the whole text into the field.
const maxLicense = 100

// Analyzer returns the analyzer of installed Python distributions.
func Analyzer() catalog.Analyzer {
	return catalog.Analyzer{Name: "python", Version: 1, MaxSize: maxSize, Wants: wants, Analyze: analyze}
}

func wants(c catalog.Candidate) bool {
	dir := path.Base(path.Dir(c.Path))
	switch path.Base(c.Path) {
	case "METADATA":
		return strings.HasSuffix(dir, ".dist-info")
	case "PKG-INFO":
		return strings.HasSuffix(dir, ".egg-info") || dir == "EGG-INFO"
	}
	return strings.HasSuffix(c.Path, ".egg-info") && path.Base(c.Path) != ".egg-info"
}

var fields = []string{
	"Name", "Version", "License", "License-Expression", "Classifier",
	"Author", "Author-email", "Maintainer", "Maintainer-email", "Home-page", "Requires-Python",
}

func analyze(_ context.Context, f *catalog.File) (catalog.Evidence, error) {
	s, err := stanza.New(f.Reader(), fields...).Next()
	if err != nil && err != io.EOF {
		return catalog.Evidence{}, fmt.Errorf("read %s: %w", f.Path, err)
	}
	p := catalog.Package{
		Type:         catalog.TypePython,
		Name:         s.Get("Name"),
		Version:      s.Get("Version"),
		Location:     f.Path,
		Origin:       catalog.Text(origin(s)),
		Licenses:     catalog.Licenses(licenses(s)...),
		MetadataType: "PythonPackageMetadata",
		Metadata:     map[string]string{},
	}
	if err := p.Check(); err != nil {
		return catalog.Evidence{}, fmt.Errorf("%s: %w", f.Path, err)
	}
	p.PURL = catalog.PURL(packageurl.TypePyPi, "", p.Name, p.Version, nil)
	p.CPEs = candidates(p.Name, p.Version)
	for field, key := range map[string]string{"Home-page": "homepage", "Requires-Python": "requires_python"} {
		if value := catalog.Text(s.Get(field)); value != "" && value != "UNKNOWN" {
			p.Metadata[key] = value
		}
	}
	return catalog.Evidence{Packages: []catalog.Package{p}}, nil
}

var separators = regexp.MustCompile(`[-_.]+`)

// Normalize returns the form in which names compare equal (PEP 503 "Normalized Names").
func Normalize(name string) string {
	return strings.ToLower(separators.ReplaceAllString(name, "-"))
}

// licenses prefers the SPDX expression (PEP 639), then the free-text field where it is a name and not a
// text, then the classifiers.
func licenses(s stanza.Stanza) []string {
	if expression := s.Get("License-Expression"); expression != "" {
		return []string{expression}
	}
	text := s.Get("License")
	if text != "" && text != "UNKNOWN" && len(text) <= maxLicense && !strings.Contains(text, "\n") {
		return []string{text}
	}
	var names []string
	for _, classifier := range s.All("Classifier") {
		parts := strings.Split(classifier, " :: ")
		name := strings.TrimSpace(parts[len(parts)-1])
		if strings.TrimSpace(parts[0]) == "License" && len(parts) > 1 && name != "OSI Approved" {
			names = append(names, name)
		}
	}
	return names
}

// origin is the author, or else the maintainer, as "Name <mail>". Newer build tools write all of it into
// the mail field.
func origin(s stanza.Stanza) string {
	for _, role := range []string{"Author", "Maintainer"} {
		name, mail := s.Get(role), s.Get(role+"-email")
		if name == "UNKNOWN" {
			name = ""
		}
		if mail == "UNKNOWN" {
			mail = ""
		}
		switch {
		case mail == "" && name == "":
		case mail == "":
			return name
		case strings.Contains(mail, "<"):
			return mail
		default:
			return strings.TrimSpace(name + " <" + mail + ">")
		}
	}
	return ""
}

// candidates: the NVD lists Python packages under their own name as vendor, under "python", or as
// "python-NAME"; hyphens and underscores vary.
func candidates(name, version string) []string {
	normal := Normalize(name)
	products := []string{normal, strings.ReplaceAll(normal, "-", "_"), "python-" + normal}
	return cpe.Candidates([]string{normal, "python"}, products, version, cpe.AnySoftware)
}
