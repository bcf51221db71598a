// Package npm reads the package.json of installed Node.js packages, and the lock files of npm, yarn and pnpm,
// which only ask for packages (catalog.EvidenceDeclared).
//
// Installed means a direct child of a node_modules directory (with or without scope, at any depth) or of
// Debian's global /usr/share/nodejs. Any other package.json (a project's own, a test fixture, a marker for
// the module format) is no installed package and not looked at.
package npm

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/package-url/packageurl-go"

	"plimsoll/engine/catalog"
	"plimsoll/engine/catalog/cpe"
)

// maxSize: the largest published package.json files, with embedded readmes, have some 100 KB.
const maxSize = 4 << 20

// ErrManifest reports a package.json that is not the JSON object it should be.
var ErrManifest = errors.New("unreadable package.json")

// Analyzer returns the analyzer of installed npm packages.
func Analyzer() catalog.Analyzer {
	return catalog.Analyzer{Name: "npm", Version: 1, MaxSize: maxSize, Wants: wants, Analyze: analyze}
}

func wants(c catalog.Candidate) bool {
	dir, ok := strings.CutSuffix(c.Path, "/package.json")
	if !ok {
		return false
	}
	dir, name := cutLast(dir)
	if strings.HasPrefix(name, ".") || strings.HasPrefix(name, "@") {
		return false
	}
	if parent, scope := cutLast(dir); strings.HasPrefix(scope, "@") {
		dir = parent
	}
	return dir == "/usr/share/nodejs" || strings.HasSuffix(dir, "/node_modules")
}

// cutLast splits off the last path element.
func cutLast(p string) (dir, name string) {
	i := strings.LastIndexByte(p, '/')
	return p[:max(i, 0)], p[i+1:]
}

// manifest is the part of package.json we read; fields with more than one shape stay raw.
type manifest struct {
	Name, Version json.RawMessage
	License       json.RawMessage
	Licenses      json.RawMessage
	Author        json.RawMessage
	Repository    json.RawMessage
	Homepage      json.RawMessage
}

func analyze(_ context.Context, f *catalog.File) (catalog.Evidence, error) {
	content, err := io.ReadAll(io.LimitReader(f.Reader(), maxSize))
	if err != nil {
		return catalog.Evidence{}, fmt.Errorf("read %s: %w", f.Path, err)
	}
	var m manifest
	if err := json.Unmarshal(bytes.TrimPrefix(content, []byte("\ufeff")), &m); err != nil {
		return catalog.Evidence{}, fmt.Errorf("%w: %s: %w", ErrManifest, f.Path, err)
	}
	p := catalog.Package{
		Type:         catalog.TypeNpm,
		Name:         text(m.Name),
		Version:      strings.TrimLeft(text(m.Version), "v= "), // npm cleans versions the same way
		Location:     f.Path,
		Origin:       catalog.Text(person(m.Author)),
		MetadataType: "NpmPackageJSONMetadata",
		Metadata:     map[string]string{},
	}
	if p.Name == "" || p.Version == "" {
		return catalog.Evidence{}, nil
	}
	if err := p.Check(); err != nil {
		return catalog.Evidence{}, err
	}
	p.Licenses = catalog.Licenses(append(licenses(m.License), licenses(m.Licenses)...)...)
	scope, name := scoped(p.Name)
	p.PURL = catalog.PURL(packageurl.TypeNPM, scope, name, p.Version, nil)
	p.CPEs = cpe.Candidates([]string{name, strings.TrimPrefix(scope, "@")}, []string{name}, p.Version, cpe.NodeJS)
	if home := catalog.Text(text(m.Homepage)); home != "" {
		p.Metadata["homepage"] = home
	}
	if repository := catalog.Text(repository(m.Repository)); repository != "" {
		p.Metadata["repository"] = repository
	}
	return catalog.Evidence{Packages: []catalog.Package{p}}, nil
}

func scoped(name string) (scope, rest string) {
	if scope, rest, ok := strings.Cut(name, "/"); ok && strings.HasPrefix(scope, "@") {
		return scope, rest
	}
	return "", name
}

// text returns a JSON string's value, "" for every other shape.
func text(raw json.RawMessage) string {
	var s string
	if json.Unmarshal(raw, &s) != nil {
		return ""
	}
	return strings.TrimSpace(s)
}

// licenses reads the shapes npm has known: "MIT", {"type": "MIT", "url": ...} and lists of either. An SPDX
// expression stays one string.
func licenses(raw json.RawMessage) []string {
	if s := text(raw); s != "" {
		return []string{s}
	}
	var one struct{ Type, Name json.RawMessage }
	if json.Unmarshal(raw, &one) == nil {
		if s := text(one.Type); s != "" {
			return []string{s}
		}
		return []string{text(one.Name)}
	}
	var several []json.RawMessage
	if json.Unmarshal(raw, &several) != nil {
		return nil
	}
	var names []string
	for _, item := range several[:min(len(several), catalog.MaxLicenses)] {
		if len(item) > 0 && item[0] != '[' {
			names = append(names, licenses(item)...)
		}
	}
	return names
}

// person renders "Name <mail>", written like that or as {"name", "email"}.
func person(raw json.RawMessage) string {
	if s := text(raw); s != "" {
		return s
	}
	var p struct{ Name, Email json.RawMessage }
	if json.Unmarshal(raw, &p) != nil {
		return ""
	}
	name, email := text(p.Name), text(p.Email)
	if email == "" {
		return name
	}
	return strings.TrimSpace(name + " <" + email + ">")
}

func repository(raw json.RawMessage) string {
	if s := text(raw); s != "" {
		return s
	}
	var r struct{ URL json.RawMessage }
	if json.Unmarshal(raw, &r) != nil {
		return ""
	}
	return text(r.URL)
}
