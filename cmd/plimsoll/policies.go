package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"plimsoll/api"
	"plimsoll/engine/policy"
	"plimsoll/engine/policy/gates"
	"plimsoll/engine/policy/packs"
	"plimsoll/engine/policy/trial"
	"plimsoll/persistence"
)

// Policies is the section of the policies that new accounts begin with.
type Policies struct {
	BundlesDir string   `yaml:"bundles_dir" doc:"Folder with policy documents (*.json, *.yaml) that new accounts are given beside the default one; they are checked at start. Empty means none."`
	Packs      []string `yaml:"packs" doc:"Policies of this program that new accounts are given as well: starter, secure, cis, hardened (plimsollctl policy pack list)."`
	Active     string   `yaml:"active" doc:"Which of them is active in new accounts: a policy id, or the name of a pack. Empty means the default one."`
}

// firstPolicies are the policies that new accounts begin with: the active one, and those beside it.
type firstPolicies struct {
	active persistence.NewPolicy
	more   []persistence.NewPolicy
}

// first reads the policies, and refuses what is wrong with any of them.
func (p Policies) first() (firstPolicies, error) {
	initial, err := api.DefaultPolicy(gates.All())
	if err != nil {
		return firstPolicies{}, err
	}
	all, wanted := []persistence.NewPolicy{initial}, p.Active
	shipped, err := packs.All()
	if err != nil {
		return firstPolicies{}, err
	}
	for _, name := range p.Packs {
		i := slices.IndexFunc(shipped, func(s packs.Pack) bool { return s.Name == name })
		if i < 0 {
			return firstPolicies{}, fmt.Errorf("policies.packs: there is no pack %q", name)
		}
		read, err := api.ReadPolicy(shipped[i].Document, gates.All())
		if err != nil {
			return firstPolicies{}, fmt.Errorf("policies.packs: %s: %w", name, err)
		}
		if all = append(all, read); wanted == name {
			wanted = read.ID
		}
	}
	bundles, err := p.bundles()
	if err != nil {
		return firstPolicies{}, err
	}
	return choose(append(all, bundles...), wanted)
}

// choose puts one of the policies first; without a choice it is the default.
func choose(all []persistence.NewPolicy, wanted string) (firstPolicies, error) {
	var out firstPolicies
	found := false
	seen := map[string]bool{}
	for i, p := range all {
		if seen[p.ID] {
			return out, fmt.Errorf("policies: two of them have the id %s", p.ID)
		}
		seen[p.ID] = true
		if !found && (p.ID == wanted || wanted == "" && i == 0) {
			out.active, found = p, true
			continue
		}
		out.more = append(out.more, p)
	}
	if !found {
		return out, fmt.Errorf("policies.active: there is no policy or pack %q among those of new accounts", wanted)
	}
	return out, nil
}

// bundles reads the folder, by name.
func (p Policies) bundles() ([]persistence.NewPolicy, error) {
	if p.BundlesDir == "" {
		return nil, nil
	}
	entries, err := os.ReadDir(p.BundlesDir)
	if err != nil {
		return nil, fmt.Errorf("policies.bundles_dir: %w", err)
	}
	var out []persistence.NewPolicy
	for _, e := range entries {
		switch filepath.Ext(e.Name()) {
		case ".json", ".yaml", ".yml":
		default:
			continue
		}
		read, err := readBundle(filepath.Join(p.BundlesDir, e.Name()))
		if err != nil {
			return nil, fmt.Errorf("policies.bundles_dir: %w", err)
		}
		out = append(out, read)
	}
	if len(out) == 0 {
		return nil, fmt.Errorf("policies.bundles_dir: no policy (*.json, *.yaml) in %s", p.BundlesDir)
	}
	return out, nil
}

func readBundle(name string) (persistence.NewPolicy, error) {
	file, err := os.Open(name)
	if err != nil {
		return persistence.NewPolicy{}, err
	}
	defer file.Close()
	raw, err := io.ReadAll(io.LimitReader(file, 2*policy.MaxDocumentBytes)) // what is larger is refused for its size
	if err != nil {
		return persistence.NewPolicy{}, fmt.Errorf("read %s: %w", name, err)
	}
	document, err := trial.Document(raw)
	if err != nil {
		return persistence.NewPolicy{}, fmt.Errorf("read %s: %w", name, err)
	}
	read, err := api.ReadPolicy(document, gates.All())
	var invalid *policy.InvalidError
	if errors.As(err, &invalid) {
		faults := make([]string, len(invalid.Problems))
		for i, p := range invalid.Problems {
			faults[i] = p.Details
		}
		err = fmt.Errorf("%w: %s", policy.ErrInvalid, strings.Join(faults, "; "))
	}
	if err != nil {
		return read, fmt.Errorf("%s: %w", name, err)
	}
	return read, nil
}
