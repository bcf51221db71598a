package rpm

import (
	"encoding/binary"
	"slices"
)

// tag is one value of a header to build.
type tag struct {
	number uint32
	value  any // string, uint32, []uint32, []uint16, []string
}

func be(parts ...any) []byte {
	var b []byte
	for _, p := range parts {
		b, _ = binary.Append(b, binary.BigEndian, p)
	}
	return b
}

// build makes a header the way databases store it.
func build(tags ...tag) []byte {
	var index, data []byte
	for _, t := range tags {
		kind, count, value := uint32(typeString), uint32(1), []byte(nil)
		align := 1
		switch v := t.value.(type) {
		case string:
			value = append([]byte(v), 0)
		case uint32:
			kind, value, align = typeInt32, be(v), 4
		case []uint32:
			kind, count, value, align = typeInt32, uint32(len(v)), be(v), 4
		case []uint16:
			kind, count, value, align = typeInt16, uint32(len(v)), be(v), 2
		case []string:
			kind, count = typeStringArray, uint32(len(v))
			for _, s := range v {
				value = append(append(value, s...), 0)
			}
		}
		for len(data)%align != 0 {
			data = append(data, 0)
		}
		index = append(index, be(t.number, kind, uint32(len(data)), count)...)
		data = append(data, value...)
	}
	return slices.Concat(be(uint32(len(tags)), uint32(len(data))), index, data)
}

func simple(name string) []byte {
	return build(tag{tagName, name}, tag{tagVersion, "1.0"}, tag{tagRelease, "2.el9"}, tag{tagArch, "x86_64"})
}

// ndbFile makes an ndb database.
func ndbFile(blobs ...[]byte) []byte {
	out := make([]byte, ndbSlotPage)
	copy(out, "RpmP")
	binary.LittleEndian.PutUint32(out[12:], 1)
	for i := ndbHeader; i < ndbSlots; i++ {
		copy(out[i*ndbBlock:], ndbSlotMagic)
	}
	for i, blob := range blobs {
		slot, number := out[(ndbHeader+i)*ndbBlock:], uint32(i+1)
		binary.LittleEndian.PutUint32(slot[4:], number)
		binary.LittleEndian.PutUint32(slot[8:], uint32(len(out)/ndbBlock))
		head := []byte(ndbBlobMagic)
		for _, n := range []uint32{number, 0, uint32(len(blob))} {
			head = binary.LittleEndian.AppendUint32(head, n)
		}
		padding := make([]byte, (ndbBlock-(len(head)+len(blob))%ndbBlock)%ndbBlock)
		out = slices.Concat(out, head, blob, padding)
	}
	return out
}

// hashPage is the page size of databases made here.
const hashPage = 1024

// hashFileOf makes a Berkeley DB hash with the values inside its one hash page where they fit, and on overflow
// pages otherwise.
func hashFileOf(blobs ...[]byte) []byte {
	le := binary.LittleEndian
	meta, page := make([]byte, hashPage), make([]byte, hashPage)
	copy(meta[12:], "\x61\x15\x06\x00")
	le.PutUint32(meta[bdbMetaPageSize:], hashPage)
	meta[bdbType], page[bdbType] = bdbHashMeta, bdbHash
	le.PutUint16(page[bdbEntries:], uint16(2*len(blobs)))
	end := hashPage
	put := func(i int, item []byte) {
		end -= len(item)
		copy(page[end:], item)
		le.PutUint16(page[bdbPageHeader+2*i:], uint16(end))
	}
	var rest []byte
	for i, blob := range blobs {
		put(2*i, []byte{bdbItemInPage, byte(i), 0, 0, 0})
		if len(blob) < hashPage/4 {
			put(2*i+1, append([]byte{bdbItemInPage}, blob...))
			continue
		}
		item := []byte{bdbItemOverflow, 0, 0, 0}
		item = le.AppendUint32(item, uint32(2+len(rest)/hashPage))
		put(2*i+1, le.AppendUint32(item, uint32(len(blob))))
		for len(blob) > 0 {
			part := blob[:min(len(blob), hashPage-bdbPageHeader)]
			blob = blob[len(part):]
			o := make([]byte, hashPage)
			o[bdbType] = bdbOverflow
			le.PutUint16(o[bdbFree:], uint16(len(part)))
			if len(blob) > 0 {
				le.PutUint32(o[bdbNextPage:], uint32(3+len(rest)/hashPage))
			}
			copy(o[bdbPageHeader:], part)
			rest = append(rest, o...)
		}
	}
	le.PutUint32(meta[bdbMetaLastPage:], uint32(1+len(rest)/hashPage))
	return slices.Concat(meta, page, rest)
}
