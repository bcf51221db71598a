package api

import (
	"fmt"
	"regexp"
	"strings"

	"plimsoll/persistence"
)

// defaultRegistry is meant where a reference names none.
const (
	defaultRegistry = "docker.io"
	defaultTag      = "latest"
	// hubAlias is an older spelling of the default registry that clients still send.
	hubAlias = "dockerhub"
)

// Grammar of the parts of a reference: OCI distribution spec, "Pulling manifests", and the reference grammar of the
// distribution project for hosts.
var (
	hostPattern       = regexp.MustCompile(`^[a-zA-Z0-9](?:[a-zA-Z0-9.-]*[a-zA-Z0-9])?(?::[0-9]{1,5})?$`)
	repositoryPattern = regexp.MustCompile(`^[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*(?:/[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*)*$`)
	tagPattern        = regexp.MustCompile(`^[a-zA-Z0-9_][a-zA-Z0-9._-]{0,127}$`)
	digestPattern     = regexp.MustCompile(`^sha256:[a-fA-F0-9]{64}$`)
)

func badReference(ref, why string) *ProblemError {
	return fail(codeInvalidReference, fmt.Sprintf("The reference %q is not valid: %s.", ref, why))
}

// splitRepository takes the registry off the front. The first component is a registry if it has a dot or a colon or is
// localhost; otherwise all of it is a repository of docker.io, to which nothing is added. dockerhub/ means docker.io/.
func splitRepository(ref, rest string) (registry, repository string, err error) {
	registry, repository = defaultRegistry, rest
	switch first, after, found := strings.Cut(rest, "/"); {
	case found && (strings.ContainsAny(first, ".:") || first == "localhost"):
		registry, repository = first, after
	case found && first == hubAlias:
		repository = after
	}
	switch {
	case !hostPattern.MatchString(registry):
		return "", "", badReference(ref, "the registry is not a host name with an optional port")
	case !repositoryPattern.MatchString(repository) || len(repository) > 255:
		return "", "", badReference(ref, "the repository must be lower case letters, digits and separators")
	}
	return registry, repository, nil
}

// parseTag reads registry/repository:tag; the tag is latest when it is missing.
func parseTag(ref string) (persistence.TagName, error) {
	if strings.Contains(ref, "@") {
		return persistence.TagName{}, badReference(ref, "a tag is wanted here, not a digest; use the digest source")
	}
	rest, tag := ref, defaultTag
	if colon := strings.LastIndexByte(ref, ':'); colon > strings.LastIndexByte(ref, '/') {
		rest, tag = ref[:colon], ref[colon+1:]
	}
	if !tagPattern.MatchString(tag) {
		return persistence.TagName{}, badReference(ref, "the tag has characters that no tag may have, or is too long")
	}
	registry, repository, err := splitRepository(ref, rest)
	if err != nil {
		return persistence.TagName{}, err
	}
	return persistence.TagName{Registry: registry, Repository: repository, Tag: tag}, nil
}

// parseDigest reads registry/repository@sha256:...; a tag before the digest is ignored, as registries do.
func parseDigest(ref string) (registry, repository, digest string, err error) {
	rest, digest, found := strings.Cut(ref, "@")
	if !found || !digestPattern.MatchString(digest) {
		return "", "", "", badReference(ref, "it must end in @sha256: and 64 hexadecimal digits")
	}
	if colon := strings.LastIndexByte(rest, ':'); colon > strings.LastIndexByte(rest, '/') {
		rest = rest[:colon]
	}
	registry, repository, err = splitRepository(ref, rest)
	return registry, repository, strings.ToLower(digest), err
}

func fullTag(t persistence.TagName) string { return t.Registry + "/" + t.Repository + ":" + t.Tag }
