// Package java reads Java archives (jar and its relatives), nested ones included.
//
// What an archive is comes, best first, from the Maven descriptors inside (META-INF/maven/GROUP/ARTIFACT/
// pom.properties, then pom.xml), from its file name (NAME-VERSION.jar) and from its manifest. Descriptors
// that are not the archive's own belong to classes copied into it (shading) and are packages too.
//
// A group id is never invented. Without a descriptor it comes from the manifest in two cases only:
//   - Group-Id, which the Jenkins plugin build writes;
//   - Bundle-SymbolicName of the form GROUP.ARTIFACT where ARTIFACT is the name the file has and contains a
//     hyphen, and GROUP has at least two parts. The bundle plugin builds symbolic names that way; without
//     the hyphen the name may as well be the group alone (com.google.guava).
//
// Automatic-Module-Name and Implementation-Vendor-Id follow no such rule and are not used.
//
// Invariants: an archive is read through its directory and never extracted; entries, nesting, bytes in
// memory and bytes decompressed are bounded per file (see limits), each bound that is hit is reported and
// the packages found until then are kept.
package java
