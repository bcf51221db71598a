// Package rust finds Rust crates: those compiled into a program, where cargo-auditable left the list of them in
// it, and those a Cargo.lock asks for.
//
// A program built without cargo-auditable does not say what it is made of; no crate is guessed from paths and
// strings in it. Crates that only took part in the build are in the list and not in the program: left out.
package rust

import (
	"bytes"
	"compress/zlib"
	"context"
	"debug/elf"
	"debug/macho"
	"debug/pe"
	"encoding/json"
	"fmt"
	"io"

	"github.com/package-url/packageurl-go"

	"plimsoll/engine/catalog"
	"plimsoll/engine/catalog/cpe"
	"plimsoll/engine/catalog/executable"
	"plimsoll/engine/catalog/listing"
)

const (
	// maxSize: large programs with symbols reach 300 MB.
	maxSize = 1 << 30
	// minSize spares us most shared libraries: an empty program, optimised for size and stripped, has some
	// 280 KB, because the standard library is linked in.
	minSize = 192 << 10
	// maxList bounds the list, compressed or not, in bytes. A crate takes about 100; browsers have some 1,000.
	maxList = 8 << 20
)

// section and legacySection hold the list (cargo-auditable, PARSING.md; rust-audit 0.1). In Mach-O files they
// belong to the segment __DATA.
const (
	section       = ".dep-v0"
	legacySection = ".rust-deps-v0"
)

// Programs returns the analyzer of Rust programs and libraries.
func Programs() catalog.Analyzer {
	return catalog.Analyzer{Name: "rust-binary", Version: 2, MaxSize: maxSize, Wants: wants, Analyze: analyze}
}

func wants(c catalog.Candidate) bool {
	return c.Size >= minSize && executable.Is(c.Head)
}

func analyze(_ context.Context, f *catalog.File) (catalog.Evidence, error) {
	lists, err := sections(f)
	if err != nil {
		return catalog.Evidence{}, err
	}
	var faults []error
	found := listing.Installed(f, catalog.TypeRust, "RustCargoPackageMetadata")
	for _, compressed := range lists {
		crates, err := decode(compressed)
		if err != nil {
			faults = append(faults, &catalog.Incompleteness{Path: f.Path, Reason: catalog.ReasonUnreadable, Detail: "list of crates: " + err.Error()})
		}
		for _, c := range crates {
			if c.Kind != "build" {
				found.Add(c.describe())
			}
		}
	}
	return found.Evidence(faults...)
}

// sections returns the compressed lists: none, one, or in a universal Mach-O file one for each architecture.
// A file whose headers cannot be read runs nowhere and is no gap.
func sections(f *catalog.File) ([]io.Reader, error) {
	content := io.NewSectionReader(f.Content, 0, f.Size)
	var head [catalog.HeadSize]byte
	if _, err := content.ReadAt(head[:], 0); err != nil && err != io.EOF {
		return nil, fmt.Errorf("read %s: %w", f.Path, err)
	}
	switch {
	case bytes.HasPrefix(head[:], []byte("\x7fELF")):
		if err := executable.Check(content); err != nil {
			return nil, fmt.Errorf("%s: %w", f.Path, err)
		}
		if file, err := elf.NewFile(content); err == nil {
			return pick(file.Section(section), file.Section(legacySection)), nil
		}
	case executable.IsPE(head[:]):
		if file, err := pe.NewFile(content); err == nil {
			return pick(file.Section(section)), nil // the older name is too long for this format
		}
	case executable.IsFat(head[:]):
		if fat, err := macho.NewFatFile(content); err == nil {
			var all []io.Reader
			for _, arch := range fat.Arches {
				all = append(all, pick(arch.Section(section), arch.Section(legacySection))...)
			}
			return all, nil
		}
	default:
		if file, err := macho.NewFile(content); err == nil {
			return pick(file.Section(section), file.Section(legacySection)), nil
		}
	}
	return nil, nil
}

// opener is a section of any of the formats.
type opener interface {
	comparable
	Open() io.ReadSeeker
}

// pick returns the content of the first section there is.
func pick[S opener](candidates ...S) []io.Reader {
	var none S
	for _, s := range candidates {
		if s != none {
			return []io.Reader{io.LimitReader(s.Open(), maxList)}
		}
	}
	return nil
}

// crate is an element of the list (auditable-serde, RawVersionInfo).
type crate struct {
	Name    string
	Version string
	Source  string // crates.io, registry, git, local, or a registry's name
	Kind    string // build, or runtime if absent
	Root    bool   // the program itself
}

// decode reads zlib-compressed JSON. What follows the stream fills up the section.
func decode(compressed io.Reader) ([]crate, error) {
	plain, err := zlib.NewReader(compressed)
	if err != nil {
		return nil, err
	}
	text, err := io.ReadAll(io.LimitReader(plain, maxList+1))
	if err != nil {
		return nil, err
	}
	if len(text) > maxList {
		return nil, fmt.Errorf("longer than %d bytes", maxList)
	}
	var list struct{ Packages []crate }
	err = json.Unmarshal(text, &list)
	return list.Packages, err
}

func (c *crate) describe() catalog.Package {
	p := named(c.Name, c.Version)
	p.Metadata["source"] = c.Source
	if c.Root {
		p.Metadata["main"] = "true"
	}
	return p
}

// named describes a crate as far as its name tells. The NVD lists crates under their own name as vendor.
func named(name, version string) catalog.Package {
	return catalog.Package{
		Name: name, Version: version,
		PURL:     catalog.PURL(packageurl.TypeCargo, "", name, version, nil),
		CPEs:     cpe.Candidates([]string{name, name + "_project"}, []string{name}, version, cpe.Rust),
		Metadata: map[string]string{},
	}
}
