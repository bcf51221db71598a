package registry

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"maps"
	"mime"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/types"
)

// Referrer is something attached to an image or to its index: a signature, an attestation, an SBOM. Listing it
// verifies nothing.
type Referrer struct {
	Subject      string // digest it is attached to
	Digest       string
	ArtifactType string
	MediaType    string
	Size         int64 // bytes of its manifest
	Annotations  map[string]string
	FoundBy      string
}

// Ways to find a referrer.
const (
	ByReferrersAPI = "referrers_api" // OCI distribution specification 1.1, "listing referrers"
	ByReferrersTag = "referrers_tag" // its fallback: the index tagged sha256-<hex>
	ByCosignTag    = "cosign_tag"    // sha256-<hex>.sig, .att or .sbom
	ByIndex        = "index"         // BuildKit's build records, beside the images of an index
)

// Bounds of a listing.
const (
	MaxReferrers        = 500
	maxReferrerPages    = 10
	maxReferrerNotes    = 32   // annotations of one referrer
	maxReferrerNoteName = 128  // bytes
	maxReferrerNote     = 1024 // bytes
	maxPredicates       = 32   // kinds of statements of one referrer
)

// Annotations of BuildKit's attestation manifests (BuildKit, docs/attestations/attestation-storage.md).
const (
	attestationType    = "vnd.docker.reference.type"
	attestationSubject = "vnd.docker.reference.digest"
	predicateType      = "in-toto.io/predicate-type"
)

// errListing: a registry does not know the referrers API.
var errListing = errors.New("no referrers API")

// Referrers lists what is attached to an image of a repository, and to the index it was chosen from (empty: none).
// It returns what it found even when part of it failed; the error then says what is missing.
func (c *Client) Referrers(ctx context.Context, list []Credential, repository, image, index string) ([]Referrer, error) {
	s, err := c.repository(ctx, list, repository)
	if err != nil {
		return nil, err
	}
	var (
		mu    sync.Mutex
		found []Referrer
		fails []error
		steps []func(context.Context) ([]Referrer, error)
	)
	for _, subject := range []string{image, index} {
		if subject == "" {
			continue
		}
		steps = append(steps, func(ctx context.Context) ([]Referrer, error) { return s.attached(ctx, subject) })
		for _, suffix := range []string{".sig", ".att", ".sbom"} {
			steps = append(steps, func(ctx context.Context) ([]Referrer, error) { return s.cosign(ctx, subject, suffix) })
		}
	}
	if index != "" {
		steps = append(steps, func(ctx context.Context) ([]Referrer, error) { return s.records(ctx, index, image) })
	}
	err = each(ctx, steps, func(ctx context.Context, _ int, step func(context.Context) ([]Referrer, error)) error {
		some, err := step(ctx)
		mu.Lock()
		defer mu.Unlock()
		found = append(found, some...)
		if err != nil {
			fails = append(fails, err)
		}
		return ctx.Err()
	})
	if err != nil {
		return nil, err
	}
	// Which step came last says nothing.
	slices.SortFunc(fails, func(a, b error) int { return cmp.Compare(a.Error(), b.Error()) })
	found, more := tidy(found)
	if more > 0 {
		fails = append(fails, s.fail(ErrTooLarge, "%d referrers beyond the first %d are left out", more, MaxReferrers))
	}
	return found, errors.Join(fails...)
}

// tidy orders what was found, each once per subject, and counts what is beyond the bound.
func tidy(found []Referrer) ([]Referrer, int) {
	slices.SortFunc(found, func(a, b Referrer) int {
		return cmp.Or(cmp.Compare(a.Subject, b.Subject), cmp.Compare(a.Digest, b.Digest), -cmp.Compare(a.FoundBy, b.FoundBy))
	})
	found = slices.CompactFunc(found, func(a, b Referrer) bool { return a.Subject == b.Subject && a.Digest == b.Digest })
	if len(found) > MaxReferrers {
		return found[:MaxReferrers], len(found) - MaxReferrers
	}
	return found, 0
}

// attached asks the referrers API, or where there is none follows the tag that stands in for it.
func (s *session) attached(ctx context.Context, subject string) ([]Referrer, error) {
	found, err := s.listed(ctx, subject)
	if !errors.Is(err, errListing) {
		return found, err
	}
	doc, err := s.manifest(ctx, standIn(subject))
	if errors.Is(err, ErrNotFound) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	return s.descriptors(doc.body, subject, ByReferrersTag)
}

// standIn is the tag that stands for a digest: sha256-<hex>.
func standIn(digest string) string { return strings.Replace(digest, ":", "-", 1) }

// listed asks the referrers API, page after page.
func (s *session) listed(ctx context.Context, subject string) ([]Referrer, error) {
	var all []Referrer
	what := "referrers of " + subject
	query := ""
	for page := range maxReferrerPages {
		header := http.Header{"Accept": {string(types.OCIImageIndex)}}
		resp, err := s.do(ctx, http.MethodGet, "/referrers/"+subject+query, what, header, http.StatusOK)
		if page == 0 && (errors.Is(err, ErrNotFound) || errors.Is(err, ErrBadResponse)) {
			return nil, errListing
		}
		if err != nil {
			return all, err
		}
		body, err := s.document(ctx, resp, what, s.client.cfg.ManifestBytes)
		if err != nil {
			return all, err
		}
		if sent, _, err := mime.ParseMediaType(resp.Header.Get("Content-Type")); page == 0 && (err != nil || sent != string(types.OCIImageIndex)) {
			return nil, errListing // a web page, or whatever it answers to every path
		}
		some, err := s.descriptors(body, subject, ByReferrersAPI)
		if err != nil {
			return all, err
		}
		all = append(all, some...)
		if query = nextPage(resp.Header); query == "" {
			return all, nil
		}
		if len(all) > MaxReferrers {
			break
		}
	}
	return all, s.fail(ErrTooLarge, "%s: there are more than %d pages or %d entries", what, maxReferrerPages, MaxReferrers)
}

// nextPage is the query of the page that a Link header calls next (RFC 8288). Only the query counts: a listing
// does not lead elsewhere.
func nextPage(header http.Header) string {
	for _, link := range header.Values("Link") {
		target, params, ok := strings.Cut(link, ">")
		if !ok || !strings.Contains(strings.ReplaceAll(params, `"`, ""), "rel=next") {
			continue
		}
		if u, err := url.Parse(strings.TrimPrefix(strings.TrimSpace(target), "<")); err == nil && u.RawQuery != "" {
			return "?" + u.RawQuery
		}
	}
	return ""
}

// descriptors reads an index of referrers.
func (s *session) descriptors(body []byte, subject, by string) ([]Referrer, error) {
	var list v1.IndexManifest
	if err := json.Unmarshal(body, &list); err != nil {
		return nil, s.fail(ErrBadResponse, "referrers of %s: the list is not readable: %v", subject, err)
	}
	var out []Referrer
	for _, d := range list.Manifests {
		if !digestForm.MatchString(d.Digest.String()) || d.Size < 0 || len(out) > MaxReferrers {
			continue
		}
		out = append(out, Referrer{
			Subject: subject, Digest: d.Digest.String(), MediaType: word(string(d.MediaType)), ArtifactType: word(d.ArtifactType),
			Size: d.Size, Annotations: notes(d.Annotations), FoundBy: by,
		})
	}
	return out, nil
}

// cosign looks for what cosign keeps under tags made of the digest.
func (s *session) cosign(ctx context.Context, subject, suffix string) ([]Referrer, error) {
	doc, err := s.manifest(ctx, standIn(subject)+suffix)
	if errors.Is(err, ErrNotFound) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	r, err := s.describe(doc, subject, ByCosignTag)
	if err != nil {
		return nil, err
	}
	return []Referrer{r}, nil
}

// records finds BuildKit's attestations of an image in its index.
func (s *session) records(ctx context.Context, index, image string) ([]Referrer, error) {
	doc, err := s.manifest(ctx, index)
	if err != nil {
		return nil, err
	}
	var list v1.IndexManifest
	if err := json.Unmarshal(doc.body, &list); err != nil {
		return nil, s.fail(ErrBadResponse, "index %s: %v", index, err)
	}
	var out []Referrer
	for _, d := range list.Manifests {
		if d.Annotations[attestationType] == "" || d.Annotations[attestationSubject] != image {
			continue
		}
		digest, err := s.digestOf(d)
		if err != nil {
			return out, err
		}
		record, err := s.manifest(ctx, digest)
		if err != nil {
			return out, err
		}
		r, err := s.describe(record, image, ByIndex)
		if err != nil {
			return out, err
		}
		r.Annotations = notes(d.Annotations, r.Annotations)
		if out = append(out, r); len(out) == maxUnnamed {
			break
		}
	}
	return out, nil
}

// describe reads an attached manifest: what it is, by its own word or else by its first layer's, and which
// statements it holds.
func (s *session) describe(doc document, subject, by string) (Referrer, error) {
	var m v1.Manifest
	if err := json.Unmarshal(doc.body, &m); err != nil {
		return Referrer{}, s.fail(ErrBadResponse, "manifest %s: %v", doc.digest, err)
	}
	r := Referrer{
		Subject: subject, Digest: doc.digest, MediaType: string(doc.mediaType), Size: int64(len(doc.body)), FoundBy: by,
		ArtifactType: word(cmp.Or(m.ArtifactType, string(m.Config.MediaType))),
	}
	var predicates []string
	for _, l := range m.Layers {
		if p := cmp.Or(l.Annotations[predicateType], l.Annotations["predicateType"]); p != "" && len(predicates) < maxPredicates && !slices.Contains(predicates, p) {
			predicates = append(predicates, p)
		}
	}
	if len(m.Layers) > 0 && (m.ArtifactType == "" && m.Config.MediaType.IsConfig() || r.ArtifactType == "") {
		r.ArtifactType = word(string(m.Layers[0].MediaType))
	}
	r.Annotations = notes(m.Annotations)
	if len(predicates) > 0 {
		r.Annotations = notes(r.Annotations, map[string]string{predicateType: strings.Join(predicates, " ")})
	}
	return r, nil
}

// notes bounds foreign annotations; later maps win. Which ones are kept follows from their names alone.
func notes(all ...map[string]string) map[string]string {
	merged := map[string]string{}
	for _, m := range all {
		maps.Copy(merged, m)
	}
	out := map[string]string{}
	for _, key := range slices.Sorted(maps.Keys(merged)) {
		if len(key) <= maxReferrerNoteName && len(out) < maxReferrerNotes {
			out[printable(key)] = printable(clip(merged[key], maxReferrerNote))
		}
	}
	return out
}

// word bounds a foreign media type.
func word(s string) string { return printable(clip(s, maxReferrerNoteName)) }

func clip(s string, limit int) string {
	if len(s) <= limit {
		return s
	}
	return s[:limit]
}

// printable drops what no record or terminal should get.
func printable(s string) string {
	return strings.Map(func(r rune) rune {
		if r < ' ' && r != '\n' && r != '\t' || r == 0x7f {
			return -1
		}
		return r
	}, strings.ToValidUTF8(s, ""))
}
