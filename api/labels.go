package api

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"plimsoll/engine/image"
	"plimsoll/persistence"
)

// Annotations that say what an image was built on (OCI image specification, annotations.md), as annotations of the
// manifest or labels of the config.
const (
	baseNameKey   = "org.opencontainers.image.base.name"
	baseDigestKey = "org.opencontainers.image.base.digest"
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

// chosenBase is the place of the ancestor that counts as base image, -1 without ancestors: the nearest one that
// users marked, if that is enabled; else the one the image itself names as its base; else the nearest. The image's
// word only chooses among ancestors that its layers prove.
func (h *handlers) chosenBase(ctx context.Context, digest string, found []persistence.Ancestor) (int, error) {
	if h.config.UserBaseImages {
		for i := len(found) - 1; i >= 0; i-- {
			if found[i].MarkedBase {
				return i, nil
			}
		}
	}
	if len(found) < 2 {
		return len(found) - 1, nil
	}
	record, err := h.image(ctx, digest)
	if err != nil {
		return 0, err
	}
	says, err := h.inscription(ctx, record.ManifestBlob, record.ConfigBlob)
	if err != nil {
		return 0, err
	}
	if i := named(found, says); i >= 0 {
		return i, nil
	}
	return len(found) - 1, nil
}

// named is the nearest ancestor with the digest, or else with the name, that the image says it was built on.
func named(found []persistence.Ancestor, says image.Inscription) int {
	wanted := says.Find(baseDigestKey)
	name := baseName(says.Find(baseNameKey))
	byName := -1
	for i := len(found) - 1; i >= 0; i-- {
		a := found[i]
		if wanted != "" && (a.Digest == wanted || a.ParentDigest == wanted) {
			return i
		}
		if byName < 0 && name != "" && slices.ContainsFunc(a.Tags, func(tag string) bool { return baseName(tag) == name }) {
			byName = i
		}
	}
	return byName
}

// baseName gives a tag one spelling, whether or not it names Docker Hub and its folder of official images; empty
// when it is no tag.
func baseName(text string) string {
	tag, err := parseTag(text)
	if text == "" || err != nil {
		return ""
	}
	if tag.Registry == defaultRegistry {
		tag.Repository = strings.TrimPrefix(tag.Repository, "library/")
	}
	return fullTag(tag)
}
