// Package nix finds the packages of a Nix store.
//
// A store path is a package's name, and images made with Nix carry no other record: the programs and libraries in it
// show that it is there. Every file of a store path gives the same package at the same place, the store path itself,
// and assembly keeps one of them. Store paths without a program or library (fonts, certificates, sources) are not
// listed.
package nix

import (
	"context"
	"regexp"
	"slices"
	"strings"

	"github.com/package-url/packageurl-go"

	"plimsoll/engine/catalog"
	"plimsoll/engine/catalog/cpe"
	"plimsoll/engine/catalog/executable"
	"plimsoll/engine/catalog/listing"
)

// Store is the directory of the store.
const Store = "/nix/store/"

// maxSize: the content is not looked at, so any program will do.
const maxSize = 1 << 30

// Analyzer returns the analyzer of store paths.
func Analyzer() catalog.Analyzer {
	return catalog.Analyzer{Name: "nix-store", Version: 1, MaxSize: maxSize, Wants: wants, Analyze: analyze}
}

func wants(c catalog.Candidate) bool {
	if !strings.HasPrefix(c.Path, Store) {
		return false
	}
	_, inside, _ := strings.Cut(c.Path[len(Store):], "/")
	dir, file, ok := strings.Cut(inside, "/")
	if !ok {
		return false
	}
	if (dir == "bin" || dir == "sbin") && !strings.Contains(file, "/") {
		return true
	}
	return executable.Is(c.Head)
}

// storeName is the last component of a store path (Nix manual, "Store Path"): digest in Nix's base 32, name.
var storeName = regexp.MustCompile(`^([0-9abcdfghijklmnpqrsvwxyz]{32})-([0-9A-Za-z+._?=-]+)$`)

// outputs are the names of outputs other than the first, which end the names of their store paths (Nixpkgs manual,
// "Multiple-output packages").
var outputs = []string{"bin", "data", "debug", "dev", "devdoc", "dist", "doc", "info", "lib", "man", "out", "static"}

func analyze(_ context.Context, f *catalog.File) (catalog.Evidence, error) {
	base, _, _ := strings.Cut(strings.TrimPrefix(f.Path, Store), "/")
	m := storeName.FindStringSubmatch(base)
	if m == nil {
		return catalog.Evidence{}, nil
	}
	name, version, output := split(m[2])
	if version == "" {
		return catalog.Evidence{}, nil // a script, a wrapper or a tree of links made for this image
	}
	list := listing.Installed(f, catalog.TypeNix, "NixStoreMetadata")
	list.Add(catalog.Package{
		Name: name, Version: version,
		PURL:     catalog.PURL(packageurl.TypeNix, "", name, version, qualifiers(m[1], output)),
		CPEs:     cpe.Candidates([]string{name}, []string{name}, version, cpe.AnySoftware),
		Metadata: map[string]string{"output-hash": m[1], "output": output},
	})
	evidence, err := list.Evidence()
	for i := range evidence.Packages {
		evidence.Packages[i].Location = Store + base
	}
	return evidence, err
}

func qualifiers(hash, output string) map[string]string {
	q := map[string]string{"outputhash": hash}
	if output != "" {
		q["output"] = output
	}
	return q
}

// split takes a name apart as Nix does (builtins.parseDrvName): the version begins behind the first hyphen that no
// letter follows.
func split(full string) (name, version, output string) {
	if i := strings.LastIndexByte(full, '-'); i > 0 && slices.Contains(outputs, full[i+1:]) {
		full, output = full[:i], full[i+1:]
	}
	for i := 1; i+1 < len(full); i++ {
		if full[i] == '-' && !letter(full[i+1]) {
			return full[:i], full[i+1:], output
		}
	}
	return full, "", output
}

func letter(c byte) bool { return c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' }
