package persistence

import (
	"bytes"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"slices"
	"time"

	"plimsoll/engine/feed"
)

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

// advisoryDetail is the part of an advisory that the detail column holds: what is not in a column of its own.
type advisoryDetail struct {
	feed.Scope
	Reason   string         `json:"reason,omitempty"`
	Severity *feed.Severity `json:"severity,omitempty"`
	Notices  []feed.Notice  `json:"notices,omitempty"`
	FixedAt  *time.Time     `json:"fixed_at,omitempty"`
	CPE      *feed.CPE      `json:"cpe,omitempty"`
}

func (d advisoryDetail) fill(a *feed.Advisory) {
	a.Scope, a.Reason, a.Severity, a.Notices, a.FixedAt, a.CPE = d.Scope, d.Reason, d.Severity, d.Notices, d.FixedAt, d.CPE
}

func advisoryRowOf(id string, a feed.Advisory) ([]any, error) {
	if a.Ranges == nil {
		a.Ranges = []feed.Range{}
	}
	said := advisoryDetail{a.Scope, a.Reason, a.Severity, a.Notices, storable(a.FixedAt), a.CPE}
	_, hash, err := document(struct {
		Ranges   []feed.Range
		Versions []string
		State    feed.FixState
		Detail   advisoryDetail
	}{a.Ranges, a.Versions, a.State, said})
	if err != nil {
		return nil, err
	}
	ranges, _, err := document(a.Ranges)
	if err != nil {
		return nil, err
	}
	detail, _, err := document(said)
	if err != nil {
		return nil, err
	}
	return []any{
		id, a.Namespace, a.Package, scopeOf(a.Scope), ranges, cleanAll(a.Versions, maxAdvisoryID), clean(string(a.State), maxWord), detail, hash,
	}, nil
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

// mergeAdvisories joins advisories of a record that name the same package in the same scope twice, so that there is one
// row for each. When they disagree about the fix, the one without a fix counts.
func mergeAdvisories(list []feed.Advisory) []feed.Advisory {
	type name struct{ namespace, pkg, scope string }
	index := make(map[name]int, len(list))
	out := make([]feed.Advisory, 0, len(list))
	for _, a := range list {
		key := name{a.Namespace, a.Package, scopeOf(a.Scope)}
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
