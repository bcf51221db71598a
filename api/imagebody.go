package api

import (
	"context"
	"fmt"
	"time"

	"plimsoll/api/oas"
	"plimsoll/persistence"
)

// recordVersion is the version of the image record's form that clients know.
const recordVersion = "1.0"

func (h *handlers) imageBody(ctx context.Context, image persistence.Image) (oas.AnchoreImage, error) {
	bodies, err := h.imageBodies(ctx, []persistence.Image{image})
	if err != nil {
		return oas.AnchoreImage{}, err
	}
	return bodies[0], nil
}

// imageBodies adds status history and progress to the records, with one query each.
func (h *handlers) imageBodies(ctx context.Context, images []persistence.Image) ([]oas.AnchoreImage, error) {
	if len(images) == 0 {
		return []oas.AnchoreImage{}, nil
	}
	account := images[0].Account
	digests := make([]string, 0, len(images))
	var running []string
	for _, image := range images {
		digests = append(digests, image.Digest)
		if image.AnalysisStatus == persistence.Analyzing {
			running = append(running, image.Digest)
		}
	}
	transitions, err := h.deps.Images.Transitions(ctx, account, digests)
	if err != nil {
		return nil, fmt.Errorf("load status history: %w", err)
	}
	var progress map[string][]persistence.Progress
	if len(running) > 0 {
		if progress, err = h.deps.Progress.Read(ctx, account, running); err != nil {
			return nil, fmt.Errorf("load progress: %w", err)
		}
	}
	return each(images, func(image persistence.Image) oas.AnchoreImage {
		return imageRecord(image, transitions[image.Digest], progress[image.Digest])
	}), nil
}

func imageRecord(image persistence.Image, transitions []persistence.Transition, progress []persistence.Progress) oas.AnchoreImage {
	parent := image.ParentDigest
	if parent == "" {
		parent = image.Digest
	}
	annotations := image.Annotations
	if annotations == nil {
		annotations = map[string]any{}
	}
	body := oas.AnchoreImage{
		ImageDigest: image.Digest, ParentDigest: parent, AccountName: image.Account, Annotations: annotations,
		ImageStatus: image.ImageStatus, AnalysisStatus: image.AnalysisStatus, RecordVersion: recordVersion,
		CreatedAt: utc(image.CreatedAt), LastUpdated: utc(image.UpdatedAt),
		ImageContent: oas.ImageContent{Metadata: contentMetadata(image)},
		ImageDetail:  each(image.Tags, func(t persistence.Tag) oas.ImageDetail { return imageDetail(image, t) }),
	}
	body.Platform = given(image.Platform)
	if len(transitions) > 0 {
		history := each(transitions, transitionBody)
		body.AnalysisStatusDetail = &history
	}
	body.AnalysisProgress = progressOf(image, progress, time.Now())
	body.AnalysisIncomplete = incompleteness(image)
	body.AnalysisCancelledAt = utcOrNil(image.CancelledAt)
	if image.AnalysisStatus == persistence.AnalysisFailed {
		body.AnalysisError = &oas.AnalysisError{Code: analysisCode(image.ErrorCode), Message: image.ErrorMessage}
	}
	return body
}

// analysisCode gives the catalogue's name for the failure a workflow recorded.
func analysisCode(recorded string) string {
	if code, ok := workflowFailures[recorded]; ok {
		return code
	}
	return codeAnalysisFailed
}

func contentMetadata(image persistence.Image) oas.ImageContentMetadata {
	meta := oas.ImageContentMetadata{DockerfileMode: given(image.DockerfileMode)}
	if c := image.Content; c != nil {
		meta.Arch, meta.Distro, meta.DistroVersion = &c.Arch, &c.Distro, &c.DistroVersion
		meta.ImageSize, meta.LayerCount = &c.Size, &c.LayerCount
		meta.ExtendedSupport = new(bool)
	}
	return meta
}

func imageDetail(image persistence.Image, t persistence.Tag) oas.ImageDetail {
	return oas.ImageDetail{
		FullTag: t.FullTag(), FullDigest: t.Registry + "/" + t.Repository + "@" + image.Digest, AccountName: image.Account,
		ImageId: image.ImageID, ImageDigest: image.Digest, Registry: t.Registry, Repo: t.Repository, Tag: t.Tag,
		Dockerfile: given(image.Dockerfile), TagDetectedAt: utc(t.DetectedAt), CreatedAt: utc(t.CreatedAt), LastUpdated: utc(t.UpdatedAt),
	}
}

func transitionBody(t persistence.Transition) oas.AnalysisStatusDetail {
	return oas.AnalysisStatusDetail{
		FromStatus: t.FromStatus, ToStatus: t.ToStatus, Timestamp: t.At.UTC().Format(time.RFC3339Nano),
		Source: oas.ServiceAnalysisReference{HostId: given(t.Host), ServiceName: given(t.Service), EnterpriseVersion: given(t.Version)},
	}
}
