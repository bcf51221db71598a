package registry

import (
	"path"
	"strings"

	"github.com/google/go-containerregistry/pkg/name"

	"plimsoll/internal/registryhttp"
)

// Credential is how to sign in where Registry applies: a host, host:port, or either with a repository that may
// hold the wildcard *.
type Credential struct {
	Registry  string
	Type      string // TypeDocker or TypeECR
	Username  string
	Password  string
	VerifyTLS bool
}

// Types of registries in the words of the API.
const (
	TypeDocker = registryhttp.TypeDocker
	TypeECR    = registryhttp.TypeECR
)

// hubNames are the names Docker Hub goes by.
var hubNames = map[string]bool{"docker.io": true, "registry-1.docker.io": true, name.DefaultRegistry: true}

func canonicalHost(host string) string {
	host = strings.ToLower(host)
	if hubNames[host] {
		return name.DefaultRegistry
	}
	return host
}

// choose returns the credential whose entry is the most specific that applies to the repository: a repository
// pattern before the bare host, a longer literal beginning before a shorter one. The order of the list does
// not matter.
func choose(list []Credential, repo name.Repository) Credential {
	var best Credential
	score := -1
	for _, c := range list {
		s, ok := specificity(c.Registry, repo)
		if ok && (s > score || s == score && c.Registry < best.Registry) {
			best, score = c, s
		}
	}
	return best
}

// specificity says whether an entry applies, and how closely.
func specificity(entry string, repo name.Repository) (int, bool) {
	entry = strings.TrimPrefix(strings.TrimPrefix(entry, "https://"), "http://")
	host, pattern, _ := strings.Cut(strings.TrimSuffix(entry, "/"), "/")
	if canonicalHost(host) != canonicalHost(repo.RegistryStr()) {
		return 0, false
	}
	if pattern == "" || pattern == "*" {
		return 0, true
	}
	literal, _, wild := strings.Cut(pattern, "*")
	if !wild {
		// A repository without wildcard is that repository, or the folder it names.
		at := repo.RepositoryStr()
		return 2*len(pattern) + 1, at == pattern || strings.HasPrefix(at, pattern+"/")
	}
	return 2 * len(literal), wildcard(pattern, repo.RepositoryStr())
}

// wildcard matches * with any text, slashes included.
func wildcard(pattern, text string) bool {
	// path.Match stops at slashes, so they change into something else on both sides.
	flat := strings.NewReplacer("/", "\x00", "[", `\[`, "?", `\?`, `\`, `\\`)
	ok, err := path.Match(flat.Replace(pattern), strings.ReplaceAll(text, "/", "\x00"))
	return err == nil && ok
}
