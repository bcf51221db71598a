// Package listing is what analyzers of files that list many packages have in common: reading the file whole,
// bounding it, and a result without repeats in a fixed order.
package listing

import (
	"bytes"
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"iter"
	"maps"
	"slices"
	"strings"

	"plimsoll/engine/catalog"
)

const (
	// MaxSize bounds the files, in bytes: lock files of large monorepos reach some megabytes. Decoded, the worst
	// input takes some forty times its size.
	MaxSize = 16 << 20
	// MaxPackages bounds one file.
	MaxPackages = 50_000
)

// List collects the packages of one file.
type List struct {
	file         *catalog.File
	kind         string
	metadataType string
	declared     bool
	seen         map[[3]string]bool
	packages     []catalog.Package
	bad          int
	fault        error // why the first bad one is bad
	full         bool
}

// Installed returns an empty list of packages that are in the image.
func Installed(f *catalog.File, packageType, metadataType string) *List {
	return &List{file: f, kind: packageType, metadataType: metadataType, seen: map[[3]string]bool{}}
}

// Declared returns an empty list of packages that are asked for (catalog.EvidenceDeclared).
func Declared(f *catalog.File, packageType, metadataType string) *List {
	l := Installed(f, packageType, metadataType)
	l.declared = true
	return l
}

// Add takes in a package with name, version and whatever else is known; type, location and the mark of declared
// evidence are the list's. Repeats are dropped, unusable ones counted.
func (l *List) Add(p catalog.Package) {
	id := [3]string{p.Namespace, p.Name, p.Version}
	if l.seen[id] {
		return
	}
	p.Type, p.MetadataType, p.Location = l.kind, l.metadataType, l.file.Path
	if err := p.Check(); err != nil {
		if l.bad++; l.fault == nil {
			l.fault = err
		}
		return
	}
	if len(l.packages) == MaxPackages {
		l.full = true
		return
	}
	l.seen[id] = true
	if p.Metadata == nil {
		p.Metadata = map[string]string{}
	}
	for key, value := range p.Metadata {
		if value = catalog.Text(value); value == "" {
			delete(p.Metadata, key)
		} else {
			p.Metadata[key] = value
		}
	}
	if l.declared {
		p.Metadata[catalog.MetadataEvidence] = catalog.EvidenceDeclared
	}
	l.packages = append(l.packages, p)
}

// Evidence returns the packages by name and version, and an error that says what was left out. Faults the
// caller met beside the packages' own go along.
func (l *List) Evidence(faults ...error) (catalog.Evidence, error) {
	slices.SortFunc(l.packages, func(a, b catalog.Package) int {
		return cmp.Or(strings.Compare(a.Namespace, b.Namespace), strings.Compare(a.Name, b.Name), strings.Compare(a.Version, b.Version))
	})
	if l.fault != nil {
		faults = append(faults, fmt.Errorf("%s: %d unusable, first: %w", l.file.Path, l.bad, l.fault))
	}
	if l.full {
		faults = append(faults, &catalog.Incompleteness{Path: l.file.Path, Reason: catalog.ReasonTooMany,
			Detail: fmt.Sprintf("more than %d packages", MaxPackages)})
	}
	return catalog.Evidence{Packages: l.packages}, errors.Join(faults...)
}

// Content reads the whole file.
func Content(f *catalog.File) ([]byte, error) {
	if f.Size > MaxSize {
		return nil, &catalog.Incompleteness{Path: f.Path, Reason: catalog.ReasonTooLarge, Detail: fmt.Sprintf("%d bytes", f.Size)}
	}
	content := make([]byte, f.Size)
	if n, err := f.Content.ReadAt(content, 0); err != nil && (err != io.EOF || n < len(content)) {
		return nil, fmt.Errorf("read %s: %w", f.Path, err)
	}
	return bytes.TrimPrefix(content, []byte("\ufeff")), nil
}

// JSON decodes the whole file into a value. Where only a field has another shape than expected, the error says
// so and the value has everything else: use both.
func JSON(f *catalog.File, into any) error {
	content, err := Content(f)
	if err != nil {
		return err
	}
	if err := json.Unmarshal(content, into); err != nil {
		return fmt.Errorf("decode %s: %w", f.Path, err)
	}
	return nil
}

// Sorted goes through a map in the order of its keys: of two repeats the same one has to be kept every time.
func Sorted[V any](m map[string]V) iter.Seq2[string, V] {
	return func(yield func(string, V) bool) {
		for _, key := range slices.Sorted(maps.Keys(m)) {
			if !yield(key, m[key]) {
				return
			}
		}
	}
}
