// Package ancestry is the gate about the images an image is built on, as far as they are analysed: those whose layers are the
// first layers of it. One of them counts as its base image.
package ancestry

import (
	"context"
	"fmt"
	"regexp"
	"slices"
	"strings"

	"plimsoll/engine/image"
	"plimsoll/engine/policy"
)

// Gate is the value for the list of gates.
var Gate = policy.Gate{
	Name:     "ancestry",
	Doc:      "Looks at the analysed images that the image is built on. One of them is the base image: the one a user marked, else the one the image names, else the nearest.",
	Triggers: []policy.Trigger{allowedDigest, allowedTag, deniedDigest, deniedTag, noAncestors},
}

const (
	digestHelp = "A digest is that of the image or of the index it came with."
	tagHelp    = "Tags are compared as a whole; docker.io, its folder library and the tag latest may be left out. Every tag the image ever had counts."
)

var allowedDigest = policy.Trigger{
	Name: "allowed_base_image_digest",
	Doc:  "Fires when the base image is none of those listed, or not known. " + digestHelp,
	ID:   "Hash of the digest of the base image, empty without one.",
	Params: []policy.Param{{Name: "base_digest", Type: policy.List, Required: true, Example: exampleDigest,
		Doc: "Digests of the images that may be built on."}},
	Prepare: func(args policy.Args) (policy.Check, error) {
		listed, err := readDigests(args.List("base_digest"))
		allows := func(a *policy.Ancestor) bool { return listed[a.Digest] || listed[a.Parent] }
		return func(ctx context.Context, pass *policy.Pass) error { return checkBase(ctx, pass, allows) }, err
	},
}

var allowedTag = policy.Trigger{
	Name: "allowed_base_image_tag",
	Doc:  "Fires when the base image never had one of the listed tags, or is not known. " + tagHelp,
	ID:   "Hash of the digest of the base image, empty without one.",
	Params: []policy.Param{{Name: "base_tag", Type: policy.List, Required: true, Example: "docker.io/library/alpine:3.20",
		Doc: "Tags of the images that may be built on."}},
	Prepare: func(args policy.Args) (policy.Check, error) {
		listed, err := readTags(args.List("base_tag"))
		allows := func(a *policy.Ancestor) bool {
			return slices.ContainsFunc(a.Tags, func(tag string) bool { _, ok := listed[image.TagKey(tag)]; return ok })
		}
		return func(ctx context.Context, pass *policy.Pass) error { return checkBase(ctx, pass, allows) }, err
	},
}

func checkBase(ctx context.Context, pass *policy.Pass, allows func(*policy.Ancestor) bool) error {
	ancestors, err := pass.Ancestors(ctx)
	if err != nil {
		return err
	}
	i := slices.IndexFunc(ancestors, func(a policy.Ancestor) bool { return a.Base })
	if i < 0 {
		return pass.Report("The base image is not known, so it is none of those allowed", "")
	}
	base := &ancestors[i]
	if allows(base) {
		return nil
	}
	return pass.Report(fmt.Sprintf("The base image %s is not allowed", describe(base)), base.Digest)
}

var deniedDigest = policy.Trigger{
	Name: "denylist_ancestor_image_digest",
	Doc:  "Fires for each listed image that the image is built on, however far below. " + digestHelp,
	ID:   "Hash of the digest as it is listed.",
	Params: []policy.Param{{Name: "ancestor_digest", Type: policy.List, Required: true, Example: exampleDigest,
		Doc: "Digests of the images that must not be built on."}},
	Prepare: func(args policy.Args) (policy.Check, error) {
		listed, err := readDigests(args.List("ancestor_digest"))
		return func(ctx context.Context, pass *policy.Pass) error {
			return eachAncestor(ctx, pass, func(a *policy.Ancestor) (found []string) {
				for _, digest := range []string{a.Digest, a.Parent} {
					if listed[digest] && !slices.Contains(found, digest) {
						found = append(found, digest)
					}
				}
				return found
			})
		}, err
	},
}

var deniedTag = policy.Trigger{
	Name: "denylist_ancestor_image_tag",
	Doc:  "Fires for each listed tag of an image that the image is built on, however far below. " + tagHelp,
	ID:   "Hash of the tag as it is listed.",
	Params: []policy.Param{{Name: "ancestor_tag", Type: policy.List, Required: true, Example: "docker.io/library/centos:7",
		Doc: "Tags of the images that must not be built on."}},
	Prepare: func(args policy.Args) (policy.Check, error) {
		listed, err := readTags(args.List("ancestor_tag"))
		return func(ctx context.Context, pass *policy.Pass) error {
			return eachAncestor(ctx, pass, func(a *policy.Ancestor) (found []string) {
				for _, tag := range a.Tags {
					if written, ok := listed[image.TagKey(tag)]; ok && !slices.Contains(found, written) {
						found = append(found, written)
					}
				}
				return found
			})
		}, err
	},
}

// eachAncestor reports each listed name once, for the nearest of the images that have it.
func eachAncestor(ctx context.Context, pass *policy.Pass, listed func(*policy.Ancestor) []string) error {
	ancestors, err := pass.Ancestors(ctx)
	if err != nil {
		return err
	}
	seen := map[string]bool{}
	for i := range slices.Backward(ancestors) {
		a := &ancestors[i]
		for _, name := range listed(a) {
			if seen[name] {
				continue
			}
			seen[name] = true
			message := "Built on the denied image " + describe(a)
			if name != a.Digest {
				message += ", listed as " + name
			}
			if err := pass.Report(message, name); err != nil {
				return err
			}
		}
	}
	return nil
}

var noAncestors = policy.Trigger{
	Name: "no_ancestors_analyzed",
	Doc:  "Fires when none of the images that the image may be built on is analysed.",
	ID:   "Hash without key: the same for every image.",
	Prepare: func(policy.Args) (policy.Check, error) {
		return func(ctx context.Context, pass *policy.Pass) error {
			ancestors, err := pass.Ancestors(ctx)
			if err != nil || len(ancestors) > 0 {
				return err
			}
			return pass.Report("No image that this one is built on is analysed; add its base image")
		}, nil
	},
}

func describe(a *policy.Ancestor) string {
	if len(a.Tags) == 0 {
		return a.Digest
	}
	return a.Digest + " (" + strings.Join(a.Tags, ", ") + ")"
}

const exampleDigest = "sha256:9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08"

var digestForm = regexp.MustCompile(`^sha256:[0-9a-f]{64}$`)

func readDigests(list []string) (map[string]bool, error) {
	out := make(map[string]bool, len(list))
	for _, digest := range list {
		if !digestForm.MatchString(digest) {
			return nil, fmt.Errorf("%.80q is no digest: sha256: and 64 hexadecimal digits in lower case", digest)
		}
		out[digest] = true
	}
	return out, nil
}

// readTags returns the tags as they are listed, by their keys.
func readTags(list []string) (map[string]string, error) {
	out := make(map[string]string, len(list))
	for _, tag := range list {
		key := image.TagKey(tag)
		if key == "" {
			return nil, fmt.Errorf("%.80q is no tag, like docker.io/library/alpine:3.20", tag)
		}
		if out[key] == "" {
			out[key] = tag
		}
	}
	return out, nil
}
