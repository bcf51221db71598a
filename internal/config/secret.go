package config

import (
	"net/url"
	"strings"
)

// redacted is what stands in place of a secret that is set.
const redacted = "[redacted]"

// Secret is a string that prints, marshals and logs as "[redacted]".
type Secret string

// Reveal returns the secret itself.
func (s Secret) Reveal() string { return string(s) }

// String implements fmt.Stringer; an unset secret stays visible as such.
func (s Secret) String() string {
	if s == "" {
		return ""
	}
	return redacted
}

// GoString keeps %#v from showing the secret.
func (s Secret) GoString() string { return s.String() }

// MarshalText serves YAML, JSON and everything else that encodes text.
func (s Secret) MarshalText() ([]byte, error) { return []byte(s.String()), nil }

// SecretURL is an address that may carry credentials. It prints without them,
// so that a person still sees which server is meant.
type SecretURL string

// Reveal returns the address with its credentials.
func (s SecretURL) Reveal() string { return string(s) }

// String implements fmt.Stringer. Text that is not a URL (such as a libpq
// keyword list) is hidden whole, as its secrets cannot be told apart.
func (s SecretURL) String() string {
	if s == "" {
		return ""
	}
	u, err := url.Parse(string(s))
	if err != nil || u.Host == "" || u.Opaque != "" {
		return redacted
	}
	query := u.Query()
	for key := range query {
		if strings.Contains(strings.ToLower(key), "password") {
			query.Set(key, "xxxxx")
		}
	}
	u.RawQuery = query.Encode()
	u.Fragment = ""
	return u.Redacted()
}

// GoString keeps %#v from showing the credentials.
func (s SecretURL) GoString() string { return s.String() }

// MarshalText serves YAML, JSON and everything else that encodes text.
func (s SecretURL) MarshalText() ([]byte, error) { return []byte(s.String()), nil }
