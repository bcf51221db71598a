// Package r finds installed packages of R by the DESCRIPTION in a library's directory for each of them.
package r

import (
	"context"
	"fmt"
	"io"
	"strings"

	"github.com/package-url/packageurl-go"

	"plimsoll/engine/catalog"
	"plimsoll/engine/catalog/listing"
	"plimsoll/engine/catalog/stanza"
)

// maxSize: some kilobytes in practice, with long lists of authors some dozens.
const maxSize = 1 << 20

// Library returns the analyzer of installed packages.
func Library() catalog.Analyzer {
	return catalog.Analyzer{
		Name: "r-description", Version: 1, MaxSize: maxSize, Analyze: analyze,
		Wants: func(c catalog.Candidate) bool { return strings.HasSuffix(c.Path, "/DESCRIPTION") },
	}
}

// analyze reads a DESCRIPTION (Writing R Extensions, "The DESCRIPTION file"). Installation adds the field Built;
// without it the file belongs to sources.
func analyze(_ context.Context, f *catalog.File) (catalog.Evidence, error) {
	list := listing.Installed(f, catalog.TypeCran, "RDescriptionMetadata")
	in := stanza.New(f.Reader(), "Package", "Version", "Built", "License", "Maintainer", "Title", "URL", "Repository", "Priority", "biocViews")
	d, err := in.Next()
	if err == io.EOF {
		return list.Evidence()
	}
	if err != nil {
		return catalog.Evidence{}, fmt.Errorf("read %s: %w", f.Path, err)
	}
	name, version := d.Get("Package"), d.Get("Version")
	if name == "" || d.Get("Built") == "" {
		return list.Evidence()
	}
	kind := packageurl.TypeCran
	if d.Get("biocViews") != "" {
		kind = "bioconductor"
	}
	list.Add(catalog.Package{
		Name: name, Version: version, PURL: catalog.PURL(kind, "", name, version, nil),
		Licenses: licenses(d.Get("License")), Origin: catalog.Text(d.Get("Maintainer")),
		Metadata: map[string]string{
			"title": d.Get("Title"), "url": d.Get("URL"), "repository": d.Get("Repository"), "priority": d.Get("Priority"), "built": d.Get("Built"),
		},
	})
	return list.Evidence()
}

// licenses splits alternatives ("GPL-2 | GPL-3"); a reference to a file beside a name is no licence of its own.
func licenses(field string) []string {
	var names []string
	for one := range strings.SplitSeq(field, "|") {
		name, _, _ := strings.Cut(one, "+ file ")
		names = append(names, strings.TrimSpace(name))
	}
	return catalog.Licenses(names...)
}
