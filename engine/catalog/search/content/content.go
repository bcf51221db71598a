// Package content finds the operator's own expressions in the lines of files.
//
// Files that are not text or larger than the operator allows are not looked into, and not reported as such.
package content

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"regexp"

	"plimsoll/engine/catalog"
	"plimsoll/engine/catalog/search"
)

// Name is the analyzer's name.
const Name = "content-search"

const version = 1

// DefaultMaxBytes is a file's size up to which it is looked into.
const DefaultMaxBytes = 1 << 20

// Settings say what to look for. They decide the evidence and so belong to the analyzer set.
type Settings struct {
	MaxBytes    int64               `json:"max_bytes"` // of a file
	Values      bool                `json:"values"`    // keep what was found
	Expressions []search.Expression `json:"expressions"`
}

// ErrSettings reports settings that cannot be used.
var ErrSettings = errors.New("unusable settings")

type searcher struct {
	Settings
	compiled []*regexp.Regexp
}

// Analyzer prepares the search: search.ErrExpression, ErrSettings.
func Analyzer(settings Settings) (catalog.Analyzer, error) {
	compiled, err := search.Compile(settings.Expressions)
	if settings.MaxBytes < 1 {
		err = errors.Join(err, fmt.Errorf("%w: the largest file must have at least one byte", ErrSettings))
	}
	if err != nil {
		return catalog.Analyzer{}, err
	}
	config, err := json.Marshal(settings)
	if err != nil {
		return catalog.Analyzer{}, fmt.Errorf("encode settings: %w", err)
	}
	s := &searcher{settings, compiled}
	return catalog.Analyzer{
		Name: Name, Version: version, MaxSize: settings.MaxBytes, Config: string(config), Wants: s.wants, Analyze: s.analyze,
	}, nil
}

func (s *searcher) wants(c catalog.Candidate) bool {
	return c.Type == catalog.Regular && c.Size > 0 && c.Size <= s.MaxBytes && search.Plausible(c.Head)
}

func (s *searcher) analyze(ctx context.Context, f *catalog.File) (catalog.Evidence, error) {
	hits := search.NewHits(catalog.SearchContent, s.Values)
	err := search.Text(f, func(text []byte) error {
		return search.EachLine(ctx, text, func(line []byte, number int) {
			for i, re := range s.compiled {
				if at := re.FindIndex(line); at != nil {
					hits.Add(s.Expressions[i].Name, number, line[at[0]:at[1]])
				}
			}
		})
	})
	return hits.Result(f.Path, err)
}
