package source

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"strings"
)

// layoutDirectory is an OCI layout in a directory. Nothing outside of it is opened, whatever links say.
type layoutDirectory struct{ root *os.Root }

func (d layoutDirectory) open(name string) (io.ReadCloser, int64, error) {
	info, err := d.root.Stat(name)
	if err != nil {
		return nil, 0, err
	}
	if !info.Mode().IsRegular() { // opening a pipe would wait for ever
		return nil, 0, fmt.Errorf("%s: %w: not a file", name, ErrFormat)
	}
	f, err := d.root.Open(name)
	if err != nil {
		return nil, 0, err
	}
	return f, info.Size(), nil
}

func openLayout(_ context.Context, name string, o Options) (*Image, error) {
	root, err := os.OpenRoot(name)
	if err != nil {
		return nil, err
	}
	return layout(layoutDirectory{root}, root.Close, o)
}

func openLayoutArchive(ctx context.Context, name string, o Options) (*Image, error) {
	a, err := openArchive(ctx, name, o)
	if err != nil {
		return nil, err
	}
	return layout(a, a.file.Close, o)
}

func layout(from place, release func() error, o Options) (*Image, error) {
	img, err := layoutImage(from, o)
	if err != nil {
		return nil, errors.Join(err, release())
	}
	img.close = append(img.close, release)
	return img, nil
}

// annotationRefName is where a layout keeps the tag (OCI image spec, annotations.md).
const annotationRefName = "org.opencontainers.image.ref.name"

// layoutImage follows index.json to one manifest (OCI image spec, image-layout.md).
func layoutImage(from place, o Options) (*Image, error) {
	index, err := document(from, "index.json")
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("%w: no index.json; is this an OCI layout?", ErrFormat)
	}
	if err != nil {
		return nil, err
	}
	chosen, err := pick(from, index, o, 0)
	if err != nil {
		return nil, err
	}
	img := &Image{Name: chosen.Annotations[annotationRefName], Digest: chosen.Digest}
	if img.Manifest, err = blob(from, chosen.Digest); err != nil {
		return nil, fmt.Errorf("manifest: %w", err)
	}
	var m manifest
	if err := json.Unmarshal(img.Manifest, &m); err != nil {
		return nil, fmt.Errorf("manifest %s: %w: %w", chosen.Digest, ErrFormat, err)
	}
	if m.SchemaVersion != 2 || len(m.Layers) > maxLayers {
		return nil, fmt.Errorf("manifest %s: %w: schema version %d, %d layers (at most %d)", chosen.Digest, ErrFormat, m.SchemaVersion, len(m.Layers), maxLayers)
	}
	if img.MediaType = m.MediaType; img.MediaType == "" {
		img.MediaType = typeManifest
	}
	if img.Config, err = blob(from, m.Config.Digest); err != nil {
		return nil, fmt.Errorf("configuration: %w", err)
	}
	for i, l := range m.Layers {
		name, err := blobName(l.Digest)
		if err != nil {
			return nil, fmt.Errorf("layer %d: %w", i+1, err)
		}
		img.Layers = append(img.Layers, Layer{Digest: l.Digest, Size: l.Size, Open: func(ctx context.Context) (io.ReadCloser, error) {
			r, _, err := from.open(name)
			if errors.Is(err, fs.ErrNotExist) {
				err = fmt.Errorf("%w: layer is missing: %w", ErrFormat, err)
			}
			if err != nil {
				return nil, err
			}
			return struct {
				io.Reader
				io.Closer
			}{untilDone{ctx, r}, r}, nil
		}})
	}
	return img, nil
}

func blobName(digest string) (string, error) {
	if !digestPattern.MatchString(digest) {
		return "", fmt.Errorf("%w: digest %q", ErrFormat, digest)
	}
	return "blobs/sha256/" + strings.TrimPrefix(digest, "sha256:"), nil
}

// blob reads a document by its digest.
func blob(from place, digest string) ([]byte, error) {
	name, err := blobName(digest)
	if err != nil {
		return nil, err
	}
	data, err := document(from, name)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil, fmt.Errorf("%w: %w", ErrFormat, err)
	case err != nil:
		return nil, err
	case digestOf(data) != digest:
		return nil, fmt.Errorf("%s: %w: it has %s", digest, ErrDigest, digestOf(data))
	}
	return data, nil
}

// pick chooses the manifest of one image from an index, going down into nested ones.
func pick(from place, index []byte, o Options, depth int) (descriptor, error) {
	var list struct {
		Manifests []descriptor `json:"manifests"`
	}
	if err := json.Unmarshal(index, &list); err != nil {
		return descriptor{}, fmt.Errorf("index: %w: %w", ErrFormat, err)
	}
	var images []descriptor
	for _, d := range list.Manifests {
		if p := d.Platform; p != nil && p.OS == "unknown" && p.Architecture == "unknown" {
			continue // an attestation (BuildKit, attestation-storage.md)
		}
		images = append(images, d)
	}
	if tagged := byTag(images, o.Tag); depth == 0 && len(images) > 1 && len(tagged) > 0 {
		images = tagged
	}
	chosen, err := byPlatform(images, o.Platform)
	if err != nil {
		return chosen, err
	}
	if chosen.MediaType != typeIndex && chosen.MediaType != typeDockerList {
		return chosen, nil
	}
	if depth == maxNesting {
		return chosen, fmt.Errorf("%w: indexes are nested more than %d deep", ErrLimit, maxNesting)
	}
	nested, err := blob(from, chosen.Digest)
	if err != nil {
		return chosen, fmt.Errorf("index: %w", err)
	}
	inner, err := pick(from, nested, o, depth+1)
	if name, ok := chosen.Annotations[annotationRefName]; ok && inner.Annotations[annotationRefName] == "" {
		inner.Annotations = map[string]string{annotationRefName: name}
	}
	return inner, err
}

// byTag finds manifests whose name in the layout is the tag, or the part of it after the colon.
func byTag(images []descriptor, tag string) (found []descriptor) {
	for _, d := range images {
		if name := d.Annotations[annotationRefName]; tag != "" && name != "" && (name == tag || strings.HasSuffix(tag, ":"+name)) {
			found = append(found, d)
		}
	}
	return found
}

// defaultPlatform is what is taken when nobody says, as from registries.
const defaultPlatform = "linux/amd64"

func byPlatform(images []descriptor, wanted string) (descriptor, error) {
	if len(images) == 1 && (wanted == "" || images[0].Platform == nil) {
		return images[0], nil
	}
	if wanted == "" {
		wanted = defaultPlatform
	}
	var there []string
	var found []descriptor
	for _, d := range images {
		if d.Platform == nil {
			continue
		}
		full := strings.TrimSuffix(d.Platform.OS+"/"+d.Platform.Architecture+"/"+d.Platform.Variant, "/")
		there = append(there, full)
		if full == wanted || strings.HasPrefix(full, wanted+"/") {
			found = append(found, d)
		}
	}
	if len(found) == 0 || len(found) > 1 && found[0].Digest != found[1].Digest && platformOf(found[0]) == platformOf(found[1]) {
		return descriptor{}, fmt.Errorf("%w: %d images, of platforms %s; wanted is one of %s", ErrChoice, len(images), strings.Join(there[:min(len(there), 20)], ", "), wanted)
	}
	return found[0], nil
}

func platformOf(d descriptor) string {
	return d.Platform.OS + "/" + d.Platform.Architecture + "/" + d.Platform.Variant
}
