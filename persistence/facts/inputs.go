package facts

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"iter"
	"strings"
	"time"

	"plimsoll/engine/catalog"
	"plimsoll/engine/feed"
	"plimsoll/engine/policy"
	"plimsoll/engine/policy/gates"
	"plimsoll/internal/build"
)

// Inputs is the digest of all that a verdict about an image of the account rests on besides its policy and the time, provided
// that the evaluation asked for nothing a Watched counts as beyond it. Taken before the facts it is never newer than they are.
func (l *Loader) Inputs(ctx context.Context, account, digest string) (string, error) {
	images, err := l.inputs.Images(ctx, account, []string{digest})
	if err != nil {
		return "", err
	}
	of, err := l.inputs.Account(ctx, account)
	if err != nil {
		return "", err
	}
	feeds, err := l.inputs.Feeds(ctx)
	if err != nil {
		return "", err
	}
	matches, err := l.inputs.Matches(ctx, account, digest)
	if err != nil {
		return "", err
	}
	return inputs(images[digest], of, feeds, matches), nil
}

// Inputs is that of Loader.Inputs for an image of the batch; empty where the packages of the batch were not asked for.
func (b *Batch) Inputs(digest string) string {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.gathered == nil {
		return ""
	}
	return inputs(b.images[digest], b.of, b.feeds, b.gathered.State(digest))
}

func inputs(parts ...string) string {
	program := build.Current()
	parts = append(parts, program.Version, program.Commit, fmt.Sprint(gates.Version))
	sum := sha256.Sum256([]byte(strings.Join(parts, "\n")))
	return hex.EncodeToString(sum[:])
}

// Watched notes whether facts are asked for that Inputs knows nothing of: those of other images, of the history of tags, and
// whatever is added. It is for one evaluation.
type Watched struct {
	facts  policy.Facts
	beyond bool
}

var _ policy.Facts = (*Watched)(nil)

// Watch returns the facts, watched. Each method is written out: a new one has to be decided about.
func Watch(of policy.Facts) *Watched { return &Watched{facts: of} }

// Beyond tells whether anything was asked for that Inputs knows nothing of.
func (w *Watched) Beyond() bool { return w.beyond }

// Image, and what follows, is covered by Inputs: by the states of record and analysis, ...
func (w *Watched) Image(ctx context.Context) (policy.Image, error)   { return w.facts.Image(ctx) }
func (w *Watched) Config(ctx context.Context) (policy.Config, error) { return w.facts.Config(ctx) }
func (w *Watched) Dockerfile(ctx context.Context) (policy.Dockerfile, error) {
	return w.facts.Dockerfile(ctx)
}
func (w *Watched) Files(ctx context.Context) (iter.Seq[catalog.Entry], error) {
	return w.facts.Files(ctx)
}
func (w *Watched) Findings(ctx context.Context) (policy.Findings, error) {
	return w.facts.Findings(ctx)
}
func (w *Watched) Malware(ctx context.Context) (policy.Malware, error) { return w.facts.Malware(ctx) }
func (w *Watched) Verified(ctx context.Context) ([]policy.Verification, error) {
	return w.facts.Verified(ctx)
}

// Packages is covered by the states of the analysis and of the account, with its corrections.
func (w *Watched) Packages(ctx context.Context) ([]catalog.Package, error) {
	return w.facts.Packages(ctx)
}

// Vulnerabilities is covered by the states of matches, feeds, annotations, tags and VEX documents.
func (w *Watched) Vulnerabilities(ctx context.Context) ([]policy.Vulnerability, error) {
	return w.facts.Vulnerabilities(ctx)
}

// RatedVulnerabilities is covered as they are: every change of what is known of CVEs makes a generation of the feeds.
func (w *Watched) RatedVulnerabilities(ctx context.Context) ([]policy.Vulnerability, error) {
	return w.facts.RatedVulnerabilities(ctx)
}

// FeedStatus is covered by the state of the feeds, as Lifecycle is.
func (w *Watched) FeedStatus(ctx context.Context) (policy.FeedStatus, error) {
	return w.facts.FeedStatus(ctx)
}
func (w *Watched) Lifecycle(ctx context.Context) (*feed.Lifecycle, error) {
	return w.facts.Lifecycle(ctx)
}

// Ancestors, and what follows, is beyond: images that come and go, the history of tags, what is known elsewhere.
func (w *Watched) Ancestors(ctx context.Context) ([]policy.Ancestor, error) {
	w.beyond = true
	return w.facts.Ancestors(ctx)
}

func (w *Watched) BaseVulnerabilities(ctx context.Context) ([]policy.Vulnerability, error) {
	w.beyond = true
	return w.facts.BaseVulnerabilities(ctx)
}

func (w *Watched) Predecessor(ctx context.Context, tag string) (*policy.Predecessor, error) {
	w.beyond = true
	return w.facts.Predecessor(ctx, tag)
}

func (w *Watched) PackageIndex(ctx context.Context, packageType string) (policy.PackageIndex, error) {
	w.beyond = true
	return w.facts.PackageIndex(ctx, packageType)
}

func (w *Watched) Sources(ctx context.Context) ([]policy.Source, error) {
	w.beyond = true
	return w.facts.Sources(ctx)
}

func (w *Watched) STIGEvaluations(ctx context.Context) ([]time.Time, error) {
	w.beyond = true
	return w.facts.STIGEvaluations(ctx)
}
