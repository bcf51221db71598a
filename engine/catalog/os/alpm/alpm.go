// Package alpm reads which files the packages of Arch Linux and its relatives brought. The packages themselves are
// in the file desc beside it.
package alpm

import (
	"bufio"
	"context"
	"fmt"
	"path"
	"strings"

	"plimsoll/engine/catalog"
)

const (
	// database has a directory for each package (alpm(7), archlinux.org: libalpm's local database).
	database = "/var/lib/pacman/local/"
	// maxSize: the largest packages list some hundred thousand files, less than 100 bytes each.
	maxSize = 64 << 20
	// maxLine bounds a path, in bytes.
	maxLine = 8 << 10
	// maxFiles bounds one package.
	maxFiles = 300_000
)

// Files returns the analyzer of file lists.
func Files() catalog.Analyzer {
	return catalog.Analyzer{Name: "alpm-files", Version: 1, MaxSize: maxSize, Wants: wants, Analyze: analyze}
}

func wants(c catalog.Candidate) bool {
	rest, ok := strings.CutPrefix(c.Path, database)
	if !ok {
		return false
	}
	_, file, _ := strings.Cut(rest, "/")
	return file == "files"
}

// analyze reads the sections FILES (paths, directories with a slash behind) and BACKUP (configuration files with
// their MD5).
func analyze(ctx context.Context, f *catalog.File) (catalog.Evidence, error) {
	owned := catalog.Ownership{Type: catalog.TypeAlpm, Record: path.Dir(f.Path) + "/desc"}
	section := ""
	in := bufio.NewScanner(f.Reader())
	in.Buffer(make([]byte, 4<<10), maxLine)
	for in.Scan() {
		line := in.Text()
		switch {
		case line == "":
			section = ""
		case section == "":
			section = line
		case len(owned.Paths)+len(owned.Recorded) == maxFiles:
			return catalog.Evidence{Owns: []catalog.Ownership{owned}},
				&catalog.Incompleteness{Path: f.Path, Reason: catalog.ReasonTooMany, Detail: fmt.Sprintf("more than %d files", maxFiles)}
		case section == "%FILES%" && !strings.HasSuffix(line, "/"):
			owned.Paths = append(owned.Paths, path.Clean("/"+line))
		case section == "%BACKUP%":
			name, digest, _ := strings.Cut(line, "\t")
			owned.Recorded = append(owned.Recorded, catalog.RecordedFile{
				Path: path.Clean("/" + name), Mode: catalog.ModeRegular | catalog.ModeAny, Digest: "md5:" + digest, Config: true,
			})
		}
	}
	if len(owned.Paths)+len(owned.Recorded) == 0 {
		return catalog.Evidence{}, in.Err()
	}
	if err := in.Err(); err != nil {
		return catalog.Evidence{Owns: []catalog.Ownership{owned}}, fmt.Errorf("read %s: %w", f.Path, err)
	}
	return catalog.Evidence{Owns: []catalog.Ownership{owned}}, ctx.Err()
}
