package registry

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/types"
)

// Bounds of what one index leads to.
const (
	maxDepth     = 3  // indexes within indexes
	maxIndexes   = 16 // nested indexes in all
	maxPlatforms = 32 // images of one add
	maxUnnamed   = 8  // images without a platform whose config is looked into
)

// candidate is an image of an index.
type candidate struct {
	digest   string
	platform platform // not asked(): the index does not say
}

// candidates lists the images an index leads to, in its order, those of nested indexes in place. Build records,
// signatures and other artifacts that lie beside the images are no candidates.
func (s *session) candidates(ctx context.Context, index document) ([]candidate, error) {
	w := walk{session: s, seen: map[string]bool{index.digest: true}}
	if err := w.index(ctx, index, platform{}, 1); err != nil {
		return nil, err
	}
	if len(w.found) == 0 {
		return nil, s.fail(ErrUnsupported, "index %s holds no image", index.digest)
	}
	return w.found, nil
}

type walk struct {
	session *session
	found   []candidate
	seen    map[string]bool // digests of indexes
}

// index adds what one index lists; outer is the platform its own entry named.
func (w *walk) index(ctx context.Context, index document, outer platform, depth int) error {
	var list v1.IndexManifest
	if err := json.Unmarshal(index.body, &list); err != nil {
		return w.session.fail(ErrBadResponse, "index %s: %v", index.digest, err)
	}
	for _, d := range list.Manifests {
		if beside(d) {
			continue
		}
		digest, err := w.session.digestOf(d)
		if err != nil {
			return err
		}
		named := platformOf(d)
		if !named.asked() {
			named = outer
		}
		if !d.MediaType.IsIndex() {
			w.found = append(w.found, candidate{digest, named})
			continue
		}
		if err := w.nested(ctx, digest, named, depth); err != nil {
			return err
		}
	}
	return nil
}

func (w *walk) nested(ctx context.Context, digest string, named platform, depth int) error {
	if w.seen[digest] {
		return nil
	}
	w.seen[digest] = true
	if depth == maxDepth {
		return w.session.fail(ErrUnsupported, "%s is part of indexes more than %d deep", digest, maxDepth)
	}
	if len(w.seen) > maxIndexes {
		return w.session.fail(ErrUnsupported, "the reference leads to more than %d indexes", maxIndexes)
	}
	doc, err := w.session.manifest(ctx, digest)
	if err != nil {
		return err
	}
	if !doc.mediaType.IsIndex() {
		w.found = append(w.found, candidate{digest, named})
		return nil
	}
	return w.index(ctx, doc, named, depth+1)
}

// beside tells what accompanies images in an index from images: BuildKit's build records, which it marks by an
// annotation and the platform unknown/unknown, and artifacts of whatever kind.
func beside(d v1.Descriptor) bool {
	if !d.MediaType.IsImage() && !d.MediaType.IsIndex() {
		return true
	}
	if d.Annotations[attestationType] != "" || d.Platform != nil && d.Platform.OS == "unknown" {
		return true
	}
	return d.ArtifactType != "" && d.Platform == nil && !types.MediaType(d.ArtifactType).IsConfig()
}

func (s *session) digestOf(d v1.Descriptor) (string, error) {
	digest := d.Digest.String()
	if !strings.HasPrefix(digest, "sha256:") || !digestForm.MatchString(digest) {
		return "", s.fail(ErrUnsupported, "the index names an image by the digest %q", digest)
	}
	return digest, nil
}

// choose returns the index's image for the wanted platform. An empty one is linux/amd64, or else the only image
// there is.
func (s *session) choose(ctx context.Context, index document, wanted platform) (*Resolved, error) {
	all, err := s.candidates(ctx, index)
	if err != nil {
		return nil, err
	}
	target := wanted
	if !target.asked() {
		target = defaultPlatform
	}
	if best := preferred(all, target); best >= 0 {
		return s.candidate(ctx, all[best])
	}
	if !wanted.asked() && len(all) == 1 {
		return s.candidate(ctx, all[0])
	}
	if found, err := s.unnamed(ctx, all, target); found != nil || err != nil {
		return found, err
	}
	names := make([]string, len(all))
	for i, c := range all {
		names[i] = c.platform.String()
	}
	return nil, s.fail(ErrUnsupported, "no image for %s; there are: %s", target, strings.Join(names, ", "))
}

// preferred is the place of the candidate that fits best, the first of equals; -1 without one.
func preferred(all []candidate, target platform) int {
	best, fit := -1, 0
	for i, c := range all {
		if c.platform.asked() && target.fit(c.platform) > fit {
			best, fit = i, target.fit(c.platform)
		}
	}
	return best
}

// unnamed looks into the configs of images whose platform the index does not tell.
func (s *session) unnamed(ctx context.Context, all []candidate, target platform) (*Resolved, error) {
	looked := 0
	for _, c := range all {
		if c.platform.asked() || looked == maxUnnamed {
			continue
		}
		looked++
		found, err := s.candidate(ctx, c)
		if errors.Is(err, ErrArtifact) {
			continue
		}
		if err != nil {
			return nil, err
		}
		if target.fit(found.says) > 0 {
			return found, nil
		}
	}
	return nil, nil
}

// candidate fetches an image of an index. The index is believed about the platform: many a builder copies the
// config of its own machine's.
func (s *session) candidate(ctx context.Context, c candidate) (*Resolved, error) {
	doc, err := s.manifest(ctx, c.digest)
	if err != nil {
		return nil, err
	}
	if doc.mediaType.IsIndex() {
		return nil, s.fail(ErrBadResponse, "%s is an index, although the index that lists it says it is an image", c.digest)
	}
	out, err := s.image(ctx, doc)
	if err != nil {
		return nil, err
	}
	if out.Platform = out.says.named(); c.platform.asked() {
		out.Platform = c.platform.plain().named()
	}
	return out, nil
}

// named is the platform for people and records; empty when nothing is known.
func (p platform) named() string {
	if p = p.plain(); p.os == "" || p.arch == "" {
		return ""
	}
	return p.String()
}

// every fetches the image of each platform, that of the default platform first, the others in the index's order.
func (s *session) every(ctx context.Context, index document) ([]*Resolved, error) {
	all, err := s.candidates(ctx, index)
	if err != nil {
		return nil, err
	}
	first := max(preferred(all, defaultPlatform), 0)
	ordered := append([]candidate{all[first]}, all[:first]...)
	ordered = distinct(append(ordered, all[first+1:]...))
	if len(ordered) > maxPlatforms {
		return nil, s.fail(ErrUnsupported, "the index holds %d images, at most %d are added at once; name a platform", len(ordered), maxPlatforms)
	}
	found := make([]*Resolved, len(ordered))
	err = each(ctx, ordered, func(ctx context.Context, i int, c candidate) error {
		image, err := s.candidate(ctx, c)
		if errors.Is(err, ErrArtifact) {
			return nil
		}
		if err != nil {
			return fmt.Errorf("image for %s: %w", c.platform, err)
		}
		found[i] = image
		return nil
	})
	if err != nil {
		return nil, err
	}
	var images []*Resolved
	for _, f := range found {
		if f != nil {
			images = append(images, f)
		}
	}
	if len(images) == 0 {
		return nil, s.fail(ErrUnsupported, "index %s holds no image", index.digest)
	}
	return images, nil
}

// distinct drops further entries of one digest.
func distinct(all []candidate) []candidate {
	seen := make(map[string]bool, len(all))
	out := all[:0:0]
	for _, c := range all {
		if !seen[c.digest] {
			seen[c.digest] = true
			out = append(out, c)
		}
	}
	return out
}
