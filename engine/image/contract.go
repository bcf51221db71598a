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

// FileEvidence is what one analyzer found in one file of the layer.
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
}

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

// Findings are what was found in the files of an image beside its packages: hits of searches, files kept and
// reports of malware, each with the layer its file lies in.
type Findings struct {
	Hits      []Hit       `json:"hits,omitempty"`
	Retrieved []Retrieved `json:"retrieved,omitempty"`
	Malware   []Malware   `json:"malware,omitempty"`
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
