// Package vex reads and writes what somebody says about whether flaws matter in products: OpenVEX 0.2 (and 0.0.1, and
// either inside an in-toto attestation), CycloneDX VEX 1.4 to 1.7 in JSON and XML, and CSAF 2.0. It decides which
// statements speak about a finding of an image.
//
// Invariants: a document is read whole or is an error; a statement that cannot be used is left out and told why, and so
// is a product that cannot be recognised in an image. A statement never covers more than it names: where it is unclear
// what it is about, it covers nothing. A statement that takes a finding away says why, or is not used. Signatures of
// attestations are not checked: whoever imports a document vouches for it.
package vex
