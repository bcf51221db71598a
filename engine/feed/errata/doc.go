// Package errata turns the advisories of distributions, each of which repairs several flaws in several packages, into
// records by CVE.
//
// A flaw is repaired by all advisories that name it, so they are kept in a compact table until the last one has been
// read. Then, for every package a flaw is said to be in, the affected versions are the union of what the advisories
// say: a later repair of the same flaw extends the range, since who has only the earlier one has what had to be repaired
// again. Lines that are maintained side by side under one name (a kernel 5.10 and a kernel 5.15) stay apart by where a
// range begins. Architectures are named only where the answer differs between them.
//
// An advisory without a CVE is a record of its own. Packages with debugging symbols are left out: nothing in them runs.
//
// Invariants: the same advisories give the same records in the same order, whatever order they were added in within a
// document, and an id is given once.
package errata
