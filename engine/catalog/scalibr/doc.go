// Package scalibr puts extractors of osv-scalibr behind the contract of analyzers: the long tail of ecosystems that
// are rare in images.
//
// An extractor expects a file system; it is shown one that holds the one file, read-only. What it returns goes
// through the same checks as any analyzer's findings. The parsers are a third party's and the input is hostile: each
// extractor has a small size bound, files for the YAML and XML libraries are measured for nesting and aliases first,
// and what still panics ends as one unreadable file.
//
// The library's own logger is silenced, as its messages would repeat what files say.
package scalibr
