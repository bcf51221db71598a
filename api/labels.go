package api

import (
	"context"
	"fmt"
	"strings"

	"plimsoll/engine/image"
	"plimsoll/persistence"
)

// inscription reads what an image says about itself.
func (h *handlers) inscription(ctx context.Context, manifestBlob, configBlob string) (image.Inscription, error) {
	manifest, err := h.document(ctx, manifestBlob)
	if err != nil {
		return image.Inscription{}, err
	}
	config, err := h.document(ctx, configBlob)
	if err != nil {
		return image.Inscription{}, err
	}
	says, err := image.ReadInscription(manifest, config)
	if err != nil {
		err = fmt.Errorf("documents %s and %s: %w", manifestBlob, configBlob, err)
	}
	return says, err
}

// labelFilter reads key=value pairs.
func labelFilter(pairs []string) (map[string]string, error) {
	out := make(map[string]string, len(pairs))
	for _, pair := range pairs {
		key, value, ok := strings.Cut(pair, "=")
		if !ok || key == "" {
			return nil, fail(codeInvalidRequest, fmt.Sprintf("label %q must be key=value.", pair))
		}
		if had, twice := out[key]; twice && had != value {
			return nil, fail(codeInvalidRequest, fmt.Sprintf("label %s cannot have two values.", key))
		}
		out[key] = value
	}
	return out, nil
}

// chosenBase is the place of the ancestor that counts as base image, -1 without ancestors.
func (h *handlers) chosenBase(ctx context.Context, digest string, found []persistence.Ancestor) (int, error) {
	return persistence.ChooseBase(found, h.config.UserBaseImages, func() (image.Inscription, error) {
		record, err := h.image(ctx, digest)
		if err != nil {
			return image.Inscription{}, err
		}
		return h.inscription(ctx, record.ManifestBlob, record.ConfigBlob)
	})
}
