package osv

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"plimsoll/engine/feed"
)

// Name is the source name of everything this driver emits.
const Name = "osv"

const host = "osv-vulnerabilities.storage.googleapis.com"

// documentAll is what Parse knows an ecosystem's archive by.
const documentAll = "all"

// Driver reads the OSV.dev exports.
var Driver = feed.Driver{Name: Name, Groups: groups, Plan: plan, Parse: parse, Revision: Revision}

// Revision is that of everything that reads OSV records. 1: events that are written as pairs are ranges of their own.
const Revision = 1

func groups(s feed.Settings) []feed.Group {
	ecosystems := slices.Clone(s.Ecosystems)
	if len(ecosystems) == 0 {
		ecosystems = DefaultEcosystems()
	}
	slices.Sort(ecosystems)
	var out []feed.Group
	for _, e := range slices.Compact(ecosystems) {
		out = append(out, feed.Group{Name: e, Host: host, Path: e + "/all.zip"})
	}
	return out
}

// known refuses an ecosystem that cannot be read: ErrEcosystem.
func known(name string) error {
	if _, ok := ecosystems[name]; !ok {
		return fmt.Errorf("%w: %q; known names are those of the OSV schema, in its spelling", ErrEcosystem, name)
	}
	return nil
}

// plan asks for the records that changed since the last sync, or for the archive.
func plan(ctx context.Context, r feed.Request, get feed.Get) (feed.Plan, error) {
	if err := known(r.Group.Name); err != nil {
		return feed.Plan{}, err
	}
	all := feed.Plan{
		Documents: []feed.Document{{Name: documentAll, Host: r.Group.Host, Path: r.Group.Path}},
		Cursor:    r.Cursor,
	}
	folder := strings.TrimSuffix(r.Group.Path, "all.zip")
	body, err := get(ctx, feed.Document{Name: "changes", Host: r.Group.Host, Path: folder + "modified_id.csv"})
	switch {
	case ctx.Err() != nil:
		return feed.Plan{}, err
	case err != nil:
		// A mirror may hold the archives alone. Where nothing can be reached, the archive cannot either.
		return all, nil //nolint:nilerr // see above
	}
	list, err := readChanges(body)
	if err != nil {
		return feed.Plan{}, err
	}
	newest := list.newest(r.Now)
	at, ok := parseCursor(r.Cursor)
	changed := list.since(at.seen)
	if !ok || r.Now.Sub(at.full) > fullEvery || at.full.After(r.Now) || len(changed) > maxChanges {
		// The archive may be older than the list.
		all.Cursor = cursor{seen: newest.Add(-archiveLag), full: r.Now}.String()
		return all, nil
	}
	delta := feed.Plan{Delta: true, Cursor: cursor{seen: newest, full: at.full}.String()}
	for _, id := range changed {
		delta.Documents = append(delta.Documents, feed.Document{Name: id, Host: r.Group.Host, Path: folder + id + ".json", Optional: true})
	}
	return delta, nil
}
