package redhat

import (
	"bytes"
	"cmp"
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"path"
	"regexp"
	"slices"
	"strings"
	"time"
)

// change is a line of changes.csv or deletions.csv: a document and when it changed.
type change struct {
	time time.Time
	path string // "2024/cve-2024-2961.json"
}

// changes are sorted, the oldest first.
type changes []change

var pathShape = regexp.MustCompile(`^[0-9]{4}/cve-[0-9]{4}-[0-9]{4,19}\.json$`)

func (c change) compare(to change) int {
	return cmp.Or(c.time.Compare(to.time), strings.Compare(c.path, to.path))
}

// id is that of the CVE a document is about, by its name.
func (c change) id() string { return cveOf(c.path) }

func cveOf(file string) string {
	return strings.ToUpper(strings.TrimSuffix(path.Base(file), ".json"))
}

func firstWord(body []byte) string {
	fields := bytes.Fields(body)
	if len(fields) == 0 {
		return ""
	}
	return string(fields[0])
}

// readChanges reads a list. Lines about other files are passed over: ErrDocument when it has no others.
func readChanges(name string, body []byte) (changes, error) {
	lines := csv.NewReader(bytes.NewReader(body))
	lines.FieldsPerRecord, lines.ReuseRecord, lines.LazyQuotes = -1, true, true
	var out changes
	for {
		line, err := lines.Read()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return nil, fmt.Errorf("%w: %s: %w", ErrDocument, name, err)
		}
		if len(line) < 2 || !pathShape.MatchString(line[0]) {
			continue
		}
		at, err := time.Parse(time.RFC3339, line[1])
		if err == nil && at.Year() > 1 && at.Year() < 9999 {
			out = append(out, change{at.UTC(), strings.Clone(line[0])})
		}
	}
	if len(out) == 0 && len(bytes.TrimSpace(body)) > 0 {
		return nil, fmt.Errorf("%w: %s has no line of a document and a time", ErrDocument, name)
	}
	slices.SortFunc(out, change.compare)
	return out, nil
}

// after are those later than a change.
func (l changes) after(c change) changes {
	i, found := slices.BinarySearchFunc(l, c, change.compare)
	if found {
		i++
	}
	return l[i:]
}

// between are those from a time on and before a change.
func (l changes) between(from time.Time, to change) changes {
	i, _ := slices.BinarySearchFunc(l, change{time: from}, change.compare)
	j, _ := slices.BinarySearchFunc(l, to, change.compare)
	return slices.Clone(l[i:j])
}

// newest is when each document changed last.
func (l changes) newest() map[string]time.Time {
	out := make(map[string]time.Time, len(l))
	for _, c := range l {
		out[c.path] = c.time
	}
	return out
}

// cursor is where the next sync goes on: the last change that was read, and when the archive was.
type cursor struct {
	full time.Time
	seen change
}

func (c cursor) String() string {
	return strings.TrimSpace(c.full.Format(time.RFC3339) + " " + c.seen.time.Format(time.RFC3339) + " " + c.seen.path)
}

func parseCursor(text string) (c cursor, ok bool) {
	fields := strings.Fields(text)
	if len(fields) < 2 || len(fields) > 3 {
		return cursor{}, false
	}
	var bad, worse error
	c.full, bad = time.Parse(time.RFC3339, fields[0])
	c.seen.time, worse = time.Parse(time.RFC3339, fields[1])
	if len(fields) == 3 {
		c.seen.path = fields[2]
	}
	return c, bad == nil && worse == nil
}
