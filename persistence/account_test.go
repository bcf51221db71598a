package persistence_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"plimsoll/persistence"
	"plimsoll/persistence/pgtest"
)

func TestBootstrapKeepsWhatIsThere(t *testing.T) {
	t.Parallel()
	ctx := t.Context()
	pool := pgtest.New(t)
	accounts, users := persistence.NewAccounts(pool), persistence.NewUsers(pool)
	if empty, err := accounts.Empty(ctx); err != nil || !empty {
		t.Errorf("new database: empty %t, %v", empty, err)
	}
	for i, hash := range []string{"first", "second"} {
		created, err := accounts.Bootstrap(ctx, persistence.Bootstrap{AdminEmail: "a@example.test", AdminPasswordHash: hash, Policy: policyNamed("default")})
		if err != nil || created != (i == 0) {
			t.Fatalf("bootstrap %d: created %t, %v", i, created, err)
		}
	}
	if empty, err := accounts.Empty(ctx); err != nil || empty {
		t.Errorf("after bootstrap: empty %t, %v", empty, err)
	}
	login, err := users.Login(ctx, persistence.AdminUser)
	if err != nil || login.PasswordHash != "first" || login.AccountType != persistence.AccountTypeAdmin || login.AccountState != persistence.AccountEnabled {
		t.Errorf("login %+v, %v", login, err)
	}
	if p, err := persistence.NewPolicies(pool).Active(ctx, admin); err != nil || p.ID != "default" {
		t.Errorf("active policy %+v, %v", p, err)
	}
	list, err := accounts.List(ctx, "")
	if err != nil || len(list) != 1 {
		t.Errorf("accounts %v, %v: the system account does not show", list, err)
	}
	if _, err := accounts.Get(ctx, persistence.SystemAccount); !errors.Is(err, persistence.ErrNotFound) {
		t.Errorf("Get of the system account: %v", err)
	}
}

func TestAccountStatesFollowTheTable(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	ctx := t.Context()
	w.account("team")
	if _, err := w.accounts.Create(ctx, persistence.NewAccount{Name: "team", Policy: policyNamed("x")}); !errors.Is(err, persistence.ErrExists) {
		t.Errorf("Create twice: %v", err)
	}
	users, grants := persistence.NewUsers(w.pool), persistence.NewGrants(w.pool)
	_, err := users.Create(ctx, persistence.NewUser{Username: "eve", Account: "team", PasswordHash: "h"})
	w.must(err)
	_, err = grants.Add(ctx, persistence.Grant{Username: persistence.AdminUser, Role: "read-only", Domain: "team"})
	w.must(err)
	w.submit(w.submission("team", "app", "1"))
	state := func(account, state string) error { _, err := w.accounts.SetState(ctx, account, state); return err }
	for name, tc := range map[string]struct{ got, want error }{
		"delete while enabled":  {w.accounts.MarkDeleting(ctx, "team"), persistence.ErrState},
		"disable admin":         {state(admin, persistence.AccountDisabled), persistence.ErrState},
		"set deleting directly": {state("team", persistence.AccountDeleting), persistence.ErrState},
		"unknown":               {state("nobody", persistence.AccountDisabled), persistence.ErrNotFound},
		"system account":        {state(persistence.SystemAccount, persistence.AccountDisabled), persistence.ErrNotFound},
		"remove while enabled":  {w.accounts.Delete(ctx, "team"), persistence.ErrNotFound},
	} {
		if !errors.Is(tc.got, tc.want) {
			t.Errorf("%s: %v, want %v", name, tc.got, tc.want)
		}
	}
	w.must(state("team", persistence.AccountDisabled))
	w.must(state("team", persistence.AccountEnabled))
	w.must(state("team", persistence.AccountDisabled))
	w.must(w.accounts.MarkDeleting(ctx, "team"))
	if err := state("team", persistence.AccountEnabled); !errors.Is(err, persistence.ErrState) {
		t.Errorf("revive: %v, want ErrState", err)
	}
	if _, err := users.Login(ctx, "eve"); !errors.Is(err, persistence.ErrNotFound) {
		t.Errorf("user of a closed account: %v", err)
	}
	if _, err := users.Create(ctx, persistence.NewUser{Username: "mallory", Account: "team"}); !errors.Is(err, persistence.ErrNotFound) {
		t.Errorf("new user in a closed account: %v", err)
	}
	if list, err := grants.Members(ctx, "read-only", ""); err != nil || len(list) != 0 {
		t.Errorf("grants in a closed account: %v, %v", list, err)
	}
	if a, err := w.accounts.Get(ctx, "team"); err != nil || a.State != persistence.AccountDeleting {
		t.Errorf("account %+v, %v", a, err)
	}
	w.must(w.accounts.Delete(ctx, "team"))
	if n := w.count(`SELECT count(*) FROM plimsoll.image`) + w.count(`SELECT count(*) FROM plimsoll.policy WHERE account = 'team'`); n != 0 {
		t.Errorf("%d rows of a removed account", n)
	}
	w.account("team")
}

func TestUsersAndPasswords(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	ctx := t.Context()
	w.account("team")
	users := persistence.NewUsers(w.pool)
	eve, err := users.Create(ctx, persistence.NewUser{Username: "eve", Account: "team", PasswordHash: "h1"})
	w.must(err)
	if eve.Type != persistence.UserNative || eve.PasswordUpdatedAt == nil || eve.ID == "" {
		t.Errorf("created %+v", eve)
	}
	if _, err := users.Create(ctx, persistence.NewUser{Username: "eve", Account: admin}); !errors.Is(err, persistence.ErrExists) {
		t.Errorf("same name in another account: %v, want ErrExists", err)
	}
	if _, err := users.Create(ctx, persistence.NewUser{Username: "bob", Account: "nobody"}); !errors.Is(err, persistence.ErrNotFound) {
		t.Errorf("unknown account: %v, want ErrNotFound", err)
	}
	w.must(users.SetPassword(ctx, "team", "eve", ""))
	got, err := users.Get(ctx, "team", "eve")
	if err != nil || got.PasswordHash != "" {
		t.Errorf("after removing the password: %+v, %v", got, err)
	}
	if all, err := users.ListAll(ctx); err != nil || len(all) != 2 {
		t.Errorf("all users: %v, %v", all, err)
	}
	w.must(users.Delete(ctx, "team", "eve"))
	if err := users.Delete(ctx, "team", "eve"); !errors.Is(err, persistence.ErrNotFound) {
		t.Errorf("delete again: %v, want ErrNotFound", err)
	}
}

func TestGrantsTellEveryListener(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	users, grants := persistence.NewUsers(w.pool), persistence.NewGrants(w.pool)
	_, err := users.Create(ctx, persistence.NewUser{Username: "eve", Account: admin})
	w.must(err)
	changed, ended := make(chan struct{}, 16), make(chan error, 1)
	listening, stop := context.WithCancel(ctx)
	go func() { ended <- grants.Listen(listening, func() { changed <- struct{}{} }) }()
	await := func(what string) {
		t.Helper()
		select {
		case <-changed:
		case <-ctx.Done():
			t.Fatalf("no notification: %s", what)
		}
	}
	await("start")
	g := persistence.Grant{Username: "eve", Role: "read-only", Domain: admin, GrantedBy: "admin"}
	_, err = grants.Add(ctx, g)
	w.must(err)
	await("added")
	if _, err := grants.Add(ctx, g); !errors.Is(err, persistence.ErrExists) {
		t.Errorf("add again: %v, want ErrExists", err)
	}
	await("statement without effect")
	if _, err := grants.Add(ctx, persistence.Grant{Username: "nobody", Role: "x", Domain: admin}); !errors.Is(err, persistence.ErrNotFound) {
		t.Errorf("unknown user: %v, want ErrNotFound", err)
	}
	list, err := grants.OfUser(ctx, "eve")
	w.must(err)
	list[0].CreatedAt = time.Time{}
	if diff := cmp.Diff([]persistence.Grant{g}, list); diff != "" {
		t.Errorf("grants (-want +got):\n%s", diff)
	}
	w.must(users.Delete(ctx, admin, "eve")) // the grant goes with its user
	await("removed by cascade")
	if err := grants.Remove(ctx, "eve", "read-only", admin); !errors.Is(err, persistence.ErrNotFound) {
		t.Errorf("Remove: %v, want ErrNotFound", err)
	}
	stop()
	if err := <-ended; !errors.Is(err, context.Canceled) {
		t.Errorf("Listen ended with %v", err)
	}
}

func TestAccountsBeginWithTheirPolicies(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	_, err := w.accounts.Create(t.Context(), persistence.NewAccount{Name: "team", Policy: policyNamed("first"), More: []persistence.NewPolicy{policyNamed("second"), policyNamed("third")}})
	w.must(err)
	list, err := w.policies.List(t.Context(), "team")
	w.must(err)
	var got []string
	for _, p := range list {
		got = append(got, fmt.Sprint(p.ID, " ", p.Active))
	}
	slices.Sort(got)
	if want := "first true, second false, third false"; strings.Join(got, ", ") != want {
		t.Errorf("policies %v, want %s", got, want)
	}
	_, err = w.accounts.Create(t.Context(), persistence.NewAccount{Name: "crew", Policy: policyNamed("first"), More: []persistence.NewPolicy{policyNamed("first")}})
	if !errors.Is(err, persistence.ErrExists) {
		t.Errorf("one id twice: %v", err)
	}
	if _, err := w.accounts.Get(t.Context(), "crew"); !errors.Is(err, persistence.ErrNotFound) {
		t.Errorf("the account is there without its policies: %v", err)
	}
}
