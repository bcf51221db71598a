package imported

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path"
	"regexp"
	"strconv"
	"strings"

	"plimsoll/engine/catalog"
	"plimsoll/engine/image"
)

// file is a line of the file list of the native document (Syft's JSON, "files").
type file struct {
	ID       string    `json:"id"`
	Location location  `json:"location"`
	Metadata *metadata `json:"metadata,omitempty"`
	Digests  []digest  `json:"digests,omitempty"`
}

type metadata struct {
	Mode            int    `json:"mode"` // digits of Go's file mode in base eight
	Type            string `json:"type"`
	LinkDestination string `json:"linkDestination,omitempty"`
	UserID          int    `json:"userID"`
	GroupID         int    `json:"groupID"`
	MIMEType        string `json:"mimeType"`
	Size            int64  `json:"size"`
}

type location struct {
	Path    string `json:"path"`
	LayerID string `json:"layerID,omitempty"`
}

type digest struct {
	Algorithm string `json:"algorithm"`
	Value     string `json:"value"`
}

// fileTypes are the document's words for kinds of files.
var fileTypes = map[string]catalog.EntryType{
	"RegularFile": catalog.Regular, "Directory": catalog.Directory, "SymbolicLink": catalog.Symlink, "HardLink": catalog.Hardlink,
	"CharacterDevice": catalog.CharDev, "BlockDevice": catalog.BlockDev, "FIFONode": catalog.Fifo,
}

var sha256Pattern = regexp.MustCompile(`^[0-9a-f]{64}$`)

// maxPath is PATH_MAX, as in the layer pass.
const maxPath = 4096

// layers sorts the files of the document, if there is one, by the layer each lies in. What names no layer lies in the last one.
func layers(d *Description, document []byte, limits Limits) ([]*image.Layer, []catalog.Incompleteness, error) {
	out := make([]*image.Layer, len(d.Layers))
	for i, l := range d.Layers {
		out[i] = &image.Layer{Digest: l.Digest, DiffID: l.DiffID, CompressedSize: l.Size}
	}
	place := d.placer()
	refused := 0
	if document == nil {
		return out, nil, nil
	}
	err := eachFile(document, limits.Files, func(f *file) {
		entry, ok := f.entry()
		if !ok || len(out) == 0 {
			refused++
			return
		}
		l := out[place(f.Location.LayerID)]
		l.Entries = append(l.Entries, entry)
		l.Size += entry.Size
	})
	if err != nil {
		return nil, nil, err
	}
	if refused == 0 {
		return out, nil, nil
	}
	return out, []catalog.Incompleteness{{Reason: catalog.ReasonBadPath, Detail: fmt.Sprintf("%d files of the import are not listed: no absolute path, or an unknown kind", refused)}}, nil
}

// placer finds a layer by its diff id, by which the document names it, or by its digest.
func (d *Description) placer() func(id string) int {
	index := make(map[string]int, 2*len(d.Layers))
	for i, l := range d.Layers {
		index[l.Digest] = i
	}
	for i, l := range d.Layers {
		if l.DiffID != "" {
			index[l.DiffID] = i
		}
	}
	return func(id string) int {
		if i, ok := index[id]; ok {
			return i
		}
		return len(d.Layers) - 1
	}
}

func (f *file) entry() (catalog.Entry, bool) {
	e := catalog.Entry{Path: f.Location.Path, Type: catalog.Regular}
	if !absolute(e.Path) || e.Path == "/" {
		return e, false
	}
	if m := f.Metadata; m != nil {
		kind, known := fileTypes[m.Type]
		if !known || m.Size < 0 || len(m.LinkDestination) > maxPath {
			return e, false
		}
		e.Type, e.Mode, e.UID, e.GID, e.Link = kind, permissions(m.Mode), m.UserID, m.GroupID, m.LinkDestination
		if kind == catalog.Regular {
			e.Size = m.Size
		}
	}
	for _, d := range f.Digests {
		if d.Algorithm == "sha256" && sha256Pattern.MatchString(d.Value) && e.Type == catalog.Regular {
			e.SHA256 = d.Value
		}
	}
	return e, true
}

func absolute(p string) bool {
	return len(p) <= maxPath && path.IsAbs(p) && path.Clean(p) == p && !strings.ContainsRune(p, 0)
}

// permissions takes the mode's digits, which are octal, as Go's file mode or as the twelve bits themselves.
func permissions(digits int) uint32 {
	n, err := strconv.ParseUint(strconv.Itoa(digits), 8, 32)
	if err != nil {
		return 0
	}
	bits := uint32(n) & 0o7777
	for goBit, bit := range map[fs.FileMode]uint32{fs.ModeSetuid: catalog.ModeSetuid, fs.ModeSetgid: catalog.ModeSetgid, fs.ModeSticky: catalog.ModeSticky} {
		if fs.FileMode(n)&goBit != 0 {
			bits |= bit
		}
	}
	return bits
}

// eachFile reads the file list one by one, so that a list of nothing much does not become a mountain in memory.
func eachFile(document []byte, most int, do func(*file)) error {
	n := 0
	return eachElement(document, "files", func(raw json.RawMessage) error {
		if n++; n > most {
			return fmt.Errorf("%w: more than %d files", ErrLimit, most)
		}
		var f file
		if err := json.Unmarshal(raw, &f); err != nil {
			return err
		}
		do(&f)
		return nil
	})
}

// maxElement bounds one element of a list, in bytes: a kept file in base64 is the largest.
const maxElement = 32 << 20

// eachElement calls do for every element of an array that is a top-level member of a JSON object; key "" stands
// for a document that is the array itself.
func eachElement(document []byte, key string, do func(json.RawMessage) error) error {
	dec := json.NewDecoder(bytes.NewReader(document))
	if err := seek(dec, key); err != nil {
		if errors.Is(err, io.EOF) && key != "" {
			return nil // an object without the member
		}
		return fmt.Errorf("%w: %w", ErrInvalid, err)
	}
	var element json.RawMessage
	for dec.More() {
		err := dec.Decode(&element)
		if err == nil && len(element) > maxElement {
			err = fmt.Errorf("%w: one of %s has %d bytes, at most %d", ErrLimit, key, len(element), maxElement)
		}
		if err == nil {
			err = do(element)
		}
		switch {
		case errors.Is(err, ErrLimit):
			return err
		case err != nil:
			return fmt.Errorf("%w: %s: %w", ErrInvalid, key, err)
		}
	}
	if _, err := dec.Token(); err != nil {
		return fmt.Errorf("%w: %s: %w", ErrInvalid, key, err)
	}
	return nil
}

var errNoArray = errors.New("an array is missing")

// seek moves to the first element of the array; io.EOF when the object has no such member.
func seek(dec *json.Decoder, key string) error {
	token, err := dec.Token()
	if err != nil {
		return errors.Join(errNoArray, fmt.Errorf("%v", err)) //nolint:errorlint // io.EOF has another meaning here
	}
	if key == "" {
		if token != json.Delim('[') {
			return errNoArray
		}
		return nil
	}
	if token != json.Delim('{') {
		return errNoArray
	}
	for dec.More() {
		name, err := dec.Token()
		if err != nil {
			return fmt.Errorf("%v", err) //nolint:errorlint // as above
		}
		if name != key {
			var skipped json.RawMessage
			if err := dec.Decode(&skipped); err != nil {
				return fmt.Errorf("%v", err) //nolint:errorlint // as above
			}
			continue
		}
		switch token, err := dec.Token(); {
		case err != nil:
			return fmt.Errorf("%v", err) //nolint:errorlint // as above
		case token == nil: // null
			return io.EOF
		case token != json.Delim('['):
			return errNoArray
		}
		return nil
	}
	return io.EOF
}
