package policy

import (
	"context"
	"iter"
	"slices"
	"strings"

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
}

var _ Facts = (*Static)(nil)

func (s *Static) Image(context.Context) (Image, error)           { return s.ImageFacts, nil }
func (s *Static) Config(context.Context) (Config, error)         { return s.ConfigFacts, nil }
func (s *Static) Dockerfile(context.Context) (Dockerfile, error) { return s.DockerfileFacts, nil }
func (s *Static) FeedStatus(context.Context) (FeedStatus, error) { return s.Feeds, nil }

func (s *Static) Lifecycle(context.Context) (*feed.Lifecycle, error) { return s.Support, nil }

func (s *Static) Packages(context.Context) ([]catalog.Package, error) { return s.PackageFacts, nil }

func (s *Static) Vulnerabilities(context.Context) ([]Vulnerability, error) { return s.Matches, nil }

// Files yields the entries sorted by path.
func (s *Static) Files(context.Context) (iter.Seq[catalog.Entry], error) {
	sorted := slices.SortedFunc(slices.Values(s.Entries), func(a, b catalog.Entry) int {
		return strings.Compare(a.Path, b.Path)
	})
	return slices.Values(sorted), nil
}
