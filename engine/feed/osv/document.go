package osv

import (
	"bytes"
	"encoding/json"
	"fmt"
	"time"
)

// document holds the fields of an OSV record that are used. What databases put into their specific objects is
// not specified, so those are read leniently.
type document struct {
	ID         string      `json:"id"`
	Published  moment      `json:"published"`
	Modified   moment      `json:"modified"`
	Withdrawn  moment      `json:"withdrawn"`
	Aliases    []string    `json:"aliases"`
	Upstream   []string    `json:"upstream"`
	Related    []string    `json:"related"`
	Summary    string      `json:"summary"`
	Details    string      `json:"details"`
	Severity   []severity  `json:"severity"`
	Affected   entries     `json:"affected"`
	References []reference `json:"references"`
	Database   lenient[struct {
		Severity text              `json:"severity"`
		CWEs     lenient[[]string] `json:"cwe_ids"` // GitHub
	}] `json:"database_specific"`
}

type severity struct {
	Type  string `json:"type"`
	Score string `json:"score"`
}

type reference struct {
	Type string `json:"type"`
	URL  string `json:"url"`
}

type affected struct {
	Package struct {
		Ecosystem string `json:"ecosystem"`
		Name      string `json:"name"`
	} `json:"package"`
	Ranges    []eventRange `json:"ranges"`
	Versions  []string     `json:"versions"`
	Severity  []severity   `json:"severity"`
	Ecosystem lenient[struct {
		Urgency      text                  `json:"urgency"`       // Debian
		CustomRanges lenient[[]eventRange] `json:"custom_ranges"` // Go
	}] `json:"ecosystem_specific"`
	Database lenient[struct {
		LastKnown     text `json:"last_known_affected_version_range"` // GitHub
		Informational text `json:"informational"`                     // RustSec
		CWEs          lenient[[]struct {
			ID text `json:"cweId"`
		}] `json:"cwes"` // malicious packages
	}] `json:"database_specific"`
}

// entries are the affected entries of a record, at most maxEntries.
type entries []affected

func (e *entries) UnmarshalJSON(data []byte) error {
	var raw []json.RawMessage
	if err := json.Unmarshal(data, &raw); err != nil {
		return err
	}
	if len(raw) > maxEntries {
		return fmt.Errorf("%w: %d affected entries, at most %d are read", ErrLimit, len(raw), maxEntries)
	}
	*e = make(entries, len(raw))
	for i := range raw {
		if err := json.Unmarshal(raw[i], &(*e)[i]); err != nil {
			return err
		}
	}
	return nil
}

type eventRange struct {
	Type   string  `json:"type"`
	Events []event `json:"events"`
}

// event is one point on the version line; exactly one field is set. limit bounds Git ranges only.
type event struct {
	Introduced   string `json:"introduced"`
	Fixed        string `json:"fixed"`
	LastAffected string `json:"last_affected"`
}

// lenient holds the zero value when the JSON has another shape.
type lenient[T any] struct{ value T }

func (l *lenient[T]) UnmarshalJSON(data []byte) error {
	var v T
	if json.Unmarshal(data, &v) == nil {
		l.value = v
	}
	return nil
}

// text is a string, or "" when the JSON holds something else.
type text string

func (t *text) UnmarshalJSON(data []byte) error {
	var s string
	if json.Unmarshal(data, &s) == nil {
		*t = text(s)
	}
	return nil
}

// moment is a time in RFC 3339, or nil when absent, zero or unreadable.
type moment struct{ at *time.Time }

func (m *moment) UnmarshalJSON(data []byte) error {
	t, err := time.Parse(time.RFC3339, string(bytes.Trim(data, `"`)))
	// Years beyond what a database column holds are nonsense as well.
	if err == nil && t.Year() > 1 && t.Year() < 10000 {
		m.at = new(t.UTC())
	}
	return nil
}
