package bundle

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/google/uuid"
)

// Cursor is a point in the history of a feed store, in the form the feed service uses, too.
type Cursor struct {
	Origin     string // which store
	Generation int64
}

// String is "<origin>/<generation>".
func (c Cursor) String() string { return c.Origin + "/" + strconv.FormatInt(c.Generation, 10) }

// ParseCursor reads what String writes: ErrBundle.
func ParseCursor(text string) (Cursor, error) {
	origin, number, _ := strings.Cut(text, "/")
	generation, errNumber := strconv.ParseInt(number, 10, 64)
	id, errOrigin := uuid.Parse(origin)
	c := Cursor{Origin: origin, Generation: generation}
	if errNumber != nil || errOrigin != nil || id.String() != origin || generation < 0 || c.String() != text {
		return Cursor{}, fmt.Errorf("%w: %q is no cursor", ErrBundle, clip(text))
	}
	return c, nil
}
