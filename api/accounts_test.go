package api

import (
	"net/http"
	"strings"
	"testing"

	"plimsoll/api/oas"
)

func TestSigningIn(t *testing.T) {
	t.Parallel()
	s := newServer(t)
	mate := s.user("harbour", "mate1", "read-only")
	s.request(http.MethodGet, "/v2/images", "", mate).wants(http.StatusOK)
	s.request(http.MethodGet, "/v2/images", "", mate).wants(http.StatusOK) // from the cache
	for name, credentials := range map[string]func(*http.Request){
		"wrong password": as("mate1", "mate1"),
		"empty password": as("mate1", ""),
		"unknown user":   as("nobody", "mate1mate1"),
		"bearer":         header("Authorization", "Bearer mate1mate1"),
		"service user":   as("anchore-system", ""),
	} {
		t.Log(name)
		s.request(http.MethodGet, "/v2/images", "", credentials).fails(http.StatusUnauthorized, codeUnauthenticated)
	}
	s.admin(http.MethodDelete, "/v2/accounts/harbour/users/mate1", "").wants(http.StatusNoContent)
	s.request(http.MethodGet, "/v2/images", "", mate).fails(http.StatusUnauthorized, codeUnauthenticated)
}

func TestAccountsThroughTheirLife(t *testing.T) {
	t.Parallel()
	s := newServer(t)
	var account oas.Account
	s.admin(http.MethodPost, "/v2/accounts", `{"name":"harbour","email":"master@harbour.example"}`).wants(http.StatusOK).decode(&account)
	if account.Name != "harbour" || account.Type != "user" || account.State != "enabled" || *account.Email != "master@harbour.example" || account.CreatedAt.Location().String() != "UTC" {
		t.Errorf("created %+v", account)
	}
	s.admin(http.MethodPost, "/v2/accounts", `{"name":"harbour"}`).fails(http.StatusConflict, codeAccountExists)
	for _, reserved := range []string{"admin", "anchore-system", "system"} {
		s.admin(http.MethodPost, "/v2/accounts", `{"name":"`+reserved+`"}`).fails(http.StatusBadRequest, codeInvalidRequest)
	}
	var policies []oas.PolicyRecord
	s.admin(http.MethodGet, "/v2/policies", "", in("harbour")).wants(http.StatusOK).decode(&policies)
	if len(policies) != 1 || !policies[0].Active || policies[0].AccountName != "harbour" {
		t.Errorf("a new account has the policies %+v, want the default one, active", policies)
	}

	mate := s.user("harbour", "mate1", "full-control")
	s.request(http.MethodGet, "/v2/account", "", mate).wants(http.StatusOK)
	if got := s.admin(http.MethodPut, "/v2/accounts/harbour/state", `{"state":"disabled"}`).wants(http.StatusOK); strings.TrimSpace(got.body) != `{"state":"disabled"}` {
		t.Errorf("state answer %s", got.body)
	}
	for _, path := range []string{"/v2/account", "/v2/user"} {
		body := s.request(http.MethodGet, path, "", mate).fails(http.StatusForbidden, codeAccountDisabled)
		if body.Message != "Not authorized. Account harbour not enabled." {
			t.Errorf("%s: message %q", path, body.Message)
		}
	}
	s.admin(http.MethodGet, "/v2/images", "", in("harbour")).wants(http.StatusOK)
	s.admin(http.MethodPut, "/v2/accounts/harbour/state", `{"state":"enabled"}`).wants(http.StatusOK)
	s.request(http.MethodGet, "/v2/account", "", mate).wants(http.StatusOK)

	s.admin(http.MethodPut, "/v2/accounts/admin/state", `{"state":"disabled"}`).fails(http.StatusBadRequest, codeAccountStateInvalid)
	s.admin(http.MethodPut, "/v2/accounts/harbour/state", `{"state":"deleting"}`).fails(http.StatusBadRequest, codeInvalidRequest)
	s.admin(http.MethodPut, "/v2/accounts/nowhere/state", `{"state":"enabled"}`).fails(http.StatusNotFound, codeAccountNotFound)
	for _, hidden := range []string{"nowhere", "anchore-system"} {
		s.admin(http.MethodGet, "/v2/accounts/"+hidden, "").fails(http.StatusNotFound, codeAccountNotFound)
		body := s.admin(http.MethodGet, "/v2/images", "", in(hidden)).fails(http.StatusNotFound, codeAccountNotFound)
		if !strings.Contains(body.Message, "User account not found") {
			t.Errorf("message %q is not the one agents look for", body.Message)
		}
	}
	var accounts []oas.Account
	s.admin(http.MethodGet, "/v2/accounts?state=enabled", "").wants(http.StatusOK).decode(&accounts)
	if len(accounts) != 2 || accounts[0].Name != "admin" || accounts[1].Name != "harbour" {
		t.Errorf("accounts %+v", accounts)
	}
}

func TestWhatBelongsToOthersCannotBeTold(t *testing.T) {
	t.Parallel()
	s := newServer(t)
	mate := s.user("harbour", "mate1", "full-control")
	s.user("quay", "other", "full-control")
	for _, path := range []string{"/v2/accounts/quay", "/v2/accounts/nowhere", "/v2/accounts/quay/users/other", "/v2/accounts/admin/users/admin"} {
		s.request(http.MethodGet, path, "", mate).fails(http.StatusForbidden, codePermissionDenied)
	}
	want := "Not authorized. Requires permissions: domain=quay action=listImages target=*"
	if body := s.request(http.MethodGet, "/v2/images", "", mate, in("quay")).fails(http.StatusForbidden, codePermissionDenied); body.Message != want {
		t.Errorf("message %q, want %q", body.Message, want)
	}
	s.request(http.MethodGet, "/v2/accounts", "", mate).fails(http.StatusForbidden, codePermissionDenied)
	s.request(http.MethodGet, "/v2/accounts/harbour/users/other", "", mate).fails(http.StatusNotFound, codeUserNotFound)
}

func TestUsers(t *testing.T) {
	t.Parallel()
	s := newServer(t)
	mate := s.user("harbour", "mate1", "account-users-admin")
	created := s.request(http.MethodPost, "/v2/accounts/harbour/users", `{"username":"deckhand","password":"swabswab"}`, mate).wants(http.StatusOK)
	if strings.Contains(created.body, "swab") || strings.Contains(created.body, "argon2") {
		t.Errorf("the answer holds a secret: %s", created.body)
	}
	s.admin(http.MethodPost, "/v2/accounts/admin/users", `{"username":"deckhand","password":"swabswab"}`).fails(http.StatusConflict, codeUserExists)
	s.admin(http.MethodPost, "/v2/accounts/harbour/users", `{"username":"a:b","password":"swabswab"}`).fails(http.StatusBadRequest, codeInvalidRequest)
	s.admin(http.MethodPost, "/v2/accounts/nowhere/users", `{"username":"lost","password":"swabswab"}`).fails(http.StatusNotFound, codeAccountNotFound)

	var users []oas.User
	s.request(http.MethodGet, "/v2/accounts/harbour/users", "", mate).wants(http.StatusOK).decode(&users)
	if len(users) != 2 || users[0].Username != "deckhand" || users[1].Username != "mate1" || users[0].Type != "native" || users[0].PasswordLastUpdated == nil {
		t.Errorf("users %+v", users)
	}
	var self oas.User
	got := s.request(http.MethodGet, "/v2/user", "", mate, in("quay")).wants(http.StatusOK)
	got.decode(&self)
	if self.Username != "mate1" || self.AccountName != "harbour" || self.UnifiedRoles == nil || len(*self.UnifiedRoles) != 1 || (*self.UnifiedRoles)[0].RoleName != "account-users-admin" {
		t.Errorf("self %s", got.body)
	}
	for _, key := range []string{`"source":null`, `"idp_name":null`} {
		if !strings.Contains(got.body, key) {
			t.Errorf("%s is missing in %s", key, got.body)
		}
	}
	deckhand := as("deckhand", "swabswab")
	s.request(http.MethodGet, "/v2/user", "", deckhand).wants(http.StatusOK)
	s.request(http.MethodGet, "/v2/images", "", deckhand).fails(http.StatusForbidden, codePermissionDenied)

	s.request(http.MethodDelete, "/v2/accounts/harbour/users/mate1", "", mate).fails(http.StatusBadRequest, codeProtected)
	s.admin(http.MethodDelete, "/v2/accounts/admin/users/admin", "").fails(http.StatusBadRequest, codeProtected)
	s.request(http.MethodDelete, "/v2/accounts/harbour/users/deckhand", "", mate).wants(http.StatusNoContent)
	s.request(http.MethodDelete, "/v2/accounts/harbour/users/deckhand", "", mate).fails(http.StatusNotFound, codeUserNotFound)
}

func TestRoleMembers(t *testing.T) {
	t.Parallel()
	s := newServer(t)
	mate := s.user("harbour", "mate1", "account-users-admin")
	other := s.user("quay", "other", "full-control")
	s.user("quay", "third")
	members := func(role string) string { return "/v2/rbac-manager/roles/" + role + "/members" }

	s.request(http.MethodPost, members("read-only"), `{"username":"other","for_account":"harbour"}`, mate).wants(http.StatusOK)
	s.request(http.MethodGet, "/v2/images", "", other, in("harbour")).wants(http.StatusOK)
	s.request(http.MethodPost, members("read-only"), `{"username":"other","domain_name":"harbour"}`, mate).wants(http.StatusOK) // again
	s.request(http.MethodPost, members("read-only"), `{"username":"other","domain_name":"quay"}`, mate).fails(http.StatusForbidden, codePermissionDenied)
	s.request(http.MethodPost, members("read-only"), `{"username":"other"}`, mate).fails(http.StatusBadRequest, codeInvalidRequest)
	s.request(http.MethodPost, members("read-only"), `{"username":"other","domain_name":"harbour","for_account":"quay"}`, mate).fails(http.StatusBadRequest, codeInvalidRequest)
	s.request(http.MethodPost, members("read-only"), `{"username":"nobody","domain_name":"harbour"}`, mate).fails(http.StatusNotFound, codeUserNotFound)
	s.request(http.MethodPost, members("stowaway"), `{"username":"other","domain_name":"harbour"}`, mate).fails(http.StatusNotFound, codeRoleNotFound)

	var list []oas.RbacManagerRoleMember
	s.request(http.MethodGet, members("read-only"), "", mate).wants(http.StatusOK).decode(&list)
	if len(list) != 1 || list[0].Username != "other" || *list[0].DomainName != "harbour" || *list[0].ForAccount != "harbour" {
		t.Errorf("members %+v", list)
	}
	s.request(http.MethodPost, members("read-only"), `{"username":"third","domain_name":"quay"}`, other).wants(http.StatusOK)
	s.request(http.MethodGet, members("read-only"), "", mate).wants(http.StatusOK).decode(&list)
	if len(list) != 1 {
		t.Errorf("members of domains the caller may not list are shown: %+v", list)
	}
	s.request(http.MethodGet, members("read-only")+"?domain_name=quay", "", mate).fails(http.StatusForbidden, codePermissionDenied)
	s.admin(http.MethodGet, members("read-only"), "").wants(http.StatusOK).decode(&list)
	if len(list) != 2 {
		t.Errorf("admin sees %+v", list)
	}

	s.request(http.MethodDelete, members("read-only")+"?username=other&domain_name=harbour", "", mate).wants(http.StatusNoContent)
	s.request(http.MethodGet, "/v2/images", "", other, in("harbour")).fails(http.StatusForbidden, codePermissionDenied)
	s.request(http.MethodDelete, members("read-only")+"?username=other&for_account=harbour", "", mate).fails(http.StatusNotFound, codeMemberNotFound)
}

// A decoder that matches keys in any case would take the last of these, past the check of the first.
func TestKeysInAnotherCaseChangeNothing(t *testing.T) {
	t.Parallel()
	s := newServer(t)
	mate := s.user("harbour", "mate1", "account-users-admin")
	s.user("quay", "third")
	body := `{"username":"third","USERNAME":"mate1","domain_name":"harbour","DOMAIN_NAME":"quay"}`
	var member oas.RbacManagerRoleMember
	s.request(http.MethodPost, "/v2/rbac-manager/roles/read-only/members", body, mate).wants(http.StatusOK).decode(&member)
	if member.Username != "third" || *member.DomainName != "harbour" {
		t.Errorf("member %+v", member)
	}
}

func TestOnlyAdminGrantsInTheSystemDomain(t *testing.T) {
	t.Parallel()
	s := newServer(t)
	pilot := s.user("harbour", "pilot")
	grant := `{"username":"pilot","domain_name":"system"}`
	s.request(http.MethodPost, "/v2/rbac-manager/roles/system-admin/members", grant, pilot).fails(http.StatusForbidden, codePermissionDenied)
	s.admin(http.MethodPost, "/v2/rbac-manager/roles/full-control/members", grant).wants(http.StatusOK)
	s.request(http.MethodGet, "/v2/accounts", "", pilot).wants(http.StatusOK)
	s.request(http.MethodPost, "/v2/rbac-manager/roles/system-admin/members", grant, pilot).fails(http.StatusForbidden, codePermissionDenied)
}

func TestRoles(t *testing.T) {
	t.Parallel()
	s := newServer(t)
	mate := s.user("harbour", "mate1", "account-users-admin", "read-only")
	var roles []oas.RbacManagerRoleSummary
	s.request(http.MethodGet, "/v2/rbac-manager/roles", "", mate).wants(http.StatusOK).decode(&roles)
	names := map[string]bool{}
	for _, r := range roles {
		names[r.Name] = r.Description != ""
	}
	for _, want := range []string{"full-control", "read-write", "read-only", "policy-editor", "image-analyzer", "account-users-admin", "inventory-agent"} {
		if !names[want] {
			t.Errorf("role %s is missing or has no description", want)
		}
	}
	var own []oas.RbacManagerAccountRole
	s.request(http.MethodGet, "/v2/rbac-manager/my-roles", "", mate).wants(http.StatusOK).decode(&own)
	if len(own) != 2 || own[0].DomainName != "harbour" || len(own[0].Roles.Permissions) == 0 || !own[0].Roles.Immutable {
		t.Errorf("own roles %+v", own)
	}
}
