package api

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"plimsoll/api/oas"
	"plimsoll/authz"
	"plimsoll/persistence"
)

// Accounts stores tenants.
type Accounts interface {
	Create(ctx context.Context, n persistence.NewAccount) (persistence.Account, error)
	Get(ctx context.Context, name string) (persistence.Account, error)
	List(ctx context.Context, state string) ([]persistence.Account, error)
	SetState(ctx context.Context, name, state string) (persistence.Account, error)
}

// Users stores who may sign in.
type Users interface {
	Logins
	Create(ctx context.Context, n persistence.NewUser) (persistence.User, error)
	Get(ctx context.Context, account, username string) (persistence.User, error)
	List(ctx context.Context, account string) ([]persistence.User, error)
	Delete(ctx context.Context, account, username string) error
}

// reservedNames cannot be taken by accounts.
var reservedNames = []string{persistence.AdminAccount, persistence.SystemAccount, authz.SystemDomain}

func accountBody(a persistence.Account) oas.Account {
	return oas.Account{
		Name: a.Name, Type: a.Type, State: a.State, Email: given(a.Email),
		CreatedAt: utc(a.CreatedAt), LastUpdated: utc(a.UpdatedAt),
	}
}

func userBody(u persistence.User) oas.User {
	return oas.User{
		Username: u.Username, AccountName: u.Account, Type: u.Type,
		CreatedAt: utc(u.CreatedAt), LastUpdated: utc(u.UpdatedAt), PasswordLastUpdated: utcOrNil(u.PasswordUpdatedAt),
	}
}

// account reads an account; service accounts do not exist for users of the API.
func (h *handlers) account(ctx context.Context, name string) (persistence.Account, error) {
	account, err := h.deps.Accounts.Get(ctx, name)
	if errors.Is(err, persistence.ErrNotFound) || err == nil && account.Type == authz.TypeService {
		return persistence.Account{}, noAccount(name)
	}
	if err != nil {
		return persistence.Account{}, fmt.Errorf("load account: %w", err)
	}
	return account, nil
}

func noAccount(name string) *ProblemError {
	return fail(codeAccountNotFound, fmt.Sprintf("User account not found: %s", name))
}

// GetOwnAccount shows the effective account.
func (h *handlers) GetOwnAccount(ctx context.Context, _ oas.GetOwnAccountRequestObject) (oas.GetOwnAccountResponseObject, error) {
	account, err := h.account(ctx, callerOf(ctx).Account)
	if err != nil {
		return nil, err
	}
	return oas.GetOwnAccount200JSONResponse(accountBody(account)), nil
}

// GetOwnUser shows the caller with all roles.
func (h *handlers) GetOwnUser(ctx context.Context, _ oas.GetOwnUserRequestObject) (oas.GetOwnUserResponseObject, error) {
	who := callerOf(ctx)
	user, err := h.deps.Users.Get(ctx, who.Home.Name, who.User)
	if err != nil {
		return nil, fmt.Errorf("load user: %w", err)
	}
	body, err := h.userWithRoles(ctx, user)
	if err != nil {
		return nil, err
	}
	return oas.GetOwnUser200JSONResponse(body), nil
}

// ListAccounts lists accounts.
func (h *handlers) ListAccounts(ctx context.Context, req oas.ListAccountsRequestObject) (oas.ListAccountsResponseObject, error) {
	accounts, err := h.deps.Accounts.List(ctx, string(orElse(req.Params.State, "")))
	if err != nil {
		return nil, fmt.Errorf("list accounts: %w", err)
	}
	accounts = slices.DeleteFunc(accounts, func(a persistence.Account) bool { return a.Type == authz.TypeService })
	return oas.ListAccounts200JSONResponse(each(accounts, accountBody)), nil
}

// CreateAccount makes an account with the policies new accounts begin with.
func (h *handlers) CreateAccount(ctx context.Context, req oas.CreateAccountRequestObject) (oas.CreateAccountResponseObject, error) {
	name := req.Body.Name
	if slices.Contains(reservedNames, name) {
		return nil, fail(codeInvalidRequest, fmt.Sprintf("The account name %s is reserved; choose another one.", name))
	}
	account, err := h.deps.Accounts.Create(ctx, persistence.NewAccount{
		Name: name, Email: orElse(req.Body.Email, ""), Policy: h.deps.DefaultPolicy, More: h.deps.MorePolicies,
	})
	switch {
	case errors.Is(err, persistence.ErrExists):
		return nil, fail(codeAccountExists, fmt.Sprintf("Account name %s already exists", name))
	case err != nil:
		return nil, fmt.Errorf("create account: %w", err)
	}
	return oas.CreateAccount200JSONResponse(accountBody(account)), nil
}

// GetAccount shows an account.
func (h *handlers) GetAccount(ctx context.Context, req oas.GetAccountRequestObject) (oas.GetAccountResponseObject, error) {
	account, err := h.account(ctx, req.AccountName)
	if err != nil {
		return nil, err
	}
	return oas.GetAccount200JSONResponse(accountBody(account)), nil
}

// UpdateAccountState enables or disables an account.
func (h *handlers) UpdateAccountState(ctx context.Context, req oas.UpdateAccountStateRequestObject) (oas.UpdateAccountStateResponseObject, error) {
	account, err := h.account(ctx, req.AccountName)
	if err != nil {
		return nil, err
	}
	state := string(req.Body.State)
	if account.Type == authz.TypeAdmin && state != authz.StateEnabled {
		return nil, fail(codeAccountStateInvalid, "Invalid account state change requested: the admin account cannot be disabled.")
	}
	account, err = h.deps.Accounts.SetState(ctx, req.AccountName, state)
	switch {
	case errors.Is(err, persistence.ErrState):
		return nil, fail(codeAccountStateInvalid, fmt.Sprintf("Invalid account state change requested: account %s cannot become %s.", req.AccountName, state))
	case errors.Is(err, persistence.ErrNotFound):
		return nil, noAccount(req.AccountName)
	case err != nil:
		return nil, fmt.Errorf("set account state: %w", err)
	}
	return oas.UpdateAccountState200JSONResponse{State: oas.AccountStatusState(account.State)}, nil
}

// ListUsers lists the users whose home the account is.
func (h *handlers) ListUsers(ctx context.Context, req oas.ListUsersRequestObject) (oas.ListUsersResponseObject, error) {
	if _, err := h.account(ctx, req.AccountName); err != nil {
		return nil, err
	}
	users, err := h.deps.Users.List(ctx, req.AccountName)
	if err != nil {
		return nil, fmt.Errorf("list users: %w", err)
	}
	return oas.ListUsers200JSONResponse(each(users, userBody)), nil
}

// CreateUser makes a native user.
func (h *handlers) CreateUser(ctx context.Context, req oas.CreateUserRequestObject) (oas.CreateUserResponseObject, error) {
	account, err := h.account(ctx, req.AccountName)
	if err != nil {
		return nil, err
	}
	if account.State == authz.StateDeleting {
		return nil, fail(codeAccountStateInvalid, fmt.Sprintf("Account %s is being deleted and takes no users.", account.Name))
	}
	hash, err := h.deps.Hasher.Hash(ctx, req.Body.Password)
	if err != nil {
		return nil, fmt.Errorf("hash password: %w", err)
	}
	user, err := h.deps.Users.Create(ctx, persistence.NewUser{Username: req.Body.Username, Account: account.Name, PasswordHash: hash})
	switch {
	case errors.Is(err, persistence.ErrExists):
		return nil, fail(codeUserExists, fmt.Sprintf("User name %s already exists; user names are unique in the whole system.", req.Body.Username))
	case errors.Is(err, persistence.ErrNotFound):
		return nil, noAccount(account.Name)
	case err != nil:
		return nil, fmt.Errorf("create user: %w", err)
	}
	return oas.CreateUser200JSONResponse(userBody(user)), nil
}

// GetUser shows a user.
func (h *handlers) GetUser(ctx context.Context, req oas.GetUserRequestObject) (oas.GetUserResponseObject, error) {
	user, err := h.deps.Users.Get(ctx, req.AccountName, req.Username)
	switch {
	case errors.Is(err, persistence.ErrNotFound):
		return nil, noUser(req.AccountName, req.Username)
	case err != nil:
		return nil, fmt.Errorf("load user: %w", err)
	}
	body, err := h.userWithRoles(ctx, user)
	if err != nil {
		return nil, err
	}
	return oas.GetUser200JSONResponse(body), nil
}

func noUser(account, username string) *ProblemError {
	return fail(codeUserNotFound, fmt.Sprintf("User %s not found in account %s", username, account))
}

// DeleteUser deletes a user with its memberships, but never the one who asks.
func (h *handlers) DeleteUser(ctx context.Context, req oas.DeleteUserRequestObject) (oas.DeleteUserResponseObject, error) {
	switch req.Username {
	case persistence.AdminUser, persistence.SystemAccount:
		return nil, fail(codeProtected, fmt.Sprintf("The user %s is needed by the system and cannot be deleted.", req.Username))
	case callerOf(ctx).User:
		return nil, fail(codeProtected, "A user cannot delete itself.")
	}
	err := h.deps.Users.Delete(ctx, req.AccountName, req.Username)
	switch {
	case errors.Is(err, persistence.ErrNotFound):
		return nil, noUser(req.AccountName, req.Username)
	case err != nil:
		return nil, fmt.Errorf("delete user: %w", err)
	}
	if err := h.deps.Authorizer.Reload(ctx); err != nil {
		return nil, err
	}
	return oas.DeleteUser204Response{}, nil
}
