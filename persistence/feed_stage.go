package persistence

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"slices"
	"time"

	"github.com/jackc/pgx/v5"

	"plimsoll/engine/feed"
)

const (
	// stageBatch and stageBytes bound how many records travel in one COPY, whichever is reached first.
	stageBatch = 2000
	stageBytes = 8 << 20
	// Longest names of a record in bytes, so that index entries hold them; a record beyond is skipped.
	maxAdvisoryID = 256
	maxNamespace  = 128
	maxPackage    = 1024
)

var (
	vulnerabilityStaging = command("feed.stage_vulnerability", `
CREATE TEMPORARY TABLE stage_vulnerability (
  vulnerability_id text, aliases text[], severity smallint, withdrawn boolean, published timestamptz, detail jsonb,
  content_hash bytea
) ON COMMIT DROP`)

	advisoryStaging = command("feed.stage_advisory", `
CREATE TEMPORARY TABLE stage_advisory (
  advisory_id text, namespace text, package text, ranges jsonb, versions text[], state text, content_hash bytea
) ON COMMIT DROP`)

	differenceStaging = command("feed.stage_difference", `
CREATE TEMPORARY TABLE stage_difference (
  kind text, record text, namespace text, package text, added boolean, removed boolean
) ON COMMIT DROP`)

	vulnerabilityStatistics = command("feed.analyze_vulnerability", `ANALYZE stage_vulnerability`)
	advisoryStatistics      = command("feed.analyze_advisory", `ANALYZE stage_advisory`)
	differenceStatistics    = command("feed.analyze_difference", `ANALYZE stage_difference`)
)

// stage collects records and copies them into the temporary tables.
type stage struct {
	tx              pgx.Tx
	seen            map[string]struct{}
	skipped         int
	bytes           int // of the documents and versions waiting
	vulnerabilities [][]any
	advisories      [][]any
}

// add takes one record. One that has no usable name, or whose name was there before, is skipped.
func (s *stage) add(ctx context.Context, r feed.Record) error {
	id := r.Vulnerability.ID
	if _, twice := s.seen[id]; twice || !usable(id, maxAdvisoryID) {
		s.skipped++
		return nil
	}
	merged := mergeAdvisories(r.Advisories)
	for _, a := range merged {
		if !usable(a.Namespace, maxNamespace) || !usable(a.Package, maxPackage) {
			s.skipped++
			return nil
		}
	}
	s.seen[id] = struct{}{}
	row, err := vulnerabilityRowOf(r.Vulnerability)
	if err != nil {
		return fmt.Errorf("record %s: %w", id, err)
	}
	s.vulnerabilities = append(s.vulnerabilities, row)
	s.bytes += sizeOf(row)
	for _, a := range merged {
		if row, err = advisoryRowOf(id, a); err != nil {
			return fmt.Errorf("record %s: %w", id, err)
		}
		s.advisories = append(s.advisories, row)
		s.bytes += sizeOf(row)
	}
	if len(s.vulnerabilities) < stageBatch && s.bytes < stageBytes {
		return nil
	}
	return s.flush(ctx)
}

// sizeOf is about what the texts of a row weigh, in bytes.
func sizeOf(row []any) (n int) {
	for _, column := range row {
		switch v := column.(type) {
		case []byte:
			n += len(v)
		case []string:
			for _, text := range v {
				n += len(text)
			}
		}
	}
	return n
}

func usable(name string, limit int) bool { return name != "" && clean(name, limit) == name }

func (s *stage) flush(ctx context.Context) error {
	vulnerability := []string{"vulnerability_id", "aliases", "severity", "withdrawn", "published", "detail", "content_hash"}
	advisory := []string{"advisory_id", "namespace", "package", "ranges", "versions", "state", "content_hash"}
	_, err := s.tx.CopyFrom(ctx, pgx.Identifier{"stage_vulnerability"}, vulnerability, pgx.CopyFromRows(s.vulnerabilities))
	if err != nil {
		return fmt.Errorf("stage vulnerabilities: %w", err)
	}
	if _, err := s.tx.CopyFrom(ctx, pgx.Identifier{"stage_advisory"}, advisory, pgx.CopyFromRows(s.advisories)); err != nil {
		return fmt.Errorf("stage advisories: %w", err)
	}
	clear(s.vulnerabilities)
	clear(s.advisories)
	s.vulnerabilities, s.advisories, s.bytes = s.vulnerabilities[:0], s.advisories[:0], 0
	return nil
}

// vulnerabilityRowOf leaves the time of modification out of the hash: a record that was only touched upstream is
// no news.
func vulnerabilityRowOf(v feed.Vulnerability) ([]any, error) {
	withdrawn := v.Withdrawn != nil
	v.Published, v.Modified, v.Withdrawn = storable(v.Published), storable(v.Modified), storable(v.Withdrawn)
	hashed := v
	hashed.Modified = nil
	_, hash, err := document(hashed)
	if err != nil {
		return nil, err
	}
	detail, _, err := document(v)
	if err != nil {
		return nil, err
	}
	aliases := cleanAll(v.Aliases, maxAdvisoryID)
	return []any{v.ID, aliases, int16(v.Severity), withdrawn, v.Published, detail, hash}, nil // #nosec G115 -- 0 to 5
}

func advisoryRowOf(id string, a feed.Advisory) ([]any, error) {
	_, hash, err := document(struct {
		Ranges   []feed.Range
		Versions []string
		State    feed.FixState
	}{a.Ranges, a.Versions, a.State})
	if err != nil {
		return nil, err
	}
	if a.Ranges == nil {
		a.Ranges = []feed.Range{}
	}
	ranges, _, err := document(a.Ranges)
	if err != nil {
		return nil, err
	}
	return []any{id, a.Namespace, a.Package, ranges, cleanAll(a.Versions, maxAdvisoryID), clean(string(a.State), maxWord), hash}, nil
}

// storable drops times that cannot be written down in RFC 3339.
func storable(t *time.Time) *time.Time {
	if t == nil || t.Year() < 1 || t.Year() > 9999 {
		return nil
	}
	return t
}

// storableJSON replaces the character NUL, which a jsonb column cannot hold.
func storableJSON(text []byte) []byte {
	return bytes.ReplaceAll(text, []byte(`\u0000`), []byte(`\ufffd`))
}

// document encodes a value for a jsonb column and hashes it.
func document(v any) (text, hash []byte, err error) {
	text, err = json.Marshal(v)
	if err != nil {
		return nil, nil, fmt.Errorf("encode: %w", err)
	}
	text = storableJSON(text)
	sum := sha256.Sum256(text)
	return text, sum[:], nil
}

// mergeAdvisories joins advisories of a record that name the same package twice, so that there is one row per
// package. When they disagree about the fix, the one without a fix counts.
func mergeAdvisories(list []feed.Advisory) []feed.Advisory {
	type name struct{ namespace, pkg string }
	index := make(map[name]int, len(list))
	out := make([]feed.Advisory, 0, len(list))
	for _, a := range list {
		key := name{a.Namespace, a.Package}
		i, twice := index[key]
		if !twice {
			index[key] = len(out)
			out = append(out, a)
			continue
		}
		m := &out[i]
		m.Ranges = slices.Concat(m.Ranges, a.Ranges)
		m.Versions = slices.Concat(m.Versions, a.Versions)
		slices.Sort(m.Versions)
		m.Versions = slices.Compact(m.Versions)
		if m.State == feed.StateFixed {
			m.State = a.State
		}
	}
	return out
}
