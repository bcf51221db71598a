package vex

import (
	"encoding/hex"
	"regexp"
	"slices"
	"strings"

	"github.com/package-url/packageurl-go"
)

// Product is what a statement speaks about: an image, a package wherever it is, or a package in an image.
type Product struct {
	Given   string // as the document names it, for people
	Image   string // a digest "sha256:…", or "registry/repository" with ":tag" where one is named; empty: any image
	Package string // its purl; empty: every package of the image
	Unclear string // why nothing can be recognised as it; Image and Package are empty then
}

// Reasons why nothing can be recognised as a product.
const (
	UnclearIdentifier = "it has neither a package URL nor an image digest"
	UnclearImage      = "the image has neither a digest nor a repository_url"
	UnclearNested     = "a package inside another package cannot be told from the same package elsewhere"
	UnclearPlatform   = "the platform that the package belongs to has neither a package URL nor an image digest"
	UnclearRange      = "ranges of versions are not compared; a package URL with a version is"
	UnclearReference  = "what it refers to is not in the document"
)

// identity is how a document identifies something.
type identity struct {
	id     string            // an IRI, often a purl
	purl   string            // where it is given apart
	hashes map[string]string // by algorithm
}

func (i identity) given() string {
	for _, text := range []string{i.id, i.purl} {
		if text != "" {
			return clip(text)
		}
	}
	if digest := i.digest(); digest != "" {
		return digest
	}
	return ""
}

var sha256Names = []string{"sha-256", "sha256", "SHA-256"}

// digest is the SHA-256 it is known by.
func (i identity) digest() string {
	for _, name := range sha256Names {
		if sum := strings.ToLower(i.hashes[name]); isSum(sum) {
			return "sha256:" + sum
		}
	}
	return imageDigest(i.id)
}

func isSum(text string) bool {
	_, err := hex.DecodeString(text)
	return err == nil && len(text) == 64
}

// imageDigest finds the digest in "sha256:…" and "…@sha256:…".
func imageDigest(text string) string {
	if packageURL(text) {
		return ""
	}
	at := strings.LastIndex(text, "sha256:")
	if at < 0 || at > 0 && text[at-1] != '@' || !isSum(strings.ToLower(text[at+len("sha256:"):])) {
		return ""
	}
	return strings.ToLower(text[at:])
}

func packageURL(text string) bool { return strings.HasPrefix(strings.ToLower(text), "pkg:") }

// product recognises something by itself.
func (i identity) product() Product {
	out := Product{Given: i.given()}
	purl := i.purl
	if purl == "" && packageURL(i.id) {
		purl = i.id
	}
	switch {
	case purl != "":
		parsed, ok := parse(purl)
		if !ok {
			out.Unclear = UnclearIdentifier
			return out
		}
		if parsed.Type == packageurl.TypeOCI || parsed.Type == packageurl.TypeDocker {
			out.Image = imageOf(parsed)
			if out.Image == "" {
				out.Unclear = UnclearImage
			}
			return out
		}
		if strings.HasPrefix(parsed.Version, "vers:") {
			out.Unclear = UnclearRange
			return out
		}
		out.Package = parsed.ToString()
	case i.digest() != "":
		out.Image = i.digest()
	default:
		out.Unclear = UnclearIdentifier
	}
	return out
}

// within recognises something as a part of something else.
func within(whole, part Product) Product {
	out := part
	switch {
	case part.Unclear != "":
	case whole.Unclear != "":
		out = Product{Given: part.Given, Unclear: UnclearPlatform}
	case part.Package == "": // an image inside something
		out = Product{Given: part.Given, Unclear: UnclearNested}
	case whole.Package != "":
		out = Product{Given: part.Given, Unclear: UnclearNested}
	default:
		out.Image = whole.Image
	}
	return out
}

// parse reads a purl of bounded length that a database can hold.
func parse(text string) (packageurl.PackageURL, bool) {
	if len(text) > maxID || !storable(text) {
		return packageurl.PackageURL{}, false
	}
	u, err := packageurl.FromString(text)
	if err != nil || u.Name == "" || !storable(u.ToString()) || !storable(u.Name+u.Namespace+u.Version) {
		return u, false
	}
	return u, true
}

var tagPattern = regexp.MustCompile(`^[A-Za-z0-9_][A-Za-z0-9._-]{0,127}$`)

// imageOf names the image of an oci or docker purl (purl specification, types oci and docker).
func imageOf(u packageurl.PackageURL) string {
	if digest := imageDigest(u.Version); digest != "" {
		return digest
	}
	qualifiers := u.Qualifiers.Map()
	repository := strings.ToLower(strings.TrimSuffix(qualifiers["repository_url"], "/"))
	for _, scheme := range []string{"https://", "http://"} {
		repository = strings.TrimPrefix(repository, scheme)
	}
	path := u.Name
	if u.Namespace != "" {
		path = u.Namespace + "/" + u.Name
	}
	path = strings.ToLower(path)
	tag := qualifiers["tag"]
	if u.Type == packageurl.TypeDocker {
		if u.Namespace == "" && (repository == "" || repository == "docker.io") {
			path = "library/" + path
		}
		if repository == "" {
			repository = "docker.io"
		}
		if tag == "" {
			tag = u.Version
		}
	}
	if repository == "" || strings.ContainsAny(repository, " @\t\n") {
		return ""
	}
	if repository != path && !strings.HasSuffix(repository, "/"+path) {
		repository += "/" + path
	}
	switch {
	case tag == "":
		return repository
	case !tagPattern.MatchString(tag):
		return ""
	}
	return repository + ":" + tag
}

// Image is what statements call an image.
type Image struct {
	Digests []string // its own and those of indexes it was chosen from
	Names   []string // registry/repository
	Tags    []string // registry/repository:tag, those it has now
}

// Known lists what Product.Image may be for the image.
func (i Image) Known() []string {
	out := slices.Clone(i.Digests)
	for _, name := range slices.Concat(i.Names, i.Tags) {
		at := max(strings.LastIndexByte(name, '/'), 0)
		colon := strings.LastIndexByte(name, ':')
		if colon < at {
			colon = len(name)
		}
		out = append(out, strings.ToLower(name[:colon])+name[colon:])
	}
	return out
}

// Key is what two purls have in common when one names what the other is: type, namespace and name. It is "" of a purl
// that cannot be read.
func Key(purl string) string {
	u, ok := parse(purl)
	if !ok {
		return ""
	}
	return key(u)
}

func key(u packageurl.PackageURL) string { return u.Type + "/" + u.Namespace + "/" + u.Name }

// names reports whether the purl of a statement names what another purl is: what it says of version, qualifiers and
// subpath must be so; what it does not say may be anything (OpenVEX 0.2, "Product Matching").
func names(statement, is packageurl.PackageURL) bool {
	if key(statement) != key(is) || statement.Version != "" && statement.Version != is.Version ||
		statement.Subpath != "" && statement.Subpath != is.Subpath {
		return false
	}
	has := is.Qualifiers.Map()
	for _, q := range statement.Qualifiers {
		if has[q.Key] != q.Value {
			return false
		}
	}
	return true
}
