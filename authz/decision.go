package authz

import (
	"context"
	"errors"
	"fmt"
)

// ErrAccountNotFound means that no account of that name exists for the caller.
var ErrAccountNotFound = errors.New("account not found")

// DeniedError says which permission was missing. Its text is part of the API: agents recognise a refusal by how it begins.
type DeniedError struct {
	Domain string
	Action string
	Target string
}

// Error gives the missing permission.
func (e *DeniedError) Error() string {
	return fmt.Sprintf("Not authorized. Requires permissions: domain=%s action=%s target=%s", e.Domain, e.Action, e.Target)
}

// AccountDisabledError says that an account is disabled or being deleted.
type AccountDisabledError struct{ Account string }

// Error names the account.
func (e *AccountDisabledError) Error() string {
	return fmt.Sprintf("Not authorized. Account %s not enabled.", e.Account)
}

// Subject is an authenticated caller.
type Subject struct {
	User string
	Home Account
}

// Admin tells whether the caller may do everything.
func (s Subject) Admin() bool { return s.Home.Type == TypeAdmin }

// Permission is what an operation requires. An empty Action requires only an enabled home account.
type Permission struct {
	Domain string
	Action string
	Target string
}

// Decide returns nil when the subject may do it, a *DeniedError or *AccountDisabledError when not, and ErrAccountNotFound
// when the domain is an account that does not exist.
func (a *Authorizer) Decide(ctx context.Context, who Subject, what Permission) error {
	if !who.Admin() && who.Home.State != StateEnabled {
		return &AccountDisabledError{Account: who.Home.Name}
	}
	if what.Action == "" {
		return nil
	}
	if what.Domain == "" {
		return errNoDomain
	}
	if what.Target == "" {
		what.Target = AnyTarget
	}
	if !who.Admin() {
		ok, err := a.allowed(who.User, what.Domain, what.Action, what.Target)
		if err != nil {
			return err
		}
		if !ok {
			return &DeniedError{Domain: what.Domain, Action: what.Action, Target: what.Target}
		}
	}
	return a.checkDomain(ctx, who, what.Domain)
}

// checkDomain makes sure that the domain exists and may be acted in. Service accounts are invisible.
func (a *Authorizer) checkDomain(ctx context.Context, who Subject, domain string) error {
	if domain == SystemDomain || domain == who.Home.Name {
		return nil // the home account was looked up when the caller was authenticated
	}
	account, err := a.source.Account(ctx, domain)
	if err != nil {
		return fmt.Errorf("look up account %s: %w", domain, err)
	}
	if account.Type == TypeService {
		return fmt.Errorf("look up account %s: %w", domain, ErrAccountNotFound)
	}
	if account.State != StateEnabled && !who.Admin() {
		return &AccountDisabledError{Account: domain}
	}
	return nil
}
