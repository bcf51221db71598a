// Package search is what the analyzers that look for something in any file have in common: telling text from the
// rest, finding many words in one look, and expressions over lines. Packages secret, content and retrieve below it
// are those analyzers.
//
// Expressions are RE2 (Go's regexp), whose time is linear in the text: neither an operator's expression nor a file
// made for it can keep a worker busy. Everything else a file could exhaust is bounded: its size, the length of a
// line, the number of looks and of hits.
package search
