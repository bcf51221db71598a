package registry

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"regexp"
	"slices"

	"github.com/google/go-containerregistry/pkg/name"
)

const (
	// tagPage is how many tags are asked for at a time; registries may give fewer.
	tagPage = 1000
	// maxTagPages ends a listing that does not.
	maxTagPages = 10_000
)

// Grammar of tags: OCI distribution specification, "Pulling manifests".
var tagForm = regexp.MustCompile(`^[a-zA-Z0-9_][a-zA-Z0-9._-]{0,127}$`)

// attachmentTag is how tags look that stand for the attachments of a digest: sha256-<hex> and cosign's beside it.
var attachmentTag = regexp.MustCompile(`^sha256-[0-9a-f]{64}(\.[a-z]+)?$`)

// Head asks what a tag means: the digest of its manifest or index. A registry that does not say is asked for the
// manifest itself.
func (c *Client) Head(ctx context.Context, list []Credential, ref string) (digest string, err error) {
	parsed, err := name.NewTag(ref)
	if err != nil {
		return "", &Error{Kind: ErrReference, Message: clean(fmt.Sprintf("image reference %q: %v", ref, err))}
	}
	s, err := c.open(ctx, list, parsed.Context())
	if err != nil {
		return "", err
	}
	tag := parsed.TagStr()
	resp, err := s.do(ctx, http.MethodHead, "/manifests/"+tag, "manifest "+tag, acceptManifests, http.StatusOK, http.StatusMethodNotAllowed)
	if err != nil {
		return "", err
	}
	if err := resp.Body.Close(); err != nil {
		return "", s.transportError(ctx, "manifest "+tag, err)
	}
	if digest = resp.Header.Get("Docker-Content-Digest"); digestForm.MatchString(digest) {
		return digest, nil
	}
	doc, err := s.manifest(ctx, tag)
	return doc.digest, err
}

// Tags lists the tags of a repository (registry/repository) in order, without those that stand for attachments of
// images. More than Config.Tags are ErrTooLarge.
func (c *Client) Tags(ctx context.Context, list []Credential, repository string) ([]string, error) {
	s, err := c.repository(ctx, list, repository)
	if err != nil {
		return nil, err
	}
	seen, limit := map[string]bool{}, c.cfg.Tags
	query := fmt.Sprintf("?n=%d", min(tagPage, limit+1))
	for range maxTagPages {
		page, next, err := s.tagPage(ctx, query)
		if err != nil {
			return nil, err
		}
		before := len(seen)
		for _, tag := range page {
			if tagForm.MatchString(tag) && !attachmentTag.MatchString(tag) {
				seen[tag] = true
			}
		}
		if len(seen) > limit {
			return nil, s.fail(ErrTooLarge, "%s has more than %d tags", repository, limit)
		}
		if next == "" || next == query {
			break
		}
		if len(page) == 0 && len(seen) == before {
			return nil, s.fail(ErrBadResponse, "tags: an empty page leads to another one")
		}
		query = next
	}
	tags := make([]string, 0, len(seen))
	for tag := range seen {
		tags = append(tags, tag)
	}
	slices.Sort(tags)
	return tags, nil
}

// tagPage reads one page and the query of the next one.
func (s *session) tagPage(ctx context.Context, query string) (tags []string, next string, err error) {
	resp, err := s.do(ctx, http.MethodGet, "/tags/list"+query, "tags", http.Header{"Accept": {"application/json"}}, http.StatusOK)
	if err != nil {
		return nil, "", err
	}
	next = nextPage(resp.Header)
	body, err := s.document(ctx, resp, "tags", s.client.cfg.ManifestBytes)
	if err != nil {
		return nil, "", err
	}
	var page struct {
		Tags []string `json:"tags"`
	}
	if err := json.Unmarshal(body, &page); err != nil {
		return nil, "", s.fail(ErrBadResponse, "tags: the answer is no list of tags")
	}
	return page.Tags, next, nil
}
