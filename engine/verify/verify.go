// Package verify compares files with what the package database recorded when it installed them.
//
// It answers per file and never guesses: a recorded digest of an algorithm nobody computed for the file makes it
// incomparable, not unchanged, unless its size or mode tells that it has changed anyway. Owner and time are not
// compared. The targets of symbolic links are where the database knows them: rpm's has them, apk's a digest of them.
package verify

import (
	"crypto/sha1" //nolint:gosec // of link targets
	"crypto/sha256"
	"encoding/hex"
	"strings"

	"plimsoll/engine/catalog"
)

// Aspect is a way in which a file differs from its record.
type Aspect string

const (
	Type   Aspect = "type" // a file became a link, a directory a file, ...
	Mode   Aspect = "mode" // permission bits
	Size   Aspect = "size"
	Digest Aspect = "digest"
	Target Aspect = "target" // of a symbolic link
)

// Result is what a comparison gives; the zero value says that the file is as recorded, as far as it is recorded.
type Result struct {
	Missing bool
	Changed []Aspect
	// Incomparable: a digest is recorded that the file's own digests cannot be compared with.
	Incomparable bool
}

// File compares a record with the entry of its path, nil if there is none. Of hard links the entry carries what
// they lead to, as assembly sees to.
func File(r *catalog.RecordedFile, e *catalog.Entry) Result {
	if e == nil {
		return Result{Missing: !r.Optional}
	}
	var out Result
	kind := typeOf(e)
	if want := expected(r, kind); want != kind {
		return Result{Changed: []Aspect{Type}}
	}
	if kind == catalog.ModeSymlink {
		out.link(r, e)
		return out
	}
	if r.Mode != 0 && r.Mode&catalog.ModeAny == 0 && r.Mode&permissions != e.Mode&permissions {
		out.Changed = append(out.Changed, Mode)
	}
	if kind != catalog.ModeRegular {
		return out
	}
	if r.Size != 0 && r.Size != e.Size {
		out.Changed = append(out.Changed, Size)
	}
	out.digest(r.Digest, func(algorithm string) string {
		switch algorithm {
		case "sha256":
			return e.SHA256
		case "md5":
			return e.MD5
		case "sha1":
			return e.SHA1
		}
		return ""
	})
	return out
}

const permissions = 0o7777

// typeOf is an entry's file type as in stat(2); 0 for devices and pipes, which are not told apart.
func typeOf(e *catalog.Entry) uint32 {
	switch e.Type {
	case catalog.Regular, catalog.Hardlink:
		return catalog.ModeRegular
	case catalog.Directory:
		return catalog.ModeDirectory
	case catalog.Symlink:
		return catalog.ModeSymlink
	}
	return 0
}

// expected is the type the record asks for, given the actual one. A record without a type but with a digest means
// a file, apk's also a symbolic link (dpkg's verify.c asks for a regular file wherever there is an MD5).
func expected(r *catalog.RecordedFile, actual uint32) uint32 {
	switch want := r.Mode & catalog.ModeType; {
	case want == catalog.ModeRegular || want == catalog.ModeDirectory || want == catalog.ModeSymlink:
		return want
	case want != 0:
		return 0
	case r.Digest != "" && (actual != catalog.ModeSymlink || strings.HasPrefix(r.Digest, "md5:")):
		return catalog.ModeRegular
	}
	return actual
}

// link compares the target of a symbolic link with the recorded one, or with the digest apk records of it.
func (out *Result) link(r *catalog.RecordedFile, e *catalog.Entry) {
	if r.Link != "" && r.Link != e.Link {
		out.Changed = append(out.Changed, Target)
	}
	out.digest(r.Digest, func(algorithm string) string {
		var sum []byte
		switch algorithm {
		case "sha1":
			s := sha1.Sum([]byte(e.Link)) //nolint:gosec // see above
			sum = s[:]
		case "sha256":
			s := sha256.Sum256([]byte(e.Link))
			sum = s[:]
		}
		return hex.EncodeToString(sum)
	})
}

// digest compares a recorded digest with what actual gives for its algorithm.
func (out *Result) digest(recorded string, actual func(algorithm string) string) {
	if recorded == "" {
		return
	}
	algorithm, want, _ := strings.Cut(recorded, ":")
	switch got := actual(algorithm); {
	case got == "":
		out.Incomparable = true
	case got != want:
		out.Changed = append(out.Changed, Digest)
	}
}
