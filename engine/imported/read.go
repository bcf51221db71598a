package imported

import (
	"cmp"
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"plimsoll/engine/catalog"
	"plimsoll/engine/catalog/search"
	"plimsoll/engine/image"
	"plimsoll/engine/match"
	"plimsoll/engine/sbom"
)

// ReaderVersion is raised whenever the same documents are read to something else.
const ReaderVersion = 2

// Parts are the uploaded documents; those after Config may be missing.
type Parts struct {
	Packages        []byte // an SBOM; of Syft's JSON the files are read, too
	Manifest        []byte
	Config          []byte
	SecretSearches  []byte
	ContentSearches []byte
	FileContents    []byte
}

// Kinds of documents, as imports name them.
const (
	KindPackages        = "packages"
	KindManifest        = "manifest"
	KindConfig          = "image_config"
	KindIndex           = "parent_manifest" // checked when it is uploaded; nothing of it is read later
	KindDockerfile      = "dockerfile"
	KindSecretSearches  = "secret_searches"
	KindContentSearches = "content_searches"
	KindFileContents    = "file_contents"
)

// ByKind gives the parts by the names of their kinds.
func (p *Parts) ByKind() map[string]*[]byte {
	return map[string]*[]byte{
		KindPackages: &p.Packages, KindManifest: &p.Manifest, KindConfig: &p.Config,
		KindSecretSearches: &p.SecretSearches, KindContentSearches: &p.ContentSearches, KindFileContents: &p.FileContents,
	}
}

// Limits bound what is read. Zero fields mean the value of DefaultLimits.
type Limits struct {
	Packages int
	Files    int
	Hits     int   // of all searches together
	Kept     int   // files with their contents
	Content  int64 // bytes of one kept file
}

// DefaultLimits are those of the layer pass, for a whole image.
var DefaultLimits = Limits{Packages: 200_000, Files: 2_000_000, Hits: 100_000, Kept: 10_000, Content: 16 << 20}

// Content is what the documents say is inside.
type Content struct {
	*Description
	Image    *image.Image
	Layers   []*image.Layer // the files of each layer, as far as the documents list them
	Findings image.Findings
	Tool     string // that made the package list; may be empty
}

// Read checks the documents of the image called digest and puts them together: ErrInvalid, ErrDigest,
// ErrUnsupported, ErrLimit.
func Read(digest string, p Parts, limits Limits) (*Content, error) {
	limits = limits.orDefault()
	described, err := Describe(digest, p.Manifest, p.Config)
	if err != nil {
		return nil, err
	}
	out := &Content{Description: described}
	inside, owned, err := decode(p.Packages, limits)
	if err != nil {
		return nil, fmt.Errorf("packages of %s: %w", digest, err)
	}
	out.Tool = inside.Tool
	out.Image = &image.Image{Distro: inside.Distro, Incomplete: inside.Incomplete, Layers: make([]image.LayerSummary, 0, len(described.Layers))}
	var refused []catalog.Incompleteness
	listing := p.Packages
	if inside.Format != sbom.FormatSyft { // the only one that lists files as images have them
		listing = nil
	}
	if out.Layers, refused, err = layers(described, listing, limits); err != nil {
		return nil, fmt.Errorf("files of %s: %w", digest, err)
	}
	out.Image.Incomplete = append(out.Image.Incomplete, refused...)
	for _, l := range out.Layers {
		out.Image.Layers = append(out.Image.Layers, image.LayerSummary{Digest: l.Digest, DiffID: l.DiffID, CompressedSize: l.CompressedSize, Size: l.Size})
		out.Image.Size += l.Size
	}
	entries := make([][]catalog.Entry, len(out.Layers))
	for i, l := range out.Layers {
		entries[i] = l.Entries
	}
	out.Image.FileCount = len(image.Squash(entries))
	out.packages(inside.Packages, owned)
	if err := out.find(p, limits); err != nil {
		return nil, fmt.Errorf("searches of %s: %w", digest, err)
	}
	return out, nil
}

func (l Limits) orDefault() Limits {
	d := DefaultLimits
	l.Packages, l.Files, l.Hits = cmp.Or(l.Packages, d.Packages), cmp.Or(l.Files, d.Files), cmp.Or(l.Hits, d.Hits)
	l.Kept, l.Content = cmp.Or(l.Kept, d.Kept), cmp.Or(l.Content, d.Content)
	return l
}

// packages takes over what can be stored and compared, in a fixed order, each once per place.
func (c *Content) packages(claimed []catalog.Package, owned map[occurrence]occurrence) {
	place, namespace := c.placer(), match.DistroNamespace(c.Image.Distro)
	kept := make([]catalog.Package, 0, len(claimed))
	refused := 0
	for _, p := range claimed {
		catalog.SetDistro(&p, c.Image.Distro, namespace)
		if p.Type == "" || p.Check() != nil {
			refused++
			continue
		}
		if p.Layer != "" && len(c.Description.Layers) > 0 {
			p.Layer = c.Description.Layers[place(p.Layer)].Digest
		}
		kept = append(kept, p)
	}
	own(kept, owned)
	slices.SortStableFunc(kept, compare)
	c.Image.Packages = slices.CompactFunc(kept, func(a, b catalog.Package) bool { return compare(a, b) == 0 })
	if refused > 0 {
		c.Image.Incomplete = append(c.Image.Incomplete, catalog.Incompleteness{
			Reason: catalog.ReasonUnreadable, Detail: fmt.Sprintf("%d packages of the import have no usable type, name or version", refused),
		})
	}
}

func compare(a, b catalog.Package) int {
	return cmp.Or(strings.Compare(a.Type, b.Type), strings.Compare(a.Namespace, b.Namespace), strings.Compare(a.Name, b.Name),
		strings.Compare(a.Version, b.Version), strings.Compare(a.Arch, b.Arch), strings.Compare(a.Source, b.Source),
		strings.Compare(a.SourceVersion, b.SourceVersion), strings.Compare(a.Location, b.Location), strings.Compare(a.PURL, b.PURL))
}

// searched is a line of uploaded search results. Removed and Value are additions to the published form: the file is gone in a
// later layer, and what was found, for searches that are to keep it.
type searched struct {
	Location location       `json:"location"`
	Found    []searchResult `json:"content_searches"`
	Removed  bool           `json:"removed,omitempty"`
}

type searchResult struct {
	Classification string `json:"classification"`
	Line           int    `json:"line_number"`
	Offset         int    `json:"line_offset"` // this and the next two are not known here, and the form asks for them
	Position       int    `json:"seek_position"`
	Length         int    `json:"length"`
	Value          string `json:"value,omitempty"`
}

// kept is a line of uploaded file contents; JSON has the bytes in base64.
type kept struct {
	Location location `json:"location"`
	Contents []byte   `json:"contents"`
}

func (c *Content) find(p Parts, limits Limits) error {
	for _, s := range []struct {
		kind     string
		document []byte
	}{{catalog.SearchSecret, p.SecretSearches}, {catalog.SearchContent, p.ContentSearches}} {
		if err := c.hits(s.kind, s.document, limits.Hits); err != nil {
			return err
		}
	}
	if len(p.FileContents) == 0 {
		return nil
	}
	return eachElement(p.FileContents, "", func(raw json.RawMessage) error {
		var k kept
		if err := json.Unmarshal(raw, &k); err != nil {
			return err
		}
		switch {
		case !absolute(k.Location.Path):
			return fmt.Errorf("kept file %q: no absolute path", clip(k.Location.Path))
		case int64(len(k.Contents)) > limits.Content:
			return fmt.Errorf("%w: kept file %s has %d bytes, at most %d", ErrLimit, clip(k.Location.Path), len(k.Contents), limits.Content)
		case len(c.Findings.Retrieved) == limits.Kept:
			return fmt.Errorf("%w: more than %d kept files", ErrLimit, limits.Kept)
		}
		c.Findings.Retrieved = append(c.Findings.Retrieved, image.Retrieved{RetrievedFile: catalog.RetrievedFile{Content: k.Contents}, Path: k.Location.Path})
		return nil
	})
}

func (c *Content) hits(kind string, document []byte, most int) error {
	if len(document) == 0 {
		return nil
	}
	place, first := c.placer(), len(c.Findings.Hits)
	err := eachElement(document, "", func(raw json.RawMessage) error {
		var s searched
		if err := json.Unmarshal(raw, &s); err != nil {
			return err
		}
		if !absolute(s.Location.Path) {
			return fmt.Errorf("search result of %q: no absolute path", clip(s.Location.Path))
		}
		hit := image.Hit{Path: s.Location.Path, Removed: s.Removed}
		if len(c.Description.Layers) > 0 {
			hit.Layer = c.Description.Layers[place(s.Location.LayerID)].Digest
		}
		for _, f := range s.Found {
			if len(c.Findings.Hits) == most {
				return fmt.Errorf("%w: more than %d search results", ErrLimit, most)
			}
			hit.SearchHit = catalog.SearchHit{Search: kind, Name: catalog.Text(f.Classification), Line: f.Line, Value: clipValue(f.Value)}
			c.Findings.Hits = append(c.Findings.Hits, hit)
		}
		return nil
	})
	// Readers take what comes by path.
	slices.SortStableFunc(c.Findings.Hits[first:], func(a, b image.Hit) int { return strings.Compare(a.Path, b.Path) })
	return err
}

func clipValue(value string) string {
	return catalog.Text(value[:min(len(value), search.MaxValue)])
}
