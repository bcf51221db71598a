// Package nvd reads the National Vulnerability Database: the yearly files first, then what changed, through API 2.0.
//
// One group "cve"; a record per CVE, those that were rejected withdrawn. Advisories are in the namespace "nvd" and name
// products "vendor:product", as the CPE match criteria do that are marked vulnerable; hardware is left out, no container
// holds any. Severity is the band of the newest primary CVSS vector, else of the newest secondary one; all are kept, with
// the scores NVD states.
//
// Criteria of one product become one advisory per target software (Scope.Channel "sw:node.js"; none where the criteria
// leave it open). Whatever else they distinguish is merged so that nothing affected gets lost: editions, languages and
// target hardware are not looked at; platforms the product has to run on count only when all its criteria have some, and
// then any of them will do; the part is left open where it differs. A criterion without any version says that all
// are affected. One that says that versions do not apply ("-") affects none (NIST IR 7696: "-" and a version are disjoint);
// where there is nothing else the advisory is there, of state unknown.
//
// Exact versions are joined with their update, in the spellings of cpe.Name.Releases: 8 with update392 is "8-update392"
// and "8update392". CPE.Update "-" says that the versions without an update are meant without one; when it is empty, with
// any. Ranges that are plain numbers are joined; others stay as they are written, since their order depends on what
// they are compared with. An excluded upper end is the fix.
//
// A negated node or configuration is reported and left out. Overrides (github.com/anchore/nvd-data-overrides) replace the
// configurations of CVEs that NVD has not analysed; without that document all is as NVD says.
//
// Later syncs ask the API for what changed since the cursor, which is the end of the last window less an overlap.
// Pages overlap too: what changes while they are read leaves the window and moves the rest up. Where the API does not
// answer, the file of the last eight days' changes is read; it is what a mirror can hold. Once a week, or when much
// has changed, everything is read again; new overrides of CVEs that did not change count from then.
//
// Settings.Token is an API key, sent to the API only. Without one the pace is 5 requests in 30 seconds, with one
// 50.
//
// Invariants: one record in memory at a time, besides the overrides; a bad record never fails a document; a document of
// another kind always does.
package nvd
