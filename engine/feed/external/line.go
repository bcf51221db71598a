package external

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"time"

	"plimsoll/engine/feed"
)

// Protocol is the version of the contract.
const Protocol = 1

// Limits of the contract; see the package comment.
const (
	maxLine       = 8 << 20
	maxValues     = 200_000
	maxBytes      = 16 << 30
	maxRecords    = 2_000_000
	maxRemoved    = 1_000_000
	maxCursor     = 1024
	maxVersion    = 256
	maxAdvisories = 20_000
	maxRanges     = 1000
	maxVersions   = 20_000
	maxIDs        = 1000
	maxReferences = 200
	maxLink       = 2048
)

var (
	// ErrStream means that an answer breaks the contract as a whole or was cut short.
	ErrStream = errors.New("answer breaks the contract of external feeds")
	// ErrRecord means that one record breaks it.
	ErrRecord = errors.New("unusable record")
	// ErrSource is a failure the program itself reports.
	ErrSource = errors.New("external feed reports an error")
)

// Request is what a program is asked with.
type Request struct {
	Protocol int    `json:"protocol"`
	Cursor   string `json:"cursor"`
}

// Ask writes the request for what changed since a cursor.
func Ask(cursor string) ([]byte, error) {
	body, err := json.Marshal(Request{Protocol: Protocol, Cursor: cursor})
	if err != nil {
		return nil, fmt.Errorf("encode request: %w", err)
	}
	return append(body, '\n'), nil
}

// line is one line of an answer; one member is set.
type line struct {
	Begin   *Begin          `json:"begin,omitempty"`
	Record  json.RawMessage `json:"record,omitempty"`
	Removed *string         `json:"removed,omitempty"`
	Cursor  *string         `json:"cursor,omitempty"`
	End     *End            `json:"end,omitempty"`
	Error   *string         `json:"error,omitempty"`
}

// Begin is the first line.
type Begin struct {
	Protocol int  `json:"protocol"`
	Delta    bool `json:"delta"`
}

// End is the last line.
type End struct {
	Records int `json:"records"`
	Removed int `json:"removed"`
}

// Record is a vulnerability and what it affects, as it is written.
type Record struct {
	ID          string     `json:"id"`
	Aliases     []string   `json:"aliases,omitempty"`
	Upstream    []string   `json:"upstream,omitempty"`
	Summary     string     `json:"summary,omitempty"`
	Description string     `json:"description,omitempty"`
	Severity    string     `json:"severity,omitempty"`
	CVSS        []string   `json:"cvss,omitempty"`
	CWEs        []string   `json:"cwes,omitempty"`
	URL         string     `json:"url,omitempty"`
	References  []string   `json:"references,omitempty"`
	Published   *time.Time `json:"published,omitempty"`
	Modified    *time.Time `json:"modified,omitempty"`
	Withdrawn   *time.Time `json:"withdrawn,omitempty"`
	Advisories  []Advisory `json:"advisories,omitempty"`
}

// Advisory is what a record says about a package.
type Advisory struct {
	Namespace string        `json:"namespace"`
	Package   string        `json:"package"`
	Ranges    []feed.Range  `json:"ranges,omitempty"`
	Versions  []string      `json:"versions,omitempty"`
	State     feed.FixState `json:"state,omitempty"`
	Reason    string        `json:"reason,omitempty"`
	Severity  string        `json:"severity,omitempty"`
	Notices   []feed.Notice `json:"notices,omitempty"`
	FixedAt   *time.Time    `json:"fixed_at,omitempty"`
	Kind      feed.Kind     `json:"kind,omitempty"`
	Module    string        `json:"module,omitempty"`
	Arches    []string      `json:"arches,omitempty"`
	Channel   string        `json:"channel,omitempty"`
}

// decode reads one JSON value and nothing else; members that are not described are refused.
func decode(raw []byte, v any) error {
	if n := bytes.Count(raw, []byte{','}); n > maxValues {
		return fmt.Errorf("%d values, at most %d are read", n, maxValues)
	}
	d := json.NewDecoder(bytes.NewReader(raw))
	d.DisallowUnknownFields()
	if err := d.Decode(v); err != nil {
		return err
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return errors.New("more after the value")
	}
	return nil
}

// Writer writes an answer, for programs written in Go. It counts; errors are those of the writer below.
type Writer struct {
	out *json.Encoder
	end End
}

// NewWriter begins an answer.
func NewWriter(w io.Writer, delta bool) (*Writer, error) {
	out := &Writer{out: json.NewEncoder(w)}
	return out, out.out.Encode(line{Begin: &Begin{Protocol: Protocol, Delta: delta}})
}

// Record writes a record.
func (w *Writer) Record(r Record) error {
	raw, err := json.Marshal(r)
	if err != nil {
		return fmt.Errorf("encode record %s: %w", r.ID, err)
	}
	w.end.Records++
	return w.out.Encode(line{Record: raw})
}

// Removed writes the id of a record that is gone.
func (w *Writer) Removed(id string) error {
	w.end.Removed++
	return w.out.Encode(line{Removed: &id})
}

// End writes the cursor, if there is one, and ends the answer.
func (w *Writer) End(cursor string) error {
	if cursor != "" {
		if err := w.out.Encode(line{Cursor: &cursor}); err != nil {
			return err
		}
	}
	return w.out.Encode(line{End: &w.end})
}
