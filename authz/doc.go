// Package authz decides who may do what.
//
// A role is an immutable set of actions; a grant gives a user a role in a domain, which is the name of an account or the
// literal "system". Casbin answers whether the grants of a user allow an action in a domain (model.conf). Around it, because
// these are no matter of grants: users of the admin account may do everything, a disabled account may do nothing, and an
// account must exist to be acted in.
//
// The order of the checks is part of the contract: first the state of the caller's own account, then the permission, then
// the target account. A caller without rights therefore learns nothing about whether an account exists.
//
// Grants are held in memory as one immutable snapshot, replaced as a whole when the database announces a change and, in case
// an announcement is lost, at an interval. Passwords are hashed here too, with argon2id.
package authz
