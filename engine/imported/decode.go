package imported

import (
	"encoding/json"
	"errors"
	"fmt"

	"plimsoll/engine/catalog"
	"plimsoll/engine/sbom"
)

// decode reads the package list, in whatever format it is, and who owns whose files.
func decode(document []byte, limits Limits) (*sbom.Document, map[occurrence]occurrence, error) {
	d, err := sbom.Decode(document, sbom.Limits{Packages: limits.Packages})
	if errors.Is(err, sbom.ErrTooLarge) {
		return nil, nil, fmt.Errorf("%w: %w", ErrLimit, err)
	}
	if err != nil {
		return nil, nil, fmt.Errorf("%w: %w", ErrInvalid, err)
	}
	if d.Format != sbom.FormatSyft {
		return d, nil, nil
	}
	owned, err := ownership(document, limits.Packages)
	return d, owned, err
}

// occurrence tells a package of the document from others as far as both readings of it know.
type occurrence struct{ name, version, path string }

// overlap is how Syft's JSON says that a package's files belong to another one.
const overlap = "ownership-by-file-overlap"

// ownership maps packages to the OS packages that brought their files.
func ownership(document []byte, most int) (map[occurrence]occurrence, error) {
	owners := map[string]string{} // id of the owned to id of the owner
	err := eachElement(document, "artifactRelationships", func(raw json.RawMessage) error {
		var r struct{ Parent, Child, Type string }
		if err := json.Unmarshal(raw, &r); err != nil {
			return err
		}
		if r.Type == overlap {
			owners[r.Child] = r.Parent
		}
		if len(owners) > most {
			return fmt.Errorf("%w: more than %d packages are owned", ErrLimit, most)
		}
		return nil
	})
	if err != nil || len(owners) == 0 {
		return nil, err
	}
	all := map[string]occurrence{} // by id
	err = eachElement(document, "artifacts", func(raw json.RawMessage) error {
		var a struct {
			ID, Name, Version string
			Locations         []location
		}
		if err := json.Unmarshal(raw, &a); err != nil {
			return err
		}
		o := occurrence{name: a.Name, version: a.Version}
		if len(a.Locations) > 0 {
			o.path = a.Locations[0].Path
		}
		all[a.ID] = o
		return nil
	})
	owned := make(map[occurrence]occurrence, len(owners))
	for child, parent := range owners {
		owned[all[child]] = all[parent]
	}
	return owned, err
}

// own names the owners of packages by purl, once these stand.
func own(packages []catalog.Package, owned map[occurrence]occurrence) {
	if len(owned) == 0 {
		return
	}
	purls := map[occurrence]string{}
	for i := range packages {
		if p := &packages[i]; catalog.IsOS(p.Type) {
			purls[occurrence{p.Name, p.Version, p.Location}] = p.PURL
		}
	}
	for i := range packages {
		p := &packages[i]
		if by, ok := owned[occurrence{p.Name, p.Version, p.Location}]; ok && !catalog.IsOS(p.Type) {
			p.Owner = purls[by]
		}
	}
}
