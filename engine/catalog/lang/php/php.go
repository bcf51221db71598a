// Package php finds PHP packages: those Composer installed (vendor/composer/installed.json), those a
// composer.lock asks for, and those of PEAR and PECL by the records their installer keeps.
package php

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"path"
	"strings"

	"github.com/package-url/packageurl-go"

	"plimsoll/engine/catalog"
	"plimsoll/engine/catalog/cpe"
	"plimsoll/engine/catalog/listing"
)

// Composer returns the analyzer of Composer's record of what it installed.
func Composer() catalog.Analyzer {
	return catalog.Analyzer{Name: "composer", Version: 1, MaxSize: listing.MaxSize, Wants: wantsInstalled, Analyze: analyzeInstalled}
}

// Lock returns the analyzer of composer.lock.
func Lock() catalog.Analyzer {
	return catalog.Analyzer{Name: "composer-lock", Version: 1, MaxSize: listing.MaxSize, Wants: wantsLock, Analyze: analyzeLock}
}

// wantsInstalled: the directory above composer is a setting (config.vendor-dir).
func wantsInstalled(c catalog.Candidate) bool {
	return strings.HasSuffix(c.Path, "/composer/installed.json")
}

func wantsLock(c catalog.Candidate) bool {
	return path.Base(c.Path) == "composer.lock" && !strings.Contains(c.Path, "/vendor/")
}

// entry is a package in either file (composer-schema.json and Composer\Package\Dumper\ArrayDumper); fields with
// more than one shape stay raw.
type entry struct {
	Name, Version, Type, Homepage string
	License                       json.RawMessage
	Authors                       json.RawMessage
	Source                        struct{ Reference string }
}

func analyzeInstalled(_ context.Context, f *catalog.File) (catalog.Evidence, error) {
	var file struct {
		Packages []entry
		Dev      []string `json:"dev-package-names"`
	}
	into := any(&file)
	if head, _ := io.ReadAll(io.LimitReader(f.Reader(), catalog.HeadSize)); bytes.HasPrefix(bytes.TrimSpace(head), []byte("[")) {
		into = &file.Packages // Composer 1 wrote the list alone
	}
	fault := listing.JSON(f, into)
	development := map[string]bool{}
	for _, name := range file.Dev {
		development[name] = true
	}
	list := listing.Installed(f, catalog.TypeComposer, "PhpComposerJSONMetadata")
	for _, e := range file.Packages {
		p := e.describe()
		if development[e.Name] {
			p.Metadata["dev"] = "true"
		}
		list.Add(p)
	}
	return list.Evidence(fault)
}

// analyzeLock leaves out "packages-dev".
func analyzeLock(_ context.Context, f *catalog.File) (catalog.Evidence, error) {
	var file struct{ Packages []entry }
	fault := listing.JSON(f, &file)
	list := listing.Declared(f, catalog.TypeComposer, "PhpComposerJSONMetadata")
	for _, e := range file.Packages {
		list.Add(e.describe())
	}
	return list.Evidence(fault)
}

func (e *entry) describe() catalog.Package {
	vendor, name, found := strings.Cut(e.Name, "/")
	if !found {
		vendor, name = "", e.Name
	}
	return catalog.Package{
		Name: e.Name, Version: e.Version,
		PURL:     catalog.PURL(packageurl.TypeComposer, vendor, name, e.Version, nil),
		CPEs:     cpe.Candidates([]string{vendor, name}, []string{name}, strings.TrimPrefix(e.Version, "v"), cpe.AnySoftware),
		Licenses: catalog.Licenses(texts(e.License)...),
		Origin:   catalog.Text(strings.Join(authors(e.Authors), ", ")),
		Metadata: map[string]string{"homepage": e.Homepage, "package_type": e.Type, "reference": e.Source.Reference},
	}
}

// texts reads a string or a list of strings.
func texts(raw json.RawMessage) []string {
	var one string
	if json.Unmarshal(raw, &one) == nil {
		return []string{one}
	}
	var several []string
	_ = json.Unmarshal(raw, &several) // whatever else it is states no licence
	return several[:min(len(several), catalog.MaxLicenses)]
}

// maxAuthors bounds the authors named.
const maxAuthors = 16

// authors renders each as "Name <mail>".
func authors(raw json.RawMessage) []string {
	var all []struct{ Name, Email string }
	_ = json.Unmarshal(raw, &all) // what has another shape names nobody
	var names []string
	for _, a := range all[:min(len(all), maxAuthors)] {
		name := a.Name
		if a.Email != "" {
			name = strings.TrimSpace(name + " <" + a.Email + ">")
		}
		if name != "" {
			names = append(names, name)
		}
	}
	return names
}
