package registry

import "github.com/google/go-containerregistry/pkg/name"

// EntryFor is choose for tests.
func EntryFor(list []Credential, repository string) (string, error) {
	repo, err := name.NewRepository(repository)
	if err != nil {
		return "", err
	}
	return choose(list, repo).Registry, nil
}
