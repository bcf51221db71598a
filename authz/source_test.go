package authz_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"plimsoll/authz"
	"plimsoll/persistence"
	"plimsoll/persistence/pgtest"
)

// A grant written by one process must reach the others, and a withdrawn one must end there.
func TestGrantsReachOtherProcesses(t *testing.T) {
	t.Parallel()
	pool := pgtest.New(t)
	accounts, users, stored := persistence.NewAccounts(pool), persistence.NewUsers(pool), persistence.NewGrants(pool)
	if _, err := accounts.Create(t.Context(), persistence.NewAccount{Name: "harbour", Policy: persistence.NewPolicy{ID: "p", Name: "p", Document: []byte(`{}`)}}); err != nil {
		t.Fatal(err)
	}
	if _, err := users.Create(t.Context(), persistence.NewUser{Username: "mate", Account: "harbour"}); err != nil {
		t.Fatal(err)
	}
	// The interval is out of reach: only the announcement can bring the news.
	a, err := authz.New(t.Context(), authz.NewSource(stored, accounts), authz.Config{ReloadInterval: time.Hour, RetryDelay: time.Second})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- a.Run(ctx) }()
	who := authz.Subject{User: "mate", Home: authz.Account{Name: "harbour", Type: authz.TypeUser, State: authz.StateEnabled}}
	becomes := func(want bool) {
		t.Helper()
		deadline := time.After(20 * time.Second)
		tick := time.NewTicker(5 * time.Millisecond)
		defer tick.Stop()
		for {
			err := a.Decide(ctx, who, authz.Permission{Domain: "harbour", Action: "getImage"})
			if (err == nil) == want {
				return
			}
			select {
			case <-deadline:
				t.Fatalf("allowed is not %v after 20 seconds", want)
			case <-tick.C:
			}
		}
	}
	becomes(false)
	if _, err := stored.Add(ctx, persistence.Grant{Username: "mate", Role: "read-only", Domain: "harbour"}); err != nil {
		t.Fatal(err)
	}
	becomes(true)
	if err := stored.Remove(ctx, "mate", "read-only", "harbour"); err != nil {
		t.Fatal(err)
	}
	becomes(false)
	cancel()
	if err := <-done; err != nil {
		t.Fatal(err)
	}
}

func TestStoredAccounts(t *testing.T) {
	t.Parallel()
	pool := pgtest.New(t)
	accounts := persistence.NewAccounts(pool)
	source := authz.NewSource(persistence.NewGrants(pool), accounts)
	if _, err := source.Account(t.Context(), "nowhere"); !errors.Is(err, authz.ErrAccountNotFound) {
		t.Errorf("%v, want ErrAccountNotFound", err)
	}
	if _, err := accounts.Create(t.Context(), persistence.NewAccount{Name: "harbour", Policy: persistence.NewPolicy{ID: "p", Name: "p", Document: []byte(`{}`)}}); err != nil {
		t.Fatal(err)
	}
	if got, err := source.Account(t.Context(), "harbour"); err != nil || got != (authz.Account{Name: "harbour", Type: authz.TypeUser, State: authz.StateEnabled}) {
		t.Errorf("%+v, %v", got, err)
	}
}
