package persistence

import (
	"errors"
	"time"

	"plimsoll/internal/config"
)

// Config is the `database` section of the configuration.
type Config struct {
	URL              config.SecretURL `yaml:"url" doc:"PostgreSQL 13 or later, as postgres://user:password@host:5432/database. standalone starts its own server when this is empty."`
	FeedsURL         config.SecretURL `yaml:"feeds_url" doc:"Where the vulnerability data lives, when it has a database of its own; the same server or another one. Empty means url."`
	MaxConns         int              `yaml:"max_conns" doc:"Most connections one process keeps open. Each layer under analysis holds one more."`
	ConnectTimeout   time.Duration    `yaml:"connect_timeout" doc:"Longest wait for a new connection."`
	StatementTimeout time.Duration    `yaml:"statement_timeout" doc:"Longest run of one statement; 0 means no limit. Feed commits and rescans are not subject to it."`
}

// DefaultConfig suits one process of a small installation.
func DefaultConfig() Config {
	return Config{MaxConns: 20, ConnectTimeout: 10 * time.Second, StatementTimeout: time.Minute}
}

// Validate reports every fault of the section at once.
func (c Config) Validate() error {
	var faults []error
	if c.MaxConns < 2 {
		faults = append(faults, errors.New("max_conns: must be at least 2"))
	}
	if c.ConnectTimeout <= 0 {
		faults = append(faults, errors.New("connect_timeout: must be positive"))
	}
	if c.StatementTimeout < 0 {
		faults = append(faults, errors.New("statement_timeout: must not be negative"))
	}
	return errors.Join(faults...)
}
