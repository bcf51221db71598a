// Package graal finds what a native image of GraalVM was built from: with --enable-sbom the builder leaves a
// compressed CycloneDX document in the program, between the symbols sbom and sbom_length (graalvm.org, "Software Bill
// of Materials in Native Image").
package graal

import (
	"bytes"
	"compress/gzip"
	"context"
	"debug/elf"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"

	"github.com/package-url/packageurl-go"

	"plimsoll/engine/catalog"
	"plimsoll/engine/catalog/executable"
	"plimsoll/engine/catalog/listing"
)

const (
	// maxSize: large applications reach some hundred megabytes.
	maxSize = 1 << 30
	// minSize spares us most programs: an empty native image has some 6 MB.
	minSize = 2 << 20
	// maxTable bounds a table of symbols or their names, in bytes; native images export some thousand symbols.
	maxTable = 16 << 20
	// maxDocument bounds the document, compressed or not, in bytes.
	maxDocument = 16 << 20
	// heap is the section of the image heap, which tells native images from other programs.
	heap = ".svm_heap"
)

// ErrDocument reports a native image whose document cannot be read.
var ErrDocument = errors.New("unreadable SBOM of a native image")

// NativeImages returns the analyzer of native images.
func NativeImages() catalog.Analyzer {
	return catalog.Analyzer{Name: "graalvm-native-image", Version: 1, MaxSize: maxSize, Wants: wants, Analyze: analyze}
}

func wants(c catalog.Candidate) bool {
	return c.Size >= minSize && bytes.HasPrefix(c.Head, []byte(elf.ELFMAG)) && executable.Is(c.Head)
}

func analyze(_ context.Context, f *catalog.File) (catalog.Evidence, error) {
	if err := executable.Check(f.Reader()); err != nil {
		return catalog.Evidence{}, fmt.Errorf("%w: %w", ErrDocument, err)
	}
	file, err := elf.NewFile(f.Reader())
	if err != nil || file.Section(heap) == nil {
		return catalog.Evidence{}, nil //nolint:nilerr // what runs nowhere is no gap
	}
	compressed, err := document(file)
	if err != nil || compressed == nil {
		return catalog.Evidence{}, err
	}
	in, err := gzip.NewReader(bytes.NewReader(compressed))
	if err != nil {
		return catalog.Evidence{}, fmt.Errorf("%w: %w", ErrDocument, err)
	}
	text, err := io.ReadAll(io.LimitReader(in, maxDocument+1))
	if err != nil {
		return catalog.Evidence{}, fmt.Errorf("%w: %w", ErrDocument, err)
	}
	if len(text) > maxDocument {
		return catalog.Evidence{}, fmt.Errorf("%w: more than %d bytes", ErrDocument, maxDocument)
	}
	return components(f, text)
}

// document returns the compressed document; nil if the image was built without one.
func document(file *elf.File) ([]byte, error) {
	for _, s := range file.Sections {
		table := s.Type == elf.SHT_DYNSYM || s.Type == elf.SHT_STRTAB || s.Type >= elf.SHT_GNU_VERDEF && s.Type <= elf.SHT_GNU_VERSYM
		if table && s.Size > maxTable {
			return nil, fmt.Errorf("%w: %s of %d bytes", ErrDocument, s.Name, s.Size)
		}
	}
	symbols, err := file.DynamicSymbols()
	if err != nil && !errors.Is(err, elf.ErrNoSymbols) {
		return nil, fmt.Errorf("%w: %w", ErrDocument, err)
	}
	start := slices.IndexFunc(symbols, func(s elf.Symbol) bool { return s.Name == "sbom" })
	length := slices.IndexFunc(symbols, func(s elf.Symbol) bool { return s.Name == "sbom_length" })
	if start < 0 || length < 0 {
		return nil, nil
	}
	size, err := read(file, symbols[length].Value, 8)
	if err != nil {
		return nil, err
	}
	return read(file, symbols[start].Value, file.ByteOrder.Uint64(size))
}

// read returns what lies at an address of the program.
func read(file *elf.File, address, size uint64) ([]byte, error) {
	for _, s := range file.Sections {
		if s.Type == elf.SHT_NOBITS || s.Flags&elf.SHF_COMPRESSED != 0 || address < s.Addr || address-s.Addr >= s.Size {
			continue
		}
		if size > min(s.Size-(address-s.Addr), maxDocument) {
			break
		}
		content := make([]byte, size)
		if _, err := s.ReadAt(content, int64(address-s.Addr)); err != nil {
			return nil, fmt.Errorf("%w: %w", ErrDocument, err)
		}
		return content, nil
	}
	return nil, fmt.Errorf("%w: %d bytes at %#x are in no section", ErrDocument, size, address)
}

// bill is what we need of the document (cyclonedx.org, 1.5).
type bill struct {
	Components []struct{ Group, Name, Version, PURL string }
}

func components(f *catalog.File, text []byte) (catalog.Evidence, error) {
	var b bill
	err := json.Unmarshal(text, &b)
	if err != nil {
		err = fmt.Errorf("%w: %w", ErrDocument, err)
	}
	list := listing.Installed(f, catalog.TypeJava, "GraalvmNativeImageMetadata")
	for _, c := range b.Components {
		if c.Version == "" {
			continue // the classes of the application itself
		}
		list.Add(catalog.Package{
			Namespace: c.Group, Name: c.Name, Version: c.Version,
			PURL: catalog.PURL(packageurl.TypeMaven, c.Group, c.Name, c.Version, nil),
		})
	}
	return list.Evidence(err)
}
