package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"plimsoll/engine/policy"
	"plimsoll/engine/policy/packs"
)

func bundlesDir(t *testing.T, files map[string]string) string {
	t.Helper()
	dir := t.TempDir()
	for name, text := range files {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

const ownPolicy = "id: own\nname: Own\nversion: \"2\"\nmappings: []\nrule_sets: []\n"

func TestNewAccountsBeginWithTheConfiguredPolicies(t *testing.T) {
	t.Parallel()
	all, err := packs.All()
	if err != nil {
		t.Fatal(err)
	}
	plain, err := Policies{}.first()
	if err != nil || plain.active.Name != "Default" || len(plain.more) != 0 {
		t.Errorf("%+v, %v", plain.active.Name, err)
	}
	dir := bundlesDir(t, map[string]string{"b.yaml": ownPolicy, "a.json": `{"id":"other","name":"Other","version":"2","mappings":[],"rule_sets":[]}`, "README.txt": "no policy"})
	for active, want := range map[string]string{"": plain.active.ID, "own": "own", "starter": all[0].ID} {
		got, err := Policies{BundlesDir: dir, Packs: []string{"starter", "cis"}, Active: active}.first()
		if err != nil || got.active.ID != want || len(got.more) != 4 {
			t.Errorf("active %q: %s, %d more, %v", active, got.active.ID, len(got.more), err)
		}
	}
}

func TestPoliciesOfNewAccountsAreCheckedAtStart(t *testing.T) {
	t.Parallel()
	broken := strings.Replace(ownPolicy, "mappings: []", "mappings: [{id: m}]", 1)
	for name, tt := range map[string]struct {
		p    Policies
		says string
	}{
		"an unknown pack":   {Policies{Packs: []string{"sails"}}, `no pack "sails"`},
		"no such folder":    {Policies{BundlesDir: "/nonexistent"}, "bundles_dir"},
		"an empty folder":   {Policies{BundlesDir: t.TempDir()}, "no policy"},
		"an invalid policy": {Policies{BundlesDir: bundlesDir(t, map[string]string{"own.yaml": broken})}, "/mappings/0/registry"},
		"nobody's choice":   {Policies{Active: "cis"}, `"cis"`},
		"an id twice":       {Policies{BundlesDir: bundlesDir(t, map[string]string{"a.json": string(policy.Default())})}, "two of them"},
	} {
		if _, err := tt.p.first(); err == nil || !strings.Contains(err.Error(), tt.says) {
			t.Errorf("%s: %v", name, err)
		}
	}
}
