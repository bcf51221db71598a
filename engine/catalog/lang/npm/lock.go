package npm

import (
	"context"
	"path"
	"strings"

	"github.com/package-url/packageurl-go"

	"plimsoll/engine/catalog"
	"plimsoll/engine/catalog/cpe"
	"plimsoll/engine/catalog/listing"
)

// Locks returns the analyzers of what npm, yarn and pnpm lock. All leave out what is for development only, as
// far as the format tells: yarn's does not.
func Locks() []catalog.Analyzer {
	return []catalog.Analyzer{
		{Name: "npm-lock", Version: 1, MaxSize: listing.MaxSize, Wants: wantsLock("package-lock.json", "npm-shrinkwrap.json"), Analyze: analyzeLock},
		{Name: "yarn-lock", Version: 1, MaxSize: listing.MaxSize, Wants: wantsLock("yarn.lock"), Analyze: analyzeYarn},
		{Name: "pnpm-lock", Version: 1, MaxSize: listing.MaxSize, Wants: wantsLock("pnpm-lock.yaml"), Analyze: analyzePnpm},
	}
}

// wantsLock leaves out what installed packages bring along: npm heeds only the lock of the project.
func wantsLock(names ...string) func(catalog.Candidate) bool {
	return func(c catalog.Candidate) bool {
		base := path.Base(c.Path)
		for _, name := range names {
			if base == name {
				return !strings.Contains(c.Path, "/node_modules/")
			}
		}
		return false
	}
}

// lock is a package-lock.json (npm documentation, package-lock.json). Versions 2 and 3 list the places of
// packages, version 1 nests the packages themselves; version 2 has both.
type lock struct {
	Packages     map[string]place
	Dependencies map[string]nested
}

type place struct {
	Name, Version, Resolved, Integrity string
	Dev, Link                          bool
}

type nested struct {
	Version, Resolved, Integrity string
	Dev                          bool
	Dependencies                 map[string]nested
}

func analyzeLock(_ context.Context, f *catalog.File) (catalog.Evidence, error) {
	var l lock
	fault := listing.JSON(f, &l)
	list := listing.Declared(f, catalog.TypeNpm, "NpmPackageLockJSONMetadata")
	for where, found := range listing.Sorted(l.Packages) {
		// Places outside node_modules are the project and its workspaces; links lead to those.
		i := strings.LastIndex(where, "node_modules/")
		if i < 0 || found.Dev || found.Link {
			continue
		}
		name := found.Name // set where the place has another name, an alias
		if name == "" {
			name = where[i+len("node_modules/"):]
		}
		list.Add(locked(name, found.Version, found.Resolved, found.Integrity))
	}
	if l.Packages == nil {
		addNested(list, l.Dependencies)
	}
	return list.Evidence(fault)
}

func addNested(list *listing.List, packages map[string]nested) {
	for name, found := range listing.Sorted(packages) {
		if found.Dev {
			continue
		}
		version := found.Version
		if alias, ok := strings.CutPrefix(version, "npm:"); ok {
			name, version = splitAt(alias)
		}
		if !strings.Contains(version, ":") { // an address: not from a registry, without a version
			list.Add(locked(name, version, found.Resolved, found.Integrity))
		}
		addNested(list, found.Dependencies)
	}
}

// splitAt splits NAME@VERSION; the name may begin with the @ of a scope.
func splitAt(s string) (name, version string) {
	if i := strings.LastIndexByte(s, '@'); i > 0 {
		return s[:i], s[i+1:]
	}
	return s, ""
}

func locked(name, version, resolved, integrity string) catalog.Package {
	scope, base := scoped(name)
	return catalog.Package{
		Name: name, Version: version,
		PURL:     catalog.PURL(packageurl.TypeNPM, scope, base, version, nil),
		CPEs:     cpe.Candidates([]string{base, strings.TrimPrefix(scope, "@")}, []string{base}, version, cpe.NodeJS),
		Metadata: map[string]string{"resolved": resolved, "integrity": integrity},
	}
}
