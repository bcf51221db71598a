package policy

import (
	"errors"
	"fmt"
	"slices"
	"strings"
)

// ErrTag says that an evaluation was asked for something that is not a tag.
var ErrTag = errors.New("not an image tag")

// maxTagBytes bounds a full tag: a host name, a 255 byte repository and a 128 byte tag fit.
const maxTagBytes = 1024

// reference is a full tag taken apart.
type reference struct{ registry, repository, tag string }

// parseReference takes registry/repository:tag apart. The first component is the registry when it contains a
// dot or a colon or is localhost; otherwise the registry is docker.io and all of it the repository, without
// "library/" put in front. A leading dockerhub/ means docker.io/. The tag defaults to latest; a digest behind
// it is left out.
func parseReference(full string) (reference, error) {
	if full == "" || len(full) > maxTagBytes || strings.ContainsAny(full, " \t\r\n\x00") {
		return reference{}, fmt.Errorf("%w: %.80q", ErrTag, full)
	}
	if rest, ok := strings.CutPrefix(full, "dockerhub/"); ok {
		full = "docker.io/" + rest
	}
	name, _, _ := strings.Cut(full, "@")
	ref := reference{registry: "docker.io", repository: name, tag: "latest"}
	if host, rest, ok := strings.Cut(name, "/"); ok && (strings.ContainsAny(host, ".:") || host == "localhost") {
		ref.registry, ref.repository = host, rest
	}
	if i := strings.LastIndexByte(ref.repository, ':'); i > strings.LastIndexByte(ref.repository, '/') {
		ref.repository, ref.tag = ref.repository[:i], ref.repository[i+1:]
	}
	if ref.repository == "" || ref.repository[0] == '/' || ref.tag == "" {
		return reference{}, fmt.Errorf("%w: %.80q", ErrTag, full)
	}
	return ref, nil
}

// selector is a compiled image selection.
type selector struct {
	registry, repository pattern
	kind                 string // one of the Select constants
	tag                  pattern
	value                string // of a digest or id selection
}

func compileSelector(registry, repository string, image ImageRef) (selector, error) {
	s := selector{kind: image.Type, value: image.Value}
	var errs [3]error
	s.registry, errs[0] = compilePattern(registry)
	s.repository, errs[1] = compilePattern(repository)
	if image.Type == SelectTag {
		s.tag, errs[2] = compilePattern(image.Value)
	}
	return s, errors.Join(errs[:]...)
}

// match asks for the image only when the selector compares its digest or id.
func (s *selector) match(ref reference, image func() (Image, error)) (bool, error) {
	if !s.registry.match(ref.registry) || !s.repository.match(ref.repository) {
		return false, nil
	}
	if s.kind == SelectTag {
		return s.tag.match(ref.tag), nil
	}
	img, err := image()
	if err != nil {
		return false, err
	}
	if s.kind == SelectDigest {
		return img.Digest == s.value, nil
	}
	return img.ID == s.value, nil
}

// pairSelector is a compiled selection of artifacts that two texts name.
type pairSelector struct{ first, second pattern }

func compilePair(first, second string) (s pairSelector, err error) {
	var errs [2]error
	s.first, errs[0] = compilePattern(first)
	s.second, errs[1] = compilePattern(second)
	return s, errors.Join(errs[:]...)
}

// firstPair returns the index of the first selector for both texts, or -1.
func firstPair(list []pairSelector, first, second string) int {
	return slices.IndexFunc(list, func(s pairSelector) bool { return s.first.match(first) && s.second.match(second) })
}
