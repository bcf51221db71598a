package registryhttp

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"os"

	"github.com/google/go-containerregistry/pkg/authn"

	"plimsoll/internal/ecr"
)

// Types of registries in the words of the API.
const (
	TypeDocker = "docker_v2"
	TypeECR    = "awsecr"
)

// Config is the `registries` section of the configuration.
type Config struct {
	CAFile string     `yaml:"ca_file" doc:"Certificates (PEM) that may vouch for registries, beside the system's."`
	AWS    ecr.Config `yaml:"aws" doc:"Registries of AWS (type awsecr)."`
}

// Access is what every connection to a registry shares. A nil Access is that of an empty Config.
type Access struct {
	roots  *x509.CertPool // nil: the system's
	tokens *ecr.Tokens
}

// Open reads the certificates.
func Open(c Config) (*Access, error) {
	a := &Access{tokens: ecr.New(c.AWS)}
	if c.CAFile == "" {
		return a, nil
	}
	pem, err := os.ReadFile(c.CAFile)
	if err != nil {
		return nil, fmt.Errorf("read registries.ca_file: %w", err)
	}
	if a.roots, err = x509.SystemCertPool(); err != nil {
		return nil, fmt.Errorf("read the system's certificates: %w", err)
	}
	if !a.roots.AppendCertsFromPEM(pem) {
		return nil, fmt.Errorf("read registries.ca_file: no certificate in %s", c.CAFile)
	}
	return a, nil
}

// TLS returns the settings of encrypted connections.
func (a *Access) TLS(verify bool) *tls.Config {
	// #nosec G402 -- verification is off only where the account's registry entry says so.
	c := &tls.Config{MinVersion: tls.VersionTLS12, InsecureSkipVerify: !verify}
	if a != nil {
		c.RootCAs = a.roots
	}
	return c
}

// Authenticator returns how to sign in with a registry entry at a host: an error of package ecr where credentials
// have to be exchanged first.
func (a *Access) Authenticator(ctx context.Context, kind, host, user, password string) (authn.Authenticator, error) {
	switch {
	case user == "" && password == "":
		return authn.Anonymous, nil
	case kind == TypeECR && ecr.Exchanges(user):
		tokens := ecr.New(ecr.Config{})
		if a != nil {
			tokens = a.tokens
		}
		var err error
		if user, password, err = tokens.Get(ctx, host, user, password); err != nil {
			return nil, err
		}
	}
	return authn.FromConfig(authn.AuthConfig{Username: user, Password: password}), nil
}

// Renew forgets what was exchanged for an entry that the registry has refused. It reports whether there may be
// something fresh.
func (a *Access) Renew(kind, host, user, password string) bool {
	if a == nil || kind != TypeECR || !ecr.Exchanges(user) {
		return false
	}
	a.tokens.Forget(host, user, password)
	return true
}
