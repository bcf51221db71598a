// Package retrieve keeps the content of files the operator names, so that policies and people can look into them
// without the image.
package retrieve

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"path"
	"slices"
	"strings"

	"plimsoll/engine/catalog"
)

// Name is the analyzer's name.
const Name = "retrieved-files"

const version = 1

// maxPaths bounds the list of paths.
const maxPaths = 1000

// Settings say what to keep. They decide the evidence and so belong to the analyzer set.
type Settings struct {
	// Paths are absolute; * ? and [ ] stand for parts of a name as in path.Match and do not cross a slash.
	Paths    []string `json:"paths"`
	MaxBytes int64    `json:"max_bytes"` // of a file; larger ones are recorded as too large
}

// DefaultPaths are what policies ask for: users.
func DefaultPaths() []string { return []string{"/etc/passwd"} }

// DefaultMaxBytes suits what people write by hand.
const DefaultMaxBytes = 1 << 20

// ErrSettings reports settings that cannot be used.
var ErrSettings = errors.New("unusable settings")

// Analyzer prepares the analyzer: ErrSettings with all faults.
func Analyzer(settings Settings) (catalog.Analyzer, error) {
	if err := settings.check(); err != nil {
		return catalog.Analyzer{}, err
	}
	config, err := json.Marshal(settings)
	if err != nil {
		return catalog.Analyzer{}, fmt.Errorf("encode settings: %w", err)
	}
	return catalog.Analyzer{
		Name: Name, Version: version, MaxSize: settings.MaxBytes, Config: string(config), Wants: settings.wants(), Analyze: keep,
	}, nil
}

func (s Settings) check() error {
	var faults []error
	if s.MaxBytes < 1 {
		faults = append(faults, fmt.Errorf("%w: the largest file must have at least one byte", ErrSettings))
	}
	if len(s.Paths) > maxPaths {
		faults = append(faults, fmt.Errorf("%w: %d paths are given, at most %d are allowed", ErrSettings, len(s.Paths), maxPaths))
	}
	for _, p := range s.Paths {
		if _, err := path.Match(p, ""); err != nil || !path.IsAbs(p) || path.Clean(p) != p || p == "/" {
			faults = append(faults, fmt.Errorf("%w: path %q is not absolute and clean or has a broken pattern", ErrSettings, p))
		}
	}
	return errors.Join(faults...)
}

func (s Settings) wants() func(catalog.Candidate) bool {
	plain := map[string]bool{}
	var patterns []string
	for _, p := range s.Paths {
		if strings.ContainsAny(p, `*?[\`) {
			patterns = append(patterns, p)
		} else {
			plain[p] = true
		}
	}
	return func(c catalog.Candidate) bool {
		return c.Type == catalog.Regular && (plain[c.Path] || slices.ContainsFunc(patterns, func(pattern string) bool {
			matched, _ := path.Match(pattern, c.Path) // checked
			return matched
		}))
	}
}

func keep(_ context.Context, f *catalog.File) (catalog.Evidence, error) {
	content := make([]byte, f.Size)
	if n, err := f.Content.ReadAt(content, 0); err != nil && (err != io.EOF || n < len(content)) {
		return catalog.Evidence{}, fmt.Errorf("read %s: %w", f.Path, err)
	}
	return catalog.Evidence{Retrieved: &catalog.RetrievedFile{Content: content}}, nil
}
