package policy

import (
	"context"
	"fmt"
	"iter"
	"time"

	"plimsoll/engine/catalog"
	"plimsoll/engine/feed"
)

// loadError is the failure to get facts. Its text is for operators: it may speak of databases.
type loadError struct {
	what string
	err  error
}

func (e *loadError) Error() string { return fmt.Sprintf("load %s: %v", e.what, e.err) }
func (e *loadError) Unwrap() error { return e.err }

// memory answers each question about an image from the first answer. One goroutine uses it.
type memory struct {
	facts           Facts
	image           once[Image]
	config          once[Config]
	dockerfile      once[Dockerfile]
	files           once[iter.Seq[catalog.Entry]]
	packages        once[[]catalog.Package]
	vulnerabilities once[[]Vulnerability]
	rated           once[[]Vulnerability]
	feedStatus      once[FeedStatus]
	lifecycle       once[*feed.Lifecycle]
	findings        once[Findings]
	malware         once[Malware]
	verified        once[[]Verification]
	ancestors       once[[]Ancestor]
	ofBase          once[[]Vulnerability]
	predecessor     once[*Predecessor] // an evaluation is of one tag
	indexes         map[string]*once[PackageIndex]
	sources         once[[]Source]
	stig            once[[]time.Time]
}

type once[T any] struct {
	done  bool
	value T
	err   error
}

func (o *once[T]) get(ctx context.Context, what string, load func(context.Context) (T, error)) (T, error) {
	if !o.done {
		o.value, o.err = load(ctx)
		if o.err != nil {
			o.err = &loadError{what, o.err}
		}
		o.done = true
	}
	return o.value, o.err
}

func (m *memory) Image(ctx context.Context) (Image, error) {
	return m.image.get(ctx, "image", m.facts.Image)
}

func (m *memory) Config(ctx context.Context) (Config, error) {
	return m.config.get(ctx, "image config", m.facts.Config)
}

func (m *memory) Dockerfile(ctx context.Context) (Dockerfile, error) {
	return m.dockerfile.get(ctx, "Dockerfile", m.facts.Dockerfile)
}

func (m *memory) Files(ctx context.Context) (iter.Seq[catalog.Entry], error) {
	return m.files.get(ctx, "files", m.facts.Files)
}

func (m *memory) Packages(ctx context.Context) ([]catalog.Package, error) {
	return m.packages.get(ctx, "packages", m.facts.Packages)
}

func (m *memory) Vulnerabilities(ctx context.Context) ([]Vulnerability, error) {
	return m.vulnerabilities.get(ctx, "vulnerabilities", m.facts.Vulnerabilities)
}

func (m *memory) RatedVulnerabilities(ctx context.Context) ([]Vulnerability, error) {
	return m.rated.get(ctx, "vulnerabilities", m.facts.RatedVulnerabilities)
}

func (m *memory) FeedStatus(ctx context.Context) (FeedStatus, error) {
	return m.feedStatus.get(ctx, "feed status", m.facts.FeedStatus)
}

func (m *memory) Lifecycle(ctx context.Context) (*feed.Lifecycle, error) {
	return m.lifecycle.get(ctx, "lifecycle", m.facts.Lifecycle)
}

func (m *memory) Findings(ctx context.Context) (Findings, error) {
	return m.findings.get(ctx, "search results", m.facts.Findings)
}

func (m *memory) Malware(ctx context.Context) (Malware, error) {
	return m.malware.get(ctx, "malware scans", m.facts.Malware)
}

func (m *memory) Verified(ctx context.Context) ([]Verification, error) {
	return m.verified.get(ctx, "verification of packages", m.facts.Verified)
}

func (m *memory) Ancestors(ctx context.Context) ([]Ancestor, error) {
	return m.ancestors.get(ctx, "ancestors", m.facts.Ancestors)
}

func (m *memory) BaseVulnerabilities(ctx context.Context) ([]Vulnerability, error) {
	return m.ofBase.get(ctx, "vulnerabilities of the base image", m.facts.BaseVulnerabilities)
}

func (m *memory) Predecessor(ctx context.Context, tag string) (*Predecessor, error) {
	return m.predecessor.get(ctx, "image the tag named before", func(ctx context.Context) (*Predecessor, error) {
		return m.facts.Predecessor(ctx, tag)
	})
}

func (m *memory) PackageIndex(ctx context.Context, packageType string) (PackageIndex, error) {
	if m.indexes == nil {
		m.indexes = map[string]*once[PackageIndex]{}
	}
	if m.indexes[packageType] == nil {
		m.indexes[packageType] = new(once[PackageIndex])
	}
	return m.indexes[packageType].get(ctx, packageType+" package index", func(ctx context.Context) (PackageIndex, error) {
		return m.facts.PackageIndex(ctx, packageType)
	})
}

func (m *memory) Sources(ctx context.Context) ([]Source, error) {
	return m.sources.get(ctx, "source repositories", m.facts.Sources)
}

func (m *memory) STIGEvaluations(ctx context.Context) ([]time.Time, error) {
	return m.stig.get(ctx, "STIG evaluations", m.facts.STIGEvaluations)
}
