package authz

import "slices"

// Roles that code refers to by name.
const (
	RoleFullControl = "full-control"
	RoleSystemAdmin = "system-admin"
)

// SystemDomain is the domain of accounts, services, feeds and everything else that belongs to no account.
const SystemDomain = "system"

// AnyTarget is the target of every permission of the predefined roles.
const AnyTarget = "*"

// anyAction in a role stands for every action of the domain it is granted in.
const anyAction = "*"

// Role is a named, immutable set of actions.
type Role struct {
	Name        string
	Description string
	actions     []string
}

// Actions returns what the role may do, sorted; a role for everything lists the actions of an account.
func (r Role) Actions() []string {
	if slices.Contains(r.actions, anyAction) {
		return slices.Clone(accountActions)
	}
	return slices.Clone(r.actions)
}

// roles is sorted by name, which is the order the API lists them in.
var roles = []Role{
	{"account-users-admin", "Manage the users of the account and who holds which role in it.", accountUsersAdminActions},
	{RoleFullControl, "Everything in the account.", []string{anyAction}},
	{"image-analyzer", "Submit images and read their results, as a build pipeline does.", imageAnalyzerActions},
	{"inventory-agent", "Report what runs where; the least rights a runtime agent needs.", inventoryAgentActions},
	{"policy-editor", "Write policies, read images and their evaluations.", policyEditorActions},
	{"read-only", "Read everything in the account and evaluate images; change nothing.", readOnlyActions},
	{"read-write", "Ordinary work in the account, except users and roles.", readWriteActions},
	{RoleSystemAdmin, "Everything in the system domain; meant for people outside the admin account.", systemActions},
	{"vuln-annotator-editor", "Read and write annotations of vulnerabilities.", annotationEditorActions},
	{"vuln-annotator-viewer", "Read annotations of vulnerabilities.", annotationViewerActions},
}

// Roles returns every role, sorted by name.
func Roles() []Role { return slices.Clone(roles) }

// FindRole returns the role of that name.
func FindRole(name string) (Role, bool) {
	for _, role := range roles {
		if role.Name == name {
			return role, true
		}
	}
	return Role{}, false
}

// KnownAction tells whether the permission table has the action.
func KnownAction(action string) bool {
	return slices.Contains(accountActions, action) || slices.Contains(systemActions, action) || slices.Contains(selfActions, action)
}
