// Package external reads vulnerability data that somebody else's program delivers: an executable or an HTTP endpoint that
// brings a commercial or private database into the form described here. It is the contract for whoever writes one.
//
// # Exchange
//
// The program is asked with one JSON object (Request), on its standard input or as the body of a POST:
//
//	{"protocol": 1, "cursor": "2026-08-21T10:00:00Z"}
//
// The cursor is what the program said at the end of the last sync that was taken over, "" at the first one and whenever
// everything is wanted. The answer, on standard output or as the body of a 200, is UTF-8 text, plain or compressed with
// gzip or Zstandard, with one JSON object on each line. Nothing else may be written there; an executable
// may write notes for people to standard error. Every line has exactly one of these members:
//
//	{"begin": {"protocol": 1, "delta": false}}    first
//	{"record": {…}}                               a vulnerability and what it affects, any number
//	{"removed": "VULN-7"}                         the id of a record that is gone; in a delta only
//	{"cursor": "2026-08-22T10:00:00Z"}            what to be asked with next time; at most one
//	{"end": {"records": 1200, "removed": 3}}      last, with the numbers of those lines
//	{"error": "the licence has expired"}          instead of going on: nothing of the answer is used
//
// A delta says what changed since the cursor, which must have been given; records it does not name stay. Otherwise the
// answer is everything there is: what it does not name is gone. An answer without its end line, or whose numbers
// are wrong, was cut short and is not used; neither is one that has a line that cannot be read, or records of which
// none is usable. A member or a number of the protocol that is not described here is an error.
//
// # Records
//
//	{"record": {
//	  "id": "VULN-1", "aliases": ["CVE-2026-0001"], "upstream": [],
//	  "summary": "…", "description": "…", "severity": "high",
//	  "cvss": ["CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:U/C:H/I:N/A:N"], "cwes": ["CWE-79"],
//	  "url": "https://…", "references": ["https://…"],
//	  "published": "2026-08-01T00:00:00Z", "modified": "…", "withdrawn": "…",
//	  "advisories": [{
//	    "namespace": "npm", "package": "lodash",
//	    "ranges": [{"introduced": "1.0.0", "fixed": "1.2.3"}], "versions": ["0.9.1"],
//	    "state": "fixed", "reason": "…", "severity": "critical",
//	    "notices": [{"id": "ADV-1", "url": "https://…"}], "fixed_at": "2026-08-02T00:00:00Z",
//	    "kind": "source", "module": "nodejs:16", "arches": ["amd64"], "channel": "eus:9.4"
//	  }]
//	}}
//
// Only id is required, and in an advisory namespace and package. Ids are letters, digits and .:_- and are unique in
// an answer. Aliases are other names of the same flaw; upstream names what the record was derived from or fixes. Severity
// is critical, high, medium, low, negligible or unknown; without one it is the band of the CVSS vectors, of versions
// 2.0 to 4.0. Times are RFC 3339. A withdrawn record has no advisories.
//
// Namespaces are those of languages (npm, pypi, maven, go, rubygems, crates.io, nuget, packagist, hex, pub, cran,
// hackage, swifturl), bitnami, and distributions with their release (debian:12, ubuntu:22.04, alpine:3.18, rhel:9,
// sles:15.5, amzn:2023, wolfi…). Packages are named as that ecosystem does; Maven's are group:artifact, and Go's are
// module paths. A range is what is affected: from introduced, or behind after, or from the beginning; up to
// fixed or before (a bound that is no fix), both exclusive, or to last_affected, inclusive, or for ever. At most one lower
// and one upper end is given. Versions are further affected ones, compared as text. State is fixed, affected,
// deferred, wont-fix, end-of-life, not-affected, under-investigation or unknown; without one it is fixed or
// affected, as the ranges say. Not-affected has neither ranges nor versions; fixed, affected, deferred, wont-fix
// and end-of-life have some. Kind, module, arches and channel narrow which packages of the name are meant, see feed.Scope;
// one record has one advisory for each of them.
//
// A record that breaks these rules anywhere is reported and skipped as a whole.
//
// # Limits
//
// A line has at most 8 MiB and 200,000 values, an answer 16 GiB, 2,000,000 records and 1,000,000 removed ids, a cursor
// 1,024 bytes, an id 128, a package name 512, a version 256. A record has at most 20,000 advisories, an advisory 1,000
// ranges and 20,000 versions.
package external
