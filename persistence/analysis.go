package persistence

import (
	"context"
	"errors"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"

	"plimsoll/engine/catalog"
)

// Analysis is what is inside an image, under one analyzer set.
type Analysis struct {
	ID            int64
	ImageDigest   string
	AnalyzerSet   string
	ImageID       string
	ManifestBlob  string
	ConfigBlob    string
	ContentBlob   string // the image document (JSON of image.Image)
	FindingsBlob  string // JSON of image.Findings; empty for analyses from before there were any
	OS            string
	Arch          string
	Distro        string
	DistroVersion string
	DistroLike    []string
	ImageSize     int64
	LayerDigests  []string // bottom first
	PackageCount  int
	FileCount     int
	Incomplete    int
	AnalyzedAt    time.Time
}

// PackageRow is one occurrence of a package in an image.
type PackageRow struct {
	Identity catalog.Identity
	PURL     string
	Path     string // '' for packages of an OS package database
	Owned    bool   // an OS package owns the evidence file, and the owner counts alone
}

// NewAnalysis is an assembled image to store.
type NewAnalysis struct {
	ImageDigest   string
	AnalyzerSet   string
	ImageID       string
	ManifestBlob  string
	ConfigBlob    string
	Content       []byte // stored as the content blob
	Findings      []byte // stored as the findings blob; nil for none
	OS            string
	Arch          string
	Namespace     string // of the distribution's packages: "debian:12"
	Distro        string
	DistroVersion string
	DistroLike    []string
	ImageSize     int64
	LayerDigests  []string
	FileCount     int
	Incomplete    int
	AnalyzedAt    time.Time
	Packages      []PackageRow
	// Replace renews a stored analysis of the same digest and set; without it the stored one stays as it is.
	Replace bool
}

// SavedAnalysis is what Save did.
type SavedAnalysis struct {
	ID          int64
	Stored      bool // false: an analysis was there and has been kept
	Packages    int  // distinct packages of the image
	NewPackages int  // dictionary rows nobody had before
}

// Analyses stores what is inside images, and the package dictionary.
type Analyses struct{ pool *pgxpool.Pool }

// NewAnalyses returns the store.
func NewAnalyses(pool *pgxpool.Pool) *Analyses { return &Analyses{pool} }

// Collected counts what a garbage collection removed.
type Collected struct {
	Analyses int64
	Layers   int64
	Blobs    int64
}

const analysisColumns = `a.id, a.image_digest, a.analyzer_set, a.image_id, a.manifest_blob, a.config_blob, a.content_blob,
  coalesce(a.findings_blob, '') AS findings_blob, a.os, a.arch, a.distro, a.distro_version, a.distro_like, a.image_size, a.layer_digests, a.package_count,
  a.file_count, a.incomplete, a.analyzed_at`

var (
	analysisFind = query("analysis.find", `
SELECT `+analysisColumns+` FROM plimsoll.analysis a WHERE a.image_digest = @image_digest AND a.analyzer_set = @set`)

	analysisOfImage = query("analysis.of_image", `
SELECT `+analysisColumns+` FROM plimsoll.image i JOIN plimsoll.analysis a ON a.id = i.analysis_id
WHERE i.account = @account AND i.digest = @digest`)

	analysisOfImages = query("analysis.of_images", `
SELECT i.digest AS of, `+analysisColumns+` FROM plimsoll.image i JOIN plimsoll.analysis a ON a.id = i.analysis_id
WHERE i.account = @account AND i.digest = ANY (@digests::text[])`)

	imageExists = query("image.exists", `
SELECT EXISTS (SELECT FROM plimsoll.image WHERE account = @account AND digest = @digest)`)
)

// Find returns the analysis of an image digest under an analyzer set, whoever has the image: ErrNotFound.
func (s *Analyses) Find(ctx context.Context, imageDigest, set string) (Analysis, error) {
	a, err := one[Analysis](ctx, s.pool, analysisFind, args{"image_digest": imageDigest, "set": set})
	return a, wrap(err, "load analysis of %s", imageDigest)
}

// OfImage returns what is known about an image of the account: ErrNotFound, ErrNotAnalyzed.
func (s *Analyses) OfImage(ctx context.Context, account, digest string) (Analysis, error) {
	a, err := analysisOf(ctx, s.pool, account, digest)
	return a, wrap(err, "load analysis of %s", digest)
}

// OfImages returns what is known about images of the account, by digest; those that are not there or not analysed are missing.
func (s *Analyses) OfImages(ctx context.Context, account string, digests []string) (map[string]Analysis, error) {
	type row struct {
		Of string
		Analysis
	}
	list, err := many[row](ctx, s.pool, analysisOfImages, args{"account": account, "digests": digests})
	out := make(map[string]Analysis, len(list))
	for i := range list {
		out[list[i].Of] = list[i].Analysis
	}
	return out, wrap(err, "load analyses of %d images", len(digests))
}

func analysisOf(ctx context.Context, db session, account, digest string) (Analysis, error) {
	key := args{"account": account, "digest": digest}
	a, err := one[Analysis](ctx, db, analysisOfImage, key)
	if !errors.Is(err, ErrNotFound) {
		return a, err
	}
	there, err := value[bool](ctx, db, imageExists, key)
	switch {
	case err != nil:
		return Analysis{}, err
	case there:
		return Analysis{}, ErrNotAnalyzed
	}
	return Analysis{}, ErrNotFound
}
