package msrc

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"time"

	"plimsoll/engine/feed"
)

// Name is the source name of everything this driver emits.
const Name = "msrc"

const (
	host         = "api.msrc.microsoft.com"
	listPath     = "cvrf/v3.0/updates"
	documentPath = "cvrf/v3.0/cvrf/"
	page         = "https://msrc.microsoft.com/update-guide/vulnerability/"
	// fullEvery is how long what vanished from a month may stay.
	fullEvery = 30 * 24 * time.Hour
	// overlap is how close to each other changes may be dated: mostly a day is given, not a time.
	overlap = 24 * time.Hour
	pace    = time.Second
)

var (
	// ErrList means that a document is not the list of months.
	ErrList = errors.New("not a list of MSRC updates")
	// ErrDocument means that a document is not the updates of a month.
	ErrDocument = errors.New("not a CVRF document of MSRC")
	// ErrRecord means that a vulnerability cannot be used.
	ErrRecord = errors.New("unusable MSRC vulnerability")
)

// Driver reads the monthly updates.
var Driver = feed.Driver{Name: Name, Groups: groups, Plan: plan, Parse: parse, Pace: pace}

func groups(feed.Settings) []feed.Group {
	return []feed.Group{{Name: "cvrf", Host: host, Path: listPath}}
}

// month is an entry of the list.
type month struct {
	ID      string `json:"ID"`
	Initial moment `json:"InitialReleaseDate"`
	Current moment `json:"CurrentReleaseDate"`
}

// moment is a date of a CVRF document; with and without a zone they mean UTC. It is zero when it cannot be read.
type moment struct{ at time.Time }

// UnmarshalText reads it out of JSON and XML.
func (m *moment) UnmarshalText(text []byte) error {
	for _, layout := range []string{time.RFC3339Nano, "2006-01-02T15:04:05.999999999"} {
		if t, err := time.Parse(layout, strings.TrimSpace(string(text))); err == nil && t.Year() > 1990 && t.Year() < 10000 {
			m.at = t.UTC()
		}
	}
	return nil
}

// cursor is the date of the newest change that has been seen, and when everything was read last.
type cursor struct{ seen, full time.Time }

func (c cursor) String() string {
	return c.seen.UTC().Format(time.RFC3339) + " " + c.full.UTC().Format(time.RFC3339)
}

func parseCursor(text string) (c cursor, ok bool) {
	seen, full, _ := strings.Cut(text, " ")
	var errSeen, errFull error
	c.seen, errSeen = time.Parse(time.RFC3339, seen)
	c.full, errFull = time.Parse(time.RFC3339, full)
	return c, errSeen == nil && errFull == nil
}

func plan(ctx context.Context, r feed.Request, get feed.Get) (feed.Plan, error) {
	body, err := get(ctx, feed.Document{Name: "updates", Host: r.Group.Host, Path: r.Group.Path, Header: map[string]string{"Accept": "application/json"}})
	if err != nil {
		return feed.Plan{}, err
	}
	list, err := months(body)
	if err != nil {
		return feed.Plan{}, err
	}
	last, ok := parseCursor(r.Cursor)
	next := cursor{full: r.Now}
	delta := ok && !last.full.After(r.Now) && r.Now.Sub(last.full) <= fullEvery
	if delta {
		next = last
	}
	out := feed.Plan{Delta: delta}
	for _, m := range list {
		if !delta || !m.Current.at.Before(last.seen.Add(-overlap)) {
			out.Documents = append(out.Documents, feed.Document{
				Name: m.ID, Host: r.Group.Host, Path: documentPath + m.ID, Header: map[string]string{"Accept": "application/xml"}, Optional: true,
			})
		}
		if m.Current.at.After(next.seen) && !m.Current.at.After(r.Now) {
			next.seen = m.Current.at
		}
	}
	out.Cursor = next.String()
	return out, nil
}

var monthID = regexp.MustCompile(`^[0-9]{4}-[A-Z][a-z]{2}(-[0-9A-Za-z]{1,10})?$`)

// months reads the list, newest first.
func months(body []byte) ([]month, error) {
	var list struct {
		Value []month `json:"value"`
	}
	if err := json.Unmarshal(body, &list); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrList, err)
	}
	out := slices.DeleteFunc(list.Value, func(m month) bool { return !monthID.MatchString(m.ID) })
	if len(out) == 0 {
		return nil, fmt.Errorf("%w: there is no month in it", ErrList)
	}
	slices.SortFunc(out, func(a, b month) int { return cmp.Or(b.Initial.at.Compare(a.Initial.at), strings.Compare(b.ID, a.ID)) })
	return slices.CompactFunc(out, func(a, b month) bool { return a.ID == b.ID }), nil
}
