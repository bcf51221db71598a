package ubuntu

import (
	"bytes"
	"encoding/json"
	"time"
)

// document holds the fields of an OSV record (ossf.github.io/osv-schema) that are used.
type document struct {
	ID         string     `json:"id"`
	Published  moment     `json:"published"`
	Modified   moment     `json:"modified"`
	Withdrawn  moment     `json:"withdrawn"`
	Aliases    []string   `json:"aliases"`
	Upstream   []string   `json:"upstream"`
	Related    []string   `json:"related"`
	Summary    string     `json:"summary"`
	Details    string     `json:"details"`
	Severity   []rating   `json:"severity"`
	Affected   []affected `json:"affected"`
	References []struct {
		URL string `json:"url"`
	} `json:"references"`
}

// rating is a CVSS vector, or with the type "Ubuntu" a priority.
type rating struct {
	Type  string `json:"type"`
	Score string `json:"score"`
}

// affected is what a record says about a package in a place.
type affected struct {
	Package struct {
		Ecosystem string `json:"ecosystem"`
		Name      string `json:"name"`
		PURL      string `json:"purl"`
	} `json:"package"`
	Ranges []struct {
		Type   string  `json:"type"`
		Events []event `json:"events"`
	} `json:"ranges"`
	Ecosystem lenient[struct {
		Availability string `json:"availability"`
		Priority     string `json:"ubuntu_priority"`
	}] `json:"ecosystem_specific"`
	Database lenient[struct {
		Map struct {
			CVEs []struct {
				ID string `json:"id"`
			} `json:"cves"`
		} `json:"cves_map"`
	}] `json:"database_specific"`
}

// event is one point on the version line; exactly one field is set.
type event struct {
	Introduced   string `json:"introduced"`
	Fixed        string `json:"fixed"`
	LastAffected string `json:"last_affected"`
}

// lenient holds the zero value when the JSON has another shape; the schema leaves these objects to the publisher.
type lenient[T any] struct{ value T }

func (l *lenient[T]) UnmarshalJSON(data []byte) error {
	var v T
	if json.Unmarshal(data, &v) == nil {
		l.value = v
	}
	return nil
}

// moment is a time in RFC 3339, or nil when absent or unreadable.
type moment struct{ at *time.Time }

func (m *moment) UnmarshalJSON(data []byte) error {
	t, err := time.Parse(time.RFC3339, string(bytes.Trim(data, `"`)))
	if err == nil && t.Year() > 1 && t.Year() < 10000 {
		m.at = new(t.UTC())
	}
	return nil
}
