package image

import "plimsoll/engine/catalog"

// Layer is the result of analysing one layer blob: everything later steps need, so that the blob is never
// read again.
type Layer struct {
	Digest         string // of the blob as the manifest names it, verified
	DiffID         string // of the decompressed tar, computed
	CompressedSize int64
	Size           int64 // decompressed bytes
	Entries        []catalog.Entry
	Evidence       []FileEvidence
	Incomplete     []catalog.Incompleteness
}

// FileEvidence is what one analyzer found in one file of the layer; without a path it speaks of the whole layer
// (catalog.Analyzer.Begin).
type FileEvidence struct {
	Path     string           `json:"path"`
	Analyzer string           `json:"analyzer"`
	Evidence catalog.Evidence `json:"evidence"`
}

// Image is the assembled view over all layers: what is inside.
type Image struct {
	Distro     *catalog.Distro          `json:"distro,omitempty"`
	Packages   []catalog.Package        `json:"packages"`
	Incomplete []catalog.Incompleteness `json:"incomplete,omitempty"`
	FileCount  int                      `json:"file_count"`
	Size       int64                    `json:"size"` // decompressed bytes of all layers
	Layers     []LayerSummary           `json:"layers"`
	// Scans are the malware scanners that looked at layers; an image without any has not been scanned. Malware is
	// what they found, in files of all layers.
	Scans   []Scan    `json:"scans,omitempty"`
	Malware []Malware `json:"malware,omitempty"`
	// Verified compares the final file system with the package databases.
	Verified []Verification `json:"verified,omitempty"`
	// OwnedListed: packages that an OS package owns count beside that package.
	OwnedListed bool `json:"owned_listed,omitempty"`
}

// Lists reports whether a package of the image counts: owned ones are part of their owner.
func (i *Image) Lists(p *catalog.Package) bool { return p.Owner == "" || i.OwnedListed }

// LayerSummary is one line of the image's layer list, bottom first.
type LayerSummary struct {
	Digest         string `json:"digest"`
	DiffID         string `json:"diff_id"`
	CompressedSize int64  `json:"compressed_size"`
	Size           int64  `json:"size"`
}

// SquashedEntry is an entry of the final file system with the index of the layer it comes from.
type SquashedEntry struct {
	catalog.Entry
	Layer int `json:"layer"`
}

// Findings are what was found in the files of an image beside its packages and kept apart from the image document:
// hits of searches, in all layers, and files kept.
type Findings struct {
	Hits      []Hit       `json:"hits,omitempty"`
	Retrieved []Retrieved `json:"retrieved,omitempty"`
}

// Scan says which scanner looked at how many of the image's layers, with which signatures.
type Scan struct {
	Scanner  string `json:"scanner"`
	Database string `json:"database,omitempty"`
	Layers   int    `json:"layers"`
}

// Hit is a search hit in the image. Removed ones lie in a file that a later layer deletes or replaces: whoever
// pulls the image still receives it.
type Hit struct {
	catalog.SearchHit
	Path    string `json:"path"`
	Layer   string `json:"layer"` // digest
	Removed bool   `json:"removed,omitempty"`
}

// Retrieved is a kept file of the final file system.
type Retrieved struct {
	catalog.RetrievedFile
	Path string `json:"path"`
}

// Malware is a report about a file; Removed as in Hit.
type Malware struct {
	catalog.MalwareReport
	Path    string `json:"path"`
	Layer   string `json:"layer"`
	Removed bool   `json:"removed,omitempty"`
}
