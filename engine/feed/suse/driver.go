package suse

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"

	"plimsoll/engine/feed"
	"plimsoll/engine/feed/field"
	"plimsoll/engine/feed/oval"
)

// Name is the source name of everything this driver emits.
const Name = "suse"

// Where the documents are, and the pages of CVEs.
const (
	host   = "ftp.suse.com"
	folder = "pub/projects/security/oval/"
	page   = "https://www.suse.com/security/cve/%s/"
)

// known are the documents that are read when the settings name none.
var known = []string{
	"suse.linux.enterprise.server.11", "suse.linux.enterprise.server.12", "suse.linux.enterprise.server.15", "suse.linux.enterprise.16",
	"suse.linux.enterprise.micro.5", "suse.linux.micro.6",
	"opensuse.leap.15.0", "opensuse.leap.15.1", "opensuse.leap.15.2", "opensuse.leap.15.3", "opensuse.leap.15.4", "opensuse.leap.15.5", "opensuse.leap.15.6",
	"opensuse.leap.micro.5.2", "opensuse.leap.micro.5.3", "opensuse.leap.micro.5.4", "opensuse.leap.micro.5.5",
	"opensuse.tumbleweed",
}

// endings of the documents' names, best first.
var endings = []string{"-affected.xml.gz", "-affected.xml.bz2", "-affected.xml", ".xml.gz", ".xml.bz2", ".xml"}

var (
	// ErrRelease means that SUSE publishes no document of that name.
	ErrRelease = errors.New("no such OVAL document")
	// ErrDefinition means that a definition was left out, whole or in part.
	ErrDefinition = errors.New("unusable definition")
)

// Driver reads SUSE's OVAL documents.
var Driver = feed.Driver{Name: Name, Groups: groups, Plan: plan, Parse: parse}

func groups(s feed.Settings) []feed.Group {
	chosen := s.Releases
	if len(chosen) == 0 {
		chosen = known
	}
	var out []feed.Group
	for _, c := range chosen {
		name := strings.TrimSpace(c)
		g := feed.Group{Name: name, Host: host, Path: folder + name + endings[0]}
		if !slices.Contains(out, g) {
			out = append(out, g)
		}
	}
	return out
}

var linkShape = regexp.MustCompile(`href="(?:\./)?([A-Za-z0-9._-]+)"`)

// plan takes the best document of the group's name from the directory's listing.
func plan(ctx context.Context, r feed.Request, get feed.Get) (feed.Plan, error) {
	listing, err := get(ctx, feed.Document{Name: "listing", Host: r.Group.Host, Path: folder})
	if err != nil {
		return feed.Plan{}, err
	}
	there := map[string]bool{}
	for _, m := range linkShape.FindAllSubmatch(listing, -1) {
		there[string(m[1])] = true
	}
	for _, ending := range endings {
		if file := r.Group.Name + ending; there[file] {
			return feed.Plan{Documents: []feed.Document{{Name: "oval", Host: r.Group.Host, Path: folder + file}}}, nil
		}
	}
	return feed.Plan{}, fmt.Errorf("%w: %s at %s/%s", ErrRelease, r.Group.Name, r.Group.Host, folder)
}

func parse(ctx context.Context, in feed.Input, out feed.Sink) error {
	if len(in.Documents) == 0 {
		return fmt.Errorf("%w: it is missing", oval.ErrDocument)
	}
	given := map[string]bool{}
	useful := 0
	err := oval.Read(ctx, in.Documents[0], func(d *oval.Definition) error {
		if d.Class != "vulnerability" {
			return nil
		}
		rec, err := record(ctx, d)
		id := rec.Vulnerability.ID
		if err != nil {
			out.Bad(cmp.Or(id, field.Prose(d.ID, field.MaxID)), fmt.Errorf("%w: %w", ErrDefinition, err))
		}
		if id == "" {
			return nil
		}
		useful++
		if len(rec.Advisories) == 0 {
			return nil
		}
		if given[id] {
			out.Bad(id, fmt.Errorf("%w: second one, the first counts", ErrDefinition))
			return nil
		}
		given[id] = true
		return out.Record(rec)
	})
	if err == nil && useful == 0 {
		err = fmt.Errorf("%w: no definition of a CVE in it", oval.ErrDocument)
	}
	return err
}
