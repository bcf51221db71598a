// Package license brings licence texts of package metadata into SPDX form (SPDX 2.3 annex D).
//
// Parse reads what is an SPDX expression already. Normalize also knows how package formats write licences: Debian's
// short names, RPM's tags, Python's classifiers, the slash of old Cargo manifests, common titles and addresses.
//
// Invariants: a licence is named only when the text leaves no choice. "BSD" may be one of several and stays
// unknown; so does public domain, which is none. Nothing is guessed from the words of a licence's body.
package license
