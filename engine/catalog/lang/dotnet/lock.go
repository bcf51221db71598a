package dotnet

import (
	"context"
	"path"

	"plimsoll/engine/catalog"
	"plimsoll/engine/catalog/listing"
)

// Lock returns the analyzer of packages.lock.json.
func Lock() catalog.Analyzer {
	return catalog.Analyzer{Name: "nuget-lock", Version: 1, MaxSize: listing.MaxSize, Wants: wantsLock, Analyze: analyzeLock}
}

func wantsLock(c catalog.Candidate) bool { return path.Base(c.Path) == "packages.lock.json" }

// lock is a packages.lock.json: packages by target framework (NuGet documentation, "Package references in
// project files", "Locking dependencies"). It does not tell development dependencies from others.
type lock struct {
	Dependencies map[string]map[string]struct{ Type, Resolved, ContentHash string }
}

func analyzeLock(_ context.Context, f *catalog.File) (catalog.Evidence, error) {
	var l lock
	fault := listing.JSON(f, &l)
	list := listing.Declared(f, catalog.TypeNuget, "DotnetPackagesLockMetadata")
	for _, packages := range listing.Sorted(l.Dependencies) {
		for name, found := range listing.Sorted(packages) {
			if found.Type == "Project" {
				continue
			}
			p := named(name, found.Resolved)
			p.Metadata["content_hash"] = found.ContentHash
			list.Add(p)
		}
	}
	return list.Evidence(fault)
}
