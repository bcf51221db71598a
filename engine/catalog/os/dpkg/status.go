package dpkg

import (
	"context"
	"errors"
	"fmt"
	"io"
	"regexp"
	"strconv"
	"strings"

	"plimsoll/engine/catalog"
	"plimsoll/engine/catalog/cpe"
	"plimsoll/engine/catalog/stanza"
)

// maxPackages bounds one status file; the whole of Debian has about 65,000 binary packages.
const maxPackages = 200_000

// maxFaults bounds how many unusable packages of one file are reported one by one.
const maxFaults = 10

// ErrMalformed reports a database with lines that are not in its format; the rest of it was read.
var ErrMalformed = errors.New("malformed package database")

var statusFields = []string{
	"Package", "Status", "Version", "Architecture", "Source", "Maintainer", "Installed-Size",
	"Section", "Priority", "Essential", "Conffiles",
}

func analyzeStatus(ctx context.Context, f *catalog.File) (catalog.Evidence, error) {
	var found catalog.Evidence
	var faults []error
	in := stanza.New(f.Reader(), statusFields...)
	for {
		s, err := in.Next()
		if err == nil {
			err = ctx.Err()
		}
		if err == io.EOF {
			break
		}
		if err != nil {
			faults = append(faults, fmt.Errorf("read %s: %w", f.Path, err))
			break
		}
		// Packages in status.d were unpacked by an image builder: most have no Status at all.
		if !present(s.Get("Status"), f.Path != statusFile) || s.Get("Package") == "" {
			continue
		}
		p := describe(s, f.Path)
		if err := p.Check(); err != nil {
			if len(faults) < maxFaults {
				faults = append(faults, err)
			}
			continue
		}
		if len(found.Packages) == maxPackages {
			faults = append(faults, &catalog.Incompleteness{Path: f.Path, Reason: catalog.ReasonTooMany,
				Detail: fmt.Sprintf("more than %d packages", maxPackages)})
			break
		}
		found.Packages = append(found.Packages, p)
		if files := conffiles(s.Get("Conffiles")); len(files) > 0 {
			found.Owns = append(found.Owns, catalog.Ownership{Type: catalog.TypeDpkg, Name: p.Name, Arch: p.Arch, Recorded: files})
		}
	}
	if n := in.Malformed(); n > 0 {
		faults = append(faults, fmt.Errorf("%w: %d lines of %s", ErrMalformed, n, f.Path))
	}
	return found, errors.Join(faults...)
}

// present tells from a Status field ("want flag state", dpkg(1)) whether the package's files are there:
// in every state but not-installed and config-files, whatever is wanted or held.
func present(status string, withoutStatus bool) bool {
	if status == "" {
		return withoutStatus
	}
	words := strings.Fields(status)
	switch words[len(words)-1] {
	case "installed", "unpacked", "half-installed", "half-configured", "triggers-awaited", "triggers-pending":
		return len(words) == 3
	}
	return false
}

func describe(s stanza.Stanza, location string) catalog.Package {
	p := catalog.Package{
		Type:         catalog.TypeDpkg,
		Name:         s.Get("Package"),
		Version:      s.Get("Version"),
		Arch:         s.Get("Architecture"),
		Origin:       catalog.Text(s.Get("Maintainer")),
		Location:     location,
		MetadataType: "DpkgMetadata",
		Metadata:     map[string]string{},
	}
	p.Source, p.SourceVersion = source(s.Get("Source"), p.Name, p.Version)
	p.CPEs = cpe.Candidates([]string{p.Name}, []string{p.Name}, p.Version, cpe.AnySoftware)
	// Installed-Size is an estimate in KiB (deb-substvars(5)).
	if kib, err := strconv.ParseInt(s.Get("Installed-Size"), 10, 64); err == nil && kib > 0 && kib < 1<<40 {
		p.Size = kib << 10
	}
	for _, name := range []string{"Section", "Priority", "Essential"} {
		if value := catalog.Text(s.Get(name)); value != "" {
			p.Metadata[strings.ToLower(name)] = value
		}
	}
	return p
}

// binNMU is what a rebuild without source changes appends to the binary version (Debian Developer's
// Reference 5.10.2.1).
var binNMU = regexp.MustCompile(`\+b[0-9]+$`)

// source reads a Source field: "name", "name (version)" or nothing. What it leaves out is that of the
// binary package, the version without the mark of a binary-only rebuild.
func source(field, name, version string) (string, string) {
	sourceName, rest, _ := strings.Cut(field, "(")
	sourceName = strings.TrimSpace(sourceName)
	sourceVersion := strings.TrimSpace(strings.TrimSuffix(strings.TrimSpace(rest), ")"))
	if sourceName == "" {
		sourceName = name
	}
	if sourceVersion == "" {
		sourceVersion = binNMU.ReplaceAllString(version, "")
	}
	if sourceVersion == "" { // a version that is nothing but the mark
		sourceVersion = version
	}
	return sourceName, sourceVersion
}
