package rpm

import (
	"bytes"
	"encoding/binary"
	"fmt"
)

// maxHeader bounds one header, in bytes; rpm's own bound is 256 MB (header.c, HEADER_DATA_MAX), packages with
// 100,000 files need about 20.
const maxHeader = 64 << 20

// Tags of a header (rpmtag.h).
const (
	tagName        = 1000
	tagVersion     = 1001
	tagRelease     = 1002
	tagEpoch       = 1003
	tagSummary     = 1004
	tagSize        = 1009
	tagVendor      = 1011
	tagLicense     = 1014
	tagPackager    = 1015
	tagURL         = 1020
	tagArch        = 1022
	tagFileSizes   = 1028
	tagFileStates  = 1029
	tagFileModes   = 1030
	tagFileDigests = 1035
	tagFileLinks   = 1036
	tagFileFlags   = 1037
	tagFileUsers   = 1039
	tagFileGroups  = 1040
	tagSourceRPM   = 1044
	tagVerifyFlags = 1045
	tagDirIndexes  = 1116
	tagBaseNames   = 1117
	tagDirNames    = 1118
	tagLongSizes   = 5008
	tagLongSize    = 5009
	tagDigestAlgo  = 5011
	tagModularity  = 5096
	maxTags        = 0xffff // header.c, HEADER_TAGS_MAX
	indexEntrySize = 16
)

// Types of a tag's data (rpmtypes.h).
const (
	typeChar        = 1
	typeInt8        = 2
	typeInt16       = 3
	typeInt32       = 4
	typeInt64       = 5
	typeString      = 6
	typeStringArray = 8
	typeI18NString  = 9
)

// header is the values of the tags above, each with its data to the end of the header's data.
type header map[uint32]value

type value struct {
	kind, count uint32
	data        []byte
}

// wanted are the tags to keep.
var wanted = map[uint32]bool{
	tagName: true, tagVersion: true, tagRelease: true, tagEpoch: true, tagSummary: true, tagSize: true, tagVendor: true,
	tagLicense: true, tagPackager: true, tagURL: true, tagArch: true, tagFileModes: true, tagSourceRPM: true,
	tagDirIndexes: true, tagBaseNames: true, tagDirNames: true, tagLongSize: true, tagModularity: true,
	tagFileSizes: true, tagFileStates: true, tagFileDigests: true, tagFileLinks: true, tagFileFlags: true, tagFileUsers: true, tagFileGroups: true,
	tagVerifyFlags: true, tagLongSizes: true, tagDigestAlgo: true,
}

// parseHeader reads a header as databases have it, without the magic of package files: the number of index
// entries, the bytes of data, the index, the data; numbers in network order (rpm's docs, "RPM V4 Header
// Format"; header.c, hdrblobInit). An entry is tag, type, offset and count. Tags that were added on
// installation come last and replace those of the package.
func parseHeader(blob []byte) (header, error) {
	if len(blob) < 8 {
		return nil, fmt.Errorf("%w: header of %d bytes", ErrMalformed, len(blob))
	}
	tags, size := int64(binary.BigEndian.Uint32(blob)), int64(binary.BigEndian.Uint32(blob[4:]))
	if tags == 0 || tags > maxTags || 8+tags*indexEntrySize+size > int64(len(blob)) {
		return nil, fmt.Errorf("%w: header of %d bytes has %d tags with %d bytes of data", ErrMalformed, len(blob), tags, size)
	}
	index, data := blob[8:8+tags*indexEntrySize], blob[8+tags*indexEntrySize:][:size]
	h := make(header, len(wanted))
	for ; len(index) > 0; index = index[indexEntrySize:] {
		tag, offset := binary.BigEndian.Uint32(index), int64(binary.BigEndian.Uint32(index[8:]))
		if !wanted[tag] {
			continue
		}
		if offset > size {
			return nil, fmt.Errorf("%w: tag %d lies at %d of %d bytes", ErrMalformed, tag, offset, size)
		}
		h[tag] = value{kind: binary.BigEndian.Uint32(index[4:]), count: binary.BigEndian.Uint32(index[12:]), data: data[offset:]}
	}
	return h, nil
}

// text is a tag's string, the first of a translated one; "" when there is none or none is meant ("(none)").
func (h header) text(tag uint32) string {
	v := h[tag]
	switch v.kind {
	case typeString, typeStringArray, typeI18NString:
	default:
		return ""
	}
	s, _, ok := bytes.Cut(v.data, []byte{0})
	if !ok || string(s) == "(none)" {
		return ""
	}
	return string(s)
}

// number is a tag's first number.
func (h header) number(tag uint32) (uint64, bool) {
	v := h[tag]
	switch {
	case v.count == 0:
	case v.kind == typeInt32 && len(v.data) >= 4:
		return uint64(binary.BigEndian.Uint32(v.data)), true
	case v.kind == typeInt64 && len(v.data) >= 8:
		return binary.BigEndian.Uint64(v.data), true
	}
	return 0, false
}

// words cuts a tag's numbers of width bytes out; nil when the header does not hold them.
func (h header) words(tag, kind uint32, width int64) []byte {
	v := h[tag]
	if n := int64(v.count) * width; v.kind == kind && n <= int64(len(v.data)) {
		return v.data[:n]
	}
	return nil
}

// strings cuts a tag's strings out; false when the header does not hold as many as it says.
func (h header) strings(tag uint32) ([][]byte, bool) {
	v := h[tag]
	if v.count == 0 {
		return nil, true
	}
	if v.kind != typeStringArray || int64(v.count) > int64(len(v.data)) {
		return nil, false
	}
	all := make([][]byte, 0, v.count)
	for rest := v.data; len(all) < int(v.count); {
		s, after, ok := bytes.Cut(rest, []byte{0})
		if !ok {
			return nil, false
		}
		all, rest = append(all, s), after
	}
	return all, true
}
