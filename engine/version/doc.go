// Package version orders version numbers the way each ecosystem does.
//
// The orderings themselves come from osv-scalibr's semantic package, but for apk's (apk.go). This package decides
// which ordering a namespace uses and refuses strings that are no version of it: semantic orders anything it is given,
// and an invented order between "unknown" and "1.2" would turn into findings.
//
// Invariants: Compare never panics, whatever the strings; Compare(s, a, b) and Compare(s, b, a) are opposite;
// what Valid accepts, Compare compares.
package version
