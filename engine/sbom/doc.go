// Package sbom writes what is inside an image in the formats tools exchange: the native document (the JSON shape
// of Syft, which API clients expect), SPDX 2.3 and CycloneDX 1.6.
//
// Invariants: the same subject, image and time give the same bytes; ids of packages depend on what a package is
// and where it lies only, so that they are equal across documents of one image; ids of documents derive from the
// image digest. Nothing an image says reaches a document in a field with a grammar (licence expressions, ids)
// unless it fits that grammar.
package sbom
