// Package debian reads what the Debian security tracker says about source packages.
//
// One group "tracker" with three documents: the tracker's JSON export, which covers the releases Debian maintains at the
// time, and the lists of security advisories (DSA) and of those of long-term support (DLA). The lists add notices and
// dates to what the tracker says, and are all there is about releases the tracker has dropped, which containers
// still use: there only what was fixed by an advisory is known.
//
// A record is a CVE, with one advisory per release (namespace "debian:12", or "debian:sid") and source package.
// Statements become states so (security-team.debian.org, "Security tracker"): resolved in a version: fixed; resolved in
// version 0, the tracker's word for code that was never there: not affected; open: affected, unless the urgency says
// end-of-life or a no-dsa mark says ignored (will not be fixed) or anything else (deferred). Undetermined
// statements and issues under a temporary name are left out. An advisory of the lists without a CVE is a record of
// its own when it is titled a security update; regression updates and the like are not vulnerabilities.
//
// Settings.Releases: code names with their numbers ("bookworm=12"); a name alone suffices for those in release.go.
//
// Invariants: nothing but a compact table is held; records come in the order of their ids.
package debian
