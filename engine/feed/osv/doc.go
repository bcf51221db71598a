// Package osv reads records in the format of the OSV schema (ossf.github.io/osv-schema, 1.x), and the exports of the
// OSV.dev database: a zip archive per ecosystem with one JSON record per member, and the list of when each changed.
//
// A Dialect says for which source and which ecosystems records are read; drivers of other publishers of the format use
// it. The driver's own groups are ecosystems. A record may name packages of several; a group emits advisories for its
// own only, so that no advisory is stored twice. A record becomes one advisory per namespace, package and scope, with all
// its affected entries for that package joined. A withdrawn record keeps its vulnerability and loses its advisories.
// Ids stay as the source names them; aliases and upstream ids are handed on. Related ids are not, except by the
// advisories of distributions, which name the CVEs they fix so.
//
// Without a choice the language ecosystems and Bitnami are synced (DefaultEcosystems). Those of distributions can be
// chosen; they know less than the distributions' own sources do (rpm advisories stay one record for all their CVEs),
// and one should not be used beside the other. Not read, because their versions cannot be ordered here: Android,
// Bioconductor, ConanCenter, GHC, GitHub Actions, Julia, Kubernetes, Linux, Mageia, openEuler, OSS-Fuzz, VSCode.
//
// The first sync reads the archive. Later ones read the list of changes and fetch changed records one by one, unless
// there are many, or a week has passed: a record that vanished is not on the list, only absent from the archive. A
// mirror may hold the archives alone.
//
// Invariants: one record in memory at a time; one bad record never fails the archive; the same bytes give the
// same records in the same order.
package osv
