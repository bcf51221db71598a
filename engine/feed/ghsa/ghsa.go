// Package ghsa reads the reviewed advisories of the GitHub Advisory Database from the archive of its git repository,
// where they are OSV records.
//
// One group "reviewed". Records keep their GHSA id and the CVE as an alias; the severity is GitHub's word. Advisories
// about malware are among them and affect every version. Unreviewed advisories are copies of the NVD's without
// packages and are not read. Settings.Ecosystems chooses among those of package osv; all languages when empty.
// Settings.Token is a GitHub token, for a higher rate limit.
package ghsa

import (
	"context"
	"fmt"
	"path"
	"strings"

	"plimsoll/engine/feed"
	"plimsoll/engine/feed/osv"
)

// Name is the source name of everything this driver emits.
const Name = "ghsa"

const (
	host        = "github.com"
	archivePath = "github/advisory-database/archive/refs/heads/main.tar.gz"
	page        = "https://github.com/advisories/%s"
	document    = "advisories"
)

// Driver reads the GitHub Advisory Database.
var Driver = feed.Driver{Name: Name, Groups: groups, Plan: plan, Parse: parse, Revision: osv.Revision}

func groups(feed.Settings) []feed.Group {
	return []feed.Group{{Name: "reviewed", Host: host, Path: archivePath}}
}

func plan(_ context.Context, r feed.Request, _ feed.Get) (feed.Plan, error) {
	d := feed.Document{Name: document, Host: r.Group.Host, Path: r.Group.Path}
	if r.Settings.Token != "" {
		d.Header = map[string]string{"Authorization": "Bearer " + r.Settings.Token}
	}
	return feed.Plan{Documents: []feed.Document{d}}, nil
}

// parse fails with osv.ErrArchive for a document that is not the archive.
func parse(ctx context.Context, in feed.Input, out feed.Sink) error {
	doc, ok := in.Document(document)
	if !ok {
		return fmt.Errorf("%w: the archive of the advisory database is missing", osv.ErrArchive)
	}
	dialect := osv.Dialect{Source: Name, Ecosystems: in.Settings.Ecosystems, Page: page}
	if len(dialect.Ecosystems) == 0 {
		dialect.Ecosystems = osv.Languages()
	}
	return dialect.Archive(ctx, doc, out, reviewed)
}

// reviewed accepts advisory-database-main/advisories/github-reviewed/2024/01/GHSA-x/GHSA-x.json.
func reviewed(member string) bool {
	return strings.Contains(member, "/advisories/github-reviewed/") && path.Ext(member) == ".json"
}
