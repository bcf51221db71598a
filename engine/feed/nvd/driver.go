package nvd

import (
	"context"
	"encoding/json"
	"fmt"
	"net/url"
	"strconv"
	"strings"
	"time"

	"plimsoll/engine/feed"
	"plimsoll/engine/feed/jsonlist"
)

// Name is the source name of everything this driver emits, Namespace where its advisories are.
const (
	Name      = "nvd"
	Namespace = "nvd"
)

// Where the documents are.
const (
	filesHost     = "nvd.nist.gov"
	filesPath     = "feeds/json/cve/2.0"
	filePath      = filesPath + "/nvdcve-2.0-%s.json.gz"
	apiHost       = "services.nvd.nist.gov"
	apiPath       = "rest/json/cves/2.0"
	overridesHost = "codeload.github.com"
	overridesPath = "anchore/nvd-data-overrides/tar.gz/refs/heads/main"
	page          = "https://nvd.nist.gov/vuln/detail/"
)

// Names of documents, besides the years and pages.
const (
	documentOverrides = "overrides"
	documentModified  = "modified"
)

const (
	firstYear = 2002 // its file holds the years before as well
	// pageSize is the most the API gives at once; pageStep leaves an overlap between pages.
	pageSize = 2000
	pageStep = 1900
	// maxChanges is how many changed records are asked for before the files are cheaper.
	maxChanges = 60_000
	// fullEvery is after how long everything is read again. Neither 120 days, the longest window of the API, nor the eight
	// days the file of changes covers are ever exceeded.
	fullEvery = 7 * 24 * time.Hour
	// overlap is how long a change may take to show in the API, fileLag how old the files may be.
	overlap = 6 * time.Hour
	fileLag = 48 * time.Hour
	// pace is what NVD asks of those without a key: 5 requests in 30 seconds; with one it takes 50.
	pace, paceWithKey = 6 * time.Second, 600 * time.Millisecond
)

// Driver reads the NVD.
var Driver = feed.Driver{Name: Name, Groups: groups, Plan: plan, Parse: parse, Pace: pace, PaceWithToken: paceWithKey}

func groups(feed.Settings) []feed.Group {
	return []feed.Group{{Name: "cve", Host: filesHost, Path: filesPath}}
}

// cursor is up to when changes have been seen, and when everything was read last.
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
	last, ok := parseCursor(r.Cursor)
	if !ok || last.seen.After(r.Now) || last.full.After(r.Now) || r.Now.Sub(last.full) > fullEvery {
		return everything(r.Now), nil
	}
	w := window{from: last.seen, to: r.Now, key: r.Settings.Token}
	total, err := w.count(ctx, get)
	switch {
	case ctx.Err() != nil:
		return feed.Plan{}, err
	case err != nil:
		// When nothing can be reached, the file of changes cannot either, and that is the error.
		next := cursor{seen: latest(last.seen, r.Now.Add(-fileLag)), full: last.full}
		changes := []feed.Document{overrides(), file(documentModified, "modified")}
		return feed.Plan{Documents: changes, Delta: true, Cursor: next.String()}, nil //nolint:nilerr // see above
	case total > maxChanges:
		return everything(r.Now), nil
	}
	out := feed.Plan{Delta: true, Cursor: cursor{seen: latest(last.seen, r.Now.Add(-overlap)), full: last.full}.String()}
	if total > 0 {
		out.Documents = append([]feed.Document{overrides()}, w.pages(total)...)
	}
	return out, nil
}

func latest(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}

// everything asks for the yearly files. That of the current year may not exist on New Year's Day.
func everything(now time.Time) feed.Plan {
	docs := []feed.Document{overrides()}
	for year := firstYear; year <= now.Year(); year++ {
		d := file(strconv.Itoa(year), strconv.Itoa(year))
		d.Optional = year == now.Year()
		docs = append(docs, d)
	}
	return feed.Plan{Documents: docs, Cursor: cursor{seen: now.Add(-fileLag), full: now}.String()}
}

func file(name, part string) feed.Document {
	return feed.Document{Name: name, Host: filesHost, Path: fmt.Sprintf(filePath, part)}
}

func overrides() feed.Document {
	return feed.Document{Name: documentOverrides, Host: overridesHost, Path: overridesPath, Optional: true}
}

// window is a span of time to ask the API for changes in.
type window struct {
	from, to time.Time
	key      string
}

// document is a page of the changes.
func (w window) document(name string, start, size int) feed.Document {
	const layout = "2006-01-02T15:04:05.000-07:00"
	query := "lastModStartDate=" + url.QueryEscape(w.from.UTC().Format(layout)) +
		"&lastModEndDate=" + url.QueryEscape(w.to.UTC().Format(layout)) +
		"&resultsPerPage=" + strconv.Itoa(size) + "&startIndex=" + strconv.Itoa(start)
	d := feed.Document{Name: name, Host: apiHost, Path: apiPath, Query: query}
	if w.key != "" {
		d.Header = map[string]string{"apiKey": w.key}
	}
	return d
}

// count asks how many records changed.
func (w window) count(ctx context.Context, get feed.Get) (int, error) {
	body, err := get(ctx, w.document("count", 0, 1))
	if err != nil {
		return 0, err
	}
	var answer struct {
		Total *int `json:"totalResults"`
	}
	if err := json.Unmarshal(body, &answer); err != nil || answer.Total == nil || *answer.Total < 0 {
		return 0, fmt.Errorf("%w: no count in %.60q", jsonlist.ErrDocument, body)
	}
	return *answer.Total, nil
}

func (w window) pages(total int) []feed.Document {
	var out []feed.Document
	for start := 0; start == 0 || start+pageSize-pageStep < total; start += pageStep {
		out = append(out, w.document("page-"+strconv.Itoa(len(out)), start, pageSize))
	}
	return out
}
