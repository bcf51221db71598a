package activities

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"

	"plimsoll/engine/image"
	"plimsoll/engine/match"
	"plimsoll/persistence"
	"plimsoll/workflows"
)

func (a *Activities) assembleImage(ctx context.Context, in workflows.Run) (out workflows.AssembleResult, err error) {
	t := a.track(ctx, in.Account, in.Digest, whole(workflows.StageAssemble))
	defer func() { t.end(ctx, err) }()
	if !in.Force {
		stored, err := a.analyses.Find(ctx, in.Digest, a.pass.Set())
		if err == nil {
			return assembled(stored.ID, stored.PackageCount, stored.FileCount, stored.Incomplete), nil
		}
		if !errors.Is(err, persistence.ErrNotFound) {
			return out, err
		}
	}
	record, err := a.images.Get(ctx, in.Account, in.Digest)
	if errors.Is(err, persistence.ErrNotFound) {
		return out, fmt.Errorf("image %s is gone: %w", in.Digest, persistence.ErrSuperseded)
	}
	if err != nil {
		return out, err
	}
	analysis, err := a.assemble(ctx, record)
	if err != nil {
		return out, fmt.Errorf("assemble %s: %w", in.Digest, err)
	}
	analysis.Replace = in.Force
	saved, err := a.analyses.Save(ctx, analysis)
	if err != nil {
		return out, err
	}
	return assembled(saved.ID, saved.Packages, analysis.FileCount, analysis.Incomplete), nil
}

func assembled(id int64, packages, files, incomplete int) workflows.AssembleResult {
	return workflows.AssembleResult{AnalysisID: id, Packages: packages, Files: files, Incomplete: incomplete}
}

// assemble overlays the stored layer results of an image.
func (a *Activities) assemble(ctx context.Context, record persistence.Image) (persistence.NewAnalysis, error) {
	var out persistence.NewAnalysis
	layers, digests, err := a.layerResults(ctx, record)
	if err != nil {
		return out, err
	}
	found, findings, err := image.Assemble(layers, match.DistroNamespace)
	if err != nil {
		return out, err
	}
	found.OwnedListed = !a.analysis.Owned
	content, err := json.Marshal(found)
	if err != nil {
		return out, fmt.Errorf("encode image document: %w", err)
	}
	kept, err := json.Marshal(findings)
	if err != nil {
		return out, fmt.Errorf("encode findings: %w", err)
	}
	platform, err := a.platform(ctx, record)
	if err != nil {
		return out, err
	}
	out = persistence.NewAnalysis{
		ImageDigest: record.Digest, AnalyzerSet: a.pass.Set(), ImageID: record.ImageID,
		ManifestBlob: record.ManifestBlob, ConfigBlob: record.ConfigBlob, Content: content, Findings: kept,
		OS: platform.OS, Arch: platform.Architecture, ImageSize: found.Size, LayerDigests: digests,
		FileCount: found.FileCount, Incomplete: len(found.Incomplete), AnalyzedAt: a.now(),
		Packages: packageRows(found),
	}
	if d := found.Distro; d != nil {
		out.Distro, out.DistroVersion, out.DistroLike, out.Namespace = d.ID, d.VersionID, d.Like, match.DistroNamespace(d)
	}
	return out, nil
}

// platform is the part of the image config that the analysis repeats.
type platform struct {
	OS           string `json:"os"`
	Architecture string `json:"architecture"`
}

func (a *Activities) platform(ctx context.Context, record persistence.Image) (platform, error) {
	var p platform
	config, err := a.blobs.Get(ctx, record.ConfigBlob)
	if err != nil {
		return p, fmt.Errorf("load config: %w", err)
	}
	if err := json.Unmarshal(config, &p); err != nil {
		return p, fmt.Errorf("decode config: %w", err)
	}
	return p, nil
}

// layerResults loads what the layers' passes found, bottom first.
func (a *Activities) layerResults(ctx context.Context, record persistence.Image) ([]*image.Layer, []string, error) {
	listed, err := a.layersOf(ctx, record)
	if err != nil {
		return nil, nil, err
	}
	digests := make([]string, len(listed))
	for i, l := range listed {
		digests[i] = l.Digest
	}
	stored, err := a.layers.Get(ctx, a.pass.Set(), digests)
	if err != nil {
		return nil, nil, err
	}
	if err := checkResults(stored); err != nil {
		return nil, nil, err
	}
	layers := make([]*image.Layer, len(stored))
	read := make(map[string]*image.Layer, len(stored)) // a manifest may list a layer as often as it likes
	held := 0
	for i, s := range stored {
		if layers[i] = read[s.Digest]; layers[i] != nil {
			continue
		}
		if layers[i], err = a.layerResult(ctx, s, &held); err != nil {
			return nil, nil, fmt.Errorf("layer %s: %w", s.Digest, err)
		}
		read[s.Digest] = layers[i]
	}
	return layers, digests, nil
}

const (
	// maxResultEntries bounds the entries of all layers of an image, which are in memory together.
	maxResultEntries = 5_000_000
	// maxEvidence bounds what was found in them, in bytes as it is stored.
	maxEvidence = 512 << 20
)

// checkResults refuses what cannot be put together before any of it is loaded.
func checkResults(stored []persistence.Layer) error {
	entries := 0
	for _, s := range stored {
		if entries += s.EntryCount; entries > maxResultEntries {
			return fmt.Errorf("%w: more than %d entries in all layers of the image", image.ErrLimit, maxResultEntries)
		}
	}
	return nil
}

// layerResult loads what a layer's pass found. held counts the bytes of evidence of all layers so far.
func (a *Activities) layerResult(ctx context.Context, s persistence.Layer, held *int) (*image.Layer, error) {
	out := &image.Layer{Digest: s.Digest, DiffID: s.DiffID, CompressedSize: s.CompressedSize, Size: s.Size}
	entries, err := a.blobs.Get(ctx, s.EntriesBlob)
	if err != nil {
		return nil, fmt.Errorf("load files: %w", err)
	}
	if out.Entries, err = image.DecodeEntries(bytes.NewReader(entries)); err != nil {
		return nil, err
	}
	evidence, err := a.blobs.Get(ctx, s.EvidenceBlob)
	if err != nil {
		return nil, fmt.Errorf("load evidence: %w", err)
	}
	if *held += len(evidence); *held > maxEvidence {
		return nil, fmt.Errorf("%w: the findings of all layers take more than %d bytes", image.ErrLimit, maxEvidence)
	}
	out.Evidence, out.Incomplete, err = image.DecodeEvidence(bytes.NewReader(evidence))
	return out, err
}

func (a *Activities) matchAnalysis(ctx context.Context, in workflows.MatchInput) (out workflows.MatchResult, err error) {
	t := a.track(ctx, in.Run.Account, in.Run.Digest, whole(workflows.StageMatch))
	defer func() { t.end(ctx, err) }()
	matched, err := a.matches.MatchAnalysis(ctx, in.AnalysisID, a.now())
	if err != nil {
		return out, err
	}
	return workflows.MatchResult{Matched: matched.Packages, Vulnerabilities: matched.Counter.Total()}, nil
}
