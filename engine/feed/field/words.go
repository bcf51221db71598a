package field

import (
	"math"
)

// Words gives texts that occur again and again small numbers, so that a table of millions of rows stays small.
// The empty text is 0.
type Words struct {
	numbers map[string]uint32
	texts   []string
	size    int
}

// NewWords returns one that knows the empty text only.
func NewWords() *Words { return &Words{numbers: map[string]uint32{"": 0}, texts: []string{""}} }

// Number returns the number of a text, a new one when it has not been seen yet.
func (w *Words) Number(text string) uint32 {
	n, ok := w.numbers[text]
	if !ok {
		if len(w.texts) == math.MaxUint32 {
			return 0 // there is no memory for that many
		}
		n = uint32(len(w.texts))
		w.numbers[text] = n
		w.texts = append(w.texts, text)
		w.size += len(text)
	}
	return n
}

// Text returns the text of a number Number has given.
func (w *Words) Text(n uint32) string { return w.texts[n] }

// Size is how many bytes the texts have together.
func (w *Words) Size() int { return w.size }
