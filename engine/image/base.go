package image

import "strings"

// Annotations that say what an image was built on (OCI image specification, annotations.md), as annotations of the
// manifest or labels of the config.
const (
	BaseNameKey   = "org.opencontainers.image.base.name"
	BaseDigestKey = "org.opencontainers.image.base.digest"
)

// Spellings of Docker Hub in references, and its folder of official images, which people leave out.
const (
	hub        = "docker.io/"
	hubAlias   = "dockerhub/"
	hubLibrary = "library/"
)

// TagKey gives a tag one spelling, whether or not it names Docker Hub, its folder of official images and the tag latest;
// empty when it is no tag.
func TagKey(text string) string {
	if text == "" || strings.ContainsAny(text, "@ \t\r\n") {
		return ""
	}
	if rest, ok := strings.CutPrefix(text, hubAlias); ok {
		text = hub + rest
	}
	registry, rest, found := strings.Cut(text, "/")
	if !found || !strings.ContainsAny(registry, ".:") && registry != "localhost" {
		registry, rest = strings.TrimSuffix(hub, "/"), text
	}
	if registry+"/" == hub {
		rest = strings.TrimPrefix(rest, hubLibrary)
	}
	if strings.LastIndexByte(rest, ':') <= strings.LastIndexByte(rest, '/') {
		rest += ":latest"
	}
	if strings.HasPrefix(rest, ":") || strings.HasSuffix(rest, ":") {
		return ""
	}
	return registry + "/" + rest
}
