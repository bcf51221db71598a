package registry

import (
	"context"
	"net/http"
	"time"

	"github.com/google/go-containerregistry/pkg/name"
)

// EntryFor is choose for tests.
func EntryFor(list []Credential, repository string) (string, error) {
	repo, err := name.NewRepository(repository)
	if err != nil {
		return "", err
	}
	return choose(list, repo).Registry, nil
}

// nowhere is a session without a registry behind it.
func nowhere() *session {
	repo, _ := name.NewRepository("registry.example/team/app")
	return &session{client: New(Config{}), repo: repo}
}

// Described is what comes of a manifest attached to an image; Listed of an index of such.
func Described(body []byte) (Referrer, error) {
	return nowhere().describe(document{digest: "sha256:0", body: body}, "sha256:1", ByCosignTag)
}

// Listed is what comes of a list of referrers.
func Listed(body []byte) ([]Referrer, error) {
	return nowhere().descriptors(body, "sha256:1", ByReferrersAPI)
}

// KindOf is what a document is taken for.
func KindOf(contentType string, body []byte) (string, error) {
	kind, err := nowhere().kindOf("manifest", contentType, body)
	return string(kind), err
}

// Candidates are the images of an index without nested ones, as digest and platform.
func Candidates(ctx context.Context, body []byte) (out [][2]string, err error) {
	found, err := nowhere().candidates(ctx, document{digest: "sha256:0", body: body})
	for _, c := range found {
		out = append(out, [2]string{c.digest, c.platform.String()})
	}
	return out, err
}

// RetryAfter is how long the header of an answer asks to wait.
func RetryAfter(header http.Header, now time.Time) time.Duration { return retryAfter(header, now) }

// Clean is text fit for a message.
func Clean(text string) string { return clean(text) }

// ParsePlatform is the one spelling of a platform.
func ParsePlatform(text string) (string, error) {
	p, err := parsePlatform(text)
	return p.String(), err
}
