// Package azurelinux reads what Microsoft says about Azure Linux and its predecessor CBL-Mariner: an OVAL document per
// release with a definition for each flaw of each package, by the name of the source package.
//
// A definition is "patchable" or not; if it is, its upper bound is the repair, if not, the last version known to be
// affected. "Not Applicable" says that the package never was affected, or no longer is, although the criterion looks
// like any other. A flaw may have several definitions for one package, whose ranges are joined.
//
// Settings.Releases: "azurelinux:3.0", "mariner:2.0".
package azurelinux

import (
	"context"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"

	"plimsoll/engine/feed"
	"plimsoll/engine/feed/errata"
	"plimsoll/engine/feed/field"
	"plimsoll/engine/feed/oval"
	"plimsoll/engine/version"
)

// Name is the source name of everything this driver emits.
const Name = "azurelinux"

// Where the documents are.
const (
	host   = "raw.githubusercontent.com"
	folder = "microsoft/AzureLinuxVulnerabilityData/main/"
)

// known are the releases that are read when the settings name none.
var known = []string{"azurelinux:3.0", "mariner:2.0", "mariner:1.0"}

// files are what the documents of a distribution are called before the release.
var files = map[string]string{"azurelinux": "azurelinux", "mariner": "cbl-mariner"}

var (
	// ErrRelease means that a release is named in a way that leads to no document.
	ErrRelease = errors.New("unknown release of Azure Linux")
	// ErrDefinition means that a definition was left out.
	ErrDefinition = errors.New("unusable definition")
)

// Driver reads Microsoft's data.
var Driver = feed.Driver{Name: Name, Groups: groups, Plan: plan, Parse: parse}

func groups(s feed.Settings) []feed.Group {
	chosen := s.Releases
	if len(chosen) == 0 {
		chosen = known
	}
	var out []feed.Group
	for _, c := range chosen {
		distro, release, _ := strings.Cut(strings.TrimSpace(c), ":")
		g := feed.Group{Name: distro + ":" + release, Host: host, Path: folder + files[distro] + "-" + release + "-oval.xml"}
		if !slices.Contains(out, g) {
			out = append(out, g)
		}
	}
	return out
}

var groupShape = regexp.MustCompile(`^(azurelinux|mariner):[0-9]+\.[0-9]+$`)

func plan(_ context.Context, r feed.Request, _ feed.Get) (feed.Plan, error) {
	if !groupShape.MatchString(r.Group.Name) {
		return feed.Plan{}, fmt.Errorf("%w: %q; releases are written like %q", ErrRelease, r.Group.Name, known[0])
	}
	return feed.Plan{Documents: []feed.Document{{Name: "oval", Host: r.Group.Host, Path: r.Group.Path}}}, nil
}

func parse(ctx context.Context, in feed.Input, out feed.Sink) error {
	if len(in.Documents) == 0 {
		return fmt.Errorf("%w: it is missing", oval.ErrDocument)
	}
	t := errata.New(errata.Config{Source: Name, Scheme: version.Rpm}, out)
	err := oval.Read(ctx, in.Documents[0], func(d *oval.Definition) error {
		e, err := erratum(d, in.Group.Name)
		if err != nil {
			out.Bad(field.Prose(d.ID, field.MaxID), fmt.Errorf("%w: %w", ErrDefinition, err))
			return nil
		}
		return t.Add(e)
	})
	if err != nil {
		return err
	}
	if t.Len() == 0 {
		return fmt.Errorf("%w: none of its definitions is about a package", oval.ErrDocument)
	}
	return t.Emit(ctx)
}

func erratum(d *oval.Definition, namespace string) (errata.Erratum, error) {
	e := errata.Erratum{ID: d.ID}
	e.Severity, _ = feed.ParseSeverity(d.Severity)
	for _, r := range d.References {
		if r.Source == "CVE" {
			e.Flaws = append(e.Flaws, errata.Flaw{ID: r.ID, URL: r.URL})
		}
	}
	if len(e.Flaws) == 0 {
		return e, errors.New("it refers to no CVE")
	}
	b, err := build(d)
	b.Namespace = namespace
	if b.State == feed.StateFixed {
		e.Issued = errata.Date(d.AdvisoryDate)
	}
	e.Builds = []errata.Build{b}
	return e, err
}

// build reads the one package a definition is about, and the range its criteria bound.
func build(d *oval.Definition) (errata.Build, error) {
	var b errata.Build
	ways, err := oval.Alternatives(d.Criteria, func(c oval.Criterion) (*oval.Test, oval.Meaning, error) {
		if c.Test == nil || len(c.Test.Conditions) == 0 {
			return nil, oval.Never, fmt.Errorf("criterion %.100q leads to no test of a package", c.Comment)
		}
		return c.Test, oval.Term, nil
	})
	if err != nil {
		return b, err
	}
	if len(ways) != 1 || len(ways[0]) == 0 {
		return b, fmt.Errorf("%w: %d alternatives", oval.ErrCriteria, len(ways))
	}
	b.Package = ways[0][0].Package
	for _, test := range ways[0] {
		for _, c := range test.Conditions {
			if test.Package != b.Package || c.Field != "evr" {
				return b, fmt.Errorf("%w: several packages, or something else than versions", oval.ErrCriteria)
			}
			if err := bound(&b.Range, c); err != nil {
				return b, err
			}
		}
	}
	switch strings.ToLower(strings.TrimSpace(d.Patchable)) {
	case "true":
		if b.Range.Fixed == "" {
			return b, fmt.Errorf("%w: patchable, but nothing is earlier than the patch", oval.ErrCriteria)
		}
		b.State = feed.StateFixed
	case "false":
		b.State = feed.StateAffected
		b.Range.Before, b.Range.Fixed = b.Range.Fixed, ""
	case "not applicable":
		b.State, b.Reason, b.Range = feed.StateNotAffected, d.Patchable, feed.Range{}
	default:
		return b, fmt.Errorf("patchable is %.40q", d.Patchable)
	}
	return b, nil
}

// bound sets the end of the range that a condition is about.
func bound(r *feed.Range, c oval.Condition) error {
	var end *string
	switch c.Operation {
	case "less than":
		end = &r.Fixed
	case "less than or equal":
		end = &r.LastAffected
	case "greater than":
		end = &r.After
	case "greater than or equal":
		end = &r.Introduced
	}
	if end == nil || *end != "" || c.Operation == "less than" && r.LastAffected != "" || c.Operation == "less than or equal" && r.Fixed != "" {
		return fmt.Errorf("%w: version %.40q", oval.ErrCriteria, c.Operation)
	}
	*end = strings.ReplaceAll(c.Value, " ", "") // "0: 1.20.10-1.azl3"
	return nil
}
