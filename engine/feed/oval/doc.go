// Package oval reads definitions in the Open Vulnerability and Assessment Language, version 5, as the distributions
// publish them: what a definition says of itself, and its criteria with the package tests they refer to.
//
// Tests, objects and states follow the definitions that use them, and a document may have hundreds of MB. So it is read
// twice: once for those three, of which a compact table is kept, once for the definitions, which are handed out one by
// one. The package knows no source: what a comment means, and which tests there are besides those of packages, is for
// its callers.
package oval
