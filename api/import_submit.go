package api

import (
	"cmp"
	"context"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"slices"
	"time"

	v1 "github.com/google/go-containerregistry/pkg/v1"

	"plimsoll/api/oas"
	"plimsoll/engine/imported"
	"plimsoll/persistence"
	"plimsoll/workflows"
)

// addImported finishes an import: the image is made of the documents named, which must have been uploaded in the
// operation. What can be checked of them without reading the package list is checked before anything is recorded.
func (h *handlers) addImported(ctx context.Context, source oas.ImageImportManifest, annotations map[string]any, force bool) (persistence.Image, error) {
	if err := checkAnnotations(annotations); err != nil {
		return persistence.Image{}, err
	}
	use := persistence.ImportUse{Operation: source.OperationUuid, Contents: chosenContents(source.Contents)}
	if err := h.requireUploaded(ctx, use); err != nil {
		return persistence.Image{}, err
	}
	submission, err := h.importSubmission(ctx, source, use)
	if err != nil {
		return persistence.Image{}, err
	}
	submission.Annotations, submission.Force = annotations, force
	result, err := h.deps.Images.SubmitAll(ctx, []persistence.SubmitImage{submission})
	if err != nil {
		return persistence.Image{}, importProblem(use.Operation, err)
	}
	if result[0].Due {
		h.deps.Starter.Launch(ctx, result[0].OutboxID)
	}
	return result[0].Image, nil
}

// requireUploaded stands before every look at a document: a digest alone opens nothing.
func (h *handlers) requireUploaded(ctx context.Context, use persistence.ImportUse) error {
	all, err := h.deps.Imports.Contents(ctx, callerOf(ctx).Account, use.Operation)
	if err != nil {
		return importProblem(use.Operation, err)
	}
	for kind, digest := range use.Contents {
		if !slices.ContainsFunc(all, func(c persistence.ImportContent) bool { return c.Kind == kind && c.Digest == digest }) {
			return importProblem(use.Operation, fmt.Errorf("%s %s: %w", kind, digest, persistence.ErrNotUploaded))
		}
	}
	return nil
}

func chosenContents(c oas.ImportContentDigests) map[string]string {
	chosen := map[string]string{imported.KindPackages: c.Packages, imported.KindConfig: c.ImageConfig, imported.KindManifest: c.Manifest}
	for kind, digest := range map[string]*string{
		imported.KindIndex: c.ParentManifest, imported.KindDockerfile: c.Dockerfile, imported.KindSecretSearches: c.SecretSearches,
		imported.KindContentSearches: c.ContentSearches, imported.KindFileContents: c.FileContents,
	} {
		if digest != nil {
			chosen[kind] = *digest
		}
	}
	return chosen
}

func (h *handlers) importSubmission(ctx context.Context, source oas.ImageImportManifest, use persistence.ImportUse) (persistence.SubmitImage, error) {
	var none persistence.SubmitImage
	manifest, err := h.document(ctx, use.Contents[imported.KindManifest])
	if err != nil {
		return none, err
	}
	config, err := h.document(ctx, use.Contents[imported.KindConfig])
	if err != nil {
		return none, err
	}
	described, err := imported.Describe(source.Digest, manifest, config)
	if err != nil {
		return none, documentProblem(err)
	}
	if err := checkConfig(config); err != nil {
		return none, err
	}
	parent, err := h.importParent(ctx, source, use)
	if err != nil {
		return none, err
	}
	says, err := h.inscription(ctx, use.Contents[imported.KindManifest], use.Contents[imported.KindConfig])
	if err != nil {
		return none, err
	}
	account := callerOf(ctx).Account
	out := persistence.SubmitImage{
		Account: account, Digest: described.Digest, ParentDigest: parent, ImageID: described.ImageID, MediaType: described.MediaType,
		ManifestBlob: use.Contents[imported.KindManifest], ConfigBlob: use.Contents[imported.KindConfig],
		Platform: described.Platform, Labels: says.Searchable(), PullDigest: cmp.Or(parent, described.Digest),
		DetectedAt: time.Now(), Import: &use,
		Start: func(request int64) persistence.Start {
			return persistence.Start{
				Workflow: workflows.AnalyzeImageName, WorkflowID: workflows.AnalyzeImageID(account, described.Digest),
				Input: workflows.AnalyzeImageInput{Account: account, Digest: described.Digest, Request: request},
			}
		},
		Judge: judgeImage(account, described.Digest),
	}
	for i, full := range source.Tags {
		tag, err := parseTag(full)
		if err != nil {
			return none, err
		}
		if i == 0 {
			out.Registry, out.Repository, out.Tag = tag.Registry, tag.Repository, tag.Tag
		} else {
			out.Also = append(out.Also, tag)
		}
	}
	out.Dockerfile, err = h.importDockerfile(ctx, use)
	return out, err
}

// checkConfig refuses a configuration that would not be taken from a registry: what is shown and judged later relies on
// its form.
func checkConfig(config []byte) error {
	if err := json.Unmarshal(config, new(v1.ConfigFile)); err != nil {
		return fail(codeImportInvalid, fmt.Sprintf("The image configuration is not readable: %v.", err)).because(err)
	}
	return nil
}

// importParent checks the uploaded index, if there is one. A digest without it is taken as it is said.
func (h *handlers) importParent(ctx context.Context, source oas.ImageImportManifest, use persistence.ImportUse) (string, error) {
	digest, uploaded := use.Contents[imported.KindIndex]
	if !uploaded {
		return orElse(source.ParentDigest, ""), nil
	}
	index, err := h.document(ctx, digest)
	if err != nil {
		return "", err
	}
	parent := orElse(source.ParentDigest, digest)
	return parent, documentProblem(imported.CheckIndex(parent, index, source.Digest))
}

func (h *handlers) importDockerfile(ctx context.Context, use persistence.ImportUse) (*string, error) {
	digest, uploaded := use.Contents[imported.KindDockerfile]
	if !uploaded {
		return nil, nil //nolint:nilnil // none was sent
	}
	document, err := h.document(ctx, digest)
	if err != nil {
		return nil, err
	}
	text, err := dockerfileText(document)
	if err != nil {
		return nil, err
	}
	encoded := base64.StdEncoding.EncodeToString([]byte(text))
	return &encoded, nil
}
