package search

import "encoding/binary"

// MinKeyword is the length of the shortest keyword, in bytes.
const MinKeyword = 4

// Keywords finds many words in a text at once, whatever their case. It looks at the three bytes at every second
// position: a word of four bytes or more begins at such a position or one before it. Almost all text is dismissed
// by one look into a table.
type Keywords struct {
	filter  [1 << filterBits]bool
	anchors map[uint32][]anchor
}

const filterBits = 15

// anchor says that the three bytes may be those at offset of a word.
type anchor struct {
	word   []byte // folded
	offset int
	number int
}

// fold makes letters of either case alike. It makes some other characters alike, too, which only costs a
// comparison more by those who look closer.
const fold = 0x20202020

// NewKeywords prepares the search; words are known by their number. Those shorter than MinKeyword are never found.
func NewKeywords(words []string) *Keywords {
	k := &Keywords{anchors: map[uint32][]anchor{}}
	for number, w := range words {
		if len(w) < MinKeyword {
			continue
		}
		word := []byte(w)
		for i := range word {
			word[i] |= fold & 0xff
		}
		for offset := range 2 {
			key := uint32(word[offset]) | uint32(word[offset+1])<<8 | uint32(word[offset+2])<<16
			k.filter[slot(key)] = true
			k.anchors[key] = append(k.anchors[key], anchor{word, offset, number})
		}
	}
	return k
}

func slot(key uint32) uint32 { return key * 0x9e3779b1 >> (32 - filterBits) }

// Each calls found with every place of a word, in the order of places but for neighbours, until it returns false.
func (k *Keywords) Each(text []byte, found func(at, number int) bool) {
	i := 0
	for ; i+4 <= len(text); i += 2 {
		key := (binary.LittleEndian.Uint32(text[i:]) | fold) & 0xffffff
		if k.filter[slot(key)] && !k.close(text, i, key, found) {
			return
		}
	}
	if i+3 <= len(text) {
		key := (uint32(text[i]) | uint32(text[i+1])<<8 | uint32(text[i+2])<<16 | fold) & 0xffffff
		k.close(text, i, key, found)
	}
}

// close compares the words that have the three bytes.
func (k *Keywords) close(text []byte, i int, key uint32, found func(at, number int) bool) bool {
	for _, a := range k.anchors[key] {
		if at := i - a.offset; at >= 0 && begins(text[at:], a.word) && !found(at, a.number) {
			return false
		}
	}
	return true
}

func begins(text, word []byte) bool {
	if len(text) < len(word) {
		return false
	}
	for i, b := range word {
		if text[i]|fold&0xff != b {
			return false
		}
	}
	return true
}
