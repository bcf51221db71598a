// Package bitnami reads the vulnerabilities of what Bitnami packages, OSV records in the archive of a git repository,
// or in OSV.dev's archive of them.
//
// One group "bitnami", which is also the namespace. Versions are those of the software, without Bitnami's build
// revision.
package bitnami

import (
	"context"
	"fmt"
	"path"
	"strings"

	"plimsoll/engine/feed"
	"plimsoll/engine/feed/osv"
)

// Name is the source name of everything this driver emits.
const Name = "bitnami"

const (
	host        = "github.com"
	archivePath = "bitnami/vulndb/archive/refs/heads/main.tar.gz"
	document    = "vulndb"
)

// Driver reads Bitnami's vulnerability database.
var Driver = feed.Driver{Name: Name, Groups: groups, Plan: plan, Parse: parse, Revision: osv.Revision}

func groups(feed.Settings) []feed.Group {
	return []feed.Group{{Name: "bitnami", Host: host, Path: archivePath}}
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
	dialect := osv.Dialect{Source: Name, Ecosystems: []string{osv.Bitnami}}
	return dialect.Archive(ctx, doc, out, record)
}

// record accepts vulndb-main/data/redis/BIT-redis-2024-31449.json.
func record(member string) bool {
	base := path.Base(member)
	return strings.HasPrefix(base, "BIT-") && path.Ext(base) == ".json"
}
