package image

import (
	"crypto/sha256"
	"encoding/hex"
	"time"
)

// Setup says what decides a pass's results beside the layer's bytes, for the record of an analysis: with the same
// program and the same setup the same image gives the same result.
type Setup struct {
	AnalyzerSet string          `json:"analyzer_set"`
	PassVersion int             `json:"pass_version"`
	Analyzers   []SetupAnalyzer `json:"analyzers"` // by name
	Digests     []string        `json:"digests,omitempty"`
	Limits      SetupLimits     `json:"limits"`
}

// SetupAnalyzer is one analyzer of the set. Settings is the SHA-256 of its settings, empty without any: rules of an
// operator are nobody else's business.
type SetupAnalyzer struct {
	Name     string `json:"name"`
	Version  int    `json:"version"`
	MaxSize  int64  `json:"max_size"` // bytes
	Settings string `json:"settings,omitempty"`
}

// SetupLimits are the Limits of the pass, in their units; times in milliseconds.
type SetupLimits struct {
	CompressedBytes   int64 `json:"compressed_bytes"`
	DecompressedBytes int64 `json:"decompressed_bytes"`
	Ratio             int64 `json:"ratio"`
	Entries           int   `json:"entries"`
	PathLength        int   `json:"path_length"`
	FileBytes         int64 `json:"file_bytes"`
	FileTime          int64 `json:"file_time_ms"`
	Packages          int   `json:"packages"`
	Owned             int   `json:"owned_files"`
	Incomplete        int   `json:"incomplete"`
	Hits              int   `json:"hits"`
	Kept              int64 `json:"kept_bytes"`
}

// Setup describes the pass.
func (p *Pass) Setup() Setup {
	l := p.limits
	s := Setup{
		AnalyzerSet: p.set, PassVersion: passVersion, Analyzers: make([]SetupAnalyzer, 0, len(p.analyzers)), Digests: p.digests,
		Limits: SetupLimits{
			CompressedBytes: l.CompressedBytes, DecompressedBytes: l.DecompressedBytes, Ratio: l.Ratio, Entries: l.Entries,
			PathLength: l.PathLength, FileBytes: l.FileBytes, FileTime: int64(l.FileTime / time.Millisecond),
			Packages: l.Packages, Owned: l.Owned, Incomplete: l.Incomplete, Hits: l.Hits, Kept: l.Kept,
		},
	}
	for _, a := range p.analyzers {
		line := SetupAnalyzer{Name: a.Name, Version: a.Version, MaxSize: a.MaxSize}
		if a.Config != "" {
			sum := sha256.Sum256([]byte(a.Config))
			line.Settings = hex.EncodeToString(sum[:])
		}
		s.Analyzers = append(s.Analyzers, line)
	}
	return s
}
