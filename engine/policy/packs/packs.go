// Package packs holds policies that are ready to use, each with the tests that show what it asks for. They are starting
// points: whoever installs one owns it from then on, and later versions of this program do not change it.
package packs

import (
	"embed"
	"encoding/json"
	"fmt"

	"plimsoll/engine/policy/trial"
)

//go:embed *.yaml
var files embed.FS

// names are in the order in which people may want to look at them: the gentlest first.
var names = []string{"starter", "secure", "cis", "hardened"}

// Pack is a policy ready to use.
type Pack struct {
	Name        string `json:"name"` // by which it is asked for
	ID          string `json:"policy_id"`
	Title       string `json:"title"`
	Description string `json:"description"`
	Document    []byte `json:"-"` // JSON
}

// All lists the packs.
func All() ([]Pack, error) {
	all := make([]Pack, 0, len(names))
	for _, name := range names {
		raw, err := files.ReadFile(name + ".yaml")
		if err != nil {
			return nil, fmt.Errorf("read pack %s: %w", name, err)
		}
		document, err := trial.ToJSON(raw)
		if err != nil {
			return nil, fmt.Errorf("read pack %s: %w", name, err)
		}
		var about struct{ ID, Name, Description string }
		if err := json.Unmarshal(document, &about); err != nil {
			return nil, fmt.Errorf("read pack %s: %w", name, err)
		}
		all = append(all, Pack{name, about.ID, about.Name, about.Description, document})
	}
	return all, nil
}

// Files returns the sources of a pack: the document in YAML, as people edit it, and its tests, which name it by its file.
func Files(name string) (policy, tests []byte, err error) {
	if policy, err = files.ReadFile(name + ".yaml"); err == nil {
		tests, err = files.ReadFile(name + "_test.yaml")
	}
	if err != nil {
		return nil, nil, fmt.Errorf("read pack %s: %w", name, err)
	}
	return policy, tests, nil
}
