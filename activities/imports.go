package activities

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"

	"plimsoll/engine/catalog"
	"plimsoll/engine/image"
	"plimsoll/engine/imported"
	"plimsoll/engine/match"
	"plimsoll/persistence"
	"plimsoll/workflows"
)

// importedSet names what an import of an account yields. Layer results and analyses are stored under it, so that
// what somebody says about an image is never taken for what it holds, nor shown to another account.
func (a *Activities) importedSet(account string, use persistence.ImportUse) string {
	h := sha256.New()
	fmt.Fprintf(h, "%d %t\n", imported.ReaderVersion, a.analysis.Owned)
	for _, kind := range slices.Sorted(maps.Keys(use.Contents)) {
		fmt.Fprintf(h, "%s %s\n", kind, use.Contents[kind])
	}
	return "import:" + account + ":" + hex.EncodeToString(h.Sum(nil)[:8])
}

// planImport is the plan of an image that is made of uploaded documents.
func (a *Activities) planImport(ctx context.Context, record persistence.Image) (workflows.AnalysisPlan, error) {
	use, err := a.imports.OfImage(ctx, record.Account, record.Digest)
	if err != nil {
		return workflows.AnalysisPlan{}, importGone(record.Digest, err)
	}
	return workflows.AnalysisPlan{AnalyzerSet: a.importedSet(record.Account, use), Import: true}, nil
}

func importGone(digest string, err error) error {
	if errors.Is(err, persistence.ErrNotFound) {
		return fmt.Errorf("documents of %s are not kept any more; import the image again: %w", digest, imported.ErrInvalid)
	}
	return err
}

// assembleImport stores what the documents say is inside.
func (a *Activities) assembleImport(ctx context.Context, in workflows.Run) (out workflows.AssembleResult, err error) {
	t := a.track(ctx, in.Account, in.Digest, whole(workflows.StageAssemble))
	defer func() { t.end(ctx, err) }()
	record, err := a.images.Get(ctx, in.Account, in.Digest)
	if errors.Is(err, persistence.ErrNotFound) || err == nil && record.Requested != in.Request {
		return out, fmt.Errorf("image %s is wanted otherwise by now: %w", in.Digest, persistence.ErrSuperseded)
	}
	if err != nil {
		return out, err
	}
	use, err := a.imports.OfImage(ctx, in.Account, in.Digest)
	if err != nil {
		return out, importGone(in.Digest, err)
	}
	set := a.importedSet(in.Account, use)
	if stored, err := a.analyses.Find(ctx, in.Digest, set); err == nil && !in.Force {
		return assembled(stored.ID, stored.PackageCount, stored.FileCount, stored.Incomplete), nil
	} else if err != nil && !errors.Is(err, persistence.ErrNotFound) {
		return out, err
	}
	parts, err := a.importedParts(ctx, use)
	if err != nil {
		return out, err
	}
	found, err := imported.Read(in.Digest, parts, imported.Limits{})
	if err != nil {
		return out, err
	}
	found.Image.OwnedListed = !a.analysis.Owned
	if err := checkFiles(found.Layers); err != nil {
		return out, err
	}
	if err := a.saveImportedLayers(ctx, set, found.Layers); err != nil {
		return out, err
	}
	analysis, err := a.importedAnalysis(set, record, found)
	if err != nil {
		return out, err
	}
	analysis.Replace = in.Force
	saved, err := a.analyses.Save(ctx, analysis)
	if err != nil {
		return out, err
	}
	return assembled(saved.ID, saved.Packages, analysis.FileCount, analysis.Incomplete), nil
}

func (a *Activities) importedParts(ctx context.Context, use persistence.ImportUse) (imported.Parts, error) {
	var parts imported.Parts
	for kind, into := range parts.ByKind() {
		digest, chosen := use.Contents[kind]
		if !chosen {
			continue
		}
		data, err := a.blobs.Get(ctx, digest)
		if err != nil {
			return parts, fmt.Errorf("load %s of import %s: %w", kind, use.Operation, err)
		}
		*into = data
	}
	return parts, nil
}

// checkFiles refuses lists of files whose paths and links ask for more than an image may.
func checkFiles(layers []*image.Layer) error {
	entries := make([][]catalog.Entry, len(layers))
	for i, l := range layers {
		entries[i] = l.Entries
	}
	return image.CheckSquash(entries)
}

func (a *Activities) saveImportedLayers(ctx context.Context, set string, layers []*image.Layer) error {
	for _, l := range layers {
		var entries, evidence bytes.Buffer
		if err := image.EncodeEntries(&entries, l.Entries); err != nil {
			return fmt.Errorf("encode files of layer %s: %w", l.Digest, err)
		}
		if err := image.EncodeEvidence(&evidence, l.Evidence, l.Incomplete); err != nil {
			return fmt.Errorf("encode evidence of layer %s: %w", l.Digest, err)
		}
		err := a.layers.Save(ctx, persistence.NewLayer{
			Digest: l.Digest, AnalyzerSet: set, DiffID: l.DiffID, CompressedSize: l.CompressedSize, Size: l.Size,
			EntryCount: len(l.Entries), Entries: entries.Bytes(), Evidence: evidence.Bytes(),
		})
		if err != nil {
			return err
		}
	}
	return nil
}

func (a *Activities) importedAnalysis(set string, record persistence.Image, found *imported.Content) (persistence.NewAnalysis, error) {
	var out persistence.NewAnalysis
	content, err := json.Marshal(found.Image)
	if err != nil {
		return out, fmt.Errorf("encode image document: %w", err)
	}
	findings, err := json.Marshal(found.Findings)
	if err != nil {
		return out, fmt.Errorf("encode findings: %w", err)
	}
	out = persistence.NewAnalysis{
		ImageDigest: record.Digest, AnalyzerSet: set, ImageID: record.ImageID,
		ManifestBlob: record.ManifestBlob, ConfigBlob: record.ConfigBlob, Content: content, Findings: findings,
		OS: found.OS, Arch: found.Arch, ImageSize: found.Image.Size,
		FileCount: found.Image.FileCount, Incomplete: len(found.Image.Incomplete), AnalyzedAt: a.now(),
		Packages: importedRows(found.Image),
	}
	for _, l := range found.Layers {
		out.LayerDigests = append(out.LayerDigests, l.Digest)
	}
	if d := found.Image.Distro; d != nil {
		out.Distro, out.DistroVersion, out.DistroLike, out.Namespace = d.ID, d.VersionID, d.Like, match.DistroNamespace(d)
	}
	return out, nil
}
