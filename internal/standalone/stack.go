package standalone

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"sync"

	"plimsoll/internal/config"
)

// Stack is the infrastructure of one data directory.
type Stack struct {
	// Dir is the data directory, absolute and without links.
	Dir string
	// DatabaseURL, TemporalAddress and RedisURL are what was configured, or
	// what was started instead.
	DatabaseURL     config.SecretURL
	TemporalAddress string
	RedisURL        config.SecretURL
	// TemporalUI is the address of the web page of a Temporal that was started
	// here; empty otherwise.
	TemporalUI string

	cfg      Config
	lock     *os.File
	temporal *temporal
	postgres *postgres
	redis    *redis
	failed   chan error
	closing  chan struct{}
	once     sync.Once
}

// Open takes the data directory for this process until Close.
func Open(cfg Config) (*Stack, error) {
	dir, err := openDir(cfg.DataDir)
	if err != nil {
		return nil, err
	}
	lock, err := lockDir(dir)
	if err != nil {
		return nil, err
	}
	return &Stack{Dir: dir, cfg: cfg, lock: lock, failed: make(chan error, 1), closing: make(chan struct{})}, nil
}

// Start starts what want has no address for and reports progress line by line
// through say. After an error, too, Close ends what runs. Cancelling ctx aborts
// the start; later it has no effect.
func (s *Stack) Start(ctx context.Context, want Servers, say func(format string, args ...any)) (err error) {
	s.DatabaseURL, s.TemporalAddress, s.RedisURL = want.DatabaseURL, want.TemporalAddress, want.RedisURL
	say("Data         %s", s.Dir)
	if want.TemporalAddress == "" {
		if err := checkFree(ctx, want.TemporalUIAddr); err != nil {
			return err
		}
	}
	if want.DatabaseURL == "" {
		if s.postgres, err = startPostgres(ctx, s.Dir, s.cfg, say); err != nil {
			return err
		}
		s.DatabaseURL = s.postgres.url
	} else {
		say("PostgreSQL   using %s", want.DatabaseURL)
	}
	if want.TemporalAddress == "" {
		if s.temporal, err = startTemporal(ctx, s.Dir, s.cfg, want, say); err != nil {
			return err
		}
		s.TemporalAddress, s.TemporalUI = s.temporal.address, "http://"+want.TemporalUIAddr
	} else {
		say("Temporal     using %s", want.TemporalAddress)
	}
	if want.RedisURL == "" {
		if s.redis, err = startRedis(); err != nil {
			return err
		}
		s.RedisURL = s.redis.url
		say("Redis        ready in this process")
	} else {
		say("Redis        using %s", want.RedisURL)
	}
	s.watch()
	return nil
}

// openDir creates the directory and returns its real path. Root's new
// directory may be passed (not listed) by others, as PostgreSQL runs as
// another user inside it; every file in it has its own, tight mode.
func openDir(dir string) (string, error) {
	if dir == "" {
		var err error
		if dir, err = DefaultDataDir(); err != nil {
			return "", err
		}
	}
	mode := os.FileMode(0o700)
	if os.Geteuid() == 0 {
		mode = 0o711
	}
	if err := os.MkdirAll(dir, mode); err != nil {
		return "", fmt.Errorf("create data directory: %w", err)
	}
	resolved, err := filepath.EvalSymlinks(dir)
	if err == nil {
		resolved, err = filepath.Abs(resolved)
	}
	if err == nil {
		err = os.MkdirAll(filepath.Join(resolved, "log"), 0o700)
	}
	if err != nil {
		return "", fmt.Errorf("open data directory: %w", err)
	}
	return resolved, nil
}

// checkFree tells early that the one fixed port of a child is taken.
func checkFree(ctx context.Context, address string) error {
	l, err := new(net.ListenConfig).Listen(ctx, "tcp", address)
	if err != nil {
		return fmt.Errorf("the Temporal web page cannot listen (choose another address with PLIMSOLL_TEMPORAL_UI_ADDR): %w", err)
	}
	return l.Close()
}

// watch reports the first child that ends without Close having been called.
func (s *Stack) watch() {
	report := func(p *process) {
		select {
		case <-s.closing:
		case <-p.done:
			select {
			case <-s.closing:
			case s.failed <- p.ended():
			default:
			}
		}
	}
	if s.postgres != nil {
		go report(s.postgres.process)
	}
	if s.temporal != nil {
		go report(s.temporal.process)
	}
}

// Failed yields an error when a child ends by itself.
func (s *Stack) Failed() <-chan error { return s.failed }

// AdminPassword returns the administrator's password of this data directory
// and the file it is kept in, generating it the first time.
func (s *Stack) AdminPassword() (config.Secret, string, error) {
	path := filepath.Join(s.Dir, "admin-password")
	password, err := keptSecret(path, randomPassword)
	return password, path, err
}

// SealingKey returns the key that seals stored secrets, 32 bytes in standard
// base64, generating it the first time.
func (s *Stack) SealingKey() (config.Secret, error) {
	return keptSecret(filepath.Join(s.Dir, "sealing-key"), randomKey)
}

// Close ends the servers in the order in which they depend on each other and
// frees the data directory. It may be called more than once.
func (s *Stack) Close() error {
	var faults []error
	s.once.Do(func() {
		close(s.closing)
		if s.redis != nil {
			s.redis.stop()
		}
		if s.temporal != nil {
			faults = append(faults, s.temporal.stop(s.cfg.StopTimeout))
		}
		if s.postgres != nil {
			faults = append(faults, s.postgres.stop(s.cfg.StopTimeout))
		}
		faults = append(faults, unlockDir(s.lock))
	})
	return errors.Join(faults...)
}
