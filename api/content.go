package api

import (
	"cmp"
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"slices"
	"strconv"

	"plimsoll/api/oas"
	"plimsoll/engine/catalog"
	"plimsoll/engine/image"
	"plimsoll/persistence"
)

// Analyses stores what is inside images.
type Analyses interface {
	OfImage(ctx context.Context, account, digest string) (persistence.Analysis, error)
	// Ancestors returns what an image was built on, fewest layers first.
	Ancestors(ctx context.Context, account, digest string) ([]persistence.Ancestor, error)
	// RunOf returns how the analysis came to be; nil when that was not recorded.
	RunOf(ctx context.Context, account, digest string) (*persistence.AnalysisRun, error)
	LayerOrigins(ctx context.Context, set string, digests []string) (map[string]persistence.LayerOrigin, error)
}

// Layers stores what is inside layers.
type Layers interface {
	Get(ctx context.Context, set string, digests []string) ([]persistence.Layer, error)
}

// Blobs stores documents.
type Blobs interface {
	Get(ctx context.Context, digest string) ([]byte, error)
}

// Content types that are not the name of a package type.
const (
	contentOS    = "os"
	contentFiles = "files"
)

// knownContent is what every image answers, be it with an empty list; other package types are known when present.
var knownContent = []string{
	contentOS, contentFiles, catalog.TypeNpm, catalog.TypeGem, catalog.TypePython, catalog.TypeJava, catalog.TypeGo, catalog.TypeBinary,
}

// unknownSize stands for a size nobody recorded.
const unknownSize = "N/A"

// analysis finds the published analysis of an image.
func (h *handlers) analysis(ctx context.Context, digest string) (persistence.Analysis, error) {
	analysis, err := h.deps.Analyses.OfImage(ctx, callerOf(ctx).Account, digest)
	if err != nil {
		return persistence.Analysis{}, h.unanalyzed(ctx, digest, err)
	}
	return analysis, nil
}

// unanalyzed explains why nothing is known of an image. Clients look for the words `analysis_status: <state>`.
func (h *handlers) unanalyzed(ctx context.Context, digest string, err error) error {
	switch {
	case errors.Is(err, persistence.ErrNotFound):
		return noImage(digest)
	case !errors.Is(err, persistence.ErrNotAnalyzed):
		return fmt.Errorf("load analysis of %s: %w", digest, err)
	}
	record, err := h.image(ctx, digest)
	if err != nil {
		return err
	}
	return fail(codeImageNotAnalyzed, fmt.Sprintf("Image %s is not analyzed - analysis_status: %s", digest, record.AnalysisStatus))
}

// contents loads the assembled view of an image.
func (h *handlers) contents(ctx context.Context, digest string) (*image.Image, error) {
	analysis, err := h.analysis(ctx, digest)
	if err != nil {
		return nil, err
	}
	return h.contentsOf(ctx, analysis)
}

// contentsOf loads what an analysis found, as the account corrects it.
func (h *handlers) contentsOf(ctx context.Context, analysis persistence.Analysis) (*image.Image, error) {
	data, err := h.deps.Blobs.Get(ctx, analysis.ContentBlob)
	if err != nil {
		return nil, fmt.Errorf("load content of %s: %w", analysis.ImageDigest, err)
	}
	var content image.Image
	if err := json.Unmarshal(data, &content); err != nil {
		return nil, fmt.Errorf("decode content of %s: %w", analysis.ImageDigest, err)
	}
	rules, err := h.deps.Corrections.Set(ctx, callerOf(ctx).Account)
	if err != nil {
		return nil, err
	}
	for i := range content.Packages {
		rules.Package(&content.Packages[i])
	}
	return &content, nil
}

// contentType is the name under which packages of a type are listed.
func contentType(packageType string) string {
	if catalog.IsOS(packageType) {
		return contentOS
	}
	return packageType
}

// ListImageContentTypes names the lists an image has.
func (h *handlers) ListImageContentTypes(ctx context.Context, req oas.ListImageContentTypesRequestObject) (oas.ListImageContentTypesResponseObject, error) {
	content, err := h.contents(ctx, req.ImageDigest)
	if err != nil {
		return nil, err
	}
	return oas.ListImageContentTypes200JSONResponse(contentTypes(content)), nil
}

// GetImagePackages lists the packages of a type. What an OS package owns is listed once, as that package.
func (h *handlers) GetImagePackages(ctx context.Context, req oas.GetImagePackagesRequestObject) (oas.GetImagePackagesResponseObject, error) {
	content, err := h.contents(ctx, req.ImageDigest)
	if err != nil {
		return nil, err
	}
	if !slices.Contains(knownContent, req.ContentType) && contentCounts(content)[req.ContentType] == 0 {
		return nil, fail(codeContentNotFound, fmt.Sprintf("Image %s has no content of type %s; GET .../content lists the types.", req.ImageDigest, req.ContentType))
	}
	answer := oas.GetImagePackages200JSONResponse{ImageDigest: req.ImageDigest, ContentType: req.ContentType, Content: []oas.PackageContent{}}
	for i := range content.Packages {
		if p := &content.Packages[i]; content.Lists(p) && contentType(p.Type) == req.ContentType {
			answer.Content = append(answer.Content, packageBody(p))
		}
	}
	return answer, nil
}

func packageBody(p *catalog.Package) oas.PackageContent {
	body := oas.PackageContent{
		Package: p.Name, Version: p.Version, Type: p.Type, Origin: p.Origin, Location: p.Location, Purl: p.PURL,
		Licenses: list(p.Licenses), Cpes: list(p.CPEs), Size: unknownSize,
		MetadataType: p.MetadataType, Metadata: make(map[string]any, len(p.Metadata)),
	}
	if p.Size > 0 {
		body.Size = strconv.FormatInt(p.Size, 10)
	}
	for key, value := range p.Metadata {
		body.Metadata[key] = value
	}
	return body
}

// GetImageJavaPackages lists Java archives with the versions their manifests state.
func (h *handlers) GetImageJavaPackages(ctx context.Context, req oas.GetImageJavaPackagesRequestObject) (oas.GetImageJavaPackagesResponseObject, error) {
	content, err := h.contents(ctx, req.ImageDigest)
	if err != nil {
		return nil, err
	}
	answer := oas.GetImageJavaPackages200JSONResponse{ImageDigest: req.ImageDigest, ContentType: catalog.TypeJava, Content: []oas.JavaPackageContent{}}
	for i := range content.Packages {
		if p := &content.Packages[i]; content.Lists(p) && p.Type == catalog.TypeJava {
			answer.Content = append(answer.Content, javaBody(p))
		}
	}
	return answer, nil
}

func javaBody(p *catalog.Package) oas.JavaPackageContent {
	return oas.JavaPackageContent{
		Package: p.Name, Version: p.Version, Type: "java-archive", Origin: p.Origin, Location: p.Location, Purl: p.PURL,
		Licenses: list(p.Licenses), Cpes: list(p.CPEs), MavenVersion: orUnknown(cmp.Or(p.Metadata["maven-version"], p.Version)),
		ImplementationVersion: orUnknown(p.Metadata["implementation-version"]),
		SpecificationVersion:  orUnknown(p.Metadata["specification-version"]),
	}
}

func orUnknown(s string) string {
	if s == "" {
		return unknownSize
	}
	return s
}

// GetImageFiles lists the files of the image, merged from its layers.
func (h *handlers) GetImageFiles(ctx context.Context, req oas.GetImageFilesRequestObject) (oas.GetImageFilesResponseObject, error) {
	analysis, err := h.analysis(ctx, req.ImageDigest)
	if err != nil {
		return nil, err
	}
	layers, err := h.deps.Layers.Get(ctx, analysis.AnalyzerSet, analysis.LayerDigests)
	if errors.Is(err, persistence.ErrNotFound) {
		return nil, fail(codeInternal, "The file list of a layer is missing; add the image again with force=true.").because(err)
	}
	if err != nil {
		return nil, fmt.Errorf("load layers of %s: %w", req.ImageDigest, err)
	}
	entries := make([][]catalog.Entry, len(layers))
	for i, layer := range layers {
		if entries[i], err = h.entries(ctx, layer.EntriesBlob); err != nil {
			return nil, fmt.Errorf("load files of layer %s: %w", layer.Digest, err)
		}
	}
	return oas.GetImageFiles200JSONResponse{
		ImageDigest: req.ImageDigest, ContentType: contentFiles, Content: each(image.Squash(entries), fileBody),
	}, nil
}

func fileBody(e image.SquashedEntry) oas.FilesContent {
	return oas.FilesContent{
		Filename: e.Path, Type: string(e.Type), Mode: fmt.Sprintf("0o%o", e.Mode), Uid: clamp(int64(e.UID)), Gid: clamp(int64(e.GID)),
		Size: clamp(e.Size), Sha256: given(e.SHA256), Linkdest: given(e.Link),
	}
}

// clamp keeps a number within what clients read into 32 bits.
func clamp(n int64) int { return int(max(min(n, math.MaxInt32), math.MinInt32)) }

// Metadata types, as clients name them.
const (
	metadataManifest   = "manifest"
	metadataHistory    = "docker_history"
	metadataDockerfile = "dockerfile"
	metadataLabels     = "labels"         // not among the published ones
	metadataInspect    = "docker_inspect" // nor is this
)

// ListImageMetadataTypes names the metadata documents.
func (h *handlers) ListImageMetadataTypes(ctx context.Context, req oas.ListImageMetadataTypesRequestObject) (oas.ListImageMetadataTypesResponseObject, error) {
	if _, err := h.image(ctx, req.ImageDigest); err != nil {
		return nil, err
	}
	return oas.ListImageMetadataTypes200JSONResponse{metadataManifest, metadataHistory, metadataDockerfile, metadataLabels, metadataInspect}, nil
}

// GetImageMetadata gives one metadata document. All of them are known as soon as the image is submitted.
func (h *handlers) GetImageMetadata(ctx context.Context, req oas.GetImageMetadataRequestObject) (oas.GetImageMetadataResponseObject, error) {
	record, err := h.image(ctx, req.ImageDigest)
	if err != nil {
		return nil, err
	}
	document, err := h.metadata(ctx, record, req.MetadataType)
	if err != nil {
		return nil, err
	}
	return oas.GetImageMetadata200JSONResponse{
		ImageDigest: req.ImageDigest, MetadataType: req.MetadataType, Metadata: base64.StdEncoding.EncodeToString(document),
	}, nil
}
