package ubuntu

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"path"
	"strings"

	"plimsoll/engine/feed"
	"plimsoll/engine/feed/archive"
	"plimsoll/engine/feed/field"
)

// Bounds. In 2026 the archives have some GB and a hundred thousand members, and say a few million things.
const (
	maxMember = 32 << 20
	maxRows   = 16_000_000 // of notices and statements together
	maxWords  = 256 << 20  // bytes of what these say, each text once
)

var limits = archive.Limits{Member: maxMember}

// base holds what the records are made of beside themselves.
type base struct {
	out       feed.Sink
	words     *field.Words
	codenames map[string]string // release by code name
	chosen    map[string]bool   // releases; all when empty
	said      map[uint32][]statement
	noticed   []noticed
	notices   []notice
	seen      map[string]bool
	rows      int
}

func newBase(out feed.Sink) *base {
	return &base{
		out: out, words: field.NewWords(), codenames: map[string]string{}, chosen: map[string]bool{},
		said: map[uint32][]statement{}, seen: map[string]bool{},
	}
}

// count bounds what is held.
func (b *base) count(n int) error {
	if b.rows += n; b.rows > maxRows || b.words.Size() > maxWords {
		return fmt.Errorf("%w: more than %d notices and statements, or %d bytes in them", ErrTooLarge, maxRows, maxWords)
	}
	return nil
}

// stem is the id a member of an archive is about, by its file name; "" for what is no record.
func stem(member string) string {
	name, ok := strings.CutSuffix(path.Base(member), ".json")
	if !ok {
		return ""
	}
	return name
}

// isNotice reports whether an id is that of a security notice.
func isNotice(id string) bool { return strings.HasPrefix(id, "USN-") }

// readFlaws hands out the records of the OSV archive.
func (b *base) readFlaws(ctx context.Context, doc feed.Fetched) error {
	err := archive.Walk(ctx, doc, limits, func(m archive.Member) error {
		_, flaw := strings.CutPrefix(stem(m.Name), distributionPrefix)
		if !flaw && !isNotice(stem(m.Name)) {
			return nil
		}
		d, err := b.decode(m)
		if d == nil || err != nil {
			return err
		}
		rec, keep := b.record(d)
		if !keep || len(b.chosen) > 0 && len(rec.Advisories) == 0 {
			return nil
		}
		if b.seen[rec.Vulnerability.ID] {
			b.out.Bad(rec.Vulnerability.ID, fmt.Errorf("%w: second one of this id", ErrRecord))
			return nil
		}
		b.seen[rec.Vulnerability.ID] = true
		return b.out.Record(rec)
	})
	if err == nil && len(b.seen) == 0 {
		return fmt.Errorf("%w: no record in it", ErrDocument)
	}
	return err
}

// decode reads a member; nil when it cannot be used, which is reported. The error ends the archive.
func (b *base) decode(m archive.Member) (*document, error) {
	var d document
	text, err := m.Bytes()
	if err == nil {
		err = json.Unmarshal(text, &d)
	} else if !errors.Is(err, archive.ErrTooLarge) {
		return nil, err
	}
	if err != nil {
		b.out.Bad(field.Prose(stem(m.Name), field.MaxID), fmt.Errorf("%w: %w", ErrRecord, err))
		return nil, nil
	}
	return &d, nil
}
