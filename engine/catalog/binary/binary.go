// Package binary recognises runtimes and servers that came without a package: compiled from source or unpacked
// from an archive, as the official images of Python, Node.js or Redis do it.
//
// A Classifier names the files a program is found in and the text its build leaves inside beside the version.
// Files are chosen by base name alone and searched in chunks for literal anchors; a regular expression looks
// only at the few bytes around an anchor, and the first hit in the file decides. What does not look like a
// version is not reported: no finding is better than a wrong one. Files that an operating system package owns
// are found as well; assembly marks them with their owner.
package binary

import (
	"context"
	"debug/buildinfo"
	"fmt"
	"path"
	"regexp"
	"strings"

	"plimsoll/engine/catalog"
	"plimsoll/engine/catalog/cpe"
	"plimsoll/engine/catalog/executable"
)

// maxSize: the largest program of the table, traefik, has some 250 MB; Node.js has 120 MB, with debug symbols
// twice that. The search reads a chunk at a time, so the bound is about time, not memory.
const maxSize = 512 << 20

// MetadataType is the metadata type of the packages found.
const MetadataType = "BinaryMetadata"

// Analyzer returns the analyzer of all classifiers.
func Analyzer() catalog.Analyzer {
	return catalog.Analyzer{Name: "binary-classifier", Version: 3, MaxSize: maxSize, Wants: wants, Analyze: analyze}
}

func wants(c catalog.Candidate) bool {
	base := path.Base(c.Path)
	return known.names(base, func(k *Classifier) bool { return k.fits(base, c.Head) })
}

func analyze(ctx context.Context, f *catalog.File) (catalog.Evidence, error) {
	base := path.Base(f.Path)
	if base == releaseFile {
		return analyzeRelease(f)
	}
	var tries []try
	known.names(base, func(k *Classifier) bool {
		if k.GoPackage == "" || unversioned(f, k.GoPackage) {
			tries = append(tries, k.tries(base)...)
		}
		return false
	})
	hit, err := search(ctx, f, tries, chunkSize)
	if err != nil {
		return catalog.Evidence{}, fmt.Errorf("search %s for versions: %w", f.Path, err)
	}
	if hit.version == "" {
		return catalog.Evidence{}, nil
	}
	p := hit.classifier.describe(hit.version, f.Path)
	if err := p.Check(); err != nil {
		return catalog.Evidence{}, err
	}
	return catalog.Evidence{Packages: []catalog.Package{p}, Distro: system(hit.classifier, hit.version, f.Path)}, nil
}

// system is the distro that a program stands for where no release file says one: images of nothing but BusyBox
// have none.
func system(k *Classifier, version, file string) *catalog.Distro {
	if dir := path.Dir(file); k.Package != busybox || dir != "/bin" && dir != "/usr/bin" {
		return nil
	}
	return &catalog.Distro{ID: busybox, VersionID: version, Name: "BusyBox v" + version}
}

const busybox = "busybox"

// unversioned reports whether the file is the Go program of an import path and its build information has no
// version of it. A program that another is given out for, or a wrapper, is not searched.
func unversioned(f *catalog.File, program string) bool {
	if executable.Check(f.Reader()) != nil {
		return false
	}
	info, err := buildinfo.Read(f.Reader())
	if err != nil {
		return false
	}
	return strings.HasPrefix(info.Path, program) && (info.Main.Version == "" || info.Main.Version == "(devel)")
}

// describe makes the package of a version found in a file.
func (k *Classifier) describe(version, file string) catalog.Package {
	major, _, _ := strings.Cut(version, ".")
	fill := strings.NewReplacer("{version}", version, "{major}", major)
	return catalog.Package{
		Type: catalog.TypeBinary, Name: k.Package, Version: version,
		PURL:         catalog.PURL(k.PURL.Type, k.PURL.Namespace, fill.Replace(k.PURL.Name), fill.Replace(k.PURL.Version), nil),
		CPEs:         cpe.Candidates(k.Vendors, k.Products, version, cpe.AnySoftware),
		Location:     file,
		MetadataType: MetadataType,
		Metadata:     map[string]string{"classifier": k.Name},
	}
}

const (
	maxVersion = 32
	maxDigits  = 5
)

var numbers = regexp.MustCompile(`[0-9]+`)

// plausible tells a version from numbers that merely look like one: short, more than a single number, none
// absurdly large before the name of a pre-release, and not nothing but zeros.
func plausible(version string) bool {
	if len(version) > maxVersion || strings.Trim(version, "0123456789") == "" || strings.Trim(version, "0.") == "" {
		return false
	}
	release, _, _ := strings.Cut(version, "-")
	for _, n := range numbers.FindAllString(release, -1) {
		if len(n) > maxDigits {
			return false
		}
	}
	return true
}
