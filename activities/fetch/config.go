package fetch

import (
	"crypto/x509"
	"errors"
	"fmt"
	"net/url"
	"os"
	"slices"
	"time"
)

// Config is how documents are fetched.
type Config struct {
	// MirrorURL stands in for every upstream: http, https or file. Empty: the upstreams themselves.
	MirrorURL string
	// Hosts are base addresses that stand in for single hosts: what is at https://<host>/<path> is at <base>/<path>.
	// They go before the mirror.
	Hosts    map[string]string
	ProxyURL string        // empty: what the environment says
	CAFile   string        // certificates in PEM form to trust besides the system's
	MaxBytes int64         // largest document
	Connect  time.Duration // longest wait for a connection, encryption included
	Answer   time.Duration // longest wait for the beginning of an answer
	Insecure bool          // certificates of publishers, mirrors and proxies are not verified
	Stall    time.Duration // a transfer without a byte for this long is broken off
	Scratch  string        // directory; empty: the system's
}

// Validate reports every fault at once.
func (c Config) Validate() error {
	var faults []error
	if c.MirrorURL != "" {
		faults = append(faults, base("mirror_url", c.MirrorURL))
	}
	for host, stand := range c.Hosts {
		faults = append(faults, base("hosts: "+host, stand))
	}
	if c.ProxyURL != "" {
		if u, err := url.Parse(c.ProxyURL); err != nil || u.Host == "" || !slices.Contains([]string{"http", "https", "socks5"}, u.Scheme) {
			faults = append(faults, errors.New("proxy_url: not an http, https or socks5 address"))
		}
	}
	if _, err := c.roots(); err != nil {
		faults = append(faults, err)
	}
	if c.MaxBytes <= 0 {
		faults = append(faults, errors.New("max_document_bytes: must be positive"))
	}
	for _, wait := range []struct {
		name  string
		value time.Duration
	}{{"connect_timeout", c.Connect}, {"answer_timeout", c.Answer}, {"stall_timeout", c.Stall}} {
		if wait.value <= 0 {
			faults = append(faults, errors.New(wait.name+": must be positive"))
		}
	}
	return errors.Join(faults...)
}

func base(setting, address string) error {
	u, err := url.Parse(address)
	switch {
	case err != nil:
		return fmt.Errorf("%s: not an address", setting)
	case !slices.Contains([]string{"http", "https", "file"}, u.Scheme):
		return fmt.Errorf("%s: scheme %q is not http, https or file", setting, u.Scheme)
	case u.RawQuery != "" || u.Fragment != "":
		return fmt.Errorf("%s: must not have a query or fragment", setting)
	}
	return nil
}

// CheckEndpoint reports what is wrong with the address of a plugin.
func CheckEndpoint(setting, address string) error {
	u, err := url.Parse(address)
	if err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https" || u.Fragment != "" {
		return fmt.Errorf("%s: not an http or https address", setting)
	}
	return nil
}

// roots are the certificates to trust; nil means the system's.
func (c Config) roots() (*x509.CertPool, error) {
	if c.CAFile == "" {
		return nil, nil
	}
	pem, err := os.ReadFile(c.CAFile)
	if err != nil {
		return nil, fmt.Errorf("ca_file: %w", err)
	}
	pool, err := x509.SystemCertPool()
	if err != nil {
		pool = x509.NewCertPool()
	}
	if !pool.AppendCertsFromPEM(pem) {
		return nil, fmt.Errorf("ca_file: %s holds no certificate in PEM form", c.CAFile)
	}
	return pool, nil
}
