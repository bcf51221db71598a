package image

import (
	"cmp"
	"maps"
	"slices"
	"strings"

	"plimsoll/engine/catalog"
	"plimsoll/engine/verify"
)

// maxDeviations bounds what Verifications list of one image. Images built without documentation reach some ten
// thousand missing files.
const maxDeviations = 50_000

// Verification is how the files of an OS package compare with what the package database recorded of them. A
// package of which nothing is recorded has none.
type Verification struct {
	Package string `json:"package"` // purl
	Files   int    `json:"files"`   // recorded ones, directories included
	// Incomparable counts files with a recorded digest that the computed ones cannot be compared with,
	// Unrecorded those of which the database knows no more than that they exist. Neither are known to be as
	// installed.
	Incomparable int         `json:"incomparable,omitempty"`
	Unrecorded   int         `json:"unrecorded,omitempty"`
	Deviations   []Deviation `json:"deviations,omitempty"` // by path
	// Truncated: there are more deviations, but too many in the image.
	Truncated bool `json:"truncated,omitempty"`
}

// Deviation is a file that is not as its package brought it.
type Deviation struct {
	Path    string          `json:"path"` // as the database has it, or where it was diverted to
	Missing bool            `json:"missing,omitempty"`
	Changed []verify.Aspect `json:"changed,omitempty"`
	Config  bool            `json:"config,omitempty"` // the administrator may change it
}

// verifications compares the final file system with the package databases, in the order of the packages.
func (a *assembly) verifications(packages []catalog.Package) []Verification {
	finder := newOwners(func(yield func(*catalog.Package) bool) {
		for i := range packages {
			if !yield(&packages[i]) {
				return
			}
		}
	})
	recorded := map[string][]*catalog.Ownership{}
	for i := range a.alive {
		owns := a.alive[i].Evidence.Owns
		for j := range owns {
			if purl := finder.find(a, &owns[j]); purl != "" {
				recorded[purl] = append(recorded[purl], &owns[j])
			}
		}
	}
	diverted := a.diversions()
	room := maxDeviations
	var all []Verification
	for i := range packages {
		purl := packages[i].PURL
		owns := recorded[purl]
		if len(owns) == 0 {
			continue
		}
		delete(recorded, purl)
		v := a.verification(purl, owns, diverted)
		if len(v.Deviations) > room {
			v.Deviations, v.Truncated = v.Deviations[:room], true
		}
		room -= len(v.Deviations)
		all = append(all, v)
	}
	return all
}

func (a *assembly) verification(purl string, owns []*catalog.Ownership, diverted diversions) Verification {
	files := gather(owns, diverted)
	v := Verification{Package: purl, Files: len(files)}
	for _, r := range slices.SortedFunc(maps.Values(files), func(x, y *catalog.RecordedFile) int { return strings.Compare(x.Path, y.Path) }) {
		result := verify.File(r, a.installed(r))
		switch {
		case result.Missing || len(result.Changed) > 0:
			v.Deviations = append(v.Deviations, Deviation{Path: r.Path, Missing: result.Missing, Changed: result.Changed, Config: r.Config})
		case result.Incomparable:
			v.Incomparable++
		case r.Mode == 0 && r.Size == 0 && r.Digest == "":
			v.Unrecorded++
		}
	}
	return v
}

// gather puts together what the files of a database say about the same path.
func gather(owns []*catalog.Ownership, diverted diversions) map[string]*catalog.RecordedFile {
	files := map[string]*catalog.RecordedFile{}
	take := func(r catalog.RecordedFile) {
		known := files[r.Path]
		if known == nil {
			files[r.Path] = &r
			return
		}
		known.Digest = cmp.Or(known.Digest, r.Digest)
		known.Mode = cmp.Or(known.Mode, r.Mode)
		known.Size = cmp.Or(known.Size, r.Size)
		known.Config = known.Config || r.Config
		known.Optional = known.Optional || r.Optional
	}
	for _, o := range owns {
		for _, p := range o.Paths {
			take(catalog.RecordedFile{Path: diverted.of(o, p)})
		}
		for i := range o.Recorded {
			r := o.Recorded[i]
			r.Path = diverted.of(o, r.Path)
			take(r)
		}
	}
	return files
}

// installed is the entry a recorded path means; links on the way are followed, the path itself is not.
func (a *assembly) installed(r *catalog.RecordedFile) *catalog.Entry {
	if n := a.overlay.place(r.Path); n != nil {
		return &n.entry
	}
	return nil
}
