package authz

import (
	"context"
	_ "embed"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/casbin/casbin/v2"
	"github.com/casbin/casbin/v2/model"
	"go.uber.org/zap"

	"plimsoll/internal/log"
)

//go:embed model.conf
var modelText string

// Grant gives a user a role in a domain.
type Grant struct {
	User   string
	Role   string
	Domain string
}

// Account states as the accounts table holds them.
const (
	StateEnabled  = "enabled"
	StateDisabled = "disabled"
	StateDeleting = "deleting"
)

// Account types as the accounts table holds them.
const (
	TypeAdmin   = "admin"
	TypeUser    = "user"
	TypeService = "service"
)

// Account is what a decision needs to know of an account.
type Account struct {
	Name  string
	Type  string
	State string
}

// Source is where grants and accounts come from.
type Source interface {
	// Grants returns every grant.
	Grants(ctx context.Context) ([]Grant, error)
	// Account returns ErrAccountNotFound for an unknown name.
	Account(ctx context.Context, name string) (Account, error)
	// ListenGrants calls changed after every change of the grants, until ctx ends or the connection fails.
	ListenGrants(ctx context.Context, changed func()) error
}

// Config holds the settings of an Authorizer.
type Config struct {
	// ReloadInterval is the longest time a lost announcement goes unnoticed.
	ReloadInterval time.Duration
	// RetryDelay is the pause before listening again after the connection failed.
	RetryDelay time.Duration
}

// DefaultConfig returns settings that suit every installation.
func DefaultConfig() Config {
	return Config{ReloadInterval: 30 * time.Second, RetryDelay: 2 * time.Second}
}

// Authorizer answers permission questions. It is safe for concurrent use.
type Authorizer struct {
	source   Source
	config   Config
	reload   sync.Mutex // one reload at a time, so that an older snapshot never replaces a newer one
	enforcer atomic.Pointer[casbin.Enforcer]
}

// New returns an Authorizer that has loaded the grants once; Run keeps them current.
func New(ctx context.Context, source Source, config Config) (*Authorizer, error) {
	a := &Authorizer{source: source, config: config}
	if err := a.Reload(ctx); err != nil {
		return nil, err
	}
	return a, nil
}

// Reload replaces the snapshot by the grants of now.
func (a *Authorizer) Reload(ctx context.Context) error {
	a.reload.Lock()
	defer a.reload.Unlock()
	grants, err := a.source.Grants(ctx)
	if err != nil {
		return fmt.Errorf("load grants: %w", err)
	}
	enforcer, err := newEnforcer(grants)
	if err != nil {
		return err
	}
	a.enforcer.Store(enforcer)
	return nil
}

func newEnforcer(grants []Grant) (*casbin.Enforcer, error) {
	m, err := model.NewModelFromString(modelText)
	if err != nil {
		return nil, fmt.Errorf("parse authorisation model: %w", err)
	}
	for _, role := range roles {
		for _, action := range role.actions {
			if err := m.AddPolicy("p", "p", []string{role.Name, action, AnyTarget}); err != nil {
				return nil, fmt.Errorf("add role %s: %w", role.Name, err)
			}
		}
	}
	for _, g := range grants {
		if err := m.AddPolicy("g", "g", []string{g.User, g.Role, g.Domain}); err != nil {
			return nil, fmt.Errorf("add grant of role %s: %w", g.Role, err)
		}
	}
	enforcer, err := casbin.NewEnforcer(m)
	if err != nil {
		return nil, fmt.Errorf("build enforcer: %w", err)
	}
	if err := enforcer.BuildRoleLinks(); err != nil {
		return nil, fmt.Errorf("link roles: %w", err)
	}
	return enforcer, nil
}

// Run keeps the grants current until ctx ends: it reloads on every announcement and at the configured interval.
func (a *Authorizer) Run(ctx context.Context) error {
	changed := make(chan struct{}, 1)
	announce := func() {
		select {
		case changed <- struct{}{}:
		default: // a reload is due already
		}
	}
	var listening sync.WaitGroup
	listening.Add(1)
	go func() {
		defer listening.Done()
		a.listen(ctx, announce)
	}()
	defer listening.Wait()

	ticker := time.NewTicker(a.config.ReloadInterval)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-changed:
		case <-ticker.C:
		}
		if err := a.Reload(ctx); err != nil && ctx.Err() == nil {
			log.From(ctx).Warn("grants could not be reloaded", zap.Error(err))
		}
	}
}

// listen waits for announcements and comes back after a lost connection; what changed meanwhile is caught by the reload
// that every new start announces.
func (a *Authorizer) listen(ctx context.Context, announce func()) {
	for ctx.Err() == nil {
		announce()
		err := a.source.ListenGrants(ctx, announce)
		if ctx.Err() != nil {
			return
		}
		log.From(ctx).Warn("listening for changed grants was interrupted", zap.Error(err))
		select {
		case <-ctx.Done():
		case <-time.After(a.config.RetryDelay):
		}
	}
}

// allowed asks Casbin.
func (a *Authorizer) allowed(user, domain, action, target string) (bool, error) {
	ok, err := a.enforcer.Load().Enforce(user, domain, action, target)
	if err != nil {
		return false, fmt.Errorf("check permission %s in domain %s: %w", action, domain, err)
	}
	return ok, nil
}

var errNoDomain = errors.New("a permission question names no domain")
