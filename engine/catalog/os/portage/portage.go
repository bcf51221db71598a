// Package portage reads which files and licences the packages of Gentoo brought. The packages themselves are in the
// file PF beside it.
package portage

import (
	"bufio"
	"context"
	"fmt"
	"path"
	"regexp"
	"strings"

	"plimsoll/engine/catalog"
	"plimsoll/engine/catalog/listing"
)

const (
	// database has directories for categories, in them one for each package (Gentoo wiki, "/var/db/pkg").
	database = "/var/db/pkg/"
	// maxSize: kernel sources list 80,000 files in 12 MB.
	maxSize = 64 << 20
	// maxLine bounds an entry, in bytes.
	maxLine = 8 << 10
	// maxFiles bounds one package.
	maxFiles = 300_000
)

// Analyzers returns the analyzers of file lists and of licences.
func Analyzers() []catalog.Analyzer {
	return []catalog.Analyzer{
		{Name: "portage-contents", Version: 1, MaxSize: maxSize, Wants: wants("CONTENTS"), Analyze: contents},
		{Name: "portage-license", Version: 1, MaxSize: maxLine, Wants: wants("LICENSE"), Analyze: license},
	}
}

func wants(base string) func(catalog.Candidate) bool {
	return func(c catalog.Candidate) bool {
		return strings.HasPrefix(c.Path, database) && path.Base(c.Path) == base && strings.Count(c.Path[len(database):], "/") == 2
	}
}

// entry is a line for a file or link: obj PATH MD5 MTIME, sym PATH -> TARGET MTIME. Paths may have blanks. (PMS does
// not describe the format; portage's dbapi/vartree.py, writeContentsToContentsFile, writes it.)
var entry = regexp.MustCompile(`^(?:obj (.+) ([0-9a-f]{32}) [0-9]+|sym (.+) -> (.+) [0-9]+)$`)

func contents(ctx context.Context, f *catalog.File) (catalog.Evidence, error) {
	owned := catalog.Ownership{Type: catalog.TypePortage, Record: path.Dir(f.Path) + "/PF"}
	in := bufio.NewScanner(f.Reader())
	in.Buffer(make([]byte, 4<<10), maxLine)
	for in.Scan() {
		m := entry.FindStringSubmatch(in.Text())
		if m == nil {
			continue // a directory, a device, a named pipe
		}
		if len(owned.Recorded) == maxFiles {
			return catalog.Evidence{Owns: []catalog.Ownership{owned}},
				&catalog.Incompleteness{Path: f.Path, Reason: catalog.ReasonTooMany, Detail: fmt.Sprintf("more than %d files", maxFiles)}
		}
		r := catalog.RecordedFile{Path: path.Clean("/" + m[1]), Mode: catalog.ModeRegular | catalog.ModeAny, Digest: "md5:" + m[2]}
		if m[3] != "" {
			r = catalog.RecordedFile{Path: path.Clean("/" + m[3]), Mode: catalog.ModeSymlink | catalog.ModeAny, Link: m[4]}
		}
		// What CONFIG_PROTECT covers unless told otherwise (portage, make.globals).
		r.Config = strings.HasPrefix(r.Path, "/etc/")
		owned.Recorded = append(owned.Recorded, r)
	}
	if len(owned.Recorded) == 0 {
		return catalog.Evidence{}, in.Err()
	}
	if err := in.Err(); err != nil {
		return catalog.Evidence{Owns: []catalog.Ownership{owned}}, fmt.Errorf("read %s: %w", f.Path, err)
	}
	return catalog.Evidence{Owns: []catalog.Ownership{owned}}, ctx.Err()
}

// version ends the name of a package's directory (PMS, "Version Specifications").
var version = regexp.MustCompile(`^(.+?)-[0-9]+(?:\.[0-9]+)*[a-z]?(?:_(?:alpha|beta|pre|rc|p)[0-9]*)*(?:-r[0-9]+)?$`)

// license reads the licences as the ebuild has them, USE flags resolved: names, "||" before alternatives.
func license(_ context.Context, f *catalog.File) (catalog.Evidence, error) {
	content, err := listing.Content(f)
	if err != nil {
		return catalog.Evidence{}, err
	}
	m := version.FindStringSubmatch(path.Base(path.Dir(f.Path)))
	var names []string
	for _, word := range strings.Fields(string(content)) {
		if word != "||" && word != "(" && word != ")" {
			names = append(names, word)
		}
	}
	licenses := catalog.Licenses(names...)
	if m == nil || len(licenses) == 0 {
		return catalog.Evidence{}, nil
	}
	return catalog.Evidence{Licenses: &catalog.LicenseStatement{Type: catalog.TypePortage, Name: m[1], Licenses: licenses}}, nil
}
