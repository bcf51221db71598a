// Package apk reads the package database of Alpine and its relatives: one text file with the installed
// packages and the files they own.
//
// Namespace and purl need the distro and are set by assembly (catalog.SetDistro). Advisories name the origin,
// the package a sub-package was built with; both have the same version.
package apk

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"

	"plimsoll/engine/catalog"
	"plimsoll/engine/catalog/cpe"
)

// maxSize: with its file lists a package takes some ten kilobytes; all of Alpine's 30,000 would stay below.
const maxSize = 256 << 20

// maxPackages bounds one database.
const maxPackages = 200_000

// maxOwned bounds the memory all file records of one database take, in bytes. Paths are put together from a
// directory and a name, so a hostile file could make them of many times its own size.
const maxOwned = 128 << 20

// maxFaults bounds how many unusable packages of one file are reported one by one.
const maxFaults = 10

// ErrMalformed reports a database with lines that are not in its format; the rest of it was read.
var ErrMalformed = errors.New("malformed package database")

// Analyzer returns the analyzer of the installed database.
func Analyzer() catalog.Analyzer {
	return catalog.Analyzer{Name: "apk-installed", Version: 2, MaxSize: maxSize, Wants: wants, Analyze: analyze}
}

// wants: the database lies below /lib/apk, in distributions whose /lib is merged into /usr below /usr/lib/apk.
func wants(c catalog.Candidate) bool {
	return c.Path == "/lib/apk/db/installed" || c.Path == "/usr/lib/apk/db/installed"
}

// database is the state of reading one file.
type database struct {
	path   string
	found  catalog.Evidence
	faults []error
	odd    int // lines that are no field
	owned  int // bytes of file records kept
	full   bool
}

func analyze(ctx context.Context, f *catalog.File) (catalog.Evidence, error) {
	db := &database{path: f.Path}
	in := newScanner(f.Reader())
	var r record
	for {
		name, value, err := in.next()
		if err == nil {
			err = ctx.Err()
		}
		if err != nil {
			if !errors.Is(err, io.EOF) {
				db.faults = append(db.faults, fmt.Errorf("read %s: %w", f.Path, err))
			}
			break
		}
		if name == 0 {
			db.take(&r)
			if r = (record{}); db.full {
				break
			}
			continue
		}
		db.set(&r, name, value)
	}
	db.take(&r)
	if db.odd += in.malformed; db.odd > 0 {
		db.faults = append(db.faults, fmt.Errorf("%w: %d lines of %s", ErrMalformed, db.odd, f.Path))
	}
	return db.found, errors.Join(db.faults...)
}

// record is one package: its fields by letter, the directory its file list is in and the files so far.
type record struct {
	fields map[byte]string
	dir    string
	files  []catalog.RecordedFile
	// Indexes in files of the current directory and file, which further lines speak of; -1 for one not kept.
	inDir, inFile int
}

// described are the fields that are kept, with the name metadata gives them ("" for those that are part of the
// package itself). Letters as the Alpine wiki has them under "Apk spec", "Installed Database V2".
var described = map[byte]string{
	'P': "", 'V': "", 'A': "", 'o': "", 'L': "", 'm': "", 'I': "",
	'T': "description", 'U': "url", 'c': "commit", 'D': "depends", 'p': "provides", 'r': "replaces",
}

// set takes one line of a record. In its file list F is a directory and R a file in it; M, a and Z tell access
// and checksum of the entry before.
func (db *database) set(r *record, name byte, value string) {
	switch name {
	case 'F':
		r.dir = value
		r.inDir, r.inFile = -1, -1
		if value != "" {
			r.inDir = db.own(r, "/"+value, defaultDirMode)
		}
	case 'R':
		if r.inFile = -1; value == "" || strings.Contains(value, "/") {
			db.odd++
			return
		}
		r.inFile = db.own(r, "/"+r.dir+"/"+value, defaultFileMode)
	case 'M':
		if len(r.files) > 0 && r.inDir >= 0 {
			specify(&r.files[r.inDir], name, value)
		}
	case 'a', 'Z':
		if len(r.files) > 0 && r.inFile >= 0 {
			specify(&r.files[r.inFile], name, value)
		}
	default:
		if _, ok := described[name]; !ok {
			return
		}
		if r.fields == nil {
			r.fields = make(map[byte]string, len(described))
		}
		r.fields[name] = value
	}
}

// own keeps an entry and returns its index in the record, -1 if it is not kept.
func (db *database) own(r *record, file string, mode uint32) int {
	file = absolute(file)
	if len(file) > maxPath {
		db.odd++
		return -1
	}
	if db.owned += recordSize + len(file); db.owned > maxOwned {
		if !db.full {
			db.full = true
			db.tooMany(fmt.Sprintf("file records of more than %d bytes", maxOwned))
		}
		return -1
	}
	r.files = append(r.files, catalog.RecordedFile{Path: file, Mode: mode, Config: mode == defaultFileMode && strings.HasPrefix(file, protected)})
	return len(r.files) - 1
}

// take ends a record.
func (db *database) take(r *record) {
	if len(r.fields) == 0 {
		return
	}
	p := describe(r.fields, db.path)
	if err := p.Check(); err != nil {
		db.fault(err)
		return
	}
	if len(db.found.Packages) == maxPackages {
		if !db.full {
			db.full = true
			db.tooMany(fmt.Sprintf("more than %d packages", maxPackages))
		}
		return
	}
	db.found.Packages = append(db.found.Packages, p)
	if len(r.files) > 0 {
		db.found.Owns = append(db.found.Owns, catalog.Ownership{Type: catalog.TypeApk, Name: p.Name, Recorded: r.files})
	}
}

func (db *database) fault(err error) {
	if len(db.faults) < maxFaults {
		db.faults = append(db.faults, err)
	}
}

func (db *database) tooMany(detail string) {
	db.faults = append(db.faults, &catalog.Incompleteness{Path: db.path, Reason: catalog.ReasonTooMany, Detail: detail})
}

func describe(fields map[byte]string, location string) catalog.Package {
	p := catalog.Package{
		Type:         catalog.TypeApk,
		Name:         fields['P'],
		Version:      fields['V'],
		Arch:         fields['A'],
		Source:       fields['o'],
		Licenses:     licenses(fields['L']),
		Origin:       catalog.Text(fields['m']),
		Location:     location,
		MetadataType: "ApkMetadata",
		Metadata:     map[string]string{},
	}
	if p.Source == "" { // a package without sub-packages may leave its origin out
		p.Source = p.Name
	}
	p.SourceVersion = p.Version
	products := []string{p.Name}
	if p.Source != p.Name {
		products = append(products, p.Source)
	}
	for _, product := range products {
		p.CPEs = append(p.CPEs, cpe.Candidates([]string{product}, []string{product}, p.Version, cpe.AnySoftware)...)
	}
	if size, err := strconv.ParseInt(fields['I'], 10, 64); err == nil && size > 0 {
		p.Size = size
	}
	for letter, name := range described {
		if value := catalog.Text(fields[letter]); name != "" && value != "" {
			p.Metadata[name] = value
		}
	}
	return p
}

// licenses keeps an SPDX expression whole, as APKBUILDs write them today. Older ones list names with blanks
// between ("MIT BSD GPL2+").
func licenses(field string) []string {
	words := strings.Fields(field)
	for _, word := range words {
		switch strings.ToUpper(word) {
		case "AND", "OR", "WITH":
			return catalog.Licenses(field)
		}
	}
	if strings.ContainsAny(field, "()") {
		return catalog.Licenses(field)
	}
	return catalog.Licenses(words...)
}
