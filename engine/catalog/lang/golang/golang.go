// Package golang reads the modules compiled into Go binaries (ELF, PE, Mach-O) from the build information
// the linker embeds: the main module, its dependencies with replacements, and the standard library.
//
// Versions are what the toolchain recorded. A main module built from a working copy has none: it keeps the
// toolchain's "(devel)" and is marked in its metadata; no version is made up from the VCS stamp beside it.
package golang

import (
	"context"
	"debug/buildinfo"
	"errors"
	"fmt"
	"io"
	"path"
	"regexp"
	"runtime/debug"
	"strings"

	"github.com/package-url/packageurl-go"

	"plimsoll/engine/catalog"
	"plimsoll/engine/catalog/cpe"
	"plimsoll/engine/catalog/executable"
)

const (
	// maxSize: cluster binaries reach 300 MB with symbols.
	maxSize = 1 << 30
	// minSize spares us most shared libraries: an empty Go program, stripped, has over 700 KB.
	minSize = 256 << 10
	// maxModules bounds one binary; the largest known have some 2,000 modules.
	maxModules = 20_000
)

// Devel is the version of a main module the toolchain found none for.
const Devel = "(devel)"

// Stdlib is the name of the standard library as a package.
const Stdlib = "stdlib"

// ErrBuildInfo reports a Go binary whose build information cannot be read.
var ErrBuildInfo = errors.New("unreadable Go build information")

// Analyzer returns the analyzer of Go binaries.
func Analyzer() catalog.Analyzer {
	return catalog.Analyzer{Name: "go-binary", Version: 2, MaxSize: maxSize, Wants: wants, Analyze: analyze}
}

func wants(c catalog.Candidate) bool {
	return c.Size >= minSize && executable.Is(c.Head)
}

func analyze(_ context.Context, f *catalog.File) (catalog.Evidence, error) {
	if err := executable.Check(f.Reader()); err != nil {
		return catalog.Evidence{}, fmt.Errorf("%w: %s: %w", ErrBuildInfo, f.Path, err)
	}
	info, err := buildinfo.Read(io.NewSectionReader(f.Content, 0, f.Size))
	if err != nil {
		if notGo(err) {
			return catalog.Evidence{}, nil
		}
		return catalog.Evidence{}, fmt.Errorf("%w: %s: %w", ErrBuildInfo, f.Path, err)
	}
	var found catalog.Evidence
	var faults []error
	for _, p := range packages(info) {
		if err := p.Check(); err != nil {
			faults = append(faults, err)
			break // written by a linker: one bad name means none can be trusted
		}
		p.Location = f.Path
		found.Packages = append(found.Packages, p)
	}
	if len(info.Deps) > maxModules {
		faults = append(faults, &catalog.Incompleteness{Path: f.Path, Reason: catalog.ReasonTooMany,
			Detail: fmt.Sprintf("more than %d modules", maxModules)})
	}
	return found, errors.Join(faults...)
}

// notGo tells the two errors debug/buildinfo has for files that are no Go binary; it does not export them.
func notGo(err error) bool {
	text := err.Error()
	return strings.Contains(text, "not a Go executable") || strings.Contains(text, "unrecognized file format")
}

func packages(info *debug.BuildInfo) []catalog.Package {
	settings := map[string]string{"go_version": info.GoVersion}
	for _, s := range info.Settings {
		if key, ok := settingKeys[s.Key]; ok {
			settings[key] = s.Value
		}
	}
	var all []catalog.Package
	if info.Main.Path != "" {
		all = append(all, mainModule(info, settings))
	}
	for _, dep := range info.Deps[:min(len(info.Deps), maxModules)] {
		if dep != nil && dep.Path != "" {
			all = append(all, dependency(*dep))
		}
	}
	if version := release(info.GoVersion); version != "" {
		p := module(Stdlib, version)
		p.CPEs = cpe.Candidates([]string{"golang"}, []string{"go"}, version, cpe.AnySoftware)
		all = append(all, p)
	}
	return all
}

// settingKeys are the build settings kept with the main module.
var settingKeys = map[string]string{
	"GOOS": "goos", "GOARCH": "goarch", "CGO_ENABLED": "cgo_enabled",
	"vcs": "vcs", "vcs.revision": "vcs_revision", "vcs.time": "vcs_time", "vcs.modified": "vcs_modified",
}

func mainModule(info *debug.BuildInfo, settings map[string]string) catalog.Package {
	version := info.Main.Version
	if version == "" {
		version = Devel
	}
	p := module(info.Main.Path, version)
	for key, value := range settings {
		p.Metadata[key] = catalog.Text(value)
	}
	p.Metadata["main"] = "true"
	if version == Devel {
		p.Metadata["devel"] = "true"
	}
	return p
}

// dependency describes the code that was compiled: the replacement where there is one. A replacement by a
// directory has no name and version of its own; the required one stays and the directory is noted.
func dependency(dep debug.Module) catalog.Package {
	if dep.Replace == nil {
		p := module(dep.Path, dep.Version)
		if dep.Sum != "" {
			p.Metadata["sum"] = catalog.Text(dep.Sum)
		}
		return p
	}
	by := dep.Replace
	if by.Version == "" || by.Version == Devel {
		p := module(dep.Path, dep.Version)
		p.Metadata["replaced_by"] = catalog.Text(by.Path)
		return p
	}
	p := module(by.Path, by.Version)
	p.Metadata["replaces"] = catalog.Text(dep.Path + "@" + dep.Version)
	if by.Sum != "" {
		p.Metadata["sum"] = catalog.Text(by.Sum)
	}
	return p
}

func module(name, version string) catalog.Package {
	p := catalog.Package{
		Type: catalog.TypeGo, Name: name, Version: version,
		MetadataType: "GolangBinMetadata", Metadata: map[string]string{},
	}
	released := version
	if version == Devel {
		released = ""
	}
	namespace := path.Dir(name)
	if namespace == "." || !strings.Contains(name, "/") {
		namespace = ""
	}
	p.PURL = catalog.PURL(packageurl.TypeGolang, namespace, path.Base(name), released, nil)
	p.CPEs = candidates(name, released)
	return p
}

// candidates: github.com/OWNER/NAME is owner and name; golang.org/x/NAME is of golang; elsewhere the first
// label of the host is the vendor.
func candidates(name, version string) []string {
	parts := strings.Split(name, "/")
	if len(parts) < 2 || parts[1] == "" {
		return nil
	}
	host, _, _ := strings.Cut(parts[0], ".")
	vendors, product := []string{host}, parts[len(parts)-1]
	if majorSuffix.MatchString(product) {
		product = parts[len(parts)-2]
	}
	if len(parts) > 2 && parts[1] != "x" {
		vendors, product = []string{parts[1]}, parts[2]
	}
	return cpe.Candidates(vendors, []string{product}, strings.TrimPrefix(version, "v"), cpe.AnySoftware)
}

var majorSuffix = regexp.MustCompile(`^v[0-9]+$`)

// goRelease matches what runtime.Version starts with in a release; vendors append experiments and build
// marks after a blank or a hyphen.
var goRelease = regexp.MustCompile(`^go([0-9]+(?:\.[0-9]+)*(?:(?:beta|rc)[0-9]+)?)(?:[ +-].*)?$`)

// release returns the version of the standard library, "" for a development toolchain, which has none.
func release(goVersion string) string {
	m := goRelease.FindStringSubmatch(goVersion)
	if m == nil {
		return ""
	}
	return m[1]
}
