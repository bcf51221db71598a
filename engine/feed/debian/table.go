package debian

import (
	"errors"
	"fmt"
	"time"

	"plimsoll/engine/feed"
	"plimsoll/engine/feed/field"
)

// maxRows bounds statements and notices each; Debian has less than a million of either.
const maxRows = 8_000_000

var (
	// ErrTooLarge means that a document says more than any real one.
	ErrTooLarge = errors.New("document of the Debian security tracker exceeds a limit")
	// ErrStatement means that one statement was left out.
	ErrStatement = errors.New("unusable statement")
)

// table holds what all documents say, by id. Texts that repeat are numbered.
type table struct {
	releases map[string]string // number by code name
	out      feed.Sink
	words    *field.Words
	flaws    map[string]*flaw
	covered  map[subject]bool // what the tracker speaks about
	strange  map[string]bool  // releases nobody knows, reported once
	notices  []notice
	rows     int
}

// flaw is what becomes a record.
type flaw struct {
	tracked     bool // the tracker knows it
	description string
	bug         int64
	statements  []statement
	noticed     []noticed
}

// subject is a source package in a release, both by number of a text.
type subject struct{ release, pkg uint32 }

// statement is what the tracker says about a subject.
type statement struct {
	subject
	fixed, state, reason uint32
	severity             *feed.Severity // nil: not rated
}

// noticed is what an advisory of the lists says about a subject.
type noticed struct {
	subject
	notice, fixed, state uint32
}

// notice is an advisory of the lists.
type notice struct {
	id   string
	date time.Time
}

func newTable(releases map[string]string, out feed.Sink) *table {
	return &table{
		releases: releases, out: out, words: field.NewWords(),
		flaws: map[string]*flaw{}, covered: map[subject]bool{}, strange: map[string]bool{},
	}
}

// count bounds what the table holds.
func (t *table) count(n int) error {
	if t.rows += n; t.rows > maxRows {
		return fmt.Errorf("%w: more than %d statements", ErrTooLarge, maxRows)
	}
	return nil
}

// about returns the subject of a package in a release; false when the release is not read. A release nobody
// knows is reported, once.
func (t *table) about(codename, pkg string) (subject, bool) {
	number, ok := t.releases[codename]
	if !ok {
		if numbers[codename] == "" && !older[codename] && len(t.strange) < 100 && !t.strange[codename] {
			t.strange[codename] = true
			t.out.Bad(field.Prose(codename, field.MaxID), fmt.Errorf("%w: name it with its number in the settings to read it", ErrRelease))
		}
		return subject{}, false
	}
	return subject{release: t.words.Number("debian:" + number), pkg: t.words.Number(pkg)}, true
}

// flaw returns the entry of an id, made when needed.
func (t *table) flaw(id string) *flaw {
	f := t.flaws[id]
	if f == nil {
		f = &flaw{}
		t.flaws[id] = f
	}
	return f
}
