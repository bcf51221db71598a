package main

import (
	"cmp"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"os"

	"plimsoll/activities"
	"plimsoll/api"
	"plimsoll/internal/config"
	"plimsoll/internal/log"
	"plimsoll/internal/registryhttp"
	"plimsoll/internal/serve"
	"plimsoll/internal/standalone"
	"plimsoll/persistence"
	"plimsoll/worker"
)

// Config is the whole configuration: the sections of the parts, and the few
// that exist only because the parts are joined here.
type Config struct {
	API         api.Config          `yaml:"api" doc:"The REST API."`
	UI          UI                  `yaml:"ui" doc:"The pages for browsers."`
	Server      serve.Config        `yaml:"server" doc:"Limits on HTTP connections, for every listener."`
	Operation   Operation           `yaml:"operation" doc:"What probes and Prometheus ask a worker."`
	Worker      worker.Config       `yaml:"worker" doc:"Background work."`
	FeedBundles FeedBundles         `yaml:"feed_bundles" doc:"Vulnerability data in files, for installations without a network (plimsoll feeds export and import)."`
	Feeds       activities.Feeds    `yaml:"feeds" doc:"Vulnerability data."`
	Policies    Policies            `yaml:"policies" doc:"Policies that new accounts begin with."`
	VEX         VEX                 `yaml:"vex" doc:"What is said about vulnerabilities."`
	FeedService FeedService         `yaml:"feed_service" doc:"Vulnerability data for other installations."`
	Registries  registryhttp.Config `yaml:"registries" doc:"How image registries are reached."`
	Database    persistence.Config  `yaml:"database" doc:"PostgreSQL, the system of record."`
	Temporal    Temporal            `yaml:"temporal" doc:"The workflow service."`
	Redis       Redis               `yaml:"redis" doc:"Sessions of the pages for browsers."`
	Admin       Admin               `yaml:"admin" doc:"The first administrator."`
	Sealing     Sealing             `yaml:"sealing" doc:"Encryption of stored credentials."`
	Standalone  standalone.Config   `yaml:"standalone" doc:"Everything on one machine."`
	Log         log.Config          `yaml:"log" doc:"Log lines, written to standard error."`
}

// UI is the section of the role ui.
type UI struct {
	Addr        string `yaml:"addr" doc:"Address the pages are served on, as host:port."`
	APIURL      string `yaml:"api_url" doc:"Where browsers reach the API. standalone fills it in."`
	TemporalURL string `yaml:"temporal_url" doc:"Where browsers reach Temporal's pages; empty hides the link. standalone fills it in."`
}

// VEX is the section of annotations and VEX documents.
type VEX struct {
	Author string `yaml:"author" doc:"Who VEX documents name as their author. Empty means the account they are about."`
}

// Operation is the listener of the role worker.
type Operation struct {
	Addr string `yaml:"addr" doc:"Address of /health, /ready, /version and /metrics of a worker, as host:port. Port 0 takes a free one, told at start."`
}

// FeedService is the section of the role feeds.
type FeedService struct {
	Addr       string `yaml:"addr" doc:"Address other installations read vulnerability data from (feeds.upstream), as host:port. The role feeds needs it; standalone serves it when it is set. It asks for no credentials."`
	BundlesDir string `yaml:"bundles_dir" doc:"Folder of bundles that plimsoll feeds publish writes, served below /v1/bundles for plimsoll feeds import URL. Empty serves none."`
}

// Temporal says where workflows run.
type Temporal struct {
	Address   string        `yaml:"address" doc:"Temporal's frontend, as host:port. standalone starts its own server when this is empty."`
	Namespace string        `yaml:"namespace" doc:"Namespace of all workflows."`
	APIKey    config.Secret `yaml:"api_key" doc:"API key, for a service that asks for one; implies TLS."`
	TLS       TLS           `yaml:"tls" doc:"Encryption of the connection to Temporal."`
	UIAddr    string        `yaml:"ui_addr" doc:"Address of the pages of the Temporal that standalone starts, as host:port."`
}

// TLS describes a client's side of an encrypted connection.
type TLS struct {
	Enabled    bool   `yaml:"enabled" doc:"Encrypt the connection."`
	CAFile     string `yaml:"ca_file" doc:"Certificates (PEM) that may vouch for the server. Empty means the system's."`
	CertFile   string `yaml:"cert_file" doc:"Our certificate (PEM), for a server that asks for one."`
	KeyFile    string `yaml:"key_file" doc:"Private key (PEM) of our certificate."`
	ServerName string `yaml:"server_name" doc:"Name the server's certificate must carry. Empty means the host of the address."`
}

// Redis is where the pages keep sessions.
type Redis struct {
	URL config.SecretURL `yaml:"url" doc:"Redis, as redis://user:password@host:6379/0. standalone runs its own in the process when this is empty."`
}

// Admin is the user that an empty database starts with.
type Admin struct {
	Password config.Secret `yaml:"password" doc:"Password of the user admin when the database is empty; later it has no effect. standalone generates one."`
	Email    string        `yaml:"email" doc:"Mail address of the account admin."`
}

// Sealing is the key material for stored credentials.
type Sealing struct {
	Key          config.Secret   `yaml:"key" doc:"32 random bytes in base64 (openssl rand -base64 32) that seal registry credentials. standalone generates one."`
	PreviousKeys []config.Secret `yaml:"previous_keys" doc:"Earlier keys that may still open what they sealed."`
}

// DefaultConfig returns the settings of an installation nobody has tuned.
func DefaultConfig() Config {
	return Config{
		API:        api.DefaultConfig(),
		UI:         UI{Addr: "127.0.0.1:3000"},
		Server:     serve.DefaultConfig(),
		Operation:  Operation{Addr: "127.0.0.1:0"},
		Worker:     worker.DefaultConfig(),
		Feeds:      activities.DefaultFeeds(),
		Database:   persistence.DefaultConfig(),
		Temporal:   Temporal{Namespace: "plimsoll", UIAddr: "127.0.0.1:8233"},
		Admin:      Admin{Email: "admin@localhost"},
		Standalone: standalone.DefaultConfig(),
		Log:        log.DefaultConfig(),
	}
}

// Validate checks what no single section can see.
func (c *Config) Validate() error {
	var faults []error
	for _, address := range []struct{ key, value string }{
		{"api.addr", c.API.Addr}, {"ui.addr", c.UI.Addr}, {"operation.addr", c.Operation.Addr}, {"temporal.ui_addr", c.Temporal.UIAddr},
		{"feed_service.addr", cmp.Or(c.FeedService.Addr, "127.0.0.1:0")},
	} {
		if _, _, err := net.SplitHostPort(address.value); err != nil {
			faults = append(faults, fmt.Errorf("%s: %q is not host:port", address.key, address.value))
		}
	}
	if c.Server.WriteTimeout <= c.API.FeedSyncWait {
		faults = append(faults, fmt.Errorf("server.write_timeout: must be longer than api.feed_sync_wait (%s), is %s", c.API.FeedSyncWait, c.Server.WriteTimeout))
	}
	return errors.Join(faults...)
}

// Validate reports what is wrong with the section.
func (t Temporal) Validate() error {
	if t.Namespace == "" {
		return errors.New("namespace: must be set")
	}
	return nil
}

// Validate reports what is wrong with the section.
func (t TLS) Validate() error {
	if (t.CertFile == "") != (t.KeyFile == "") {
		return errors.New("cert_file and key_file: set both or none")
	}
	return nil
}

// client returns the settings of a connection, nil for a plain one.
func (t TLS) client() (*tls.Config, error) {
	if !t.Enabled {
		return nil, nil
	}
	settings := &tls.Config{MinVersion: tls.VersionTLS12, ServerName: t.ServerName}
	if t.CAFile != "" {
		pem, err := os.ReadFile(t.CAFile)
		if err != nil {
			return nil, fmt.Errorf("read temporal.tls.ca_file: %w", err)
		}
		settings.RootCAs = x509.NewCertPool()
		if !settings.RootCAs.AppendCertsFromPEM(pem) {
			return nil, fmt.Errorf("read temporal.tls.ca_file: no certificate in %s", t.CAFile)
		}
	}
	if t.CertFile != "" {
		own, err := tls.LoadX509KeyPair(t.CertFile, t.KeyFile)
		if err != nil {
			return nil, fmt.Errorf("load temporal.tls certificate: %w", err)
		}
		settings.Certificates = []tls.Certificate{own}
	}
	return settings, nil
}

// need refuses a role whose settings are incomplete. Pairs are a key and
// whether it is set.
func need(settings ...setting) error {
	var missing []error
	for _, s := range settings {
		if !s.set {
			missing = append(missing, fmt.Errorf("%s must be set (%s)", s.key, s.variable))
		}
	}
	return errors.Join(missing...)
}

type setting struct {
	key, variable string
	set           bool
}

func (c *Config) needDatabase() setting {
	return setting{"database.url", "PLIMSOLL_DATABASE_URL", c.Database.URL != ""}
}

func (c *Config) needFeedsDatabase() setting {
	return setting{"database.feeds_url or database.url", "PLIMSOLL_DATABASE_FEEDS_URL, PLIMSOLL_DATABASE_URL", c.Database.FeedsURL != "" || c.Database.URL != ""}
}

func (c *Config) needTemporal() setting {
	return setting{"temporal.address", "PLIMSOLL_TEMPORAL_ADDRESS", c.Temporal.Address != ""}
}

func (c *Config) needSealing() setting {
	return setting{"sealing.key", "PLIMSOLL_SEALING_KEY", c.Sealing.Key != ""}
}
