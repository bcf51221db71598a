// Package govulndb reads the Go vulnerability database from its zip archive, OSV records with bounds of its own beside
// the ranges.
//
// One group "go", which is also the namespace. Records keep their GO id, with CVE and GHSA ids as aliases. The
// packages and symbols a record names are not kept: a whole module is what images tell about. Unreviewed records are
// read as well; they rest on the module's own advisory.
package govulndb

import (
	"context"
	"fmt"
	"path"

	"plimsoll/engine/feed"
	"plimsoll/engine/feed/osv"
)

// Name is the source name of everything this driver emits.
const Name = "govulndb"

const (
	host        = "vuln.go.dev"
	archivePath = "vulndb.zip"
	page        = "https://pkg.go.dev/vuln/%s"
	document    = "vulndb"
)

// Driver reads the Go vulnerability database.
var Driver = feed.Driver{Name: Name, Groups: groups, Plan: plan, Parse: parse, Revision: osv.Revision}

func groups(feed.Settings) []feed.Group {
	return []feed.Group{{Name: "go", Host: host, Path: archivePath}}
}

func plan(_ context.Context, r feed.Request, _ feed.Get) (feed.Plan, error) {
	return feed.Plan{Documents: []feed.Document{{Name: document, Host: r.Group.Host, Path: r.Group.Path}}}, nil
}

// parse fails with osv.ErrArchive for a document that is not the archive.
func parse(ctx context.Context, in feed.Input, out feed.Sink) error {
	doc, ok := in.Document(document)
	if !ok {
		return fmt.Errorf("%w: the archive of the vulnerability database is missing", osv.ErrArchive)
	}
	dialect := osv.Dialect{Source: Name, Ecosystems: []string{"Go"}, Page: page}
	return dialect.Archive(ctx, doc, out, record)
}

// record accepts ID/GO-2024-2611.json; the rest of the archive is indexes.
func record(member string) bool {
	folder, base := path.Split(member)
	return path.Base(folder) == "ID" && path.Ext(base) == ".json"
}
