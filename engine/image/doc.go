// Package image reads layers and puts images together.
//
// A Pass reads one layer blob in a single stream: digest of the compressed bytes, decompression, diffID, tar
// walk, per-file SHA-256 and the analyzers, without unpacking anything. Its result, a Layer, is all that later
// steps need. Assemble lays the layers of an image over each other and decides which evidence survives, which
// layer introduced a package, which distro it is and which OS package owns a language package. Squash yields
// the final file system.
//
// Invariants:
//   - Blobs are hostile. Every dimension is bounded by Limits; what breaks a layer is a typed error, what
//     spoils one file is a recorded catalog.Incompleteness. No name of an archive reaches the file system:
//     the only files written are anonymous spool files in the scratch directory.
//   - Results depend on the bytes, the analyzer set and the limits alone, never on timing, map order or the
//     order in which analyzers are listed. (A file whose analysis ran out of time is recorded as such.)
//   - Entries keep the archive's order, because applying them depends on it; each path occurs once, plus at
//     most once as a whiteout and once as an opaque mark.
package image
