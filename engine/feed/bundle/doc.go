// Package bundle is the file in which feed data crosses an air gap.
//
// A bundle is a tar archive. Its first member, manifest.json, says what the bundle brings: when it was built, up to which
// cursor of the sender, and for each group a content file with its size and SHA-256. The second, manifest.sig, is
// an Ed25519 signature over the manifest; an unsigned bundle has none. The content files follow in the order of the manifest,
// each named by the hash of its bytes, so that equal content is there once and has the same name in every bundle. They are
// Zstandard over a document of package relay, except for files that a source passes on as they are.
//
// A bundle without a base is everything; with one, it is what changed since: it applies to an installation that has
// that base or is further. A group of such a bundle may still be whole, when nothing of it is older than the base.
//
// Reading is streaming and in one pass. Member names are only compared with what the manifest announces, never used as
// paths; whatever is not announced, missing, longer, shorter or of another hash is ErrBundle. Nothing of a file may be
// used before Reader.Next went on without an error.
package bundle
