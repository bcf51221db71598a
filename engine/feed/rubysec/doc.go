// Package rubysec reads the Ruby Advisory Database from the archive of its git repository: a YAML file per
// vulnerability and gem, or per vulnerability and Ruby implementation.
//
// One group "advisories". A record is a CVE, else a GHSA, else the id the file is named by; the files of all gems a CVE is
// about become one record. A file says which versions are patched and which never were affected; every other version
// is affected (ranges are the gaps). Gems are in the namespace "rubygems". Implementations are in the namespace
// "ruby", under their names (ruby, jruby, rbx, mruby), and order like gems. Advisories for one platform of a gem
// speak about the gem as a whole.
//
// Severity is the band of the newest CVSS score; the database has no vectors.
//
// Invariants: all records are held before the first one is told, bounded by the archive's size; the same bytes give the
// same records in the same order.
package rubysec
