package api

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"fmt"

	"plimsoll/engine/catalog"
	"plimsoll/engine/dockerfile"
	"plimsoll/engine/image"
	"plimsoll/persistence"
)

// history is the part of an image config that tells how the image was made (OCI image spec, config.md, "history").
type history struct {
	History []json.RawMessage `json:"history"`
}

func (h *handlers) metadata(ctx context.Context, record persistence.Image, kind string) ([]byte, error) {
	switch kind {
	case metadataManifest:
		return h.document(ctx, record.ManifestBlob)
	case metadataHistory:
		made, err := h.history(ctx, record)
		if err != nil {
			return nil, err
		}
		return json.Marshal(list(made.History))
	case metadataDockerfile:
		return h.dockerfile(ctx, record)
	case metadataInspect:
		shown, err := h.inspection(ctx, record)
		if err != nil {
			return nil, err
		}
		return json.Marshal(shown)
	case metadataLabels:
		says, err := h.inscription(ctx, record.ManifestBlob, record.ConfigBlob)
		if err != nil {
			return nil, err
		}
		return json.Marshal(says)
	}
	return nil, fail(codeContentNotFound, fmt.Sprintf("There is no metadata of type %s; GET .../metadata lists the types.", kind))
}

func (h *handlers) document(ctx context.Context, digest string) ([]byte, error) {
	data, err := h.deps.Blobs.Get(ctx, digest)
	if err != nil {
		return nil, fmt.Errorf("load document %s: %w", digest, err)
	}
	return data, nil
}

func (h *handlers) history(ctx context.Context, record persistence.Image) (history, error) {
	var made history
	config, err := h.document(ctx, record.ConfigBlob)
	if err != nil {
		return made, err
	}
	if err := json.Unmarshal(config, &made); err != nil {
		return made, fmt.Errorf("decode config of %s: %w", record.Digest, err)
	}
	return made, nil
}

// dockerfile gives the text that was sent with the image, or else the one its history hints at.
func (h *handlers) dockerfile(ctx context.Context, record persistence.Image) ([]byte, error) {
	if record.Dockerfile != "" {
		text, err := base64.StdEncoding.DecodeString(record.Dockerfile)
		if err != nil {
			return nil, fmt.Errorf("decode Dockerfile of %s: %w", record.Digest, err)
		}
		return text, nil
	}
	made, err := h.history(ctx, record)
	if err != nil {
		return nil, err
	}
	var steps []string
	for _, raw := range made.History {
		var step struct {
			CreatedBy string `json:"created_by"`
		}
		if err := json.Unmarshal(raw, &step); err != nil {
			return nil, fmt.Errorf("decode history of %s: %w", record.Digest, err)
		}
		steps = append(steps, step.CreatedBy)
	}
	says, err := h.inscription(ctx, record.ManifestBlob, record.ConfigBlob)
	if err != nil {
		return nil, err
	}
	return []byte(dockerfile.Guess(steps, says.Find(image.BaseNameKey))), nil
}

// entries loads the file list of a layer.
func (h *handlers) entries(ctx context.Context, digest string) ([]catalog.Entry, error) {
	data, err := h.document(ctx, digest)
	if err != nil {
		return nil, err
	}
	entries, err := image.DecodeEntries(bytes.NewReader(data))
	if err != nil {
		return nil, fmt.Errorf("decode file list: %w", err)
	}
	return entries, nil
}
