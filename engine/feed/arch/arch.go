// Package arch reads the vulnerability groups of Arch Linux, which has one rolling release: a JSON list of groups (AVG),
// each of some flaws, the packages of one source they are in, and the version that repairs them.
//
// A repair that is in testing cannot be had from the stable repositories: it ends the affected range, but is no fix to
// offer. Groups of which nobody knows yet whether they affect Arch are under investigation and match nothing. Arch's
// versions are compared as those of rpm are.
package arch

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"plimsoll/engine/feed"
	"plimsoll/engine/feed/archive"
	"plimsoll/engine/feed/errata"
	"plimsoll/engine/feed/field"
	"plimsoll/engine/feed/jsonstream"
	"plimsoll/engine/version"
)

// Name is the source name of everything this driver emits, and its one group and namespace.
const Name = "arch"

// Where the document is, and the pages of flaws, groups and advisories.
const (
	host = "security.archlinux.org"
	path = "all.json"
	page = "https://security.archlinux.org/"
)

// Bounds on the document, in bytes; in 2026 it has some MB.
const (
	maxDocument = 256 << 20
	maxGroup    = 1 << 20
)

var (
	// ErrDocument means that a document is not what Arch Linux publishes.
	ErrDocument = errors.New("not Arch Linux's list of vulnerability groups")
	// ErrGroup means that a group was left out.
	ErrGroup = errors.New("unusable vulnerability group")
)

// Driver reads Arch Linux's vulnerability groups.
var Driver = feed.Driver{Name: Name, Groups: groups, Parse: parse}

func groups(feed.Settings) []feed.Group {
	return []feed.Group{{Name: Name, Host: host, Path: path}}
}

// group is a group as it is published.
type group struct {
	Name       string   `json:"name"`
	Packages   []string `json:"packages"`
	Status     string   `json:"status"`
	Severity   string   `json:"severity"`
	Type       string   `json:"type"` // "arbitrary code execution"
	Fixed      string   `json:"fixed"`
	Issues     []string `json:"issues"`
	Advisories []string `json:"advisories"`
}

func parse(ctx context.Context, in feed.Input, out feed.Sink) error {
	if len(in.Documents) == 0 {
		return fmt.Errorf("%w: it is missing", ErrDocument)
	}
	opened, err := archive.Open(in.Documents[0], archive.Limits{Bytes: maxDocument})
	if err != nil {
		return err
	}
	defer opened.Close()
	r := jsonstream.New(opened, maxGroup)
	t := errata.New(errata.Config{Source: Name, Scheme: version.Rpm, Page: page + "%s"}, out)
	err = r.Array(func() error {
		if err := ctx.Err(); err != nil {
			return err
		}
		var g group
		err := r.Value(&g)
		if err != nil && !errors.Is(err, jsonstream.ErrKind) {
			return err
		}
		var e errata.Erratum
		if err == nil {
			e, err = erratum(g)
		}
		if err != nil {
			out.Bad(field.Prose(g.Name, field.MaxID), fmt.Errorf("%w: %w", ErrGroup, err))
			return nil
		}
		return t.Add(e)
	})
	if err == nil {
		err = r.End()
	}
	switch {
	case errors.Is(err, jsonstream.ErrSyntax), errors.Is(err, jsonstream.ErrKind):
		return fmt.Errorf("%w: %w", ErrDocument, err)
	case err == nil && t.Len() == 0:
		return fmt.Errorf("%w: no group in it", ErrDocument)
	case err != nil:
		return err
	}
	return t.Emit(ctx)
}

func erratum(g group) (errata.Erratum, error) {
	e := errata.Erratum{ID: g.Name, URL: page + g.Name, Title: g.Type}
	e.Severity, _ = feed.ParseSeverity(g.Severity)
	for _, id := range append([]string{g.Name}, g.Advisories...) {
		if id, err := field.ID(id); err == nil {
			e.Notices = append(e.Notices, feed.Notice{ID: id, URL: page + id})
		}
	}
	for _, id := range g.Issues {
		e.Flaws = append(e.Flaws, errata.Flaw{ID: id})
	}
	b, err := statement(g)
	if err != nil {
		return e, err
	}
	for _, name := range g.Packages {
		b.Namespace, b.Package = Name, name
		e.Builds = append(e.Builds, b)
	}
	return e, nil
}

// statement is what a group's status says of each of its packages (Arch security tracker, "Status").
func statement(g group) (errata.Build, error) {
	open := feed.Range{Introduced: "0"}
	switch status := strings.ToLower(strings.TrimSpace(g.Status)); {
	case status == "fixed" && g.Fixed != "":
		return errata.Build{State: feed.StateFixed, Range: feed.Range{Introduced: "0", Fixed: g.Fixed}}, nil
	case status == "testing" && g.Fixed != "":
		return errata.Build{State: feed.StateAffected, Reason: g.Status, Range: feed.Range{Introduced: "0", Before: g.Fixed}}, nil
	case status == "vulnerable", status == "testing":
		return errata.Build{State: feed.StateAffected, Reason: g.Status, Range: open}, nil
	case status == "not affected":
		return errata.Build{State: feed.StateNotAffected, Reason: g.Status}, nil
	case status == "unknown":
		return errata.Build{State: feed.StateInvestigate, Reason: g.Status}, nil
	}
	return errata.Build{}, fmt.Errorf("status %.40q with fixed version %.40q", g.Status, g.Fixed)
}
