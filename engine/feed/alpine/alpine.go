// Package alpine reads the security databases of Alpine Linux, and the list of what its security team has found not to
// apply (package secdb says how).
//
// A group is a release ("alpine:3.18", "alpine:edge"); its documents are the databases of its repositories main and
// community. Up to 3.9 they may be there in YAML only. The rejections are the same for all releases. They come
// from another host; that they are missing or cannot be read is reported and hides nothing that the databases say.
//
// Settings.Releases: "3.24" or "edge", or "folder=number" where upstream calls the folder otherwise.
package alpine

import (
	"context"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"plimsoll/engine/feed"
	"plimsoll/engine/feed/secdb"
)

// Name is the source name of everything this driver emits.
const Name = "alpine"

// Where the documents are.
const (
	host          = "secdb.alpinelinux.org"
	rejectionHost = "gitlab.alpinelinux.org"
	rejectionPath = "alpine/security/security-rejections/-/raw/master/%s.yaml"
	page          = "https://security.alpinelinux.org/vuln/%s"
)

// The releases of branch 3 with a database, and the last one that may have it in YAML only.
const (
	oldest, newest = 2, 23
	lastYAML       = 9
)

// rejections is the prefix of the names of documents that list them.
const rejections = "rejections-"

var repositories = []string{"main", "community"}

// ErrRelease means that a release is named in a way that leads to no document.
var ErrRelease = errors.New("unknown Alpine release")

// Driver reads Alpine's databases.
var Driver = feed.Driver{Name: Name, Groups: groups, Plan: plan, Parse: parse}

// known lists the releases that are read when the settings name none.
func known() []string {
	out := []string{"edge"}
	for minor := oldest; minor <= newest; minor++ {
		out = append(out, "3."+strconv.Itoa(minor))
	}
	return out
}

func groups(s feed.Settings) []feed.Group {
	chosen := s.Releases
	if len(chosen) == 0 {
		chosen = known()
	}
	var out []feed.Group
	for _, c := range chosen {
		folder, release, given := strings.Cut(strings.TrimSpace(c), "=")
		if !given {
			release = strings.TrimPrefix(folder, "v")
			if folder = release; folder != "edge" {
				folder = "v" + folder
			}
		}
		g := feed.Group{Name: "alpine:" + release, Host: host, Path: folder + "/main.json"}
		if !slices.ContainsFunc(out, func(o feed.Group) bool { return o.Name == g.Name }) {
			out = append(out, g)
		}
	}
	return out
}

var groupShape = regexp.MustCompile(`^alpine:(edge|([0-9]+)\.([0-9]+))$`)

func plan(_ context.Context, r feed.Request, _ feed.Get) (feed.Plan, error) {
	m := groupShape.FindStringSubmatch(r.Group.Name)
	folder, _, ok := strings.Cut(r.Group.Path, "/")
	if m == nil || !ok || folder == "" {
		return feed.Plan{}, fmt.Errorf("%w: %q; releases are written like \"3.18\" or \"edge\"", ErrRelease, r.Group.Name)
	}
	minor, err := strconv.Atoi(m[3])
	old := err == nil && m[2] == "3" && minor <= lastYAML
	var p feed.Plan
	for _, repository := range repositories {
		p.Documents = append(p.Documents, feed.Document{Name: repository, Host: r.Group.Host, Path: folder + "/" + repository + ".json", Optional: old})
	}
	for _, repository := range repositories {
		if old {
			p.Documents = append(p.Documents, feed.Document{Name: repository + ".yaml", Host: r.Group.Host, Path: folder + "/" + repository + ".yaml", Optional: true})
		}
		p.Documents = append(p.Documents, feed.Document{Name: rejections + repository, Host: rejectionHost, Path: fmt.Sprintf(rejectionPath, repository), Optional: true})
	}
	return p, nil
}

func parse(ctx context.Context, in feed.Input, out feed.Sink) error {
	d := secdb.New(Name, in.Group.Name, page, out)
	read := 0
	for _, repository := range repositories {
		doc, ok := in.Document(repository)
		if !ok {
			doc, ok = in.Document(repository + ".yaml")
		}
		if !ok {
			continue
		}
		if err := d.Read(ctx, doc); err != nil {
			return fmt.Errorf("%s: %w", repository, err)
		}
		read++
	}
	if read == 0 {
		return fmt.Errorf("%w: none is there for %s", secdb.ErrDocument, in.Group.Name)
	}
	for _, repository := range repositories {
		doc, ok := in.Document(rejections + repository)
		if !ok {
			continue
		}
		if err := d.Reject(doc); err != nil {
			out.Bad(rejections+repository, err)
		}
	}
	return d.Emit(ctx)
}
