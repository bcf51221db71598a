package main

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"go.yaml.in/yaml/v3"

	"plimsoll/api/client"
)

const (
	defaultURL     = "http://127.0.0.1:8228"
	requestTimeout = 5 * time.Minute // a feed sync answers when it is done
	// continueTimeout is how long a server may take to say that it wants a body; one that says nothing gets it then.
	continueTimeout = 10 * time.Second
)

// connection says which server to speak to and as whom. Flags win over the environment, the environment over
// the file.
type connection struct {
	URL      string `yaml:"url"`
	Username string `yaml:"username"`
	Password string `yaml:"password"`
	Account  string `yaml:"account"`
	Insecure bool   `yaml:"insecure"`
	CAFile   string `yaml:"ca_file"`

	configFile string
	output     string
	debug      bool

	api *client.ClientWithResponses
	// patient waits as long as gigabytes take, and sends them only when the server wants them.
	patient *client.ClientWithResponses
}

func (c *connection) flags(root *cobra.Command) {
	f := root.PersistentFlags()
	f.StringVar(&c.configFile, "config", "", "file with url, username, password, account (default: plimsoll/cli.yaml in the user's configuration folder)")
	f.StringVar(&c.URL, "url", "", "server, also PLIMSOLL_URL (default "+defaultURL+")")
	f.StringVarP(&c.Username, "username", "u", "", "user, also PLIMSOLL_USERNAME (default admin)")
	f.StringVarP(&c.Password, "password", "p", "", "password; better given by PLIMSOLL_PASSWORD, where no process list shows it")
	f.StringVar(&c.Account, "account", "", "account to act in, also PLIMSOLL_ACCOUNT (default: the user's own)")
	f.BoolVar(&c.Insecure, "insecure", false, "do not verify the server's certificate")
	f.StringVar(&c.CAFile, "ca-file", "", "PEM file with the certificate authority of the server")
	f.StringVarP(&c.output, "output", "o", "text", "text or json")
	f.BoolVar(&c.debug, "debug", false, "show requests and status codes on standard error")
}

// environment lists the variables read for each setting, ours first, then those of the tools people come from.
var environment = map[string][]string{
	"url":      {"PLIMSOLL_URL", "ANCHORECTL_URL", "ANCHORE_CLI_URL"},
	"username": {"PLIMSOLL_USERNAME", "ANCHORECTL_USERNAME", "ANCHORE_CLI_USER"},
	"password": {"PLIMSOLL_PASSWORD", "ANCHORECTL_PASSWORD", "ANCHORE_CLI_PASS"},
	"account":  {"PLIMSOLL_ACCOUNT", "ANCHORECTL_ACCOUNT"},
	"ca_file":  {"PLIMSOLL_CA_FILE"},
}

func fromEnvironment(setting string) string {
	for _, name := range environment[setting] {
		if value := os.Getenv(name); value != "" {
			return value
		}
	}
	return ""
}

func (c *connection) resolve(cmd *cobra.Command) error {
	if c.output != "text" && c.output != "json" {
		return fmt.Errorf("output %q: it is text or json", c.output)
	}
	file, err := c.readFile()
	if err != nil {
		return err
	}
	pick := func(target *string, setting, inFile, fallback string) {
		for _, value := range []string{*target, fromEnvironment(setting), inFile, fallback} {
			if value != "" {
				*target = value
				return
			}
		}
	}
	pick(&c.URL, "url", file.URL, defaultURL)
	pick(&c.Username, "username", file.Username, "admin")
	pick(&c.Password, "password", file.Password, "")
	pick(&c.Account, "account", file.Account, "")
	pick(&c.CAFile, "ca_file", file.CAFile, "")
	c.Insecure = c.Insecure || file.Insecure
	return c.open(cmd.ErrOrStderr())
}

func (c *connection) readFile() (connection, error) {
	var file connection
	name, chosen := c.configFile, c.configFile != ""
	if !chosen {
		dir, err := os.UserConfigDir()
		if err != nil {
			return file, nil // no home folder: there is no default file either
		}
		name = filepath.Join(dir, "plimsoll", "cli.yaml")
	}
	f, err := os.Open(name)
	if errors.Is(err, fs.ErrNotExist) && !chosen {
		return file, nil
	}
	if err != nil {
		return file, fmt.Errorf("read the configuration: %w", err)
	}
	defer f.Close()
	decoder := yaml.NewDecoder(f)
	decoder.KnownFields(true)
	if err := decoder.Decode(&file); err != nil && !errors.Is(err, io.EOF) {
		return file, fmt.Errorf("read the configuration %s: %w", name, err)
	}
	return file, nil
}

func (c *connection) open(trace io.Writer) error {
	base, err := url.Parse(c.URL)
	if err != nil || (base.Scheme != "http" && base.Scheme != "https") || base.Host == "" {
		return fmt.Errorf("server %q: give an address like %s", c.URL, defaultURL)
	}
	// People bring addresses with and without the version.
	base.Path = strings.TrimSuffix(strings.TrimRight(base.Path, "/"), "/v2") + "/v2"
	transport := &http.Transport{
		Proxy:           http.ProxyFromEnvironment,
		TLSClientConfig: &tls.Config{InsecureSkipVerify: c.Insecure}, //nolint:gosec // asked for by flag
	}
	if c.CAFile != "" {
		pem, err := os.ReadFile(c.CAFile)
		if err != nil {
			return fmt.Errorf("read the certificate authority: %w", err)
		}
		pool := x509.NewCertPool()
		if !pool.AppendCertsFromPEM(pem) {
			return fmt.Errorf("certificate authority %s: no PEM certificate in it", c.CAFile)
		}
		transport.TLSClientConfig.RootCAs = pool
	}
	transport.ExpectContinueTimeout = continueTimeout
	httpClient := &http.Client{Timeout: requestTimeout, Transport: transport}
	if c.debug {
		httpClient.Transport = tracing{transport, trace}
	}
	c.api, err = client.NewClientWithResponses(base.String(), client.WithHTTPClient(httpClient), client.WithRequestEditorFn(c.authenticate))
	if err != nil {
		return err
	}
	c.patient, err = client.NewClientWithResponses(base.String(), client.WithHTTPClient(&http.Client{Transport: httpClient.Transport}), client.WithRequestEditorFn(c.authenticate))
	return err
}

func (c *connection) authenticate(_ context.Context, r *http.Request) error {
	r.SetBasicAuth(c.Username, c.Password)
	if c.Account != "" {
		r.Header.Set("x-anchore-account", c.Account)
	}
	r.Header.Set("User-Agent", "plimsollctl")
	return nil
}

// tracing shows the calls made, never their headers or bodies.
type tracing struct {
	next http.RoundTripper
	out  io.Writer
}

func (t tracing) RoundTrip(r *http.Request) (*http.Response, error) {
	resp, err := t.next.RoundTrip(r)
	if err != nil {
		fmt.Fprintf(t.out, "%s %s: %v\n", r.Method, r.URL, err)
		return nil, err
	}
	fmt.Fprintf(t.out, "%s %s: %s\n", r.Method, r.URL, resp.Status)
	return resp, nil
}
