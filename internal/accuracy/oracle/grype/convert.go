package main

import (
	"archive/zip"
	"encoding/json"
	"fmt"
	"io"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"github.com/anchore/grype/grype/db/provider"
)

// record holds the fields of an OSV record that Grype has a place for.
type record struct {
	ID        string     `json:"id"`
	Modified  string     `json:"modified"`
	Published string     `json:"published"`
	Withdrawn string     `json:"withdrawn"`
	Aliases   []string   `json:"aliases"`
	Summary   string     `json:"summary"`
	Affected  []affected `json:"affected"`
}

type affected struct {
	Package struct {
		Ecosystem string `json:"ecosystem"`
		Name      string `json:"name"`
	} `json:"package"`
	Ranges []struct {
		Type   string `json:"type"`
		Events []struct {
			Introduced   string `json:"introduced"`
			Fixed        string `json:"fixed"`
			LastAffected string `json:"last_affected"`
		} `json:"events"`
	} `json:"ranges"`
	Versions []string `json:"versions"`
	Own      struct {
		Module string `json:"module"` // of the command vex
	} `json:"ecosystem_specific"`
	Database struct {
		LastKnown     any `json:"last_known_affected_version_range"`
		Informational any `json:"informational"`
	} `json:"database_specific"`
}

// languages are the ecosystems as Grype's GitHub provider calls them.
var languages = map[string]string{
	"Go": "go", "PyPI": "python", "npm": "npm", "crates.io": "rust", "RubyGems": "gem", "Maven": "java", "NuGet": "nuget",
	"Packagist": "composer", "Hex": "hex", "Pub": "dart", "SwiftURL": "swift",
}

// distros are those that Grype reads as "a version that fixes a package of a release", with the form of their versions
// and the prefix OSV puts before a CVE's name. Grype judges AlmaLinux by RHEL's data; its advisories take that place,
// so that there are not to be records of both.
var distros = map[string]struct{ id, format, prefix string }{
	"Debian": {"debian", "dpkg", "DEBIAN-"}, "Ubuntu": {"ubuntu", "dpkg", "UBUNTU-"},
	"Alpine": {"alpine", "apk", "ALPINE-"}, "AlmaLinux": {"rhel", "rpm", ""}, "Red Hat": {"rhel", "rpm", ""},
}

// span is a range as both forms need it.
type span struct{ constraint, fix string }

func convert(records, dir string) (provider.States, error) {
	archives, err := filepath.Glob(filepath.Join(records, "*", "all.zip"))
	if err != nil {
		return nil, err
	}
	slices.Sort(archives)
	var states provider.States
	github := []any{}
	for _, archive := range archives {
		ecosystem := filepath.Base(filepath.Dir(archive))
		all, err := read(archive)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", archive, err)
		}
		if _, ok := languages[ecosystem]; ok {
			github = append(github, advisories(all, ecosystem)...)
			continue
		}
		var state *provider.State
		if to, ok := distros[ecosystem]; ok {
			state, err = put(dir, to.id, "vulnerability/os/schema-1.0.0", fixes(all, ecosystem))
		} else if ecosystem == "Bitnami" {
			state, err = put(dir, "bitnami", "vulnerability/osv/schema-1.6.1", bitnami(archive))
		} else {
			continue
		}
		if err != nil {
			return nil, err
		}
		states = append(states, *state)
	}
	state, err := put(dir, "github", "vulnerability/github-security-advisory/schema-1.0.0", github)
	if err != nil {
		return nil, err
	}
	return append(states, *state), nil
}

func put(dir, name, schema string, items any) (*provider.State, error) {
	if err, failed := items.(error); failed {
		return nil, err
	}
	text, err := json.Marshal(items)
	if err != nil {
		return nil, err
	}
	return workspace(dir, name, schema, text)
}

func read(archive string) ([]record, error) {
	var all []record
	err := each(archive, func(raw []byte) error {
		var r record
		if err := json.Unmarshal(raw, &r); err != nil {
			return err
		}
		all = append(all, r)
		return nil
	})
	return all, err
}

func each(archive string, take func(raw []byte) error) error {
	z, err := zip.OpenReader(archive)
	if err != nil {
		return err
	}
	defer z.Close()
	for _, f := range z.File {
		r, err := f.Open()
		if err != nil {
			return err
		}
		raw, err := io.ReadAll(r)
		r.Close()
		if err == nil {
			err = take(raw)
		}
		if err != nil {
			return fmt.Errorf("%s: %w", f.Name, err)
		}
	}
	return nil
}

// spans are the ranges of an entry: each pair of events, and the versions it lists where it has no range at all.
func spans(a affected) []span {
	var out []span
	last, _ := a.Database.LastKnown.(string)
	for _, r := range a.Ranges {
		if r.Type == "GIT" {
			continue
		}
		from, open := "", false
		for _, e := range r.Events {
			switch {
			case e.Introduced != "":
				from, open = e.Introduced, true
			case e.Fixed != "" && open:
				out, open = append(out, span{bounds(from, "< "+e.Fixed), e.Fixed}), false
			case e.LastAffected != "" && open:
				out, open = append(out, span{bounds(from, "<= "+e.LastAffected), ""}), false
			}
		}
		if open {
			out = append(out, span{bounds(from, last), ""})
		}
	}
	if len(out) == 0 {
		for _, v := range a.Versions {
			out = append(out, span{"= " + v, ""})
		}
	}
	return out
}

func bounds(from, to string) string {
	switch {
	case from == "0":
		return to // nothing at all means every version; ">= 0" would leave out 0.0.0-2024…
	case to == "":
		return ">= " + from
	}
	return ">= " + from + ", " + to
}

// advisories are records in the form of Grype's GitHub provider, whoever published them.
func advisories(all []record, ecosystem string) []any {
	var out []any
	for _, r := range all {
		var fixed []any
		for _, a := range r.Affected {
			if a.Package.Ecosystem != ecosystem || a.Database.Informational != nil {
				continue
			}
			for _, s := range spans(a) {
				fixed = append(fixed, map[string]any{
					"ecosystem": languages[ecosystem], "name": a.Package.Name, "namespace": "github:" + languages[ecosystem],
					"range": s.constraint, "identifier": s.fix,
				})
			}
		}
		out = append(out, map[string]any{"Advisory": map[string]any{
			"ghsaId": r.ID, "CVE": []string{}, "FixedIn": fixed, "Severity": "Medium", "Summary": r.Summary, "url": "https://osv.dev/" + r.ID,
			"published": r.Published, "updated": r.Modified, "withdrawn": r.Withdrawn, "namespace": "github:" + languages[ecosystem],
		}})
	}
	return out
}

var release = regexp.MustCompile(`^v?([0-9][0-9.]*)(?::LTS)?$`)

// fixes are records in the form of Grype's providers of distributions: one for each release.
func fixes(all []record, ecosystem string) []any {
	to := distros[ecosystem]
	var out []any
	for _, r := range all {
		byRelease := map[string][]any{}
		for _, a := range r.Affected {
			name, suffix, _ := strings.Cut(a.Package.Ecosystem, ":")
			m := release.FindStringSubmatch(suffix)
			if name != ecosystem || m == nil || r.Withdrawn != "" {
				continue
			}
			namespace := to.id + ":" + m[1]
			for _, s := range spans(a) {
				entry := map[string]any{"Name": a.Package.Name, "NamespaceName": namespace, "VersionFormat": to.format, "Version": s.fix}
				if s.constraint != "< "+s.fix {
					entry["VulnerableRange"] = s.constraint
				}
				if a.Own.Module != "" {
					entry["Module"] = a.Own.Module
				}
				byRelease[namespace] = append(byRelease[namespace], entry)
			}
		}
		for namespace, fixed := range byRelease {
			out = append(out, map[string]any{"Vulnerability": map[string]any{
				"Name": strings.TrimPrefix(r.ID, to.prefix), "NamespaceName": namespace, "Severity": "Medium", "Description": r.Summary,
				"Link": "https://osv.dev/" + r.ID, "FixedIn": fixed,
			}})
		}
	}
	return out
}

// bitnami are the records as they are: Grype reads that publisher's in OSV's form.
func bitnami(archive string) any {
	all := []json.RawMessage{}
	err := each(archive, func(raw []byte) error {
		all = append(all, raw)
		return nil
	})
	if err != nil {
		return err
	}
	return all
}
