// Package haskell finds the packages registered with an installed Glasgow Haskell Compiler: one file of fields for
// each, in the directory of the package database.
package haskell

import (
	"context"
	"fmt"
	"io"
	"path"
	"strings"

	"github.com/package-url/packageurl-go"

	"plimsoll/engine/catalog"
	"plimsoll/engine/catalog/listing"
	"plimsoll/engine/catalog/stanza"
)

// maxSize: exposed modules and dependencies are listed; the largest of the compiler's own packages takes 40 KB.
const maxSize = 1 << 20

// Database returns the analyzer of package databases.
func Database() catalog.Analyzer {
	return catalog.Analyzer{Name: "ghc-package", Version: 1, MaxSize: maxSize, Wants: wants, Analyze: analyze}
}

// wants: the directory is package.conf.d for the compiler and its users, package.db with cabal, pkgdb with stack (GHC
// user's guide, "Package Databases").
func wants(c catalog.Candidate) bool {
	if !strings.HasSuffix(c.Path, ".conf") {
		return false
	}
	dir := path.Base(path.Dir(c.Path))
	return dir == "package.conf.d" || dir == "package.db" || dir == "pkgdb"
}

// analyze reads an InstalledPackageInfo (GHC user's guide, "InstalledPackageInfo: a package specification").
func analyze(_ context.Context, f *catalog.File) (catalog.Evidence, error) {
	list := listing.Installed(f, catalog.TypeHackage, "GhcPackageMetadata")
	info, err := stanza.New(f.Reader(), "name", "version", "id", "license", "maintainer", "synopsis", "homepage", "package-name", "lib-name").Next()
	if err == io.EOF {
		return list.Evidence()
	}
	if err != nil {
		return catalog.Evidence{}, fmt.Errorf("read %s: %w", f.Path, err)
	}
	name, version := info.Get("name"), info.Get("version")
	if name == "" || info.Get("lib-name") != "" && info.Get("package-name") != "" {
		return list.Evidence() // an internal library of a package that has a file of its own
	}
	list.Add(catalog.Package{
		Name: name, Version: version, PURL: catalog.PURL(packageurl.TypeHackage, "", name, version, nil),
		Licenses: catalog.Licenses(info.Get("license")), Origin: catalog.Text(info.Get("maintainer")),
		Metadata: map[string]string{"id": info.Get("id"), "synopsis": info.Get("synopsis"), "homepage": info.Get("homepage")},
	})
	return list.Evidence()
}
