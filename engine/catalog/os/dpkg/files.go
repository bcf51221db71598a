package dpkg

import (
	"context"
	"fmt"
	"io"
	"path"
	"strings"

	"plimsoll/engine/catalog"
)

// analyzeFiles reads which files a package owns: a .list of absolute paths, directories included, or the
// .md5sums of status.d with paths relative to the root.
func analyzeFiles(_ context.Context, f *catalog.File) (catalog.Evidence, error) {
	content, err := io.ReadAll(f.Reader())
	if err != nil {
		return catalog.Evidence{}, fmt.Errorf("read %s: %w", f.Path, err)
	}
	owns := catalog.Ownership{Type: catalog.TypeDpkg}
	if record, ok := strings.CutSuffix(f.Path, sumsSuffix); ok {
		owns.Name, owns.Record = path.Base(record), record
		owns.Paths = sums(string(content))
	} else {
		owns.Name, owns.Arch, _ = strings.Cut(strings.TrimSuffix(path.Base(f.Path), listSuffix), ":")
		owns.Paths = list(string(content))
	}
	if len(owns.Paths) == 0 {
		return catalog.Evidence{}, nil
	}
	return catalog.Evidence{Owns: []catalog.Ownership{owns}}, nil
}

// list keeps the absolute paths of a .list and drops those that are only directories on the way to others.
func list(content string) []string {
	var paths []string
	parents := map[string]bool{}
	for line := range strings.Lines(content) {
		line = strings.TrimSuffix(line, "\n")
		if !strings.HasPrefix(line, "/") {
			continue
		}
		if line = path.Clean(line); line != "/" {
			paths = append(paths, line)
			parents[path.Dir(line)] = true
		}
	}
	kept := paths[:0]
	for _, p := range paths {
		if !parents[p] {
			kept = append(kept, p)
		}
	}
	return kept
}

// sums reads the output format of md5sum: 32 hex digits, a blank, a blank or asterisk, the path.
func sums(content string) []string {
	var paths []string
	for line := range strings.Lines(content) {
		line = strings.TrimSuffix(line, "\n")
		if len(line) > 34 && line[32] == ' ' && strings.Trim(line[:32], "0123456789abcdefABCDEF") == "" {
			paths = append(paths, path.Clean("/"+line[34:]))
		}
	}
	return paths
}
