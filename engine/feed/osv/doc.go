// Package osv reads the exports of the OSV.dev database: one zip archive per ecosystem with one JSON record
// (OSV schema 1.x) per member.
//
// A group is one ecosystem's archive. A record may name packages of several ecosystems; a group emits advisories
// for its own only, so that no advisory is stored twice. A record becomes one advisory per namespace and package,
// with all its affected entries for that package joined. A withdrawn record keeps its vulnerability and loses its
// advisories. Ids stay as the source names them; aliases and upstream ids are handed on, related ones are not.
//
// Without a choice the ecosystems whose packages the analyzers read are synced (DefaultEcosystems): Debian and
// Ubuntu for dpkg, and Go, Maven, npm and PyPI. Others that can be read are listed in ecosystem.go.
//
// Invariants: one record in memory at a time; one bad record never fails the archive; the same bytes give the
// same records in the same order.
package osv
