package facts

import (
	"context"
	"fmt"
	"slices"
	"sync"

	"plimsoll/engine/policy"
	"plimsoll/persistence"
)

// fetched bounds the documents of a batch that are read at once, in bytes each; larger ones are read alone.
const fetched = 128 << 10

// Remembering returns a loader for many batches: what is known of a package is read for the first image that has it, the
// state of the feeds once. What rests on its facts is as old as the loader; it is not to outlive the judging of those images.
func (l *Loader) Remembering() *Loader {
	many := *l
	many.matches = l.matches.Remembering()
	many.status = &status{}
	return &many
}

// Batch is the facts of several images of an account, read together: what most policies ask of most images is read for all of
// them when it is first asked for.
type Batch struct {
	loader   *Loader
	account  string
	digests  []string
	records  map[string]persistence.Image
	analyses map[string]persistence.Analysis

	// States, read before what they stand for: of each image, of the account, of the feeds.
	images    map[string]string
	of, feeds string

	mu        sync.Mutex
	gathered  *persistence.Gathered
	documents map[string][]byte                 // configs and manifests; nil before they were asked for
	bases     map[string][]policy.Vulnerability // of base images, which many images share
}

// Batch prepares the facts of some images. They are to be few: much is held of them at once.
func (l *Loader) Batch(ctx context.Context, account string, digests []string) (*Batch, error) {
	b := &Batch{loader: l, account: account, digests: digests}
	var err error
	if b.feeds, err = l.status.stateOf(ctx, l.inputs); err != nil {
		return nil, err
	}
	if b.of, err = l.inputs.Account(ctx, account); err != nil {
		return nil, err
	}
	if b.images, err = l.inputs.Images(ctx, account, digests); err != nil {
		return nil, err
	}
	if b.records, err = l.images.ByDigest(ctx, account, digests); err != nil {
		return nil, err
	}
	if b.analyses, err = l.analyses.OfImages(ctx, account, digests); err != nil {
		return nil, err
	}
	return b, nil
}

// Of returns the record of an image and its facts: persistence.ErrNotFound, ErrNotAnalyzed.
func (b *Batch) Of(digest string) (persistence.Image, policy.Facts, error) {
	record, ok := b.records[digest]
	if !ok {
		return record, nil, fmt.Errorf("load facts of %s: %w", digest, persistence.ErrNotFound)
	}
	analysis, ok := b.analyses[digest]
	if !ok || record.AnalysisID == nil {
		return record, nil, fmt.Errorf("load facts of %s: %w", digest, persistence.ErrNotAnalyzed)
	}
	// It may have been analysed again between the two.
	record.AnalysisID = &analysis.ID
	return record, &stored{Loader: b.loader, record: record, analysis: analysis, batch: b}, nil
}

func (b *Batch) vulnerabilities(ctx context.Context, digest string) ([]policy.Vulnerability, error) {
	gathered, err := b.gather(ctx)
	if err != nil {
		return nil, fmt.Errorf("load vulnerabilities: %w", err)
	}
	found, err := gathered.Findings(ctx, digest)
	if err != nil {
		return nil, fmt.Errorf("load vulnerabilities: %w", err)
	}
	out := make([]policy.Vulnerability, len(found))
	for i := range found {
		f := &found[i]
		out[i] = vulnerability(&f.ImageVulnerability, f.FixVersions)
		out[i].Package.Location, out[i].DetectedAt = f.At, f.KnownSince
		if f.Said != nil {
			out[i].Annotation = f.Said.Status
		}
	}
	return out, nil
}

func (b *Batch) gather(ctx context.Context) (*persistence.Gathered, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.gathered != nil {
		return b.gathered, nil
	}
	var err error
	b.gathered, err = b.loader.matches.Gather(ctx, b.account, b.digests)
	return b.gathered, err
}

// ofBase returns the vulnerabilities of a base image.
func (b *Batch) ofBase(ctx context.Context, digest string) ([]policy.Vulnerability, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if known, ok := b.bases[digest]; ok {
		return known, nil
	}
	found, err := b.loader.vulnerabilitiesOf(ctx, b.account, digest)
	if err != nil {
		return nil, err
	}
	if b.bases == nil {
		b.bases = map[string][]policy.Vulnerability{}
	}
	b.bases[digest] = found
	return found, nil
}

// blob returns a config or a manifest of the batch.
func (b *Batch) blob(ctx context.Context, digest string) ([]byte, error) {
	documents, err := b.fetch(ctx)
	if err != nil {
		return nil, err
	}
	if data, ok := documents[digest]; ok {
		return data, nil
	}
	return b.loader.blobs.Get(ctx, digest)
}

func (b *Batch) fetch(ctx context.Context) (map[string][]byte, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.documents != nil {
		return b.documents, nil
	}
	var wanted []string
	for _, a := range b.analyses {
		wanted = append(wanted, a.ConfigBlob, a.ManifestBlob)
	}
	slices.Sort(wanted)
	var err error
	b.documents, err = b.loader.blobs.GetAll(ctx, slices.Compact(wanted), fetched)
	return b.documents, err
}
