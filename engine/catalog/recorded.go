package catalog

import "iter"

// RecordedFile is what a package database says about a file it installed. What the database does not know, or
// says need not be so, is left out.
type RecordedFile struct {
	Path string `json:"path"` // absolute and clean
	// Digest is the content's, or for a symbolic link in apk's database that of its target: the algorithm
	// (md5, sha1, sha256, ...), a colon, hex digits.
	Digest string `json:"digest,omitempty"`
	// Mode is as in stat(2), with the file type, either part 0 when unknown.
	Mode uint32 `json:"mode,omitempty"`
	Size int64  `json:"size,omitempty"` // bytes; 0 when unknown
	Link string `json:"link,omitempty"` // target of a symbolic link as written; empty when unknown
	// Owner is user:group, by name or number as the database has them; empty for root and when unknown.
	Owner string `json:"owner,omitempty"`
	// Config files are the administrator's to change.
	Config bool `json:"config,omitempty"`
	// Optional files need not be there: rpm's ghosts and files left out on installation.
	Optional bool `json:"optional,omitempty"`
}

// File types within a mode (stat(2)).
const (
	ModeType      uint32 = 0o170000
	ModeRegular   uint32 = 0o100000
	ModeDirectory uint32 = 0o040000
	ModeSymlink   uint32 = 0o120000
)

// ModeAny in a record's mode says that the permission bits may be any.
const ModeAny uint32 = 1 << 24

// Directory reports whether the record says that the path is a directory.
func (r *RecordedFile) Directory() bool { return r.Mode&ModeType == ModeDirectory }

// Diversion says that what packages of Type list as From lies at To, other than what the package By brought
// (dpkg-divert(1)); without By it holds for all.
type Diversion struct {
	Type string `json:"type"`
	From string `json:"from"`
	To   string `json:"to"`
	By   string `json:"by,omitempty"`
}

// Files are the paths the package owns, without directories.
func (o *Ownership) Files() iter.Seq[string] {
	return func(yield func(string) bool) {
		for _, p := range o.Paths {
			if !yield(p) {
				return
			}
		}
		for i := range o.Recorded {
			if r := &o.Recorded[i]; !r.Directory() && !yield(r.Path) {
				return
			}
		}
	}
}
