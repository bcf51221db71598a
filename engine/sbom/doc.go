// Package sbom writes what is inside an image in the formats tools exchange: the native document (the JSON shape
// of Syft, which API clients expect), SPDX 2.3 (JSON, tag-value) and CycloneDX 1.6 (JSON, XML). It reads them, their
// older versions and SPDX 3, also where other tools wrote them.
//
// Invariants of writing: the same subject, image and time give the same bytes; ids of packages depend on what a
// package is and where it lies only, so that they are equal across documents of one image; ids of documents derive
// from the image digest. Nothing an image says reaches a document in a field with a grammar (licence expressions,
// ids) unless it fits that grammar.
//
// Invariants of reading: a document is hostile. It is walked entry by entry, so that memory stays a small multiple of
// its size; what a package lacks is told from its purl, and packages match as if we had found them ourselves.
package sbom
