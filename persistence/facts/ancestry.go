package facts

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"plimsoll/engine/catalog"
	"plimsoll/engine/image"
	"plimsoll/engine/policy"
	"plimsoll/persistence"
)

// Ancestors takes the same one for the base image as everybody does (persistence.ChooseBase).
func (s *stored) Ancestors(ctx context.Context) ([]policy.Ancestor, error) {
	found, err := s.analyses.Ancestors(ctx, s.record.Account, s.record.Digest)
	if err != nil {
		return nil, err
	}
	base, err := persistence.ChooseBase(found, s.Loader.config.UserBaseImages, func() (image.Inscription, error) { return s.inscription(ctx) })
	if err != nil {
		return nil, err
	}
	out := make([]policy.Ancestor, len(found))
	for i, a := range found {
		out[i] = policy.Ancestor{Digest: a.Digest, Parent: a.ParentDigest, Tags: a.Tags, Base: i == base}
	}
	return out, nil
}

// inscription is what the image says about itself, by the documents it was added with.
func (s *stored) inscription(ctx context.Context) (image.Inscription, error) {
	manifest, err := s.blob(ctx, s.record.ManifestBlob)
	if err != nil {
		return image.Inscription{}, fmt.Errorf("load manifest of %s: %w", s.record.Digest, err)
	}
	config, err := s.blob(ctx, s.record.ConfigBlob)
	if err != nil {
		return image.Inscription{}, fmt.Errorf("load config of %s: %w", s.record.Digest, err)
	}
	return image.ReadInscription(manifest, config)
}

// BaseVulnerabilities loads those of the base image. One that is deleted meanwhile is none.
func (s *stored) BaseVulnerabilities(ctx context.Context) ([]policy.Vulnerability, error) {
	ancestors, err := s.Ancestors(ctx)
	if err != nil {
		return nil, err
	}
	for _, a := range ancestors {
		if !a.Base {
			continue
		}
		if s.batch != nil {
			return s.batch.ofBase(ctx, a.Digest)
		}
		return s.vulnerabilitiesOf(ctx, s.record.Account, a.Digest)
	}
	return nil, nil
}

func (l *Loader) vulnerabilitiesOf(ctx context.Context, account, digest string) ([]policy.Vulnerability, error) {
	image, err := l.Of(ctx, account, digest)
	if gone(err) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	return image.Vulnerabilities(ctx)
}

func gone(err error) bool {
	return errors.Is(err, persistence.ErrNotFound) || errors.Is(err, persistence.ErrNotAnalyzed)
}

// Predecessor is none for a tag the image never had. What is deleted meanwhile is no predecessor either.
func (s *stored) Predecessor(ctx context.Context, tag string) (*policy.Predecessor, error) {
	registry, rest, _ := strings.Cut(tag, "/")
	colon := strings.LastIndexByte(rest, ':')
	if colon < 0 {
		return nil, nil
	}
	digest, err := s.images.Predecessor(ctx, s.record.Account, s.record.Digest, persistence.TagName{
		Registry: registry, Repository: rest[:colon], Tag: rest[colon+1:],
	})
	if gone(err) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	before, err := s.Of(ctx, s.record.Account, digest)
	if gone(err) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	packages, err := before.Packages(ctx)
	return &policy.Predecessor{Digest: digest, Packages: packages}, err
}

// indexed are the namespaces of package indexes by type of package.
var indexed = map[string]string{catalog.TypeNpm: "npm", catalog.TypeGem: "rubygems"}

// PackageIndex is what the feeds have of it.
func (s *stored) PackageIndex(ctx context.Context, packageType string) (policy.PackageIndex, error) {
	namespace, ok := indexed[packageType]
	if !ok {
		return policy.PackageIndex{}, nil
	}
	packages, err := s.Packages(ctx)
	if err != nil {
		return policy.PackageIndex{}, err
	}
	var names []string
	for i := range packages {
		if packages[i].Type == packageType {
			names = append(names, packages[i].Name)
		}
	}
	found, known, err := s.feeds.Releases(ctx, namespace, names)
	if err != nil {
		return policy.PackageIndex{}, err
	}
	out := policy.PackageIndex{Known: known, Packages: make(map[string]policy.PublishedPackage, len(found))}
	for name, r := range found {
		out.Packages[name] = policy.PublishedPackage{Latest: r.Latest, Versions: r.Versions}
	}
	return out, nil
}
