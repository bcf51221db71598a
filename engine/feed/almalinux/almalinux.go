// Package almalinux reads AlmaLinux's errata: a JSON document per release ("almalinux:9") with every advisory and the
// packages it brought, of every architecture, each with its module.
//
// Security advisories (ALSA) are read, and of the others (ALBA, ALEA) those that name a CVE. What is not fixed yet is not
// said.
//
// Settings.Releases: "9".
package almalinux

import (
	"context"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"time"

	"plimsoll/engine/feed"
	"plimsoll/engine/feed/archive"
	"plimsoll/engine/feed/errata"
	"plimsoll/engine/feed/field"
	"plimsoll/engine/feed/jsonstream"
	"plimsoll/engine/version"
)

// Name is the source name of everything this driver emits.
const Name = "almalinux"

// Where the documents are, and the pages of advisories.
const (
	host      = "errata.almalinux.org"
	file      = "errata.full.json"
	page      = "https://errata.almalinux.org/%s/%s.html"
	namespace = "almalinux:"
)

// Bounds on a document, in bytes; in 2026 the largest has some hundred MB.
const (
	maxDocument = 4 << 30
	maxErratum  = 64 << 20
)

// known are the releases that are read when the settings name none.
var known = []string{"8", "9", "10"}

var (
	// ErrDocument means that a document is not what AlmaLinux publishes.
	ErrDocument = errors.New("not a list of AlmaLinux errata")
	// ErrRelease means that a release is named in a way that leads to no document.
	ErrRelease = errors.New("unknown AlmaLinux release")
	// ErrErratum means that an advisory was left out.
	ErrErratum = errors.New("unusable advisory")
)

// Driver reads AlmaLinux's errata.
var Driver = feed.Driver{Name: Name, Groups: groups, Plan: plan, Parse: parse}

func groups(s feed.Settings) []feed.Group {
	chosen := s.Releases
	if len(chosen) == 0 {
		chosen = known
	}
	var out []feed.Group
	for _, c := range chosen {
		release := strings.TrimSpace(c)
		g := feed.Group{Name: namespace + release, Host: host, Path: release + "/" + file}
		if !slices.Contains(out, g) {
			out = append(out, g)
		}
	}
	return out
}

var groupShape = regexp.MustCompile(`^almalinux:[0-9]+$`)

func plan(_ context.Context, r feed.Request, _ feed.Get) (feed.Plan, error) {
	if !groupShape.MatchString(r.Group.Name) {
		return feed.Plan{}, fmt.Errorf("%w: %q; releases are written like \"9\"", ErrRelease, r.Group.Name)
	}
	return feed.Plan{Documents: []feed.Document{{Name: "errata", Host: r.Group.Host, Path: r.Group.Path}}}, nil
}

// advisory is an advisory as it is published.
type advisory struct {
	ID          string    `json:"id"`
	Issued      int64     `json:"issued_date"` // seconds since 1970
	Severity    string    `json:"severity"`
	Title       string    `json:"title"`
	Description string    `json:"description"`
	Type        string    `json:"type"` // "security", "bugfix", "enhancement"
	Packages    []build   `json:"packages"`
	References  []pointer `json:"references"`
}

type build struct {
	Name    string `json:"name"`
	Epoch   string `json:"epoch"`
	Version string `json:"version"`
	Release string `json:"release"`
	Arch    string `json:"arch"`
	Module  string `json:"module"` // "mariadb:10.3:8050020220427075058:c5368500:x86_64"
}

type pointer struct {
	ID   string `json:"id"`
	Type string `json:"type"` // "cve", "rhsa", "bugzilla", "self"
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
	r := jsonstream.New(opened, maxErratum)
	t := errata.New(errata.Config{Source: Name, Scheme: version.Rpm}, out)
	read := 0
	err = r.Object(func(key string) error {
		if key != "data" {
			return r.Skip()
		}
		return r.Array(func() error {
			if err := ctx.Err(); err != nil {
				return err
			}
			var a advisory
			err := r.Value(&a)
			if errors.Is(err, jsonstream.ErrKind) {
				out.Bad(field.Prose(a.ID, field.MaxID), fmt.Errorf("%w: %w", ErrErratum, err))
				return nil
			}
			if err != nil {
				return err
			}
			read++
			if e := erratum(a, in.Group.Name); a.Type == "security" || len(e.Flaws) > 0 {
				return t.Add(e)
			}
			return nil
		})
	})
	if err == nil {
		err = r.End()
	}
	switch {
	case errors.Is(err, jsonstream.ErrSyntax), errors.Is(err, jsonstream.ErrKind):
		return fmt.Errorf("%w: %w", ErrDocument, err)
	case err == nil && read == 0:
		return fmt.Errorf("%w: no advisory in it", ErrDocument)
	case err != nil:
		return err
	}
	return t.Emit(ctx)
}

func erratum(a advisory, space string) errata.Erratum {
	release := strings.TrimPrefix(space, namespace)
	e := errata.Erratum{ID: a.ID, Title: a.Title, Description: a.Description, URL: fmt.Sprintf(page, release, strings.ReplaceAll(a.ID, ":", "-"))}
	e.Severity, _ = feed.ParseSeverity(a.Severity)
	if a.Issued > 0 {
		e.Issued = new(time.Unix(a.Issued, 0).UTC())
	}
	for _, r := range a.References {
		if r.Type == "cve" && field.IsCVE(r.ID) {
			e.Flaws = append(e.Flaws, errata.Flaw{ID: r.ID})
		}
	}
	e.Notices = []feed.Notice{{ID: a.ID, URL: e.URL}}
	for _, p := range a.Packages {
		evr := p.Version + "-" + p.Release
		if p.Epoch != "" && p.Epoch != "0" {
			evr = p.Epoch + ":" + evr
		}
		b := errata.Fix(space, p.Name, evr)
		b.Arches, b.Module = []string{p.Arch}, stream(p.Module)
		e.Builds = append(e.Builds, b)
	}
	return e
}

// stream cuts a module's label to its name and stream, as package headers are compared.
func stream(label string) string {
	parts := strings.Split(label, ":")
	if len(parts) < 2 || parts[0] == "" {
		return ""
	}
	return parts[0] + ":" + parts[1]
}
