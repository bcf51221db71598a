package api

import (
	"context"
	"errors"
	"fmt"

	"plimsoll/api/oas"
	"plimsoll/authz"
	"plimsoll/persistence"
)

// Grants stores who holds which role where.
type Grants interface {
	OfUser(ctx context.Context, username string) ([]persistence.Grant, error)
	// Members lists the holders of a role, in one domain or, when it is empty, in all.
	Members(ctx context.Context, role, domain string) ([]persistence.Grant, error)
	Add(ctx context.Context, g persistence.Grant) (persistence.Grant, error)
	Remove(ctx context.Context, username, role, domain string) error
}

// grantDirect is the only way to hold a role as long as there are no user groups.
const grantDirect = "direct"

func (h *handlers) userWithRoles(ctx context.Context, user persistence.User) (oas.User, error) {
	grants, err := h.deps.Grants.OfUser(ctx, user.Username)
	if err != nil {
		return oas.User{}, fmt.Errorf("load roles: %w", err)
	}
	roles := each(grants, func(g persistence.Grant) oas.UnifiedRoles {
		return oas.UnifiedRoles{RoleName: g.Role, DomainName: g.Domain, GrantType: grantDirect, GrantedAt: utcOrNil(&g.CreatedAt)}
	})
	body := userBody(user)
	body.UnifiedRoles = &roles
	return body, nil
}

func roleBody(role authz.Role) oas.RbacManagerRole {
	return oas.RbacManagerRole{
		Name: role.Name, Description: role.Description, Immutable: true,
		Permissions: each(role.Actions(), func(action string) oas.RbacManagerPermission {
			return oas.RbacManagerPermission{Action: action, Target: authz.AnyTarget}
		}),
	}
}

// ListOwnRoles shows the caller's roles. A role that this version does not know any more is left out.
func (h *handlers) ListOwnRoles(ctx context.Context, _ oas.ListOwnRolesRequestObject) (oas.ListOwnRolesResponseObject, error) {
	grants, err := h.deps.Grants.OfUser(ctx, callerOf(ctx).User)
	if err != nil {
		return nil, fmt.Errorf("load roles: %w", err)
	}
	answer := oas.ListOwnRoles200JSONResponse{}
	for _, g := range grants {
		if role, ok := authz.FindRole(g.Role); ok {
			answer = append(answer, oas.RbacManagerAccountRole{ForAccount: g.Domain, DomainName: g.Domain, Roles: roleBody(role)})
		}
	}
	return answer, nil
}

// ListRoles lists the roles there are.
func (h *handlers) ListRoles(context.Context, oas.ListRolesRequestObject) (oas.ListRolesResponseObject, error) {
	return oas.ListRoles200JSONResponse(each(authz.Roles(), func(r authz.Role) oas.RbacManagerRoleSummary {
		return oas.RbacManagerRoleSummary{Name: r.Name, Description: r.Description}
	})), nil
}

func memberBody(g persistence.Grant) oas.RbacManagerRoleMember {
	return oas.RbacManagerRoleMember{Username: g.Username, ForAccount: &g.Domain, DomainName: &g.Domain, CreatedAt: utcOrNil(&g.CreatedAt)}
}

// oneDomain takes the domain from its current or its older name; required says that there must be one.
func oneDomain(forAccount, domainName *string, required bool) (string, error) {
	older, current := orElse(forAccount, ""), orElse(domainName, "")
	switch {
	case older != "" && current != "" && older != current:
		return "", fail(codeInvalidRequest, "for_account and domain_name differ; name only one of them.")
	case older == "" && current == "" && required:
		return "", fail(codeInvalidRequest, "Name the domain the role is bound to: domain_name (or, older, for_account).")
	case current != "":
		return current, nil
	}
	return older, nil
}

// may asks whether the caller has the action on the role in the domain.
func (h *handlers) may(ctx context.Context, action, domain, role string) error {
	return h.deps.Authorizer.Decide(ctx, callerOf(ctx).Subject, authz.Permission{Domain: domain, Action: action, Target: role})
}

func checkRole(name string) error {
	if _, ok := authz.FindRole(name); !ok {
		return fail(codeRoleNotFound, fmt.Sprintf("There is no role %s; GET /rbac-manager/roles lists them.", name))
	}
	return nil
}

// ListRoleMembers lists members in the named domain, or in all domains where the caller may.
func (h *handlers) ListRoleMembers(ctx context.Context, req oas.ListRoleMembersRequestObject) (oas.ListRoleMembersResponseObject, error) {
	domain, err := oneDomain(req.Params.ForAccount, req.Params.DomainName, false)
	if err != nil {
		return nil, err
	}
	if domain != "" {
		if err := h.may(ctx, "listRoleMembers", domain, req.RoleName); err != nil {
			return nil, err
		}
	}
	if err := checkRole(req.RoleName); err != nil {
		return nil, err
	}
	grants, err := h.deps.Grants.Members(ctx, req.RoleName, domain)
	if err != nil {
		return nil, fmt.Errorf("list role members: %w", err)
	}
	answer := oas.ListRoleMembers200JSONResponse{}
	visible := map[string]bool{}
	for _, g := range grants {
		shown, asked := visible[g.Domain]
		if !asked {
			shown = h.may(ctx, "listRoleMembers", g.Domain, req.RoleName) == nil
			visible[g.Domain] = shown
		}
		if shown {
			answer = append(answer, memberBody(g))
		}
	}
	return answer, nil
}

// CreateRoleMember grants a role. In the system domain only the admin account grants: otherwise a holder of a role there
// could raise anybody to it.
func (h *handlers) CreateRoleMember(ctx context.Context, req oas.CreateRoleMemberRequestObject) (oas.CreateRoleMemberResponseObject, error) {
	const action = "createRoleMember"
	domain, err := oneDomain(req.Body.ForAccount, req.Body.DomainName, true)
	if err != nil {
		return nil, err
	}
	if err := h.may(ctx, action, domain, req.RoleName); err != nil {
		return nil, err
	}
	if domain == authz.SystemDomain && !callerOf(ctx).Admin() {
		return nil, &authz.DeniedError{Domain: domain, Action: action, Target: req.RoleName}
	}
	if err := checkRole(req.RoleName); err != nil {
		return nil, err
	}
	grant, err := h.grant(ctx, persistence.Grant{
		Username: req.Body.Username, Role: req.RoleName, Domain: domain, GrantedBy: callerOf(ctx).User,
	})
	if err != nil {
		return nil, err
	}
	if err := h.deps.Authorizer.Reload(ctx); err != nil {
		return nil, err
	}
	return oas.CreateRoleMember200JSONResponse(memberBody(grant)), nil
}

// grant adds a membership. One that exists already is answered as it is.
func (h *handlers) grant(ctx context.Context, wanted persistence.Grant) (persistence.Grant, error) {
	added, err := h.deps.Grants.Add(ctx, wanted)
	switch {
	case errors.Is(err, persistence.ErrNotFound):
		return added, fail(codeUserNotFound, fmt.Sprintf("There is no user %s.", wanted.Username))
	case err == nil:
		return added, nil
	case !errors.Is(err, persistence.ErrExists):
		return added, fmt.Errorf("grant role: %w", err)
	}
	members, err := h.deps.Grants.Members(ctx, wanted.Role, wanted.Domain)
	if err != nil {
		return added, fmt.Errorf("list role members: %w", err)
	}
	for _, member := range members {
		if member.Username == wanted.Username {
			return member, nil
		}
	}
	return added, fmt.Errorf("grant role: %w", persistence.ErrSuperseded) // taken away in between
}

// DeleteRoleMember takes a role away.
func (h *handlers) DeleteRoleMember(ctx context.Context, req oas.DeleteRoleMemberRequestObject) (oas.DeleteRoleMemberResponseObject, error) {
	domain, err := oneDomain(req.Params.ForAccount, req.Params.DomainName, true)
	if err != nil {
		return nil, err
	}
	if err := h.may(ctx, "deleteRoleMember", domain, req.RoleName); err != nil {
		return nil, err
	}
	if err := checkRole(req.RoleName); err != nil {
		return nil, err
	}
	err = h.deps.Grants.Remove(ctx, req.Params.Username, req.RoleName, domain)
	switch {
	case errors.Is(err, persistence.ErrNotFound):
		return nil, fail(codeMemberNotFound, fmt.Sprintf("User %s does not hold the role %s in domain %s.", req.Params.Username, req.RoleName, domain))
	case err != nil:
		return nil, fmt.Errorf("withdraw role: %w", err)
	}
	if err := h.deps.Authorizer.Reload(ctx); err != nil {
		return nil, err
	}
	return oas.DeleteRoleMember204Response{}, nil
}
