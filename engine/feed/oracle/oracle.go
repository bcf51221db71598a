// Package oracle reads Oracle's security errata for Oracle Linux: one OVAL document with a definition per advisory
// (ELSA), of all releases.
//
// A definition says for a release, and mostly for each architecture, which packages are "earlier than" their repair,
// maybe only while a module is enabled. Fixes differ between architectures in earnest. Builds for Ksplice, which bring
// libraries that can be patched while they run, and builds certified for FIPS 140 are update streams of their own, as
// their versions are no measure for the common builds. The kernel-uek packages hold several kernels side by side; the
// first two numbers of its version tell which one a fix is for.
//
// Of two definitions of one advisory the one with the higher version counts. What is not fixed yet is not said.
//
// Settings.Releases: numbers, "9". None: whatever the document has.
package oracle

import (
	"context"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"plimsoll/engine/feed"
	"plimsoll/engine/feed/errata"
	"plimsoll/engine/feed/field"
	"plimsoll/engine/feed/oval"
	"plimsoll/engine/version"
)

// Name is the source name of everything this driver emits.
const Name = "oracle"

// Where the document is, and the pages of CVEs.
const (
	host = "linux.oracle.com"
	path = "security/oval/com.oracle.elsa-all.xml.bz2"
	page = "https://linux.oracle.com/cve/%s.html"
)

// namespace is the prefix of the namespaces, "ol:9".
const namespace = "ol:"

// ErrDefinition means that a definition was left out, whole or in part.
var ErrDefinition = errors.New("unusable definition")

// Driver reads Oracle's errata.
var Driver = feed.Driver{Name: Name, Groups: groups, Parse: parse}

func groups(feed.Settings) []feed.Group {
	return []feed.Group{{Name: "elsa", Host: host, Path: path}}
}

func parse(ctx context.Context, in feed.Input, out feed.Sink) error {
	if len(in.Documents) == 0 {
		return fmt.Errorf("%w: it is missing", oval.ErrDocument)
	}
	t := errata.New(errata.Config{Source: Name, Scheme: version.Rpm, Page: page}, out)
	err := oval.Read(ctx, in.Documents[0], func(d *oval.Definition) error {
		e, err := erratum(d, in.Settings.Releases)
		if err != nil {
			out.Bad(field.Prose(d.ID, field.MaxID), fmt.Errorf("%w: %w", ErrDefinition, err))
		}
		if e.ID == "" {
			return nil
		}
		return t.Add(e)
	})
	if err != nil {
		return err
	}
	if t.Len() == 0 {
		return fmt.Errorf("%w: no definition of an advisory in it", oval.ErrDocument)
	}
	return t.Emit(ctx)
}

// titleShape is "ELSA-2022-4803:  rsyslog security update (IMPORTANT)".
var titleShape = regexp.MustCompile(`^\s*(ELSA-[0-9]{4}-[0-9]+)\s*:\s*(.*?)\s*(\([A-Za-z/]+\))?\s*$`)

func erratum(d *oval.Definition, releases []string) (errata.Erratum, error) {
	title := titleShape.FindStringSubmatch(strings.Join(strings.Fields(d.Title), " "))
	if title == nil {
		return errata.Erratum{}, fmt.Errorf("no advisory in its title %.80q", d.Title)
	}
	e := errata.Erratum{ID: title[1], Title: title[2], Description: d.Description}
	e.Revision, _ = strconv.Atoi(d.Version) // one that is no number is the oldest
	e.Severity, _ = feed.ParseSeverity(d.Advisory.Severity)
	e.Issued = errata.Date(d.Advisory.Issued.Date)
	for _, r := range d.References {
		if r.Source == "elsa" {
			e.URL = r.URL
		}
	}
	e.Notices = []feed.Notice{{ID: e.ID, URL: e.URL}}
	e.Flaws = flaws(d)
	var err error
	e.Builds, err = builds(d.Criteria, releases)
	return e, err
}

// flaws are the CVEs the definition refers to, with the ratings its advisory has of them.
func flaws(d *oval.Definition) []errata.Flaw {
	var out []errata.Flaw
	for _, r := range d.References {
		if r.Source == "CVE" && !slices.ContainsFunc(out, func(f errata.Flaw) bool { return f.ID == r.ID }) {
			out = append(out, errata.Flaw{ID: r.ID, URL: r.URL})
		}
	}
	for _, c := range d.Advisory.CVEs {
		at := slices.IndexFunc(out, func(f errata.Flaw) bool { return f.ID == strings.TrimSpace(c.Text) })
		if at < 0 {
			continue
		}
		out[at].Published = errata.Date(c.Public)
		out[at].CVSS = oval.Scores(c, "")
	}
	return out
}

// term is one thing a way through the criteria asks for.
type term struct {
	release, arch, module string
	pkg, evr              string
}

var (
	releaseShape = regexp.MustCompile(`^Oracle Linux ([0-9]+) is installed$`)
	archShape    = regexp.MustCompile(`^Oracle Linux arch is (\S+)$`)
	moduleShape  = regexp.MustCompile(`^Module (\S+:\S+) is enabled$`)
	signedShape  = regexp.MustCompile(`^\S+ is (signed with .*|ksplice-based|fips patched)$`)
)

// reader reads criteria. Those it cannot make anything of count as never met; the last one is kept to be reported.
type reader struct {
	releases []string
	failed   error
}

// read tells what a criterion means. What is about the system, not about a package, is told by its comment.
func (r *reader) read(c oval.Criterion) (term, oval.Meaning, error) {
	comment := strings.TrimSpace(c.Comment)
	if m := releaseShape.FindStringSubmatch(comment); m != nil {
		if len(r.releases) > 0 && !slices.Contains(r.releases, m[1]) {
			return term{}, oval.Never, nil
		}
		return term{release: m[1]}, oval.Term, nil
	}
	if m := archShape.FindStringSubmatch(comment); m != nil {
		return term{arch: m[1]}, oval.Term, nil
	}
	if m := moduleShape.FindStringSubmatch(comment); m != nil {
		return term{module: m[1]}, oval.Term, nil
	}
	if signedShape.MatchString(comment) {
		return term{}, oval.Always, nil
	}
	evr, ok := c.Test.Only("evr", "less than")
	if !ok {
		r.failed = fmt.Errorf("criterion %.100q compares no version of a package", comment)
		return term{}, oval.Never, nil
	}
	return term{pkg: c.Test.Package, evr: evr}, oval.Term, nil
}

func builds(c oval.Criteria, releases []string) ([]errata.Build, error) {
	r := reader{releases: releases}
	ways, err := oval.Alternatives(c, r.read)
	if err != nil {
		return nil, err
	}
	out := make([]errata.Build, 0, len(ways))
	for _, way := range ways {
		var all term
		var failed error
		for _, t := range way {
			failed = errors.Join(failed, merge(&all.release, t.release), merge(&all.arch, t.arch), merge(&all.module, t.module), merge(&all.pkg, t.pkg), merge(&all.evr, t.evr))
		}
		if all.release == "" || all.pkg == "" || failed != nil {
			r.failed = fmt.Errorf("%w: without release or package, or with several of them: %+v", oval.ErrCriteria, all)
			continue
		}
		out = append(out, build(all))
	}
	return out, r.failed
}

// merge adds what one criterion says to what those beside it have said.
func merge(said *string, further string) error {
	if further == "" || *said == further {
		return nil
	}
	if *said != "" {
		return fmt.Errorf("%w: %.40q and %.40q at once", oval.ErrCriteria, *said, further)
	}
	*said = further
	return nil
}

// uekLine finds the two numbers that tell the kernels of kernel-uek from each other.
var uekLine = regexp.MustCompile(`^(?:[0-9]+:)?([0-9]+\.[0-9]+)\.`)

func build(t term) errata.Build {
	b := errata.Fix(namespace+t.release, t.pkg, t.evr)
	b.Module = t.module
	if t.arch != "" {
		b.Arches = arches(t.arch)
	}
	switch release := strings.ToLower(t.evr); {
	case strings.Contains(release, "ksplice"):
		b.Channel = "ksplice"
	case strings.Contains(release, "fips"):
		b.Channel = "fips"
	}
	if m := uekLine.FindStringSubmatch(t.evr); m != nil && strings.HasPrefix(t.pkg, "kernel-uek") {
		b.Range.Introduced = m[1]
	}
	return b
}

// arches are the architectures of packages for one of systems.
func arches(system string) []string {
	if system == "i386" {
		return []string{"i386", "i586", "i686"}
	}
	return []string{system}
}
