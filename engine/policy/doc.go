// Package policy decides whether an image may be used: it reads policy documents, compiles them against the
// known gates and evaluates them on the facts of an image.
//
// A Document is the v2 policy format. Parse refuses what the format does not allow and Compile what the gates
// do not allow, both with all faults at once. A compiled Policy is immutable and may be used by any number of
// goroutines.
//
// Evaluate picks the first mapping that matches the tag, runs every rule of its rule sets, marks findings that
// an allowlist claims and derives the verdict:
//
//   - stop is worse than warn is worse than go; the worst action of all findings is the policy action, a
//     finding claimed by an allowlist counts as go;
//   - an image on the denylist is stopped, else one on the allowlist goes, whatever the rules found;
//   - a rule that cannot be run is a problem of severity error and stops the image, unless a list decides:
//     what could not be checked is not passed;
//   - no matching mapping passes with a problem of severity warn.
//
// Gates are values (Gate, Trigger, Param) in the explicit list of package gates; what a rule may say, the
// published specification and the reference page all come from the same value.
//
// Invariants: the result depends on document, facts, tag and now alone, not on the order in which facts list
// things; the verdict does not depend on the order of rules; facts that no rule needs are never loaded; no
// clock is read, and every moment is cut to seconds in UTC.
package policy
