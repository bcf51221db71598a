// Package ubuntu reads Canonical's security data about source packages: the OSV archive, which says per CVE and
// channel which versions are affected, and the OpenVEX archive, which says why something is not fixed and what is
// not affected.
//
// One group "security" with two documents. A record is a CVE. What the plain archive gets is an advisory without a
// channel in the namespace "ubuntu:22.04"; what only subscribers get has Scope.Channel "pro" (Expanded Security
// Maintenance, for infrastructure and applications alike), "fips", "fips-updates", "fips-preview", "realtime" or
// another one, in lower case, that the data names.
//
// The data speaks of a package either in the plain channel or in Pro. What is vulnerable in Pro was so before Pro
// patched it, so a package named for Pro alone is vulnerable in a plain image as well, up to the version Pro brings;
// that version is never offered there as a fix (feed.Range.Before).
//
// A priority is the severity. Binaries and enumerated versions are not read: packages are matched by source, and the
// ranges say the same. Security notices (USN) become notices of the CVEs they name and date the fix; one that names no
// CVE is a record of its own when its title speaks of vulnerabilities rather than of a regression. Notices about kernel
// live patches (LSN) are not about packages.
//
// Settings.Releases: "22.04", or "jammy=22.04", or a code name the data itself explains; all when empty.
//
// Invariants: of the archives, one record and one compact table of notices and statements are in memory; the OSV
// archive is read twice, because its notices come last. Records come in the archive's order, then those only the VEX
// archive has in that of their ids.
package ubuntu
