// Package correction changes what is known of packages where a person knows better: a rule names packages by their
// fields and says what some of the fields should be.
//
// A rule is about packages as analysis found them, never about what another rule made of them; where rules disagree
// about a field, the later one has the last word. New values may quote fields of the package in braces
// ("cpe:2.3:a:apache:tomcat:{version}:*:*:*:*:*:*:*").
//
// Invariants: everything is a pure function of its arguments. A corrected package has an identity that no package has
// by itself (see Identity.Claim), so that its dictionary entry says nothing about anybody else's package. What cannot be
// filled in for a package stays as it was found.
package correction
