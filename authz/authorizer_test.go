package authz_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"plimsoll/authz"
)

// grants is a fixed set of facts to decide on.
type grants struct {
	mu       sync.Mutex
	list     []authz.Grant
	accounts map[string]authz.Account
	announce chan func()
}

func (g *grants) Grants(context.Context) ([]authz.Grant, error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	return slices.Clone(g.list), nil
}

func (g *grants) set(list ...authz.Grant) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.list = list
}

func (g *grants) Account(_ context.Context, name string) (authz.Account, error) {
	if a, ok := g.accounts[name]; ok {
		return a, nil
	}
	return authz.Account{}, authz.ErrAccountNotFound
}

func (g *grants) ListenGrants(ctx context.Context, changed func()) error {
	g.announce <- changed
	<-ctx.Done()
	return ctx.Err()
}

func account(name, kind, state string) authz.Account {
	return authz.Account{Name: name, Type: kind, State: state}
}

var accounts = map[string]authz.Account{
	"admin":           account("admin", authz.TypeAdmin, authz.StateEnabled),
	"anchore-system":  account("anchore-system", authz.TypeService, authz.StateEnabled),
	"harbour":         account("harbour", authz.TypeUser, authz.StateEnabled),
	"quay":            account("quay", authz.TypeUser, authz.StateEnabled),
	"closed":          account("closed", authz.TypeUser, authz.StateDisabled),
	"being-collected": account("being-collected", authz.TypeUser, authz.StateDeleting),
}

func subject(user, home string) authz.Subject {
	return authz.Subject{User: user, Home: accounts[home]}
}

func TestDecide(t *testing.T) {
	t.Parallel()
	source := &grants{accounts: accounts, list: []authz.Grant{
		{User: "mate", Role: "read-only", Domain: "harbour"},
		{User: "mate", Role: "read-write", Domain: "quay"},
		{User: "mate", Role: "full-control", Domain: "closed"},
		{User: "mate", Role: "full-control", Domain: "gone"},
		{User: "captain", Role: "full-control", Domain: "harbour"},
		{User: "pilot", Role: "system-admin", Domain: "system"},
		{User: "prisoner", Role: "full-control", Domain: "closed"},
		{User: "prisoner", Role: "full-control", Domain: "harbour"},
		{User: "smuggler", Role: "system-admin", Domain: "harbour"},
	}}
	a, err := authz.New(t.Context(), source, authz.DefaultConfig())
	if err != nil {
		t.Fatal(err)
	}
	denied := func(domain, action string) error {
		return &authz.DeniedError{Domain: domain, Action: action, Target: "*"}
	}
	disabled := func(name string) error { return &authz.AccountDisabledError{Account: name} }
	cases := map[string]struct {
		who  authz.Subject
		what authz.Permission
		want error
	}{
		"role allows":                            {subject("mate", "harbour"), authz.Permission{Domain: "harbour", Action: "getImage"}, nil},
		"role lacks the action":                  {subject("mate", "harbour"), authz.Permission{Domain: "harbour", Action: "createImage"}, denied("harbour", "createImage")},
		"role in another account":                {subject("mate", "harbour"), authz.Permission{Domain: "quay", Action: "createImage"}, nil},
		"no role in the account":                 {subject("captain", "harbour"), authz.Permission{Domain: "quay", Action: "getImage"}, denied("quay", "getImage")},
		"an account without grant stays unknown": {subject("captain", "harbour"), authz.Permission{Domain: "nowhere", Action: "getImage"}, denied("nowhere", "getImage")},
		"no role at all":                         {subject("deckhand", "harbour"), authz.Permission{Domain: "harbour", Action: "listImages"}, denied("harbour", "listImages")},
		"no role needed":                         {subject("deckhand", "harbour"), authz.Permission{}, nil},
		"full control is everything":             {subject("captain", "harbour"), authz.Permission{Domain: "harbour", Action: "createUser", Target: "mate"}, nil},
		"full control ends at the account":       {subject("captain", "harbour"), authz.Permission{Domain: "system", Action: "listAccounts"}, denied("system", "listAccounts")},
		"system role":                            {subject("pilot", "harbour"), authz.Permission{Domain: "system", Action: "listAccounts"}, nil},
		"system role is no account role":         {subject("pilot", "harbour"), authz.Permission{Domain: "harbour", Action: "getImage"}, denied("harbour", "getImage")},
		"system role in an account is no system": {subject("smuggler", "harbour"), authz.Permission{Domain: "system", Action: "listAccounts"}, denied("system", "listAccounts")},
		"target account disabled":                {subject("mate", "harbour"), authz.Permission{Domain: "closed", Action: "getImage"}, disabled("closed")},
		"grant outlived its account":             {subject("mate", "harbour"), authz.Permission{Domain: "gone", Action: "getImage"}, authz.ErrAccountNotFound},
		"home account disabled":                  {subject("prisoner", "closed"), authz.Permission{Domain: "harbour", Action: "getImage"}, disabled("closed")},
		"home account disabled, nothing needed":  {subject("prisoner", "closed"), authz.Permission{}, disabled("closed")},
		"admin in a disabled account":            {subject("admin", "admin"), authz.Permission{Domain: "closed", Action: "getImage"}, nil},
		"admin in an account being deleted":      {subject("admin", "admin"), authz.Permission{Domain: "being-collected", Action: "getImage"}, nil},
		"admin in the system domain":             {subject("admin", "admin"), authz.Permission{Domain: "system", Action: "createAccount"}, nil},
		"admin in an unknown account":            {subject("admin", "admin"), authz.Permission{Domain: "nowhere", Action: "getImage"}, authz.ErrAccountNotFound},
		"service account is hidden":              {subject("admin", "admin"), authz.Permission{Domain: "anchore-system", Action: "getImage"}, authz.ErrAccountNotFound},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got := a.Decide(t.Context(), c.who, c.what)
			if errors.Is(c.want, authz.ErrAccountNotFound) {
				if !errors.Is(got, authz.ErrAccountNotFound) {
					t.Fatalf("got %v, want ErrAccountNotFound", got)
				}
				return
			}
			if diff := cmp.Diff(fmt.Sprint(c.want), fmt.Sprint(got)); diff != "" {
				t.Fatal(diff)
			}
		})
	}
}

func TestDeniedMessageIsWhatAgentsLookFor(t *testing.T) {
	t.Parallel()
	err := &authz.DeniedError{Domain: "harbour", Action: "syncInventory", Target: "*"}
	want := "Not authorized. Requires permissions: domain=harbour action=syncInventory target=*"
	if err.Error() != want {
		t.Fatalf("got %q, want %q", err.Error(), want)
	}
}

func TestDecideConcurrentlyWithReload(t *testing.T) {
	t.Parallel()
	source := &grants{accounts: accounts, list: []authz.Grant{{User: "mate", Role: "read-only", Domain: "harbour"}}}
	a, err := authz.New(t.Context(), source, authz.DefaultConfig())
	if err != nil {
		t.Fatal(err)
	}
	var wg sync.WaitGroup
	for i := range 8 {
		wg.Go(func() {
			stranger := subject(fmt.Sprintf("stranger-%d", i), "harbour")
			for range 50 {
				if err := a.Decide(t.Context(), subject("mate", "harbour"), authz.Permission{Domain: "harbour", Action: "getImage"}); err != nil {
					t.Errorf("granted: %v", err)
				}
				if err := a.Decide(t.Context(), stranger, authz.Permission{Domain: "harbour", Action: "getImage"}); err == nil {
					t.Error("a stranger was let in")
				}
			}
		})
	}
	for range 5 {
		if err := a.Reload(t.Context()); err != nil {
			t.Error(err)
		}
	}
	wg.Wait()
}

func TestRunFollowsAnnouncementsAndPolls(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		source := &grants{accounts: accounts, announce: make(chan func(), 1)}
		a, err := authz.New(t.Context(), source, authz.DefaultConfig())
		if err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan error, 1)
		go func() { done <- a.Run(ctx) }()
		changed := <-source.announce
		may := func() bool {
			return a.Decide(ctx, subject("mate", "harbour"), authz.Permission{Domain: "harbour", Action: "getImage"}) == nil
		}
		synctest.Wait()
		if may() {
			t.Fatal("allowed without a grant")
		}
		source.set(authz.Grant{User: "mate", Role: "read-only", Domain: "harbour"})
		changed()
		synctest.Wait()
		if !may() {
			t.Fatal("an announced grant was not loaded")
		}
		source.set()
		// The clock of this bubble: no time passes outside it.
		time.Sleep(authz.DefaultConfig().ReloadInterval + time.Second)
		synctest.Wait()
		if may() {
			t.Fatal("a withdrawn grant whose announcement was lost still holds after the reload interval")
		}
		cancel()
		if err := <-done; err != nil {
			t.Fatal(err)
		}
	})
}

func TestRolesNameKnownActionsOnly(t *testing.T) {
	t.Parallel()
	list := authz.Roles()
	if !slices.IsSortedFunc(list, func(a, b authz.Role) int { return cmpString(a.Name, b.Name) }) {
		t.Error("roles are not sorted by name")
	}
	for _, role := range list {
		actions := role.Actions()
		if len(actions) == 0 {
			t.Errorf("role %s may do nothing", role.Name)
		}
		if !slices.IsSorted(actions) {
			t.Errorf("the actions of role %s are not sorted", role.Name)
		}
		for _, action := range actions {
			if !authz.KnownAction(action) {
				t.Errorf("role %s names the unknown action %q", role.Name, action)
			}
		}
	}
}

func cmpString(a, b string) int {
	if a < b {
		return -1
	}
	return 1
}

func BenchmarkDecide(b *testing.B) {
	source := &grants{accounts: accounts}
	for i := range 1000 {
		source.list = append(source.list, authz.Grant{User: fmt.Sprintf("user-%d", i), Role: "read-only", Domain: "harbour"})
	}
	a, err := authz.New(b.Context(), source, authz.DefaultConfig())
	if err != nil {
		b.Fatal(err)
	}
	for b.Loop() {
		if err := a.Decide(b.Context(), subject("user-500", "harbour"), authz.Permission{Domain: "harbour", Action: "viewReports"}); err != nil {
			b.Fatal(err)
		}
	}
}
