// Package facts gives policies what they may ask about a stored image. It reads nothing before it is asked, so
// that a policy without a rule on files never loads a file list.
package facts

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"iter"
	"maps"
	"slices"
	"sync"

	"github.com/jackc/pgx/v5/pgxpool"

	"plimsoll/engine/catalog"
	"plimsoll/engine/dockerfile"
	"plimsoll/engine/feed"
	"plimsoll/engine/image"
	"plimsoll/engine/match"
	"plimsoll/engine/policy"
	"plimsoll/persistence"
	"plimsoll/persistence/blob"
)

// Config says how an installation looks at images.
type Config struct {
	// UserBaseImages lets images that users marked count as base images before any other ancestor.
	UserBaseImages bool
}

// Loader finds the facts of stored images.
type Loader struct {
	config   Config
	images   *persistence.Images
	analyses *persistence.Analyses
	layers   *persistence.Layers
	matches  *persistence.Matches
	feeds    *persistence.Feeds
	rules    *persistence.Corrections
	inputs   *persistence.Inputs
	blobs    blob.Store
	status   *status // nil: asked anew each time
}

// New returns a loader; the feeds may live in another database.
func New(pool, feeds *pgxpool.Pool, blobs blob.Store, c Config) *Loader {
	return &Loader{
		config: c,
		images: persistence.NewImages(pool), analyses: persistence.NewAnalyses(pool), layers: persistence.NewLayers(pool),
		matches: persistence.NewMatches(pool, feeds), feeds: persistence.NewFeeds(feeds),
		rules: persistence.NewCorrections(pool), inputs: persistence.NewInputs(pool, feeds), blobs: blobs,
	}
}

// Of returns the facts of an account's image: persistence.ErrNotFound, ErrNotAnalyzed.
func (l *Loader) Of(ctx context.Context, account, digest string) (policy.Facts, error) {
	record, err := l.images.Get(ctx, account, digest)
	if err != nil {
		return nil, fmt.Errorf("load facts of %s: %w", digest, err)
	}
	return l.OfRecord(ctx, record)
}

// OfRecord is Of for a record that is at hand.
func (l *Loader) OfRecord(ctx context.Context, record persistence.Image) (policy.Facts, error) {
	analysis, err := l.analyses.OfImage(ctx, record.Account, record.Digest)
	if err != nil {
		return nil, fmt.Errorf("load facts of %s: %w", record.Digest, err)
	}
	return &stored{Loader: l, record: record, analysis: analysis}, nil
}

// stored is policy.Facts of one analysed image record.
type stored struct {
	*Loader
	record   persistence.Image
	analysis persistence.Analysis
	batch    *Batch // nil: alone
}

var _ policy.Facts = (*stored)(nil)

// Image tells what the analysis row holds.
func (s *stored) Image(context.Context) (policy.Image, error) {
	out := policy.Image{
		Digest: s.record.Digest, ID: s.analysis.ImageID, OS: s.analysis.OS, Arch: s.analysis.Arch,
		Size: s.analysis.ImageSize, Layers: s.analysis.LayerDigests,
	}
	if s.analysis.Distro != "" {
		out.Distro = &catalog.Distro{ID: s.analysis.Distro, VersionID: s.analysis.DistroVersion, Like: s.analysis.DistroLike}
	}
	return out, nil
}

// imageConfig is the part of the OCI image config (config.md) that facts come from.
type imageConfig struct {
	Config struct {
		User         string              `json:"User"`
		ExposedPorts map[string]struct{} `json:"ExposedPorts"`
	} `json:"config"`
	History []struct {
		CreatedBy string `json:"created_by"`
	} `json:"history"`
}

func (s *stored) config(ctx context.Context) (imageConfig, error) {
	var c imageConfig
	err := s.document(ctx, s.analysis.ConfigBlob, &c)
	return c, err
}

// document decodes a stored JSON document.
func (s *stored) document(ctx context.Context, digest string, into any) error {
	data, err := s.blob(ctx, digest)
	if err != nil {
		return fmt.Errorf("load document of %s: %w", s.record.Digest, err)
	}
	if err := json.Unmarshal(data, into); err != nil {
		return fmt.Errorf("decode document of %s: %w", s.record.Digest, err)
	}
	return nil
}

// blob loads a document, those that are small and asked for of most images for all images of the batch at once.
func (s *stored) blob(ctx context.Context, digest string) ([]byte, error) {
	if s.batch != nil && (digest == s.analysis.ConfigBlob || digest == s.analysis.ManifestBlob) {
		return s.batch.blob(ctx, digest)
	}
	return s.blobs.Get(ctx, digest)
}

// Config tells what the image config holds.
func (s *stored) Config(ctx context.Context) (policy.Config, error) {
	c, err := s.config(ctx)
	if err != nil {
		return policy.Config{}, err
	}
	return policy.Config{User: c.Config.User, ExposedPorts: slices.Sorted(maps.Keys(c.Config.ExposedPorts))}, nil
}

// Dockerfile is the submitted text, or one guessed from the history.
func (s *stored) Dockerfile(ctx context.Context) (policy.Dockerfile, error) {
	if s.record.DockerfileMode == persistence.DockerfileActual && s.record.Dockerfile != "" {
		text, err := base64.StdEncoding.DecodeString(s.record.Dockerfile)
		if err != nil {
			return policy.Dockerfile{}, fmt.Errorf("decode Dockerfile of %s: %w", s.record.Digest, err)
		}
		return policy.Dockerfile{Text: string(text), Mode: policy.DockerfileActual}, nil
	}
	c, err := s.config(ctx)
	if err != nil || len(c.History) == 0 {
		return policy.Dockerfile{}, err
	}
	lines := make([]string, len(c.History))
	for i, h := range c.History {
		lines[i] = h.CreatedBy
	}
	base, err := s.base(ctx)
	if err != nil {
		return policy.Dockerfile{}, err
	}
	return policy.Dockerfile{Text: dockerfile.Guess(lines, base), Mode: policy.DockerfileGuessed}, nil
}

// base is the image that this one names as its base.
func (s *stored) base(ctx context.Context) (string, error) {
	manifest, err := s.blob(ctx, s.analysis.ManifestBlob)
	if err != nil {
		return "", fmt.Errorf("load manifest of %s: %w", s.record.Digest, err)
	}
	config, err := s.blob(ctx, s.analysis.ConfigBlob)
	if err != nil {
		return "", fmt.Errorf("load config of %s: %w", s.record.Digest, err)
	}
	return dockerfile.Base(manifest, config), nil
}

// Files yields the squashed file system in path order.
func (s *stored) Files(ctx context.Context) (iter.Seq[catalog.Entry], error) {
	layers, err := s.layers.Get(ctx, s.analysis.AnalyzerSet, s.analysis.LayerDigests)
	if err != nil {
		return nil, fmt.Errorf("load files of %s: %w", s.record.Digest, err)
	}
	entries := make([][]catalog.Entry, len(layers))
	for i, l := range layers {
		data, err := s.blobs.Get(ctx, l.EntriesBlob)
		if err != nil {
			return nil, fmt.Errorf("load files of layer %s: %w", l.Digest, err)
		}
		if entries[i], err = image.DecodeEntries(bytes.NewReader(data)); err != nil {
			return nil, fmt.Errorf("load files of layer %s: %w", l.Digest, err)
		}
	}
	squashed := image.Squash(entries)
	return func(yield func(catalog.Entry) bool) {
		for i := range squashed {
			if !yield(squashed[i].Entry) {
				return
			}
		}
	}, nil
}

// Packages lists what the image document holds, as the account corrects it.
func (s *stored) Packages(ctx context.Context) ([]catalog.Package, error) {
	var content struct {
		Packages []catalog.Package `json:"packages"`
	}
	if err := s.document(ctx, s.analysis.ContentBlob, &content); err != nil {
		return nil, err
	}
	rules, err := s.rules.Set(ctx, s.record.Account)
	if err != nil {
		return nil, err
	}
	for i := range content.Packages {
		rules.Package(&content.Packages[i])
	}
	return content.Packages, nil
}

// Vulnerabilities lists the matches as they are known now.
func (s *stored) Vulnerabilities(ctx context.Context) ([]policy.Vulnerability, error) {
	if s.batch != nil {
		return s.batch.vulnerabilities(ctx, s.record.Digest)
	}
	found, err := s.matches.Vulnerabilities(ctx, s.record.Account, s.record.Digest, persistence.VulnerabilityFilter{IncludeWontFix: true})
	if err != nil {
		return nil, fmt.Errorf("load vulnerabilities: %w", err)
	}
	out := make([]policy.Vulnerability, len(found))
	for i := range found {
		var fixes []string
		if found[i].FixVersion != "" {
			fixes = []string{found[i].FixVersion}
		}
		out[i] = vulnerability(&found[i], fixes)
	}
	return out, nil
}

func vulnerability(v *persistence.ImageVulnerability, fixes []string) policy.Vulnerability {
	out := policy.Vulnerability{
		ID: v.Vulnerability, Severity: v.Severity,
		Package: policy.AffectedPackage{
			Name: v.PackageName, Version: v.PackageVersion, Type: v.PackageType, Location: v.Path,
		},
		FeedGroup: match.FeedGroup(v.Namespace), Also: v.Also, URL: v.Detail.URL, WillNotFix: v.FixState == feed.StateWontFix,
		FixedIn: fixes, DetectedAt: v.DetectedAt, FixObservedAt: v.FixObservedAt,
	}
	if v.Source != match.NVD { // its scores stand elsewhere
		out.Vendor = v.Detail.CVSS
	}
	if v.Annotation != nil {
		out.Annotation = v.Annotation.Status
	}
	return out
}

// FeedStatus describes the feeds behind the matches.
func (s *stored) FeedStatus(ctx context.Context) (policy.FeedStatus, error) {
	known, err := s.status.of(ctx, s.feeds)
	if err != nil {
		return policy.FeedStatus{}, fmt.Errorf("load feed status: %w", err)
	}
	return policy.FeedStatus(known), nil
}

// status is the state of the feeds, once it is known.
type status struct {
	mu    sync.Mutex
	known *persistence.FeedStatus
	state string // digest, taken before anything is remembered
}

func (s *status) of(ctx context.Context, feeds *persistence.Feeds) (persistence.FeedStatus, error) {
	if s == nil {
		return feeds.Status(ctx)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.known == nil {
		now, err := feeds.Status(ctx)
		if err != nil {
			return now, err
		}
		s.known = &now
	}
	return *s.known, nil
}

// stateOf is the state of the feeds before any of them was read.
func (s *status) stateOf(ctx context.Context, inputs *persistence.Inputs) (string, error) {
	if s == nil {
		return inputs.Feeds(ctx)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	var err error
	if s.state == "" {
		s.state, err = inputs.Feeds(ctx)
	}
	return s.state, err
}

// Lifecycle tells how long the distribution is supported.
func (s *stored) Lifecycle(ctx context.Context) (*feed.Lifecycle, error) {
	image, err := s.Image(ctx)
	if err != nil {
		return nil, err
	}
	l, err := s.feeds.Lifecycle(ctx, image.Distro)
	if errors.Is(err, persistence.ErrNotFound) {
		return nil, nil
	}
	return &l, err
}
