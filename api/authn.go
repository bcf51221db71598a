package api

import (
	"context"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"time"

	"go.uber.org/zap"

	"plimsoll/authz"
	"plimsoll/internal/log"
	"plimsoll/persistence"
)

// accountHeader moves a request into another account.
const accountHeader = "x-anchore-account"

// Logins looks up who signs in.
type Logins interface {
	// Login returns persistence.ErrNotFound for an unknown user.
	Login(ctx context.Context, username string) (persistence.Login, error)
}

// caller is who sent the request, and where it acts.
type caller struct {
	authz.Subject
	UserID string
	// Account is the effective account: the one of the header, else the home account.
	Account string
}

type callerKey struct{}

// callerOf returns the authenticated caller; it is there behind authenticate.
func callerOf(ctx context.Context) caller {
	c, _ := ctx.Value(callerKey{}).(caller)
	return c
}

// authenticator checks HTTP Basic credentials.
type authenticator struct {
	logins Logins
	hasher *authz.Hasher
	cache  *verifiedCache
}

// authenticate lets requests through that carry valid credentials. Unknown users, users without a password and wrong
// passwords are answered alike, after the same amount of work.
func (a *authenticator) authenticate(w http.ResponseWriter, r *http.Request) (caller, bool) {
	username, password, ok := r.BasicAuth()
	if !ok || username == "" {
		writeError(w, r, fail(codeUnauthenticated, "Authentication is required: send a user name and a password (HTTP Basic)."))
		return caller{}, false
	}
	login, err := a.verify(r.Context(), username, password)
	if err != nil {
		writeError(w, r, err)
		return caller{}, false
	}
	c := caller{
		Subject: authz.Subject{
			User: login.Username,
			Home: authz.Account{Name: login.Account, Type: login.AccountType, State: login.AccountState},
		},
		UserID:  login.ID,
		Account: login.Account,
	}
	if header := strings.TrimSpace(r.Header.Get(accountHeader)); header != "" {
		c.Account = header
	}
	return c, true
}

func (a *authenticator) verify(ctx context.Context, username, password string) (persistence.Login, error) {
	login, err := a.logins.Login(ctx, username)
	if err != nil && !errors.Is(err, persistence.ErrNotFound) {
		return persistence.Login{}, fmt.Errorf("look up user: %w", err)
	}
	if err != nil || login.AccountType == authz.TypeService {
		login = persistence.Login{}
	}
	key := a.cache.key(username, login.PasswordHash, password)
	if login.PasswordHash != "" && a.cache.has(key) {
		return login, nil
	}
	ok, err := a.hasher.Verify(ctx, login.PasswordHash, password)
	if err != nil {
		return persistence.Login{}, fmt.Errorf("check password: %w", err)
	}
	if !ok {
		log.From(ctx).Info("sign-in refused", zap.String(log.KeyUser, username))
		return persistence.Login{}, fail(codeUnauthenticated, "The user name or the password is wrong.")
	}
	a.cache.add(key)
	return login, nil
}

// Bounds of the cache of verified credentials.
const (
	verifiedLifetime = 5 * time.Minute
	verifiedLimit    = 4096
)

// verifiedCache remembers that a password was right, so that argon2 does not run for every request. Keys are HMACs under a
// secret of the process and cover the stored hash: a changed password is never found.
type verifiedCache struct {
	secret  []byte
	mu      sync.Mutex
	entries map[[sha256.Size]byte]time.Time
}

func newVerifiedCache() (*verifiedCache, error) {
	secret := make([]byte, sha256.Size)
	if _, err := rand.Read(secret); err != nil {
		return nil, fmt.Errorf("make secret for the credential cache: %w", err)
	}
	return &verifiedCache{secret: secret, entries: map[[sha256.Size]byte]time.Time{}}, nil
}

func (c *verifiedCache) key(parts ...string) [sha256.Size]byte {
	mac := hmac.New(sha256.New, c.secret)
	for _, part := range parts {
		fmt.Fprintf(mac, "%d:%s", len(part), part)
	}
	return [sha256.Size]byte(mac.Sum(nil))
}

func (c *verifiedCache) has(key [sha256.Size]byte) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	until, ok := c.entries[key]
	return ok && time.Now().Before(until)
}

// add remembers key. A full cache drops what has expired, and everything when that is not enough: it refills by use.
func (c *verifiedCache) add(key [sha256.Size]byte) {
	c.mu.Lock()
	defer c.mu.Unlock()
	now := time.Now()
	if len(c.entries) >= verifiedLimit {
		for k, until := range c.entries {
			if now.After(until) {
				delete(c.entries, k)
			}
		}
	}
	if len(c.entries) >= verifiedLimit {
		clear(c.entries)
	}
	c.entries[key] = now.Add(verifiedLifetime)
}
