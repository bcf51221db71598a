package imported

import (
	"encoding/json"
	"fmt"
	"io/fs"
	"strconv"

	"plimsoll/engine/catalog"
	"plimsoll/engine/image"
)

// AddFiles puts the files of an image into its native document, as Read finds them there.
func AddFiles(document []byte, layers []*image.Layer) ([]byte, error) {
	var members map[string]json.RawMessage
	if err := json.Unmarshal(document, &members); err != nil {
		return nil, fmt.Errorf("read native document: %w", err)
	}
	entries := make([][]catalog.Entry, len(layers))
	for i, l := range layers {
		entries[i] = l.Entries
	}
	squashed := image.Squash(entries)
	files := make([]file, 0, len(squashed))
	for i := range squashed {
		files = append(files, describe(&squashed[i], layers[squashed[i].Layer].DiffID))
	}
	list, err := json.Marshal(files)
	if err != nil {
		return nil, fmt.Errorf("write file list: %w", err)
	}
	members["files"] = list
	return json.Marshal(members)
}

// Searched writes the hits of one search (catalog.SearchSecret, catalog.SearchContent) as Read takes them.
func Searched(hits []image.Hit, search string, layers []*image.Layer) ([]byte, error) {
	names := make(map[string]string, len(layers)) // diff ids by digest
	for _, l := range layers {
		names[l.Digest] = l.DiffID
	}
	list := []searched{}
	for i := range hits {
		h := &hits[i]
		if h.Search != search {
			continue
		}
		place := location{Path: h.Path, LayerID: names[h.Layer]}
		if n := len(list); n == 0 || list[n-1].Location != place || list[n-1].Removed != h.Removed {
			list = append(list, searched{Location: place, Removed: h.Removed})
		}
		into := &list[len(list)-1]
		into.Found = append(into.Found, searchResult{Classification: h.Name, Line: h.Line, Value: h.Value})
	}
	document, err := json.Marshal(list)
	if err != nil {
		return nil, fmt.Errorf("write search results: %w", err)
	}
	return document, nil
}

// Kept writes files kept as Read takes them.
func Kept(files []image.Retrieved) ([]byte, error) {
	list := make([]kept, len(files))
	for i := range files {
		list[i] = kept{Location: location{Path: files[i].Path}, Contents: files[i].Content}
	}
	document, err := json.Marshal(list)
	if err != nil {
		return nil, fmt.Errorf("write kept files: %w", err)
	}
	return document, nil
}

var fileWords = func() map[catalog.EntryType]string {
	words := make(map[catalog.EntryType]string, len(fileTypes))
	for word, kind := range fileTypes {
		words[kind] = word
	}
	return words
}()

func describe(e *image.SquashedEntry, layer string) file {
	f := file{ID: DigestOf([]byte(layer + e.Path))[7:23], Location: location{Path: e.Path, LayerID: layer}}
	f.Metadata = &metadata{
		Mode: digitsOf(e.Mode), Type: fileWords[e.Type], LinkDestination: e.Link, UserID: e.UID, GroupID: e.GID, Size: e.Size,
	}
	if e.SHA256 != "" {
		f.Digests = []digest{{"sha256", e.SHA256}}
	}
	return f
}

// digitsOf writes Go's file mode in base eight and reads the digits as a decimal number, as the document has it.
func digitsOf(mode uint32) int {
	full := fs.FileMode(mode & 0o777)
	for bit, goBit := range map[uint32]fs.FileMode{catalog.ModeSetuid: fs.ModeSetuid, catalog.ModeSetgid: fs.ModeSetgid, catalog.ModeSticky: fs.ModeSticky} {
		if mode&bit != 0 {
			full |= goBit
		}
	}
	digits, err := strconv.Atoi(strconv.FormatUint(uint64(full), 8))
	if err != nil {
		return 0 // more digits than an int has, on machines of 32 bits
	}
	return digits
}
