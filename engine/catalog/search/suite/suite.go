// Package suite is what an operator or a client says about searches in files and files kept: settings, and the analyzers that
// follow from them. Server and command line share it, so that an image analysed here or there shows the same.
package suite

import (
	"errors"
	"fmt"

	"plimsoll/engine/catalog"
	"plimsoll/engine/catalog/search"
	"plimsoll/engine/catalog/search/content"
	"plimsoll/engine/catalog/search/retrieve"
	"plimsoll/engine/catalog/search/secret"
)

// Scopes of what searches found. Files that upper layers hide are always searched and their hits stored, marked:
// the scope only says what is listed without being asked for, so that it may change without reading an image again.
const (
	ScopeAllLayers = "all_layers" // whoever pulls the image receives a file that a later layer deletes, too
	ScopeSquashed  = "squashed"   // what a container sees
)

// Settings is the configuration section of searches in files and of files kept.
type Settings struct {
	Secrets   SecretSearch  `yaml:"secrets" doc:"Search for credentials left in files."`
	Content   ContentSearch `yaml:"content" doc:"Search for expressions of your own."`
	Retrieved KeptFiles     `yaml:"retrieved_files" doc:"Files whose content is kept with the analysis, for policies and people to look into."`
	Scope     string        `yaml:"scope" doc:"What answers list unless they are asked otherwise: all_layers also what lies in files that a later layer deletes, squashed only what a container sees. Both are always searched and stored."`
}

// SecretSearch is the part about credentials.
type SecretSearch struct {
	Enabled  bool                `yaml:"enabled" doc:"Look into every text file."`
	MaxBytes int64               `yaml:"max_file_bytes" doc:"Largest file to look into, in bytes; larger ones are passed over in silence."`
	Values   bool                `yaml:"store_values" doc:"Store what was found, credentials in clear, beside file and line."`
	Disabled []string            `yaml:"disabled_rules" doc:"Names of default rules to leave out."`
	Extra    []search.Expression `yaml:"extra_rules" doc:"Rules of your own, each with a name and a regex (RE2), looked for in every line."`
	Skip     []string            `yaml:"skip_paths" doc:"Regular expressions (RE2) on paths that are not looked into."`
}

// ContentSearch is the part about the operator's own expressions.
type ContentSearch struct {
	Expressions []search.Expression `yaml:"expressions" doc:"What to look for, each with a name and a regex (RE2), in every line of every text file. Empty turns the search off."`
	MaxBytes    int64               `yaml:"max_file_bytes" doc:"Largest file to look into, in bytes; larger ones are passed over in silence."`
	Values      bool                `yaml:"store_values" doc:"Store what was found beside file and line."`
}

// KeptFiles is the part about files kept.
type KeptFiles struct {
	Paths    []string `yaml:"paths" doc:"Absolute paths; * ? and [ ] stand for parts of a name. Empty keeps none."`
	MaxBytes int64    `yaml:"max_file_bytes" doc:"Largest file to keep, in bytes; a larger one is reported as not looked into."`
}

// Default looks for credentials and keeps /etc/passwd.
func Default() Settings {
	return Settings{
		Secrets:   SecretSearch{Enabled: true, MaxBytes: secret.DefaultMaxBytes, Skip: secret.DefaultSkip()},
		Content:   ContentSearch{MaxBytes: content.DefaultMaxBytes},
		Retrieved: KeptFiles{Paths: retrieve.DefaultPaths(), MaxBytes: retrieve.DefaultMaxBytes},
		Scope:     ScopeAllLayers,
	}
}

// Squashed reports whether answers list only what a container sees.
func (s Settings) Squashed() bool { return s.Scope == ScopeSquashed }

// Validate reports every fault of the section at once.
func (s Settings) Validate() error {
	_, err := s.Analyzers()
	if s.Scope != ScopeAllLayers && s.Scope != ScopeSquashed {
		err = errors.Join(err, fmt.Errorf("scope: must be %s or %s, is %q", ScopeAllLayers, ScopeSquashed, s.Scope))
	}
	return err
}

// Analyzers are the searches that have something to look for. What is turned off is checked all the same.
func (s Settings) Analyzers() ([]catalog.Analyzer, error) {
	var chosen []catalog.Analyzer
	var faults []error
	add := func(section string, wanted bool, a catalog.Analyzer, err error) {
		switch {
		case err != nil:
			faults = append(faults, fmt.Errorf("%s: %w", section, err))
		case wanted:
			chosen = append(chosen, a)
		}
	}
	a, err := secret.Analyzer(secret.Settings{
		MaxBytes: s.Secrets.MaxBytes, Values: s.Secrets.Values, Disabled: s.Secrets.Disabled, Extra: s.Secrets.Extra, Skip: s.Secrets.Skip,
	})
	add("secrets", s.Secrets.Enabled, a, err)
	a, err = content.Analyzer(content.Settings{MaxBytes: s.Content.MaxBytes, Values: s.Content.Values, Expressions: s.Content.Expressions})
	add("content", len(s.Content.Expressions) > 0, a, err)
	a, err = retrieve.Analyzer(retrieve.Settings{Paths: s.Retrieved.Paths, MaxBytes: s.Retrieved.MaxBytes})
	add("retrieved_files", len(s.Retrieved.Paths) > 0, a, err)
	return chosen, errors.Join(faults...)
}
