package policy

import (
	"context"
	"iter"
	"slices"
	"strings"
	"time"

	"plimsoll/engine/catalog"
	"plimsoll/engine/feed"
)

// Static is Facts from plain values: for tests, what-if questions and stateless scans. Its JSON form is the
// facts section of the test cases.
type Static struct {
	ImageFacts      Image             `json:"image"`
	ConfigFacts     Config            `json:"config"`
	DockerfileFacts Dockerfile        `json:"dockerfile"`
	Entries         []catalog.Entry   `json:"files,omitempty"` // in any order
	PackageFacts    []catalog.Package `json:"packages,omitempty"`
	Matches         []Vulnerability   `json:"vulnerabilities,omitempty"`
	Feeds           FeedStatus        `json:"feeds"`
	Support         *feed.Lifecycle   `json:"lifecycle,omitempty"`
	Found           Findings          `json:"findings,omitzero"`
	Scans           Malware           `json:"malware,omitzero"`
	Verifications   []Verification    `json:"verified,omitempty"`
	BuiltOn         []Ancestor        `json:"ancestors,omitempty"` // fewest layers first
	BaseMatches     []Vulnerability   `json:"base_vulnerabilities,omitempty"`
	// Before is what the tag named before, whichever tag is asked for.
	Before     *Predecessor            `json:"predecessor,omitempty"`
	Indexes    map[string]PackageIndex `json:"package_indexes,omitempty"` // by package type
	MadeFrom   []Source                `json:"sources,omitempty"`
	STIGStored []time.Time             `json:"stig_evaluations,omitempty"`
}

var _ Facts = (*Static)(nil)

func (s *Static) Image(context.Context) (Image, error)           { return s.ImageFacts, nil }
func (s *Static) Config(context.Context) (Config, error)         { return s.ConfigFacts, nil }
func (s *Static) Dockerfile(context.Context) (Dockerfile, error) { return s.DockerfileFacts, nil }
func (s *Static) FeedStatus(context.Context) (FeedStatus, error) { return s.Feeds, nil }

func (s *Static) Lifecycle(context.Context) (*feed.Lifecycle, error) { return s.Support, nil }

func (s *Static) Findings(context.Context) (Findings, error)           { return s.Found, nil }
func (s *Static) Malware(context.Context) (Malware, error)             { return s.Scans, nil }
func (s *Static) Verified(context.Context) ([]Verification, error)     { return s.Verifications, nil }
func (s *Static) Ancestors(context.Context) ([]Ancestor, error)        { return s.BuiltOn, nil }
func (s *Static) Sources(context.Context) ([]Source, error)            { return s.MadeFrom, nil }
func (s *Static) STIGEvaluations(context.Context) ([]time.Time, error) { return s.STIGStored, nil }

func (s *Static) BaseVulnerabilities(context.Context) ([]Vulnerability, error) {
	return s.BaseMatches, nil
}

func (s *Static) Predecessor(context.Context, string) (*Predecessor, error) { return s.Before, nil }

func (s *Static) PackageIndex(_ context.Context, packageType string) (PackageIndex, error) {
	return s.Indexes[packageType], nil
}

func (s *Static) Packages(context.Context) ([]catalog.Package, error) { return s.PackageFacts, nil }

func (s *Static) Vulnerabilities(context.Context) ([]Vulnerability, error) { return s.Matches, nil }

func (s *Static) RatedVulnerabilities(context.Context) ([]Vulnerability, error) {
	return s.Matches, nil
}

// Files yields the entries sorted by path.
func (s *Static) Files(context.Context) (iter.Seq[catalog.Entry], error) {
	byPath := func(a, b catalog.Entry) int { return strings.Compare(a.Path, b.Path) }
	if slices.IsSortedFunc(s.Entries, byPath) {
		return slices.Values(s.Entries), nil
	}
	return slices.Values(slices.SortedFunc(slices.Values(s.Entries), byPath)), nil
}
