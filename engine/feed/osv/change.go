package osv

import (
	"bytes"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"plimsoll/engine/feed/field"
)

// ErrChanges means that a document is not the list of changes of an ecosystem.
var ErrChanges = errors.New("not a list of changed OSV records")

const (
	// maxChanges is how many records are fetched one by one before the archive is cheaper.
	maxChanges = 500
	// fullEvery is how long records that vanished upstream may stay.
	fullEvery = 7 * 24 * time.Hour
	// archiveLag is how much older than the list of changes an archive may be.
	archiveLag = 24 * time.Hour
)

// cursor is where a sync ended: the newest change it has seen, and when the whole archive was read last.
type cursor struct{ seen, full time.Time }

func (c cursor) String() string {
	return c.seen.UTC().Format(time.RFC3339Nano) + " " + c.full.UTC().Format(time.RFC3339)
}

func parseCursor(text string) (c cursor, ok bool) {
	seen, full, _ := strings.Cut(text, " ")
	var errSeen, errFull error
	c.seen, errSeen = time.Parse(time.RFC3339Nano, seen)
	c.full, errFull = time.Parse(time.RFC3339, full)
	return c, errSeen == nil && errFull == nil
}

// change is when a record changed last.
type change struct {
	at time.Time
	id string
}

type changes []change

// readChanges reads modified_id.csv: lines of a time and an id, newest first. A line that cannot be read is passed over;
// ErrChanges when none can.
func readChanges(body []byte) (changes, error) {
	var out changes
	for line := range bytes.Lines(body) {
		at, id, _ := strings.Cut(strings.TrimSpace(string(line)), ",")
		when, err := time.Parse(time.RFC3339Nano, at)
		if id, wrong := field.ID(id); err == nil && wrong == nil {
			out = append(out, change{when, id})
		}
	}
	if len(out) == 0 {
		return nil, fmt.Errorf("%w: %.40q", ErrChanges, body)
	}
	return out, nil
}

// newest is the time of the latest change, at most now.
func (l changes) newest(now time.Time) time.Time {
	var at time.Time
	for _, c := range l {
		if c.at.After(at) {
			at = c.at
		}
	}
	if at.After(now) {
		return now
	}
	return at
}

// since returns the ids of records changed after a time, sorted. A general record about a CVE is left out where the list
// has the distribution's own.
func (l changes) since(at time.Time) []string {
	views := map[string]bool{}
	for _, c := range l {
		if f := flaw(c.id); f != c.id {
			views[f] = true
		}
	}
	var out []string
	for _, c := range l {
		if c.at.After(at) && !views[c.id] {
			out = append(out, c.id)
		}
	}
	slices.Sort(out)
	return slices.Compact(out)
}
