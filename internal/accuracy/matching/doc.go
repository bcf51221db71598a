// Package matching compares which vulnerabilities Plimsoll finds in packages, and with which fixes, with what other
// scanners find that are fed the same records.
//
// Packages are drawn from the records themselves: for each range the versions at its ends, right below and above them and
// before their releases, and versions the records list (draw.go). They are written as bills of materials (document.go),
// which our side reads as an upload, with the OSV driver's records in a PostgreSQL, judged by the stateless scan. The
// witnesses are osv-scanner and Grype, built by `make accuracy-match` from modules of their own; they share no code of ours.
// With osv-scanner Plimsoll shares the library that orders the versions of most ecosystems, with Grype nothing.
//
// The drivers of distributions' own documents are asked about the same packages: Debian's tracker and lists, Alpine's security
// databases (native.go), against what the witnesses find with the OSV records made of these, and told by CVE; and Red
// Hat's VEX documents, which a program of the oracle writes as records for Grype by the letter.
//
// Every difference has to belong to a class (classes.go, nativeclasses.go): a reason the records show. The comparison fails
// where none does, and where a class has more differences than differences.tsv knows. figures.md holds the figures of the
// last run.
// Two more checks need no witness: what the changelogs of a real Debian fixed is not reported, and what Red Hat's VEX and
// AlmaLinux's advisories say about the same builds agrees. These are behind the build tag accuracy.
//
// A small set of records and packages with the answers on which the comparison settled lies in testdata, and is checked by
// the ordinary tests, without witnesses and other data. It holds excerpts of the documents of Debian, Alpine (rebuilt from its
// APKBUILDs) and Red Hat (CC-BY-4.0), and of OSV records of GitHub, PyPA, the Go team, EEF (CC-BY-4.0), RustSec (CC0 and
// CC-BY-4.0), AlmaLinux (MIT), Bitnami (Apache-2.0), Rocky, Ubuntu, Debian and Alpine.
package matching
