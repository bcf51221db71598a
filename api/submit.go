package api

import (
	"bytes"
	"cmp"
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"
	"unicode/utf8"

	"go.uber.org/zap"

	"plimsoll/api/oas"
	"plimsoll/engine/dockerfile"
	"plimsoll/internal/log"
	"plimsoll/persistence"
	"plimsoll/workflows"
)

// submission is a request to add an image, read and checked.
type submission struct {
	ref        string // what the registry is asked for
	tag        persistence.TagName
	digest     string // of a digest source
	platform   string
	detectedAt time.Time
	dockerfile *string
	watch      bool
}

// AddImage resolves what the registry says, records it, and starts the analysis when one is due.
func (h *handlers) AddImage(ctx context.Context, req oas.AddImageRequestObject) (oas.AddImageResponseObject, error) {
	if kind := orElse(req.Body.ImageType, imageTypeDocker); kind != imageTypeDocker {
		return nil, fail(codeInvalidRequest, fmt.Sprintf("image_type %q is not supported; use %s.", kind, imageTypeDocker))
	}
	if source := req.Body.Source.Import; source != nil {
		image, err := h.addImported(ctx, *source, orElse(req.Body.Annotations, nil), orElse(req.Params.Force, false))
		if err != nil {
			return nil, err
		}
		body, err := h.imageBody(ctx, image)
		return oas.AddImage200JSONResponse(body), err
	}
	sub, err := readSource(req.Body.Source, time.Now())
	if err != nil {
		return nil, err
	}
	if err := checkDockerfile(orElse(sub.dockerfile, "")); err != nil {
		return nil, err
	}
	force := orElse(req.Params.Force, false)
	if sub.digest != "" && force {
		if err := h.requireKnown(ctx, sub.digest); err != nil {
			return nil, err
		}
	}
	sub.watch = orElse(req.Params.AutoSubscribe, false)
	images, err := h.submit(ctx, sub, orElse(req.Body.Annotations, nil), force)
	if err != nil {
		return nil, err
	}
	body, err := h.imageBody(ctx, images[0])
	if err != nil {
		return nil, err
	}
	if sub.platform == workflows.AllPlatforms {
		platforms := each(images, platformImage)
		body.PlatformImages = &platforms
	}
	return oas.AddImage200JSONResponse(body), nil
}

// readSource reads exactly one of the sources.
func readSource(source oas.ImageSource, now time.Time) (submission, error) {
	switch {
	case source.Tag != nil && source.Digest == nil:
		tag, err := parseTag(source.Tag.PullString)
		return submission{
			ref: fullTag(tag), tag: tag, platform: orElse(source.Tag.Platform, ""), detectedAt: now, dockerfile: source.Tag.Dockerfile,
		}, err
	case source.Digest != nil && source.Tag == nil:
		return readDigestSource(source.Digest, now)
	}
	return submission{}, fail(codeInvalidRequest, "source must hold exactly one of: tag, digest, import.")
}

func readDigestSource(source *oas.RegistryDigestSource, now time.Time) (submission, error) {
	registry, repository, digest, err := parseDigest(source.PullString)
	if err != nil {
		return submission{}, err
	}
	tag, err := parseTag(source.Tag)
	if err != nil {
		return submission{}, err
	}
	if tag.Registry != registry || tag.Repository != repository {
		return submission{}, fail(codeInvalidReference, fmt.Sprintf("The tag %s belongs to another repository than the digest, which is in %s/%s.", fullTag(tag), registry, repository))
	}
	return submission{
		ref: registry + "/" + repository + "@" + digest, tag: tag, digest: digest,
		detectedAt: orElse(source.CreationTimestampOverride, now), dockerfile: source.Dockerfile,
	}, nil
}

func (h *handlers) requireKnown(ctx context.Context, digest string) error {
	_, err := h.deps.Images.Get(ctx, callerOf(ctx).Account, digest)
	switch {
	case errors.Is(err, persistence.ErrNotFound):
		return fail(codeInvalidRequest, fmt.Sprintf("force=true needs an image that is known already, and %s is not; add it without force.", digest))
	case err != nil:
		return fmt.Errorf("load image %s: %w", digest, err)
	}
	return nil
}

// maxAnnotations bounds what is stored with an image and sent along with its notifications, in bytes of JSON.
const maxAnnotations = 64 << 10

func checkAnnotations(annotations map[string]any) error {
	text, err := json.Marshal(annotations)
	if err != nil {
		return fail(codeInvalidRequest, "annotations cannot be stored.").because(err)
	}
	if len(text) > maxAnnotations {
		return fail(codeLimitExceeded, fmt.Sprintf("annotations take %d bytes; at most %d are kept.", len(text), maxAnnotations))
	}
	return nil
}

// submit asks the registry through a worker, then writes the records and the starts of their analyses together. It
// returns one image, or with all platforms that of the default one first.
func (h *handlers) submit(ctx context.Context, sub submission, annotations map[string]any, force bool) ([]persistence.Image, error) {
	if err := checkAnnotations(annotations); err != nil {
		return nil, err
	}
	account := callerOf(ctx).Account
	first, err := h.deps.Starter.ResolveImage(ctx, workflows.ResolveImageInput{Account: account, Ref: sub.ref, Platform: sub.platform})
	if err != nil {
		return nil, err
	}
	all := make([]persistence.SubmitImage, 0, 1+len(first.Others))
	for i, found := range append([]workflows.ResolveImageResult{first}, first.Others...) {
		found.ParentDigest = first.ParentDigest
		if err := h.checkSize(ctx, sub.ref, found); err != nil {
			return nil, err
		}
		one, err := h.record(ctx, sub, found, force)
		if err != nil {
			return nil, err
		}
		one.Annotations, one.Beside = annotations, i > 0
		all = append(all, one)
	}
	results, err := h.deps.Images.SubmitAll(ctx, all)
	if err != nil {
		return nil, fmt.Errorf("record image %s: %w", first.Digest, err)
	}
	images := make([]persistence.Image, len(results))
	for i, result := range results {
		images[i] = result.Image
		if result.Due {
			h.deps.Starter.Launch(ctx, result.OutboxID)
		}
	}
	return images, nil
}

// checkSize refuses an image larger than the installation takes.
func (h *handlers) checkSize(ctx context.Context, ref string, found workflows.ResolveImageResult) error {
	limit := h.config.MaxCompressedMiB
	if limit < 0 || limit > 0 && found.Size <= int64(limit)<<20 {
		return nil
	}
	log.From(ctx).Warn("image refused for its size", zap.String(log.KeyImageDigest, found.Digest), zap.Int64("bytes", found.Size), zap.Int("limit_mib", limit))
	return fail(codeInvalidRequest, fmt.Sprintf("The layers of %s take %d bytes in the registry; this installation takes images of at most %d MiB (api.max_compressed_image_size_mb).", ref, found.Size, limit))
}

// record is the record of a resolved image.
func (h *handlers) record(ctx context.Context, sub submission, found workflows.ResolveImageResult, force bool) (persistence.SubmitImage, error) {
	account := callerOf(ctx).Account
	says, err := h.inscription(ctx, found.ManifestBlob, found.ConfigBlob)
	if err != nil {
		return persistence.SubmitImage{}, err
	}
	return persistence.SubmitImage{
		Account: account, Digest: found.Digest, ParentDigest: found.ParentDigest,
		ImageID: strings.TrimPrefix(found.ImageID, "sha256:"), MediaType: found.MediaType,
		ManifestBlob: found.ManifestBlob, ConfigBlob: found.ConfigBlob, Platform: found.Platform, Labels: says.Searchable(),
		Registry: sub.tag.Registry, Repository: sub.tag.Repository, Tag: sub.tag.Tag, PullDigest: cmp.Or(found.ParentDigest, found.Digest),
		DetectedAt: sub.detectedAt, Dockerfile: sub.dockerfile, Force: force,
		Subscribe: &persistence.SubscribeTag{Watch: sub.watch, Sync: syncWatch},
		Start: func(request int64) persistence.Start {
			return persistence.Start{
				Workflow:   workflows.AnalyzeImageName,
				WorkflowID: workflows.AnalyzeImageID(account, found.Digest),
				Input:      workflows.AnalyzeImageInput{Account: account, Digest: found.Digest, Request: request, Force: force},
			}
		},
		Judge: judgeImage(account, found.Digest),
	}, nil
}

// judgeImage says how to judge an analysed image that a tag has come to mean.
func judgeImage(account, digest string) func(move int64) persistence.Start {
	return func(move int64) persistence.Start {
		return persistence.Start{
			Workflow: workflows.JudgeImageName, WorkflowID: workflows.JudgeImageID(account, digest, move),
			Input: workflows.JudgeImageInput{Account: account, Digest: digest, Move: move}, Unattended: true,
		}
	}
}

func platformImage(image persistence.Image) oas.PlatformImage {
	return oas.PlatformImage{Platform: image.Platform, ImageDigest: image.Digest, AnalysisStatus: image.AnalysisStatus}
}

// checkDockerfile refuses what is no text a builder would read. It may be empty, which takes one back.
func checkDockerfile(encoded string) error {
	text, err := base64.StdEncoding.DecodeString(encoded)
	if err != nil {
		return fail(codeInvalidRequest, "dockerfile is not base64.").because(err)
	}
	if !utf8.Valid(text) || bytes.ContainsRune(text, 0) {
		return fail(codeInvalidRequest, "dockerfile is not text in UTF-8.")
	}
	parsed, err := dockerfile.Parse(string(text))
	if err != nil {
		return fail(codeLimitExceeded, "dockerfile: "+err.Error()+".").because(err)
	}
	if len(text) > 0 && len(parsed.Instructions) == 0 {
		return fail(codeInvalidRequest, "dockerfile holds no instruction.")
	}
	return nil
}
