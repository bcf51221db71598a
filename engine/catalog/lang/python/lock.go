package python

import (
	"context"
	"fmt"
	"path"
	"regexp"
	"slices"
	"strings"

	"github.com/package-url/packageurl-go"

	"plimsoll/engine/catalog"
	"plimsoll/engine/catalog/listing"
	"plimsoll/engine/catalog/toml"
)

// Locks returns the analyzers of what pip, Pipenv, Poetry and uv lock. All leave out what is for development
// only, as far as the format tells: a requirements.txt does not.
func Locks() []catalog.Analyzer {
	lock := func(name, base string, analyze func(context.Context, *catalog.File) (catalog.Evidence, error)) catalog.Analyzer {
		return catalog.Analyzer{Name: name, Version: 1, MaxSize: listing.MaxSize, Wants: wantsLock(base), Analyze: analyze}
	}
	return []catalog.Analyzer{
		lock("pip-requirements", "requirements.txt", analyzeRequirements),
		lock("pipenv-lock", "Pipfile.lock", analyzePipenv),
		lock("poetry-lock", "poetry.lock", analyzePoetry),
		lock("uv-lock", "uv.lock", analyzeUV),
	}
}

// wantsLock leaves out what installed distributions bring along.
func wantsLock(base string) func(catalog.Candidate) bool {
	return func(c catalog.Candidate) bool {
		return path.Base(c.Path) == base && !strings.Contains(c.Path, "/site-packages/") && !strings.Contains(c.Path, "/dist-packages/")
	}
}

// pinned matches a requirement of exactly one version (PEP 508 with the clauses == and === of PEP 440): name,
// extras, version. Markers, options and hashes may follow.
var pinned = regexp.MustCompile(`^([A-Za-z0-9](?:[A-Za-z0-9._-]*[A-Za-z0-9])?)\s*(?:\[[^\]]*\])?\s*===?\s*([A-Za-z0-9.!+_-]+)\s*(?:[;\\#]|--hash|$)`)

// analyzeRequirements reads a requirements file (pip documentation, "Requirements File Format"). Ranges, URLs,
// paths and other files it includes name no version and are passed over.
func analyzeRequirements(_ context.Context, f *catalog.File) (catalog.Evidence, error) {
	content, err := listing.Content(f)
	if err != nil {
		return catalog.Evidence{}, err
	}
	list := listing.Declared(f, catalog.TypePython, "PythonRequirementsMetadata")
	for line := range strings.Lines(string(content)) {
		if m := pinned.FindStringSubmatch(strings.TrimSpace(line)); m != nil {
			list.Add(locked(m[1], m[2]))
		}
	}
	return list.Evidence()
}

// analyzePipenv reads Pipfile.lock; "develop" beside "default" is left out.
func analyzePipenv(_ context.Context, f *catalog.File) (catalog.Evidence, error) {
	var l struct {
		Default map[string]struct{ Version, Index string }
	}
	fault := listing.JSON(f, &l)
	list := listing.Declared(f, catalog.TypePython, "PythonPipfileLockMetadata")
	for name, found := range listing.Sorted(l.Default) {
		// What comes from version control has no version.
		if version, ok := strings.CutPrefix(found.Version, "=="); ok {
			p := locked(name, strings.TrimPrefix(version, "="))
			p.Metadata["index"] = found.Index
			list.Add(p)
		}
	}
	return list.Evidence(fault)
}

// analyzePoetry reads poetry.lock. Until Poetry 1.4 a category tells development dependencies, since 2.0 the
// groups do; the versions between do not tell.
func analyzePoetry(_ context.Context, f *catalog.File) (catalog.Evidence, error) {
	tables, err := packages(f)
	list := listing.Declared(f, catalog.TypePython, "PythonPoetryLockMetadata")
	for _, t := range tables {
		groups := toml.List[string](t, "groups")
		if category := t.Text("category"); (category != "" && category != "main") || (groups != nil && !slices.Contains(groups, "main")) {
			continue
		}
		if kind := t.Table("source").Text("type"); kind == "directory" {
			continue
		}
		list.Add(locked(t.Text("name"), t.Text("version")))
	}
	return list.Evidence(err)
}

// packages reads the tables of a lock file in TOML.
func packages(f *catalog.File) ([]toml.Table, error) {
	content, err := listing.Content(f)
	if err != nil {
		return nil, err
	}
	tables, err := toml.Tables(content, "package")
	if err != nil {
		err = fmt.Errorf("%s: %w", f.Path, err)
	}
	return tables, err
}

func locked(name, version string) catalog.Package {
	return catalog.Package{
		Name: name, Version: version,
		PURL: catalog.PURL(packageurl.TypePyPi, "", name, version, nil), CPEs: candidates(name, version),
		Metadata: map[string]string{},
	}
}
