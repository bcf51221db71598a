// Package redhat reads Red Hat's CSAF VEX documents: one per CVE, complete, about every product.
//
// One group "vex". The first sync reads the archive and what changed since it was made, one document each; the next
// ones read the documents that changed, and a newer archive now and then or when many changed. A record is a CVE. The
// tree of advisories is not read: the documents name the advisory of each fix, and its date where they are recent.
//
// Kept are rpms of Red Hat Enterprise Linux 5 and later, in the namespaces "rhel:5" and up, told by the CPE of the
// platform; of layered products only those whose packages have names of their own (Software Collections, .NET,
// developer tools, extras of RHEL 7). Dropped are other layered products (OpenShift, JBoss, Satellite, virtualization),
// containers, flatpaks, build roots, and packages of debugging symbols, which have nothing to run.
//
// Ids are opaque: relationships tell component and platform, the component's purl what it is. A purl of a source
// package, one with a version but no architecture, and components without a purl name source packages (feed.Source),
// others binaries (feed.Binary). Fixes of the main stream are said of both, so that packages are found that do not know
// their source; what is said of a binary goes first. Those of other streams are said of the source, and of binaries
// that have another version than it.
//
// The main stream has no channel. Streams for subscribers are "eus:9.4", "aus:8.2", "e4s:8.6", "tus:8.8", "sap:7.6"
// and "els"; an image of the main stream is never offered their builds. Extended life cycle support (els) goes on
// where the main stream ended, so what is said of it alone is true of the main stream as well, up to the fix, which is
// none there (feed.Range.Before).
//
// One CVE is often fixed several times in the main stream, once for each minor release that was current. A later minor
// release may have come with the flaw although its builds are newer than the earlier fix: curl 7.76.1-26.el9 of RHEL
// 9.3 is vulnerable to what 7.76.1-23.el9_2.4 fixed in 9.2, until 7.76.1-26.el9_3.2. See ranges for how that is said.
//
// Statements about one package contradict each other where products are minor releases; a fix goes before "affected",
// and that before "not affected".
//
// Settings.Releases: major versions, "9"; all when empty.
package redhat
