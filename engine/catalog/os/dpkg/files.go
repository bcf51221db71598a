package dpkg

import (
	"context"
	"fmt"
	"io"
	"path"
	"strings"

	"plimsoll/engine/catalog"
)

// analyzeFiles reads which files a package owns: a .list of absolute paths, directories included, or .md5sums
// with paths relative to the root, which say the content's MD5 as well.
func analyzeFiles(_ context.Context, f *catalog.File) (catalog.Evidence, error) {
	content, err := io.ReadAll(f.Reader())
	if err != nil {
		return catalog.Evidence{}, fmt.Errorf("read %s: %w", f.Path, err)
	}
	owns := catalog.Ownership{Type: catalog.TypeDpkg}
	record, isSums := strings.CutSuffix(f.Path, sumsSuffix)
	owns.Name, owns.Arch, _ = strings.Cut(strings.TrimSuffix(path.Base(record), listSuffix), ":")
	if isSums {
		owns.Recorded = sums(string(content))
	} else {
		owns.Paths = list(string(content))
	}
	if inDir(f.Path, statusDir) {
		owns.Name, owns.Arch, owns.Record = path.Base(record), "", record
	}
	if len(owns.Paths)+len(owns.Recorded) == 0 {
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
func sums(content string) []catalog.RecordedFile {
	var files []catalog.RecordedFile
	for line := range strings.Lines(content) {
		line = strings.TrimSuffix(line, "\n")
		if len(line) > 34 && line[32] == ' ' && isMD5(line[:32]) {
			files = append(files, catalog.RecordedFile{Path: path.Clean("/" + line[34:]), Digest: md5Digest(line[:32])})
		}
	}
	return files
}

// analyzeDiversions reads what dpkg-divert keeps: of each diversion the path, where its file went, and the package
// that wanted it so, or a colon.
func analyzeDiversions(_ context.Context, f *catalog.File) (catalog.Evidence, error) {
	content, err := io.ReadAll(f.Reader())
	if err != nil {
		return catalog.Evidence{}, fmt.Errorf("read %s: %w", f.Path, err)
	}
	lines := strings.Split(strings.TrimSuffix(string(content), "\n"), "\n")
	var found catalog.Evidence
	for ; len(lines) >= 3; lines = lines[3:] {
		if !path.IsAbs(lines[0]) || !path.IsAbs(lines[1]) {
			return found, fmt.Errorf("%w: diversion of %.80q to %.80q", ErrMalformed, lines[0], lines[1])
		}
		d := catalog.Diversion{Type: catalog.TypeDpkg, From: path.Clean(lines[0]), To: path.Clean(lines[1]), By: lines[2]}
		if d.By == ":" {
			d.By = ""
		}
		found.Diversions = append(found.Diversions, d)
	}
	if len(lines) > 0 && strings.Join(lines, "") != "" {
		return found, fmt.Errorf("%w: %d lines after the last diversion", ErrMalformed, len(lines))
	}
	return found, nil
}

func isMD5(sum string) bool {
	return len(sum) == 32 && strings.Trim(sum, "0123456789abcdefABCDEF") == ""
}

func md5Digest(sum string) string { return "md5:" + strings.ToLower(sum) }

// conffiles reads a Conffiles field: on each line a path, the MD5 of what the package brought or a word in its
// place, and perhaps flags (dpkg's parse.c, f_conffiles).
func conffiles(field string) []catalog.RecordedFile {
	var files []catalog.RecordedFile
	for line := range strings.Lines(field) {
		words := strings.Fields(line)
		for len(words) > 2 && (words[len(words)-1] == "obsolete" || words[len(words)-1] == "remove-on-upgrade") {
			words = words[:len(words)-1]
		}
		if len(words) < 2 || !path.IsAbs(words[0]) {
			continue
		}
		sum := words[len(words)-1]
		file := catalog.RecordedFile{Path: path.Clean(strings.Join(words[:len(words)-1], " ")), Config: true}
		if isMD5(sum) {
			file.Digest = md5Digest(sum)
		}
		files = append(files, file)
	}
	return files
}
