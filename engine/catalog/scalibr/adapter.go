package scalibr

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path"
	"slices"
	"strings"
	"time"

	cpb "github.com/google/osv-scalibr/binary/proto/config_go_proto"
	"github.com/google/osv-scalibr/extractor"
	"github.com/google/osv-scalibr/extractor/filesystem"
	scalibrlog "github.com/google/osv-scalibr/log"

	"plimsoll/engine/catalog"
)

// errGuard reports a file that is not shown to the library that would read it.
var errGuard = errors.New("not given to its parser")

// source is one extractor as an analyzer.
type source struct {
	name     string // of the analyzer
	make     func(*cpb.PluginConfig) (filesystem.Extractor, error)
	kind     string // package type
	as       string // name of the package, where the library has a title
	purl     string // type of the purl, where the library's is none or another ecosystem's
	declared bool   // lists what is asked for, not what is installed
	alone    bool   // wants decides, because the extractor looks in other places
	maxSize  int64
	wants    func(p string) bool // by path, before the extractor itself is asked
	guard    func([]byte) error  // nil: the parser is safe on anything
}

// maxPackages bounds one file.
const maxPackages = 20_000

func init() { scalibrlog.SetLogger(silent{}) }

// analyzer builds the analyzer; a constructor that fails makes one that Validate refuses.
func (s source) analyzer() catalog.Analyzer {
	e, err := s.make(&cpb.PluginConfig{})
	if err != nil {
		return catalog.Analyzer{Name: s.name}
	}
	return catalog.Analyzer{
		Name: s.name, Version: 1, MaxSize: s.maxSize,
		Wants: func(c catalog.Candidate) bool {
			return s.wants(c.Path) && (s.alone || e.FileRequired(view{c.Entry}))
		},
		Analyze: func(ctx context.Context, f *catalog.File) (catalog.Evidence, error) { return s.analyze(ctx, e, f) },
	}
}

func (s source) analyze(ctx context.Context, e filesystem.Extractor, f *catalog.File) (catalog.Evidence, error) {
	content := make([]byte, f.Size)
	if _, err := io.ReadFull(f.Reader(), content); err != nil {
		return catalog.Evidence{}, fmt.Errorf("read file: %w", err)
	}
	if s.guard != nil {
		if err := s.guard(content); err != nil {
			return catalog.Evidence{}, err
		}
	}
	v := view{f.Entry}
	found, err := e.Extract(ctx, &filesystem.ScanInput{
		FS: single{v, content}, Path: v.Path(), Root: "/", Info: info{f.Entry}, Reader: bytes.NewReader(content),
	})
	var out catalog.Evidence
	bad := 0
	for i, p := range found.Packages {
		if i == maxPackages {
			err = errors.Join(err, &catalog.Incompleteness{Reason: catalog.ReasonTooMany, Detail: fmt.Sprintf("more than %d packages", maxPackages)})
			break
		}
		read, ok := s.read(p, f.Path)
		if !ok {
			bad++
			continue
		}
		out.Packages = append(out.Packages, read)
	}
	if bad > 0 {
		err = errors.Join(err, fmt.Errorf("%d packages without usable name or version", bad))
	}
	slices.SortFunc(out.Packages, func(a, b catalog.Package) int {
		return strings.Compare(a.Name+" "+a.Version, b.Name+" "+b.Version)
	})
	return out, err
}

// read brings a package of the library into our form.
func (s source) read(in *extractor.Package, file string) (catalog.Package, bool) {
	if in == nil {
		return catalog.Package{}, false
	}
	p := catalog.Package{
		Type: s.kind, Name: in.Name, Version: in.Version, Location: file, Licenses: catalog.Licenses(in.Licenses...), MetadataType: s.name,
	}
	if s.as != "" {
		p.Name = s.as
	}
	switch u := in.PURL(); {
	case s.purl != "":
		namespace, name := path.Split(p.Name)
		p.PURL = catalog.PURL(s.purl, strings.TrimSuffix(namespace, "/"), name, p.Version, nil)
	case u != nil && !catalog.IsOS(s.kind): // assembly writes those of the operating system
		p.PURL = catalog.PURL(u.Type, u.Namespace, u.Name, u.Version, nil)
	}
	if s.declared {
		p.Metadata = map[string]string{catalog.MetadataEvidence: catalog.EvidenceDeclared}
	}
	return p, p.Check() == nil
}

// view is what an extractor may ask about a file before it is read. The library's paths have no slash in front.
type view struct{ entry catalog.Entry }

func (v view) Path() string               { return strings.TrimPrefix(v.entry.Path, "/") }
func (v view) Stat() (fs.FileInfo, error) { return info(v), nil }

type info struct{ entry catalog.Entry }

func (i info) Name() string       { return path.Base(i.entry.Path) }
func (i info) Size() int64        { return i.entry.Size }
func (i info) Mode() fs.FileMode  { return fs.FileMode(i.entry.Mode & 0o777) }
func (i info) ModTime() time.Time { return time.Time{} }
func (i info) IsDir() bool        { return false }
func (i info) Sys() any           { return nil }

// single is a file system of one file.
type single struct {
	view
	content []byte
}

func (s single) Open(name string) (fs.File, error) {
	if path.Clean(name) != s.Path() {
		return nil, &fs.PathError{Op: "open", Path: name, Err: fs.ErrNotExist}
	}
	return &opened{info{s.entry}, bytes.NewReader(s.content)}, nil
}

func (s single) Stat(name string) (fs.FileInfo, error) {
	if path.Clean(name) != s.Path() {
		return nil, &fs.PathError{Op: "stat", Path: name, Err: fs.ErrNotExist}
	}
	return info{s.entry}, nil
}

func (s single) ReadDir(name string) ([]fs.DirEntry, error) {
	return nil, &fs.PathError{Op: "readdir", Path: name, Err: fs.ErrNotExist}
}

type opened struct {
	info
	*bytes.Reader
}

func (o *opened) Size() int64                { return o.info.Size() }
func (o *opened) Stat() (fs.FileInfo, error) { return o.info, nil }
func (o *opened) Close() error               { return nil }

type silent struct{}

func (silent) Errorf(string, ...any) {}
func (silent) Warnf(string, ...any)  {}
func (silent) Infof(string, ...any)  {}
func (silent) Debugf(string, ...any) {}
func (silent) Error(...any)          {}
func (silent) Warn(...any)           {}
func (silent) Info(...any)           {}
func (silent) Debug(...any)          {}
