// Package dotnet finds NuGet packages of .NET: those an application or shared framework carries with it, by the
// dependency file the host resolves assemblies with (NAME.deps.json), those a packages.lock.json asks for, and where
// there is neither, those the assemblies' version resources let infer.
//
// An assembly's own version is that of a build and not always the package's: it counts only where no dependency
// file or installed package speaks.
package dotnet

import (
	"context"
	"encoding/json"
	"path"
	"strings"

	"github.com/package-url/packageurl-go"

	"plimsoll/engine/catalog"
	"plimsoll/engine/catalog/cpe"
	"plimsoll/engine/catalog/listing"
)

// Applications returns the analyzer of dependency files.
func Applications() catalog.Analyzer {
	return catalog.Analyzer{Name: "dotnet-deps", Version: 1, MaxSize: listing.MaxSize, Wants: wants, Analyze: analyze}
}

func wants(c catalog.Candidate) bool {
	base := path.Base(c.Path)
	return strings.HasSuffix(base, ".deps.json") && base != ".deps.json"
}

// dependencies is a dependency file (dotnet/runtime, docs/design/features/runtime-config-file.md and
// dotnet/sdk, runtime-configuration-file.md: "[appname].deps.json"). What runs is the runtime target; other
// targets were only compiled against.
type dependencies struct {
	RuntimeTarget struct{ Name string }
	Targets       map[string]map[string]assets
	Libraries     map[string]library
}

// assets are the files a package puts into the application, by path.
type assets struct{ Runtime, Native, Resources, RuntimeTargets map[string]json.RawMessage }

type library struct {
	Type     string // package, runtimepack, project, reference, referenceassembly
	SHA512   string
	Path     string
	HashPath string
}

// runtimePack starts the names of libraries that are the runtime a self-contained application brings along.
const runtimePack = "runtimepack."

func analyze(_ context.Context, f *catalog.File) (catalog.Evidence, error) {
	var deps dependencies
	fault := listing.JSON(f, &deps)
	list := listing.Installed(f, catalog.TypeNuget, "DotnetDepsMetadata")
	target, resolved := deps.Targets[deps.RuntimeTarget.Name]
	for key, lib := range listing.Sorted(deps.Libraries) {
		name, version, _ := strings.Cut(key, "/")
		switch lib.Type {
		case "package":
			// Listed without files: only compiled against, or given way to the framework's own copy.
			if entry, listed := target[key]; resolved && listed && !entry.any() {
				continue
			}
		case "runtimepack":
			name = strings.TrimPrefix(name, runtimePack)
		default:
			continue // projects and plain references are no packages
		}
		p := named(name, version)
		p.Metadata["path"], p.Metadata["hash_path"], p.Metadata["sha512"] = lib.Path, lib.HashPath, lib.SHA512
		list.Add(p)
	}
	return list.Evidence(fault)
}

// any reports whether there is a file; "_._" stands for none.
func (a assets) any() bool {
	for _, group := range []map[string]json.RawMessage{a.Runtime, a.Native, a.Resources, a.RuntimeTargets} {
		for file := range group {
			if path.Base(file) != "_._" {
				return true
			}
		}
	}
	return false
}

// named describes a package as far as its name tells. The first part of a dotted name is often the vendor's.
func named(name, version string) catalog.Package {
	vendor, _, _ := strings.Cut(name, ".")
	return catalog.Package{
		Name: name, Version: version,
		PURL:     catalog.PURL(packageurl.TypeNuget, "", name, version, nil),
		CPEs:     cpe.Candidates([]string{vendor, name}, []string{name}, version, cpe.AnySoftware),
		Metadata: map[string]string{},
	}
}
