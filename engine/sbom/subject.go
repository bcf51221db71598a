package sbom

import (
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"github.com/google/uuid"
	"github.com/package-url/packageurl-go"

	"plimsoll/engine/catalog"
	"plimsoll/engine/image"
)

// Tool is the name documents give as their producer.
const Tool = "plimsoll"

// Subject is the image a document is about, as far as it is known from outside its layers.
type Subject struct {
	ImageDigest  string   // of the manifest, sha256:…
	ImageID      string   // digest of the configuration
	MediaType    string   // of the manifest
	Tags         []string // host/repository:tag; the first one names the image
	Architecture string
	OS           string
	Manifest     []byte // as pulled; may be missing
	Config       []byte // as pulled; may be missing
	ToolVersion  string // of the program that writes the document
	// WithoutLicenseTexts leaves out what packages state as the text of a licence instead of its name.
	WithoutLicenseTexts bool
}

// reference is the name the image goes by: its first tag, or its digest.
func (s Subject) reference() string {
	if len(s.Tags) > 0 {
		return s.Tags[0]
	}
	return s.ImageDigest
}

// split takes a tag reference apart. A colon before the last slash belongs to the port of the host.
func (s Subject) split() (repository, tag string) {
	if len(s.Tags) == 0 {
		return "", ""
	}
	ref, _, _ := strings.Cut(s.Tags[0], "@")
	if colon := strings.LastIndexByte(ref, ':'); colon > strings.LastIndexByte(ref, '/') {
		return ref[:colon], ref[colon+1:]
	}
	return ref, ""
}

// PURL names the image itself (purl specification, type oci). It is "" without a tag: the type wants a
// repository's name.
func (s Subject) PURL() string {
	repository, tag := s.split()
	if repository == "" {
		return ""
	}
	q := packageurl.Qualifiers{}
	add := func(key, value string) {
		if value != "" {
			q = append(q, packageurl.Qualifier{Key: key, Value: value})
		}
	}
	add("arch", s.Architecture)
	add("repository_url", strings.ToLower(repository))
	add("tag", tag)
	name := strings.ToLower(repository[strings.LastIndexByte(repository, '/')+1:])
	return packageurl.NewPackageURL(packageurl.TypeOCI, "", name, s.ImageDigest, q, "").ToString()
}

// documentID is a version 5 UUID made of the format and the image digest.
func (s Subject) documentID(format string) uuid.UUID {
	return uuid.NewSHA1(uuid.NameSpaceURL, []byte(Tool+"/"+format+"/"+s.ImageDigest))
}

// artifact is a package with its id.
type artifact struct {
	id string // 16 hexadecimal digits
	*catalog.Package
}

// artifacts returns the image's packages in a fixed order, each occurrence once.
func artifacts(img *image.Image) []artifact {
	out := make([]artifact, 0, len(img.Packages))
	for i := range img.Packages {
		p := &img.Packages[i]
		out = append(out, artifact{artifactID(p), p})
	}
	slices.SortStableFunc(out, func(a, b artifact) int {
		return cmp.Or(strings.Compare(a.Type, b.Type), strings.Compare(a.Namespace, b.Namespace), strings.Compare(a.Name, b.Name),
			strings.Compare(a.Version, b.Version), strings.Compare(a.Location, b.Location), strings.Compare(a.id, b.id))
	})
	return slices.CompactFunc(out, func(a, b artifact) bool { return a.id == b.id })
}

func artifactID(p *catalog.Package) string {
	// Strings alone always encode.
	text, _ := json.Marshal([]any{p.Identity(), p.Location})
	sum := sha256.Sum256(text)
	return hex.EncodeToString(sum[:8])
}

// owners maps purls to the OS packages that may own the files of others.
func owners(all []artifact) map[string]artifact {
	out := map[string]artifact{}
	for _, a := range all {
		if _, known := out[a.PURL]; !known && a.PURL != "" && catalog.IsOS(a.Type) {
			out[a.PURL] = a
		}
	}
	return out
}

// slug writes text with letters, digits, dots and hyphens only and at most 60 bytes, and stays unique by a hash
// when that changed it.
func slug(text string) string {
	const longest = 60
	plain := strings.Map(func(r rune) rune {
		if r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || r == '.' || r == '-' {
			return r
		}
		return '-'
	}, text)
	if plain == text && len(text) <= longest {
		return text
	}
	sum := sha256.Sum256([]byte(text))
	return fmt.Sprintf("%s-%x", plain[:min(len(plain), longest)], sum[:4])
}

// Name is what the image is called: host/repository of its first tag, or its digest.
func (s Subject) Name() string {
	if repository, _ := s.split(); repository != "" {
		return repository
	}
	return s.ImageDigest
}
