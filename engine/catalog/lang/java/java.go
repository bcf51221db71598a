package java

import (
	"bytes"
	"context"
	"errors"
	"path"
	"strings"

	"plimsoll/engine/catalog"
)

// maxSize: application archives reach some 600 MB; only their directory and a few entries are read.
const maxSize = 2 << 30

// limits bound the work on one file of a layer, all archives nested in it together.
type limits struct {
	Depth     int   // archives inside archives
	Entries   int   // of all directories together
	Directory int64 // bytes of one archive's directory, which the zip reader holds in memory
	Held      int64 // bytes of compressed nested archives in memory at one time
	Inflated  int64 // decompressed bytes
	Poms      int   // Maven descriptors
}

// The largest archives in the wild (application servers, analytics stacks) have some 150,000 entries and
// nest three deep.
var defaultLimits = limits{
	Depth: 5, Entries: 500_000, Directory: 24 << 20, Held: 256 << 20, Inflated: 2 << 30, Poms: 5_000,
}

// Analyzer returns the analyzer of Java archives.
func Analyzer() catalog.Analyzer {
	return catalog.Analyzer{Name: "java", Version: 2, MaxSize: maxSize, Wants: wants, Analyze: analyze}
}

func wants(c catalog.Candidate) bool {
	return isArchive(c.Path) && isZip(c.Head)
}

func isArchive(name string) bool {
	switch strings.ToLower(path.Ext(name)) {
	case ".jar", ".war", ".ear", ".hpi", ".jpi", ".par", ".sar":
		return true
	}
	return false
}

// isZip looks for the signature of a first entry or of an empty archive; executable archives begin with a
// shell script instead.
func isZip(head []byte) bool {
	return bytes.HasPrefix(head, []byte("PK\x03\x04")) || bytes.HasPrefix(head, []byte("PK\x05\x06")) || bytes.HasPrefix(head, []byte("#!"))
}

func analyze(ctx context.Context, f *catalog.File) (catalog.Evidence, error) {
	return analyzeWithin(ctx, f, defaultLimits)
}

func analyzeWithin(ctx context.Context, f *catalog.File, l limits) (catalog.Evidence, error) {
	w := &walk{stopped: ctx.Err, left: l}
	w.archive(f.Content, f.Size, f.Path, f.Path, 0)
	return catalog.Evidence{Packages: w.found}, errors.Join(w.faults...)
}
