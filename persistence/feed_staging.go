package persistence

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/jackc/pgx/v5"

	"plimsoll/engine/feed"
)

// staging are the temporary tables a commit compares with what is there. Columns are in the order of the COPY.
var staging = map[string]struct{ create, statistics string }{
	"stage_vulnerability": {command("feed.stage_vulnerability", `
CREATE TEMPORARY TABLE stage_vulnerability (
  vulnerability_id text, aliases text[], severity smallint, withdrawn boolean, published timestamptz, detail jsonb,
  content_hash bytea
) ON COMMIT DROP`), command("feed.analyze_vulnerability", `ANALYZE stage_vulnerability`)},

	"stage_advisory": {command("feed.stage_advisory", `
CREATE TEMPORARY TABLE stage_advisory (
  advisory_id text, namespace text, package text, scope text, ranges jsonb, versions text[], state text, detail jsonb,
  content_hash bytea
) ON COMMIT DROP`), command("feed.analyze_advisory", `ANALYZE stage_advisory`)},

	"stage_fact": {command("feed.stage_fact", `
CREATE TEMPORARY TABLE stage_fact (kind text, key text, value jsonb, content_hash bytea) ON COMMIT DROP`),
		command("feed.analyze_fact", `ANALYZE stage_fact`)},

	"stage_score": {command("feed.stage_score", `
CREATE TEMPORARY TABLE stage_score (id text, probability real, percentile real, scored_on date) ON COMMIT DROP`),
		command("feed.analyze_score", `ANALYZE stage_score`)},

	"stage_file": {command("feed.stage_file", `
CREATE TEMPORARY TABLE stage_file (name text, digest text, version text, built_at timestamptz) ON COMMIT DROP`),
		command("feed.analyze_file", `ANALYZE stage_file`)},

	"stage_difference": {command("feed.stage_difference", `
CREATE TEMPORARY TABLE stage_difference (
  kind text, record text, namespace text, package text, scope text, added boolean, removed boolean
) ON COMMIT DROP`), command("feed.analyze_difference", `ANALYZE stage_difference`)},

	"stage_removed": {command("feed.stage_removed", `CREATE TEMPORARY TABLE stage_removed (record text) ON COMMIT DROP`),
		command("feed.analyze_removed", `ANALYZE stage_removed`)},
}

// stagedColumns are what is copied, per table.
var stagedColumns = map[string][]string{
	"stage_vulnerability": {"vulnerability_id", "aliases", "severity", "withdrawn", "published", "detail", "content_hash"},
	"stage_advisory":      {"advisory_id", "namespace", "package", "scope", "ranges", "versions", "state", "detail", "content_hash"},
	"stage_fact":          {"kind", "key", "value", "content_hash"},
	"stage_score":         {"id", "probability", "percentile", "scored_on"},
	"stage_file":          {"name", "digest", "version", "built_at"},
	"stage_removed":       {"record"},
}

const (
	// stageBatch and stageBytes bound how many rows of a table travel in one COPY, whichever is reached first.
	stageBatch = 2000
	stageBytes = 8 << 20
	// Longest names of a record in bytes, so that index entries hold them; a record beyond is skipped.
	maxAdvisoryID = 256
	maxNamespace  = 128
	maxPackage    = 1024
	maxScope      = 512
	maxFile       = 256
)

var (
	errTwice    = errors.New("a second record of the same name")
	errUnusable = errors.New("a name is empty, too long, or holds what cannot be stored")
)

// Staging is the feed.Sink that takes what a driver says into the store.
type Staging struct {
	ctx     context.Context //nolint:containedctx // it lives as long as one Load
	tx      pgx.Tx
	bad     func(id string, err error)
	seen    map[string]struct{}
	waiting map[string]*waiting
	total   int // vulnerabilities, facts, scores and files
}

type waiting struct {
	rows  [][]any
	bytes int // of the documents and texts
}

func newStaging(ctx context.Context, tx pgx.Tx, bad func(id string, err error)) *Staging {
	return &Staging{ctx: ctx, tx: tx, bad: bad, seen: make(map[string]struct{}), waiting: make(map[string]*waiting)}
}

// Bad counts a record that had to be skipped.
func (s *Staging) Bad(id string, err error) { s.bad(id, err) }

// Record takes one record. One that has no usable name, or whose name was there before, is skipped.
func (s *Staging) Record(r feed.Record) error {
	id := r.Vulnerability.ID
	if !usable(id, maxAdvisoryID) {
		s.bad(clip(id), errUnusable)
		return nil
	}
	merged := mergeAdvisories(r.Advisories)
	for _, a := range merged {
		if !usable(a.Namespace, maxNamespace) || !usable(a.Package, maxPackage) || len(scopeOf(a.Scope)) > maxScope {
			s.bad(id, errUnusable)
			return nil
		}
	}
	if !s.first("", id) {
		return nil
	}
	row, err := vulnerabilityRowOf(r.Vulnerability)
	if err != nil {
		return fmt.Errorf("record %s: %w", id, err)
	}
	if err := s.put("stage_vulnerability", row); err != nil {
		return err
	}
	for _, a := range merged {
		if row, err = advisoryRowOf(id, a); err != nil {
			return fmt.Errorf("record %s: %w", id, err)
		}
		if err := s.put("stage_advisory", row); err != nil {
			return err
		}
	}
	return nil
}

// first notes a name. It is false, and reported, when the name was there before.
func (s *Staging) first(kind, name string) bool {
	key := kind + "\x00" + name
	if _, twice := s.seen[key]; twice {
		s.bad(clip(name), errTwice)
		return false
	}
	s.seen[key] = struct{}{}
	s.total++
	return true
}

// Kinds of facts.
const (
	factExploited = "exploited"
	factLifecycle = "lifecycle"
	factRelease   = "release"
	factExclusion = "exclusion"
)

func (s *Staging) fact(kind, key string, value any) error {
	if !usable(key, maxPackage) {
		s.bad(clip(key), errUnusable)
		return nil
	}
	if !s.first(kind, key) {
		return nil
	}
	text, hash, err := document(value)
	if err != nil {
		return fmt.Errorf("%s %s: %w", kind, key, err)
	}
	return s.put("stage_fact", []any{kind, key, text, hash})
}

// Exploited takes an entry of a catalogue of known exploitation.
func (s *Staging) Exploited(v feed.Exploited) error {
	v.Added, v.Due = storable(v.Added), storable(v.Due)
	return s.fact(factExploited, v.ID, v)
}

// Lifecycle takes a release cycle.
func (s *Staging) Lifecycle(v feed.Lifecycle) error {
	v.Released, v.EndOfLife, v.EndOfExtended = storable(v.Released), storable(v.EndOfLife), storable(v.EndOfExtended)
	return s.fact(factLifecycle, v.Product+" "+v.Cycle, v)
}

// Release takes what an index knows of a package.
func (s *Staging) Release(v feed.Release) error {
	return s.fact(factRelease, releaseKey(v.Namespace, v.Package), v)
}

func releaseKey(namespace, name string) string { return namespace + " " + name }

// Exclusion takes a curated false positive. One that names no vulnerability is skipped.
func (s *Staging) Exclusion(v feed.Exclusion) error {
	if len(v.Vulnerabilities) == 0 {
		s.bad(clip(v.ID), errUnusable)
		return nil
	}
	return s.fact(factExclusion, v.ID, v)
}

// Score takes an exploit prediction.
func (s *Staging) Score(v feed.Score) error {
	if !usable(v.ID, maxAdvisoryID) || !(v.Probability >= 0 && v.Probability <= 1 && v.Percentile >= 0 && v.Percentile <= 1) {
		s.bad(clip(v.ID), errUnusable)
		return nil
	}
	if !s.first("score", v.ID) {
		return nil
	}
	return s.put("stage_score", []any{v.ID, float32(v.Probability), float32(v.Percentile), v.Date})
}

func (s *Staging) put(table string, row []any) error {
	w := s.waiting[table]
	if w == nil {
		w = &waiting{}
		s.waiting[table] = w
	}
	w.rows = append(w.rows, row)
	w.bytes += sizeOf(row)
	if len(w.rows) < stageBatch && w.bytes < stageBytes {
		return nil
	}
	return s.flush(table, w)
}

func (s *Staging) flush(table string, w *waiting) error {
	if _, err := s.tx.CopyFrom(s.ctx, pgx.Identifier{table}, stagedColumns[table], pgx.CopyFromRows(w.rows)); err != nil {
		return fmt.Errorf("fill %s: %w", table, err)
	}
	clear(w.rows)
	w.rows, w.bytes = w.rows[:0], 0
	return nil
}

// finish copies what is left.
func (s *Staging) finish() error {
	for table, w := range s.waiting {
		if err := s.flush(table, w); err != nil {
			return err
		}
	}
	return nil
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

// scopeOf writes a scope as the part of an advisory's key that it is.
func scopeOf(s feed.Scope) string {
	if s.Kind == "" && s.Module == "" && s.Channel == "" && len(s.Arches) == 0 {
		return ""
	}
	return strings.Join([]string{string(s.Kind), s.Module, s.Channel, strings.Join(s.Arches, ",")}, "|")
}
