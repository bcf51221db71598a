package matching

import (
	"archive/zip"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
)

// Record is an OSV record (OSV schema 1.x), as far as packages are drawn from it.
type Record struct {
	ID        string          `json:"id"`
	Summary   string          `json:"summary"`
	Withdrawn string          `json:"withdrawn"`
	Aliases   []string        `json:"aliases"`
	Upstream  []string        `json:"upstream"`
	Related   []string        `json:"related"`
	Affected  []Affected      `json:"affected"`
	Raw       json.RawMessage `json:"-"`
}

// Affected is what a record says about a package.
type Affected struct {
	Package struct {
		Ecosystem string `json:"ecosystem"`
		Name      string `json:"name"`
	} `json:"package"`
	Ranges    []Range  `json:"ranges"`
	Versions  []string `json:"versions"`
	Ecosystem struct {
		CustomRanges json.RawMessage `json:"custom_ranges"` // Go
		Module       string          `json:"module"`        // this and what follows: the records of Red Hat's documents
		Streams      []string        `json:"streams"`
		Extended     bool            `json:"extended"`
	} `json:"ecosystem_specific"`
	Database struct {
		Informational any `json:"informational"`                     // RustSec
		LastKnown     any `json:"last_known_affected_version_range"` // GitHub
	} `json:"database_specific"`
}

// Range is a list of points on the version line.
type Range struct {
	Type   string              `json:"type"`
	Events []map[string]string `json:"events"`
}

// About reports whether the entry speaks about packages of an ecosystem, of whatever release.
func (a Affected) About(ecosystem string) bool {
	name, _, _ := strings.Cut(a.Package.Ecosystem, ":")
	return name == ecosystem
}

// ReadArchive reads the records of an OSV archive in its order.
func ReadArchive(file string) ([]Record, error) {
	z, err := zip.OpenReader(file)
	if err != nil {
		return nil, fmt.Errorf("open %s: %w", file, err)
	}
	defer z.Close()
	all := make([]Record, 0, len(z.File))
	for _, member := range z.File {
		r, err := readRecord(member)
		if err != nil {
			return nil, fmt.Errorf("read %s in %s: %w", member.Name, file, err)
		}
		all = append(all, r)
	}
	return all, nil
}

func readRecord(member *zip.File) (Record, error) {
	in, err := member.Open()
	if err != nil {
		return Record{}, err
	}
	raw, err := io.ReadAll(in)
	if err = errors.Join(err, in.Close()); err != nil {
		return Record{}, err
	}
	r := Record{Raw: raw}
	return r, json.Unmarshal(raw, &r)
}
