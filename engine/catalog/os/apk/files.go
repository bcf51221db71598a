package apk

import (
	"encoding/base64"
	"encoding/hex"
	"strconv"
	"strings"

	"plimsoll/engine/catalog"
)

// What an entry has that no line tells otherwise (apk-tools, database.c, apk_default_acl_dir and _file).
const (
	defaultDirMode  = catalog.ModeDirectory | 0o755
	defaultFileMode = 0o644 // regular files and symbolic links look the same
)

// protected is where apk takes files for the administrator's (apk-tools, database.c: protected_paths starts
// with +etc).
const protected = "/etc/"

// recordSize is about what a file record takes beside its path, in bytes.
const recordSize = 160

// checksums are the algorithms by the mark in front of a checksum (apk-tools, blob.c, apk_blob_push_csum and
// apk_blob_pull_csum), with their lengths in bytes.
var checksums = map[string]struct {
	name string
	size int
}{"Q1": {"sha1", 20}, "Q2": {"sha256", 32}}

// specify adds what a line says about an entry: access as uid:gid:mode and perhaps a digest of extended
// attributes, or the checksum of the content, of a symbolic link that of its target.
func specify(f *catalog.RecordedFile, line byte, value string) {
	if line == 'Z' {
		if algorithm, known := checksums[value[:min(2, len(value))]]; known {
			if sum, err := base64.StdEncoding.DecodeString(value[2:]); err == nil && len(sum) == algorithm.size {
				f.Digest = algorithm.name + ":" + hex.EncodeToString(sum)
			}
		}
		return
	}
	fields := strings.SplitN(value, ":", 4)
	if len(fields) < 3 {
		return
	}
	uid, err1 := strconv.ParseUint(fields[0], 10, 32)
	gid, err2 := strconv.ParseUint(fields[1], 10, 32)
	mode, err3 := strconv.ParseUint(fields[2], 8, 12)
	if err1 != nil || err2 != nil || err3 != nil {
		return
	}
	f.Mode = f.Mode&catalog.ModeType | uint32(mode)
	if f.Owner = ""; uid != 0 || gid != 0 {
		f.Owner = fields[0] + ":" + fields[1]
	}
}
