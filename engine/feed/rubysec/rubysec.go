package rubysec

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"path"
	"slices"
	"strings"

	"plimsoll/engine/feed"
	"plimsoll/engine/feed/archive"
)

// Name is the source name of everything this driver emits.
const Name = "rubysec"

const (
	host        = "codeload.github.com"
	archivePath = "rubysec/ruby-advisory-db/tar.gz/refs/heads/master"
	document    = "advisories"
)

// Namespaces of gems and of Ruby implementations.
const (
	gems  = "rubygems"
	rubys = "ruby"
)

var (
	// ErrDocument means that a document is not the Ruby Advisory Database.
	ErrDocument = errors.New("not an archive of Ruby advisories")
	// ErrRecord means that an advisory cannot be read.
	ErrRecord = errors.New("unusable Ruby advisory")
)

// limits are far above what the database has: 1,400 files of 2 kB.
var limits = archive.Limits{Bytes: 128 << 20, Member: 512 << 10, Members: 100_000}

// Driver reads the Ruby Advisory Database.
var Driver = feed.Driver{Name: Name, Groups: groups, Plan: plan, Parse: parse}

func groups(feed.Settings) []feed.Group {
	return []feed.Group{{Name: "advisories", Host: host, Path: archivePath}}
}

func plan(_ context.Context, r feed.Request, _ feed.Get) (feed.Plan, error) {
	return feed.Plan{Documents: []feed.Document{{Name: document, Host: r.Group.Host, Path: r.Group.Path}}}, nil
}

func parse(ctx context.Context, in feed.Input, out feed.Sink) error {
	doc, ok := in.Document(document)
	if !ok {
		return fmt.Errorf("%w: it is missing", ErrDocument)
	}
	found := map[string][]entry{}
	err := archive.Walk(ctx, doc, limits, func(m archive.Member) error {
		id, ok := idOf(m.Name)
		if !ok {
			return nil
		}
		raw, err := m.Bytes()
		if err == nil {
			var e entry
			if e, err = read(id, raw); err == nil {
				found[e.flaw.ID] = append(found[e.flaw.ID], e)
				return nil
			}
		}
		out.Bad(id, err)
		return nil
	})
	if err != nil {
		return fmt.Errorf("%w: %w", ErrDocument, err)
	}
	if len(found) == 0 {
		return fmt.Errorf("%w: it has no advisory that can be read", ErrDocument)
	}
	for _, id := range slices.Sorted(maps.Keys(found)) {
		if err := ctx.Err(); err != nil {
			return err
		}
		if err := out.Record(join(found[id])); err != nil {
			return err
		}
	}
	return nil
}

// idOf tells the id a file is named by: ruby-advisory-db-master/gems/rack/CVE-2018-16470.yml.
func idOf(member string) (string, bool) {
	parts := strings.Split(member, "/")
	if len(parts) < 4 || path.Ext(member) != ".yml" || !slices.Contains([]string{"gems", "rubies"}, parts[len(parts)-3]) {
		return "", false
	}
	return strings.TrimSuffix(parts[len(parts)-1], ".yml"), true
}

// join makes one record of what is said about a flaw, in the order of packages. The first one describes it; where there
// are several about a package, what any of them says is affected is.
func join(said []entry) feed.Record {
	slices.SortStableFunc(said, func(a, b entry) int {
		return cmp.Or(strings.Compare(a.about.Namespace, b.about.Namespace), strings.Compare(a.about.Package, b.about.Package))
	})
	rec := feed.Record{Vulnerability: said[0].flaw}
	v := &rec.Vulnerability
	for _, e := range said {
		v.Severity = max(v.Severity, e.flaw.Severity)
		v.Aliases = append(v.Aliases, e.flaw.Aliases...)
		last := len(rec.Advisories) - 1
		if last < 0 || rec.Advisories[last].Namespace != e.about.Namespace || rec.Advisories[last].Package != e.about.Package {
			rec.Advisories = append(rec.Advisories, e.about)
			continue
		}
		rec.Advisories[last] = merge(rec.Advisories[last], e.about)
	}
	slices.Sort(v.Aliases)
	v.Aliases = slices.Compact(v.Aliases)
	return rec
}
