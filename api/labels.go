package api

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"plimsoll/persistence"
)

// Annotations that say what an image was built on (OCI image specification, annotations.md), as annotations of the
// manifest or labels of the config.
const (
	baseNameKey   = "org.opencontainers.image.base.name"
	baseDigestKey = "org.opencontainers.image.base.digest"
)

// maxLabels bounds what of an image's labels can be searched for, in bytes of keys and values.
const maxLabels = 64 << 10

// inscription is what an image says about itself: labels of its config and annotations of its manifest.
type inscription struct {
	Labels      map[string]string `json:"labels"`
	Annotations map[string]string `json:"annotations"`
}

// inscription reads the documents of an image. Values that are no text, as only broken builders write them, are
// left out.
func (h *handlers) inscription(ctx context.Context, manifestBlob, configBlob string) (inscription, error) {
	var manifest struct {
		Annotations map[string]any `json:"annotations"`
	}
	var config struct {
		Config struct {
			Labels map[string]any `json:"Labels"`
		} `json:"config"`
	}
	for blob, into := range map[string]any{manifestBlob: &manifest, configBlob: &config} {
		data, err := h.document(ctx, blob)
		if err != nil {
			return inscription{}, err
		}
		var odd *json.UnmarshalTypeError // of an uploaded document: what is no object holds no labels
		if err := json.Unmarshal(data, into); err != nil && !errors.As(err, &odd) {
			return inscription{}, fmt.Errorf("decode document %s: %w", blob, err)
		}
	}
	return inscription{Labels: texts(config.Config.Labels), Annotations: texts(manifest.Annotations)}, nil
}

func texts(m map[string]any) map[string]string {
	out := make(map[string]string, len(m))
	for key, v := range m {
		if text, ok := v.(string); ok {
			out[key] = text
		}
	}
	return out
}

// find gives an annotation, or the label of that name.
func (i inscription) find(key string) string {
	if v := i.Annotations[key]; v != "" {
		return v
	}
	return i.Labels[key]
}

// searchable joins both, annotations over labels, up to maxLabels in the order of the keys.
func (i inscription) searchable() map[string]string {
	all := maps.Clone(i.Labels)
	maps.Copy(all, i.Annotations)
	size := 0
	for _, key := range slices.Sorted(maps.Keys(all)) {
		if size += len(key) + len(all[key]); size > maxLabels {
			delete(all, key)
		}
	}
	return all
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
func named(found []persistence.Ancestor, says inscription) int {
	wanted := says.find(baseDigestKey)
	name := baseName(says.find(baseNameKey))
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
