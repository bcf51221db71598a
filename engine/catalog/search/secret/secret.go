package secret

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"regexp"
	"slices"

	"plimsoll/engine/catalog"
	"plimsoll/engine/catalog/search"
)

// Name is the analyzer's name.
const Name = "secret-search"

// version is raised whenever the same bytes and settings give other evidence, default rules included.
const version = 1

// Settings say what to look for and where. They decide the evidence and so belong to the analyzer set.
type Settings struct {
	MaxBytes int64               `json:"max_bytes"` // of a file
	Values   bool                `json:"values"`    // keep what was found
	Disabled []string            `json:"disabled"`  // default rules to leave out
	Extra    []search.Expression `json:"extra"`     // the operator's own, looked for in each line
	Skip     []string            `json:"skip"`      // expressions on paths that are not looked into
}

// DefaultMaxBytes is a file's size up to which it is looked into.
const DefaultMaxBytes = 1 << 20

// DefaultSkip are paths where package managers keep lists of digests and names, data of the time zones and
// languages, and where installed packages keep the keys of their own tests.
func DefaultSkip() []string {
	return []string{
		`^/var/(lib/(dpkg|apt|rpm|pacman)|cache)/`, `^/(usr/)?lib/(apk/db|sysimage)/`, `^/usr/share/(zoneinfo|locale|i18n|man|mime|perl/.*/unicore)/`,
		`/(site-packages|dist-packages|node_modules|gems|python[0-9.]+|pkg/mod|local/go|lib/go[0-9.-]*)/(.*/)?(tests?|testdata|__tests__|testing|spec|fixtures|examples?)/`,
	}
}

// ErrSettings reports settings that cannot be used.
var ErrSettings = errors.New("unusable settings")

// searcher is the prepared form of Settings.
type searcher struct {
	rules    []rule
	keywords *search.Keywords
	owners   []int // keyword number to index in rules
	extra    []search.Expression
	compiled []*regexp.Regexp
	skip     *regexp.Regexp // nil for none
	settings Settings
}

// Analyzer prepares the search: search.ErrExpression, ErrSettings.
func Analyzer(settings Settings) (catalog.Analyzer, error) {
	s, err := prepare(settings)
	if err != nil {
		return catalog.Analyzer{}, err
	}
	config, err := json.Marshal(settings)
	if err != nil {
		return catalog.Analyzer{}, fmt.Errorf("encode settings: %w", err)
	}
	return catalog.Analyzer{
		Name: Name, Version: version, MaxSize: settings.MaxBytes, Config: string(config), Wants: s.wants, Analyze: s.analyze,
	}, nil
}

func prepare(settings Settings) (*searcher, error) {
	s := &searcher{extra: settings.Extra, settings: settings}
	var faults []error
	if settings.MaxBytes < 1 {
		faults = append(faults, fmt.Errorf("%w: the largest file must have at least one byte", ErrSettings))
	}
	known := Names()
	for _, name := range settings.Disabled {
		if !slices.Contains(known, name) {
			faults = append(faults, fmt.Errorf("%w: there is no rule %q to leave out; there are %v", ErrSettings, name, known))
		}
	}
	for _, e := range settings.Extra {
		if slices.Contains(known, e.Name) && !slices.Contains(settings.Disabled, e.Name) {
			faults = append(faults, fmt.Errorf("%w: %q is a default rule: leave it out or use another name", ErrSettings, e.Name))
		}
	}
	var err error
	if s.compiled, err = search.Compile(settings.Extra); err != nil {
		faults = append(faults, err)
	}
	if s.skip, err = paths(settings.Skip); err != nil {
		faults = append(faults, err)
	}
	s.choose()
	return s, errors.Join(faults...)
}

// choose takes the rules that are not left out.
func (s *searcher) choose() {
	var words []string
	for _, r := range rules {
		if slices.Contains(s.settings.Disabled, r.name) {
			continue
		}
		for _, w := range r.keywords {
			words = append(words, w)
			s.owners = append(s.owners, len(s.rules))
		}
		s.rules = append(s.rules, r)
	}
	s.keywords = search.NewKeywords(words)
}

// paths joins expressions into one; each is checked by itself so that a fault names it.
func paths(all []string) (*regexp.Regexp, error) {
	joined := ""
	for _, p := range all {
		if _, err := regexp.Compile(p); err != nil {
			return nil, fmt.Errorf("%w: path %q: %w", ErrSettings, p, err)
		}
		joined += "|(?:" + p + ")"
	}
	if joined == "" {
		return nil, nil
	}
	return regexp.Compile(joined[1:])
}

func (s *searcher) wants(c catalog.Candidate) bool {
	return c.Type == catalog.Regular && c.Size > 0 && c.Size <= s.settings.MaxBytes && search.Plausible(c.Head) &&
		(s.skip == nil || !s.skip.MatchString(c.Path))
}

func (s *searcher) analyze(ctx context.Context, f *catalog.File) (catalog.Evidence, error) {
	hits := search.NewHits(catalog.SearchSecret, s.settings.Values)
	err := search.Text(f, func(text []byte) error {
		s.known(text, hits)
		if len(s.compiled) == 0 {
			return ctx.Err()
		}
		return search.EachLine(ctx, text, func(line []byte, number int) {
			for i, re := range s.compiled {
				if at := re.FindIndex(line); at != nil {
					hits.Add(s.extra[i].Name, number, line[at[0]:at[1]])
				}
			}
		})
	})
	return hits.Result(f.Path, err)
}

// Bounds on the looks at one file, in bytes that expressions see.
const (
	reach     = 1 << 10 // of one look, unless the rule needs more
	farReach  = 4 << 10
	maxLooked = 4 << 20 // of all looks; thousands of them, far more than a file of any use takes
)

// everyRule stands in for a rule's name when a file has more to look at than is looked at.
const everyRule = "what may be secrets"

// known applies the default rules.
func (s *searcher) known(text []byte, hits *search.Hits) {
	lines := search.NewLines(text)
	looked := 0
	look := func(at, index int) bool {
		r := &s.rules[index]
		if r.word && at > 0 && inWord(text[at-1]) {
			return true
		}
		window := text[at:min(len(text), at+cmp.Or(r.reach, reach))]
		if looked += len(window); looked > maxLooked {
			hits.Full(everyRule)
			return false
		}
		if credential := r.find(window); credential != nil {
			hits.Add(r.name, lines.At(at), credential)
		}
		return true
	}
	s.keywords.Each(text, func(at, word int) bool { return look(at, s.owners[word]) })
	for i := range s.rules {
		exact := []byte(s.rules[i].exact)
		if len(exact) == 0 {
			continue
		}
		for at := 0; ; at += len(exact) {
			next := bytes.Index(text[at:], exact)
			if next < 0 {
				break
			}
			if at += next; !look(at, i) {
				return
			}
		}
	}
}

// find returns the credential the text begins with; nil for none.
func (r *rule) find(text []byte) []byte {
	m := r.pattern.FindSubmatchIndex(text)
	if m == nil {
		return nil
	}
	credential := text[m[0]:m[1]]
	if len(m) > 2 {
		credential = text[m[2]:m[3]]
	}
	if r.credible != nil && !r.credible(credential) {
		return nil
	}
	return credential
}

func inWord(b byte) bool {
	return b == '_' || '0' <= b && b <= '9' || 'a' <= b|0x20 && b|0x20 <= 'z'
}
