// Package fedora reads Fedora's security updates from the metadata of its updates repositories, one per release
// ("fedora:43"). Releases that are no longer supported have been moved to the archive; the listing of the supported ones
// tells which they are.
//
// An update names the CVEs it repairs in the titles of the bugs it refers to; where it refers to none of any, those its
// notes name are taken. What is not fixed yet is not said. The repository of one architecture is read: builds are the
// same on all.
//
// Settings.Releases: "43".
package fedora

import (
	"context"
	"errors"
	"fmt"
	"path"
	"regexp"
	"slices"
	"strings"

	"plimsoll/engine/feed"
	"plimsoll/engine/feed/errata"
	"plimsoll/engine/feed/updateinfo"
	"plimsoll/engine/version"
)

// Name is the source name of everything this driver emits.
const Name = "fedora"

// Where the repositories are.
const (
	host       = "dl.fedoraproject.org"
	current    = "pub/fedora/linux/updates/"
	archived   = "pub/archive/fedora/linux/updates/"
	repository = "/Everything/x86_64/"
	page       = "https://bodhi.fedoraproject.org/updates/"
	namespace  = "fedora:"
)

// known are the releases that are read when the settings name none.
var known = []string{"37", "38", "39", "40", "41", "42", "43"}

// ErrRelease means that a release is named in a way that leads to no document.
var ErrRelease = errors.New("unknown Fedora release")

// Driver reads Fedora's updates.
var Driver = feed.Driver{Name: Name, Groups: groups, Plan: plan, Parse: parse}

func groups(s feed.Settings) []feed.Group {
	chosen := s.Releases
	if len(chosen) == 0 {
		chosen = known
	}
	var out []feed.Group
	for _, c := range chosen {
		release := strings.TrimSpace(c)
		g := feed.Group{Name: namespace + release, Host: host, Path: current + release + repository + updateinfo.Index}
		if !slices.Contains(out, g) {
			out = append(out, g)
		}
	}
	return out
}

var (
	groupShape = regexp.MustCompile(`^fedora:([0-9]{1,3})$`)
	linkShape  = regexp.MustCompile(`href="(?:\./)?([0-9]{1,3})/?"`)
)

func plan(ctx context.Context, r feed.Request, get feed.Get) (feed.Plan, error) {
	m := groupShape.FindStringSubmatch(r.Group.Name)
	if m == nil {
		return feed.Plan{}, fmt.Errorf("%w: %q; releases are written like \"43\"", ErrRelease, r.Group.Name)
	}
	listing, err := get(ctx, feed.Document{Name: "listing", Host: r.Group.Host, Path: current})
	if err != nil {
		return feed.Plan{}, fmt.Errorf("supported releases: %w", err)
	}
	folder := archived
	for _, link := range linkShape.FindAllSubmatch(listing, -1) {
		if string(link[1]) == m[1] {
			folder = current
		}
	}
	folder += m[1] + repository
	index, err := get(ctx, feed.Document{Name: "index", Host: r.Group.Host, Path: folder + updateinfo.Index})
	if err != nil {
		return feed.Plan{}, fmt.Errorf("index: %w", err)
	}
	href, err := updateinfo.Locate(index)
	if err == nil && href == "" {
		err = fmt.Errorf("%w: it lists no updates", updateinfo.ErrIndex)
	}
	if err != nil {
		return feed.Plan{}, err
	}
	return feed.Plan{Documents: []feed.Document{{Name: "updates", Host: r.Group.Host, Path: path.Join(folder, href)}}}, nil
}

func parse(ctx context.Context, in feed.Input, out feed.Sink) error {
	if len(in.Documents) == 0 {
		return fmt.Errorf("%w: it is missing", updateinfo.ErrDocument)
	}
	t := errata.New(errata.Config{Source: Name, Scheme: version.Rpm}, out)
	read := 0
	err := updateinfo.Read(ctx, in.Documents[0], func(u *updateinfo.Update) error {
		read++
		if !strings.EqualFold(u.Type, "security") {
			return nil
		}
		return t.Add(erratum(u, in.Group.Name))
	})
	if err == nil && read == 0 {
		err = fmt.Errorf("%w: it is empty", updateinfo.ErrDocument)
	}
	if err != nil {
		return err
	}
	return t.Emit(ctx)
}

var cve = regexp.MustCompile(`\bCVE-[0-9]{4}-[0-9]{4,19}\b`)

func erratum(u *updateinfo.Update, namespace string) errata.Erratum {
	e := errata.Erratum{ID: u.ID, URL: page + u.ID, Title: u.Title, Description: u.Description, Issued: errata.Date(u.Issued.Date)}
	e.Severity, _ = feed.ParseSeverity(u.Severity)
	e.Notices = []feed.Notice{{ID: e.ID, URL: e.URL}}
	var named []string
	for _, r := range u.References {
		named = append(named, cve.FindAllString(r.ID+" "+r.Title, -1)...)
	}
	if len(named) == 0 {
		named = cve.FindAllString(u.Title+" "+u.Description, -1)
	}
	slices.Sort(named)
	for _, id := range slices.Compact(named) {
		e.Flaws = append(e.Flaws, errata.Flaw{ID: id})
	}
	for _, c := range u.Collections {
		for _, p := range c.Packages {
			b := errata.Fix(namespace, p.Name, p.EVR())
			b.Arches, b.Module = []string{p.Arch}, c.Module.Label()
			e.Builds = append(e.Builds, b)
		}
	}
	return e
}
