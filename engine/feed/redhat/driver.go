package redhat

import (
	"context"
	"errors"
	"fmt"
	"path"
	"regexp"
	"time"

	"plimsoll/engine/feed"
)

// Name is the source name of everything this driver emits.
const Name = "redhat"

// Where the documents are, and the page of a CVE.
const (
	host    = "security.access.redhat.com"
	folder  = "data/csaf/v2/vex/"
	latest  = "archive_latest.txt"
	cvePage = "https://access.redhat.com/security/cve/"
)

// Names of documents; those of single CVEs have the names of their files.
const (
	documentArchive   = "archive"
	documentDeletions = "deletions"
)

const (
	// maxChanges is how many documents are fetched one by one in a sync. Several hundred change in a day.
	maxChanges = 1000
	// fullEvery is how long records may stay that vanished without being listed as deleted.
	fullEvery = 7 * 24 * time.Hour
	// overlap is how much earlier than its appearance in the list a change may be dated.
	overlap = time.Hour
	// pace keeps single documents apart.
	pace = 100 * time.Millisecond
)

var (
	// ErrDocument means that a document is not what Red Hat publishes.
	ErrDocument = errors.New("not Red Hat's VEX data")
	// ErrRelease means that a release in the settings is none.
	ErrRelease = errors.New("unknown release of Red Hat Enterprise Linux")
	// ErrRecord means that a record or a part of it was left out.
	ErrRecord = errors.New("unusable record")
)

// Driver reads Red Hat's VEX documents.
var Driver = feed.Driver{Name: Name, Groups: groups, Plan: plan, Parse: parse, Pace: pace}

func groups(feed.Settings) []feed.Group {
	return []feed.Group{{Name: "vex", Host: host, Path: folder + latest}}
}

// plan asks for the documents that changed since the last sync, or for the archive and those that changed since it was
// made. More than maxChanges are left to the next sync, which goes on where this one ends.
func plan(ctx context.Context, r feed.Request, get feed.Get) (feed.Plan, error) {
	s := site{r.Group.Host, path.Dir(r.Group.Path) + "/"}
	changes, err := s.list(ctx, get, "changes.csv")
	if err != nil {
		return feed.Plan{}, err
	}
	at, ok := parseCursor(r.Cursor)
	stale := !ok || at.full.After(r.Now) || r.Now.Sub(at.full) > fullEvery
	if !stale && len(changes.after(at.seen)) <= maxChanges {
		return s.delta(ctx, get, changes, at)
	}
	body, err := get(ctx, feed.Document{Name: latest, Host: s.host, Path: s.folder + latest})
	if err != nil {
		return feed.Plan{}, err
	}
	name, made, err := archiveName(body)
	if err != nil {
		return feed.Plan{}, err
	}
	if !stale && !made.After(at.seen.time) { // many changes, and no archive that has them
		return s.delta(ctx, get, changes, at)
	}
	return s.full(changes, name, made, r.Now), nil
}

// site is where the documents are.
type site struct{ host, folder string }

func (s site) list(ctx context.Context, get feed.Get, name string) (changes, error) {
	body, err := get(ctx, feed.Document{Name: name, Host: s.host, Path: s.folder + name})
	if err != nil {
		return nil, err
	}
	return readChanges(name, body)
}

func (s site) document(c change) feed.Document {
	return feed.Document{Name: c.path, Host: s.host, Path: s.folder + c.path, Optional: true}
}

// delta reads what changed after the cursor, and what was listed late.
func (s site) delta(ctx context.Context, get feed.Get, list changes, at cursor) (feed.Plan, error) {
	deleted, err := s.list(ctx, get, "deletions.csv")
	if err != nil {
		return feed.Plan{}, err
	}
	since := at.seen.time.Add(-overlap)
	fresh := list.after(at.seen)
	fresh = fresh[:min(len(fresh), maxChanges)]
	if len(fresh) > 0 {
		at.seen = fresh[len(fresh)-1]
	}
	out := feed.Plan{Delta: true, Cursor: at.String()}
	if len(fresh) > 0 {
		late := list.between(fresh[0].time.Add(-overlap), fresh[0])
		fresh = append(late[max(0, len(late)-(maxChanges-len(fresh))):], fresh...)
	}
	for _, c := range fresh {
		out.Documents = append(out.Documents, s.document(c))
	}
	again := list.newest()
	for _, c := range deleted {
		if !c.time.Before(since) && !again[c.path].After(c.time) {
			out.Removed = append(out.Removed, c.id())
		}
	}
	return out, nil
}

// full reads the archive, and before it what changed since, which counts.
func (s site) full(list changes, name string, made, now time.Time) feed.Plan {
	at := cursor{full: now, seen: change{time: made.Add(-overlap)}}
	fresh := list.after(at.seen)
	fresh = fresh[:min(len(fresh), maxChanges)]
	if len(fresh) > 0 {
		at.seen = fresh[len(fresh)-1]
	}
	out := feed.Plan{Cursor: at.String()}
	for _, c := range fresh {
		out.Documents = append(out.Documents, s.document(c))
	}
	out.Documents = append(out.Documents,
		feed.Document{Name: documentDeletions, Host: s.host, Path: s.folder + "deletions.csv", Optional: true},
		feed.Document{Name: documentArchive, Host: s.host, Path: s.folder + name})
	return out
}

var archiveShape = regexp.MustCompile(`^[0-9A-Za-z_-]*?([0-9]{4}-[0-9]{2}-[0-9]{2})[0-9A-Za-z_-]*\.tar\.(?:zst|xz|gz|bz2)$`)

// archiveName reads archive_latest.txt: the name of the archive, which holds the day it was made.
func archiveName(body []byte) (name string, made time.Time, err error) {
	name = firstWord(body)
	if m := archiveShape.FindStringSubmatch(name); m != nil {
		if made, err = time.Parse(time.DateOnly, m[1]); err == nil {
			return name, made, nil
		}
	}
	return "", time.Time{}, fmt.Errorf("%w: %s names %.80q, which is no archive with a date", ErrDocument, latest, name)
}
