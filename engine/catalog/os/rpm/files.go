package rpm

import (
	"encoding/binary"
	"fmt"
	"math"
	"path"
	"strings"

	"plimsoll/engine/catalog"
)

const (
	// maxPath is PATH_MAX.
	maxPath = 4096
	// recordSize is about what a file record takes beside its path, in bytes.
	recordSize = 160
)

// What a package says of a file (rpmfiles.h, rpmfileAttrs), where it ended up (rpmfileState) and what of it may
// be compared (rpmvf.h, rpmVerifyAttrs).
const (
	fileConfig    = 1 << 0
	fileMissingOK = 1 << 3
	fileGhost     = 1 << 6

	stateReplaced     = 1
	stateNotInstalled = 2
	stateNetShared    = 3
	stateWrongColor   = 4

	verifyDigest = 1 << 0
	verifySize   = 1 << 1
	verifyLink   = 1 << 2
	verifyMode   = 1 << 6
)

// digestAlgorithms are the numbers RFC 9580, 9.5 gives hash algorithms, which rpm uses too. A package without
// one has MD5.
var digestAlgorithms = map[uint64]string{1: "md5", 2: "sha1", 8: "sha256", 9: "sha384", 10: "sha512", 11: "sha224"}

// fileTable is the file list of a header, one value per file in each column. Columns may be missing.
type fileTable struct {
	names, dirs, digests, links, users, groups    [][]byte
	indexes, modes, sizes, longs, flags, compares []byte
	states                                        []byte
	algorithm                                     string
}

// table takes the file list apart.
func (h header) table() (*fileTable, error) {
	t := &fileTable{algorithm: "md5"}
	var ok bool
	if t.names, ok = h.strings(tagBaseNames); !ok {
		return nil, fmt.Errorf("%w: file names", ErrMalformed)
	}
	n := len(t.names)
	t.dirs, ok = h.strings(tagDirNames)
	t.indexes = h.words(tagDirIndexes, typeInt32, 4)
	if !ok || len(t.indexes) != 4*n {
		return nil, fmt.Errorf("%w: directories of %d files", ErrMalformed, n)
	}
	for _, column := range []struct {
		tag    uint32
		values *[][]byte
	}{{tagFileDigests, &t.digests}, {tagFileLinks, &t.links}, {tagFileUsers, &t.users}, {tagFileGroups, &t.groups}} {
		if values, ok := h.strings(column.tag); ok && len(values) == n {
			*column.values = values
		}
	}
	for _, column := range []struct {
		tag, kind uint32
		width     int64
		values    *[]byte
	}{
		{tagFileModes, typeInt16, 2, &t.modes}, {tagFileSizes, typeInt32, 4, &t.sizes}, {tagLongSizes, typeInt64, 8, &t.longs},
		{tagFileFlags, typeInt32, 4, &t.flags}, {tagVerifyFlags, typeInt32, 4, &t.compares},
		{tagFileStates, typeChar, 1, &t.states}, {tagFileStates, typeInt8, 1, &t.states},
	} {
		if values := h.words(column.tag, column.kind, column.width); int64(len(values)) == int64(n)*column.width && n > 0 {
			*column.values = values
		}
	}
	if number, there := h.number(tagDigestAlgo); there {
		t.algorithm = digestAlgorithms[number]
	}
	return t, nil
}

// files lists what the package recorded about its files: base names, each with the index of its directory
// (rpm's docs, "RPM V4 Header Format"). The records take at most room bytes; errFull tells that there are more.
func (h header) files(room int) ([]catalog.RecordedFile, error) {
	t, err := h.table()
	if err != nil {
		return nil, err
	}
	files := make([]catalog.RecordedFile, 0, min(len(t.names), room/recordSize))
	for i, name := range t.names {
		dir := binary.BigEndian.Uint32(t.indexes[4*i:])
		if int64(dir) >= int64(len(t.dirs)) {
			return files, fmt.Errorf("%w: file in directory %d of %d", ErrMalformed, dir, len(t.dirs))
		}
		if len(t.dirs[dir])+len(name) > maxPath {
			return files, fmt.Errorf("%w: path of %d bytes", ErrMalformed, len(t.dirs[dir])+len(name))
		}
		file := strings.ToValidUTF8(path.Join("/", string(t.dirs[dir]), string(name)), "\ufffd")
		record := t.record(i, file)
		if room -= recordSize + len(file) + len(record.Link); room < 0 {
			return files, errFull
		}
		files = append(files, record)
	}
	return files, nil
}

// record is what there is to compare of one file. It leaves out what `rpm -V` does not compare (verify.c,
// rpmVerifyFile): all of files that are not installed or that another package has replaced, the content of
// ghosts and of files another architecture's package shares, and what the package exempts itself.
func (t *fileTable) record(i int, file string) catalog.RecordedFile {
	r := catalog.RecordedFile{Path: file, Mode: t.mode(i), Owner: t.owner(i)}
	flags, compare := t.word(t.flags, i, 0), t.word(t.compares, i, math.MaxUint32)
	r.Config = flags&fileConfig != 0
	r.Optional = flags&(fileGhost|fileMissingOK) != 0
	switch t.state(i) {
	case stateNotInstalled, stateNetShared:
		r.Optional = true
		r.Mode = r.Mode&catalog.ModeType | catalog.ModeAny
		return r
	case stateReplaced:
		r.Mode = r.Mode&catalog.ModeType | catalog.ModeAny
		return r
	case stateWrongColor:
		compare &^= verifyDigest | verifySize
	}
	if flags&fileGhost != 0 {
		compare &^= verifyDigest | verifySize | verifyLink
	}
	if compare&verifyMode == 0 {
		r.Mode = r.Mode&catalog.ModeType | catalog.ModeAny
	}
	kind := r.Mode & catalog.ModeType
	if kind == catalog.ModeSymlink && compare&verifyLink != 0 && t.links != nil {
		r.Link = strings.ToValidUTF8(string(t.links[i]), "\ufffd")
	}
	if kind != catalog.ModeRegular && kind != 0 {
		return r
	}
	if compare&verifyDigest != 0 && t.digests != nil && t.algorithm != "" && isHex(t.digests[i]) {
		r.Digest = t.algorithm + ":" + string(t.digests[i])
	}
	if compare&verifySize != 0 {
		r.Size = t.size(i)
	}
	return r
}

func (t *fileTable) mode(i int) uint32 {
	if t.modes == nil {
		return 0
	}
	return uint32(binary.BigEndian.Uint16(t.modes[2*i:]))
}

func (t *fileTable) word(column []byte, i int, missing uint32) uint32 {
	if column == nil {
		return missing
	}
	return binary.BigEndian.Uint32(column[4*i:])
}

func (t *fileTable) state(i int) byte {
	if t.states == nil {
		return 0
	}
	return t.states[i]
}

func (t *fileTable) size(i int) int64 {
	if t.longs != nil {
		return max(0, int64(binary.BigEndian.Uint64(t.longs[8*i:])))
	}
	return int64(t.word(t.sizes, i, 0))
}

func (t *fileTable) owner(i int) string {
	if t.users == nil || t.groups == nil || string(t.users[i]) == "root" && string(t.groups[i]) == "root" {
		return ""
	}
	return catalog.Text(string(t.users[i]) + ":" + string(t.groups[i]))
}

// maxDigest is the length of a SHA-512 in hex.
const maxDigest = 128

func isHex(digest []byte) bool {
	return len(digest) > 0 && len(digest) <= maxDigest && strings.Trim(string(digest), "0123456789abcdef") == ""
}
