// Package hints reads the file with which an image's builder names packages that no analyzer can find: software
// unpacked or compiled by hand. It is the image's own claim, so it is read only where the operator asks for it,
// and assembly drops every hint about a package that was found.
//
// The file lies at the root, as plimsoll_hints.json or under the name Anchore gave it: an object with a list
// "packages" of records that have at least name, version and type. OS packages may give their release by itself;
// records of gems and npm packages written for Anchore have lists (versions, lics, origins) in place of values.
package hints

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"path"
	"slices"
	"strconv"
	"strings"

	"plimsoll/engine/catalog"
	"plimsoll/engine/catalog/cpe"
)

// Bounds of one file.
const (
	maxSize     = 8 << 20
	maxPackages = 10_000
	maxMetadata = 64 // keys of one record
	maxFaults   = 10 // unusable records reported one by one
)

const metadataType = "HintMetadata"

// files are the names a hints file may have.
var files = []string{"/plimsoll_hints.json", "/anchore_hints.json"}

// ErrMalformed reports a file or record that is not in the format; other records were read.
var ErrMalformed = errors.New("malformed hints")

// Analyzer returns the analyzer of hints files.
func Analyzer() catalog.Analyzer {
	return catalog.Analyzer{
		Name: "content-hints", Version: 1, MaxSize: maxSize, Analyze: analyze,
		Wants: func(c catalog.Candidate) bool { return slices.Contains(files, c.Path) },
	}
}

// purlTypes are the package types a hint may have, with the type of their purls; those of OS packages are set by
// assembly.
var purlTypes = map[string]string{
	catalog.TypeDpkg: "", catalog.TypeApk: "", catalog.TypeRpm: "",
	catalog.TypeNpm: "npm", catalog.TypePython: "pypi", catalog.TypeJava: "maven", catalog.TypeGo: "golang", catalog.TypeGem: "gem",
	catalog.TypeRust: "cargo", catalog.TypeNuget: "nuget", catalog.TypeComposer: "composer", catalog.TypeBinary: "generic",
}

func analyze(ctx context.Context, f *catalog.File) (catalog.Evidence, error) {
	var found catalog.Evidence
	in := json.NewDecoder(f.Reader())
	if err := open(in); err != nil {
		return found, fmt.Errorf("%w: %s: %w", ErrMalformed, f.Path, err)
	}
	var faults []error
	for n := 1; in.More(); n++ {
		if err := ctx.Err(); err != nil {
			return found, err
		}
		if n > maxPackages {
			faults = append(faults, &catalog.Incompleteness{Path: f.Path, Reason: catalog.ReasonTooMany, Detail: fmt.Sprintf("more than %d hints", maxPackages)})
			return found, errors.Join(faults...)
		}
		var raw json.RawMessage
		if err := in.Decode(&raw); err != nil {
			return found, errors.Join(append(faults, fmt.Errorf("%w: %s: record %d: %w", ErrMalformed, f.Path, n, err))...)
		}
		p, err := hint(raw, f.Path)
		switch {
		case err == nil:
			found.Packages = append(found.Packages, p)
		case len(faults) < maxFaults:
			faults = append(faults, fmt.Errorf("%s: record %d: %w", f.Path, n, err))
		}
	}
	return found, errors.Join(faults...)
}

var errNoPackages = errors.New(`no list "packages"`)

// open goes to the first record. Of what stands before the list nothing is kept.
func open(in *json.Decoder) error {
	if t, err := in.Token(); err != nil || t != json.Delim('{') {
		return errors.Join(errNoPackages, err)
	}
	for in.More() {
		key, err := in.Token()
		if err != nil {
			return err
		}
		if key == "packages" {
			if t, err := in.Token(); err != nil || t != json.Delim('[') {
				return errors.Join(errNoPackages, err)
			}
			return nil
		}
		var skipped json.RawMessage
		if err := in.Decode(&skipped); err != nil {
			return err
		}
	}
	return errNoPackages
}

// record is one hint as written.
type record struct {
	Name     text `json:"name"`
	Version  text `json:"version"`
	Versions text `json:"versions"`
	Release  text `json:"release"`
	Type     text `json:"type"`
	Arch     text `json:"arch"`
	Source   text `json:"source"`

	License  text `json:"license"`
	Licenses text `json:"licenses"`
	Lics     text `json:"lics"`
	Origin   text `json:"origin"`
	Origins  text `json:"origins"`
	Location text `json:"location"`
	Size     text `json:"size"`

	ImplementationVersion text `json:"implementation-version"`
	SpecificationVersion  text `json:"specification-version"`
	MavenVersion          text `json:"maven-version"`

	Metadata json.RawMessage `json:"metadata"`
}

// text is a value that people write as a string, a number or a list of strings.
type text []string

func (t *text) UnmarshalJSON(raw []byte) error {
	var one any
	if err := json.Unmarshal(raw, &one); err != nil {
		return err
	}
	all, ok := one.([]any)
	if !ok {
		all = []any{one}
	}
	for _, v := range all {
		switch v := v.(type) {
		case string:
			*t = append(*t, v)
		case float64:
			*t = append(*t, strconv.FormatFloat(v, 'f', -1, 64))
		}
	}
	return nil
}

func (t text) first() string {
	if len(t) == 0 {
		return ""
	}
	return strings.TrimSpace(t[0])
}

func hint(raw json.RawMessage, file string) (catalog.Package, error) {
	var r record
	if err := json.Unmarshal(raw, &r); err != nil {
		return catalog.Package{}, fmt.Errorf("%w: %w", ErrMalformed, err)
	}
	p := catalog.Package{
		Type: r.Type.first(), Name: r.Name.first(), Version: r.version(), Arch: r.Arch.first(),
		Licenses: catalog.Licenses(slices.Concat(r.License, r.Licenses, r.Lics)...),
		Origin:   catalog.Text(strings.Join(slices.Concat(r.Origin, r.Origins), ", ")),
		Location: location(r.Location.first(), file), MetadataType: metadataType, Metadata: r.metadata(),
	}
	purlType, known := purlTypes[p.Type]
	if !known {
		return p, fmt.Errorf("%w: type %q; there are %s", ErrMalformed, catalog.Text(p.Type), strings.Join(slices.Sorted(maps.Keys(purlTypes)), ", "))
	}
	if err := p.Check(); err != nil {
		return p, err
	}
	if size, err := strconv.ParseInt(r.Size.first(), 10, 64); err == nil && size > 0 {
		p.Size = size
	}
	if catalog.IsOS(p.Type) {
		p.Source, p.SourceVersion = cmp.Or(r.Source.first(), p.Name), p.Version
		return p, p.Check()
	}
	if p.Type == catalog.TypeJava {
		if group, name, ok := strings.Cut(p.Name, ":"); ok && group != "" && name != "" {
			p.Namespace, p.Name = group, name
		}
	}
	namespace, name := purlName(&p)
	p.PURL = catalog.PURL(purlType, namespace, name, p.Version, nil)
	p.CPEs = cpe.Candidates([]string{p.Name}, []string{p.Name}, p.Version, cpe.AnySoftware)
	return p, nil
}

// version joins version and release the way the package's own kind writes them.
func (r *record) version() string {
	version, release := cmp.Or(r.Version.first(), r.Versions.first()), r.Release.first()
	if version != "" && release != "" && catalog.IsOS(r.Type.first()) {
		version += "-" + release
	}
	return version
}

// purlName splits names that carry their namespace: @scope/name, vendor/name, host/path/name.
func purlName(p *catalog.Package) (namespace, name string) {
	switch p.Type {
	case catalog.TypeNpm, catalog.TypeComposer, catalog.TypeGo:
		if i := strings.LastIndexByte(p.Name, '/'); i > 0 {
			return p.Name[:i], p.Name[i+1:]
		}
	}
	return p.Namespace, p.Name
}

// location is where the hint says that the package lies, or the hints file.
func location(claimed, file string) string {
	if claimed = catalog.Text(claimed); path.IsAbs(claimed) {
		return path.Clean(claimed)
	}
	return file
}

// metadata keeps what is text; the mark that the package is a hint cannot be overwritten.
func (r *record) metadata() map[string]string {
	kept := map[string]string{}
	var given map[string]any
	if json.Unmarshal(r.Metadata, &given) == nil {
		for _, key := range slices.Sorted(maps.Keys(given)) {
			if value, ok := given[key].(string); ok && len(kept) < maxMetadata {
				kept[catalog.Text(key)] = catalog.Text(value)
			}
		}
	}
	for key, value := range map[string]text{
		"implementation-version": r.ImplementationVersion, "specification-version": r.SpecificationVersion, "maven-version": r.MavenVersion,
	} {
		if v := catalog.Text(value.first()); v != "" {
			kept[key] = v
		}
	}
	kept[catalog.MetadataEvidence] = catalog.EvidenceHint
	return kept
}
