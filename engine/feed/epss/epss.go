// Package epss reads FIRST's Exploit Prediction Scoring System: for every CVE how likely it is to be exploited within
// 30 days, and the share of CVEs that are less likely.
//
// One group "scores", one document, a compressed CSV file, read line by line. The newest is read unless Settings.Extra
// names another one, such as "epss_scores-2026-08-16.csv.gz". Files of 2021 have no line with the date, which is then that
// of the file's name, and those of early 2021 no percentiles. Nearly every score changes every day.
package epss

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"path"
	"regexp"
	"strconv"
	"strings"
	"time"

	"plimsoll/engine/feed"
	"plimsoll/engine/feed/archive"
	"plimsoll/engine/feed/field"
)

// Name is the source name of everything this driver emits.
const Name = "epss"

const (
	host        = "epss.empiricalsecurity.com"
	current     = "epss_scores-current.csv.gz"
	document    = "scores"
	maxDocument = 1 << 30 // bytes when decompressed; 360,000 lines have 10 MB
	maxLine     = 1 << 10 // bytes
)

var (
	// ErrDocument means that a document is no list of scores.
	ErrDocument = errors.New("not a list of EPSS scores")
	// ErrLine means that a line is no score.
	ErrLine = errors.New("not an EPSS score")
	// ErrFile means that the settings name no file of scores.
	ErrFile = errors.New("not a file of EPSS scores; they are named epss_scores-current.csv.gz or epss_scores-YYYY-MM-DD.csv.gz")
)

// Driver reads the scores of a day.
var Driver = feed.Driver{Name: Name, Groups: groups, Plan: plan, Parse: parse}

func groups(s feed.Settings) []feed.Group {
	file := current
	if len(s.Extra) > 0 {
		file = s.Extra[0]
	}
	return []feed.Group{{Name: "scores", Host: host, Path: file}}
}

var fileName = regexp.MustCompile(`^epss_scores-(current|[0-9]{4}-[0-9]{2}-[0-9]{2})\.csv(\.gz)?$`)

func plan(_ context.Context, r feed.Request, _ feed.Get) (feed.Plan, error) {
	if !fileName.MatchString(r.Group.Path) {
		return feed.Plan{}, fmt.Errorf("%.80q: %w", r.Group.Path, ErrFile)
	}
	return feed.Plan{Documents: []feed.Document{{Name: document, Host: r.Group.Host, Path: r.Group.Path}}}, nil
}

func parse(ctx context.Context, in feed.Input, out feed.Sink) error {
	doc, ok := in.Document(document)
	if !ok {
		return fmt.Errorf("%w: it is missing", ErrDocument)
	}
	body, err := archive.Open(doc, archive.Limits{Bytes: maxDocument})
	if err != nil {
		return fmt.Errorf("%w: %w", ErrDocument, err)
	}
	defer body.Close()
	t := table{lines: bufio.NewReaderSize(body, maxLine), date: dated(doc.Path)}
	if err := t.head(); err != nil {
		return fmt.Errorf("%w: %w", ErrDocument, err)
	}
	return t.scores(ctx, out)
}

// dated is the date in a file's name; zero when there is none.
func dated(name string) time.Time {
	if m := fileName.FindStringSubmatch(path.Base(name)); m != nil {
		if t, err := time.Parse(time.DateOnly, m[1]); err == nil {
			return t
		}
	}
	return time.Time{}
}

// table is a document from the line that comes next.
type table struct {
	lines       *bufio.Reader
	date        time.Time
	percentiles bool
}

// line returns the next line that is not empty, and io.EOF behind the last. It is valid until the next call.
func (t *table) line() ([]byte, error) {
	for {
		line, err := t.lines.ReadSlice('\n')
		if errors.Is(err, bufio.ErrBufferFull) {
			return nil, fmt.Errorf("%w: line of more than %d bytes", ErrDocument, maxLine)
		}
		if line = bytes.TrimSpace(line); len(line) > 0 || err != nil {
			if len(line) > 0 && errors.Is(err, io.EOF) {
				err = nil
			}
			return line, err
		}
	}
}

// head reads the comment, if there is one, and the names of the columns.
func (t *table) head() error {
	line, err := t.line()
	if err != nil {
		return err
	}
	if bytes.HasPrefix(line, []byte("#")) {
		for pair := range strings.SplitSeq(string(line[1:]), ",") {
			key, value, _ := strings.Cut(pair, ":")
			if key != "score_date" {
				continue
			}
			day, _, _ := strings.Cut(value, "T")
			if t.date, err = time.Parse(time.DateOnly, day); err != nil {
				return fmt.Errorf("date %.40q", value)
			}
		}
		if line, err = t.line(); err != nil {
			return err
		}
	}
	switch string(line) {
	case "cve,epss,percentile":
		t.percentiles = true
	case "cve,epss":
	default:
		return fmt.Errorf("columns %.80q", line)
	}
	if t.date.IsZero() {
		return errors.New("neither the document nor its name has a date")
	}
	return nil
}

// checkEvery is after how many lines the context is asked.
const checkEvery = 10_000

func (t *table) scores(ctx context.Context, out feed.Sink) error {
	known := 0
	for n := 0; ; n++ {
		if n%checkEvery == 0 && ctx.Err() != nil {
			return ctx.Err()
		}
		line, err := t.line()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return fmt.Errorf("%w: %w", ErrDocument, err)
		}
		score, err := t.score(string(line))
		if err != nil {
			out.Bad(score.ID, err)
			continue
		}
		known++
		if err := out.Score(score); err != nil {
			return err
		}
	}
	if known == 0 {
		return fmt.Errorf("%w: it has no score", ErrDocument)
	}
	return nil
}

func (t *table) score(line string) (feed.Score, error) {
	id, rest, _ := strings.Cut(line, ",")
	s := feed.Score{ID: field.Prose(id, field.MaxID), Date: t.date}
	if !field.IsCVE(id) {
		return s, fmt.Errorf("%w: id %.40q", ErrLine, id)
	}
	probability, percentile, more := strings.Cut(rest, ",")
	var ok bool
	if s.Probability, ok = share(probability); ok && t.percentiles {
		s.Percentile, ok = share(percentile)
	}
	if !ok || more != t.percentiles {
		return s, fmt.Errorf("%w: %.80q", ErrLine, line)
	}
	return s, nil
}

func share(s string) (float64, bool) {
	v, err := strconv.ParseFloat(s, 64)
	return v, err == nil && v >= 0 && v <= 1
}
