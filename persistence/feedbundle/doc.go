// Package feedbundle carries feed data over an air gap: it writes what a feed store holds into a bundle, and takes a
// bundle over.
//
// Nothing of a bundle is taken before all of it was read: the signature, every checksum, every size, every line, and
// whether it follows what is there. Each group is then committed as a sync would commit it, so that only what differs is
// written, under a generation with its change set. Both ways hold one record in memory.
//
// A group may also be brought as the document its publisher has, where that is one document.
//
// Groups whose content are files instead of records (signatures of malware) are told as a whole, and their files are
// looked at as if they had been fetched.
package feedbundle
