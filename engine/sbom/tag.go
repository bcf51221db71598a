package sbom

import (
	"bytes"
	"errors"
	"fmt"
)

// longestTag is how long a tag may be, in bytes. The decoder keeps all attributes of a tag, each in more than ten
// times the bytes it takes in the document.
const longestTag = 64 << 10

// apart are the parts of an XML document that are no tags although they begin like one (XML 1.0, 2.5 to 2.7).
var apart = []struct{ begin, end []byte }{
	{[]byte("<!--"), []byte("-->")}, {[]byte("<![CDATA["), []byte("]]>")}, {[]byte("<?"), []byte("?>")},
}

// checkTags refuses documents with tags that are too long, and those with declarations, inside which anything may
// look like a tag. What never ends is left to the decoder.
func checkTags(data []byte) error {
	for {
		at := bytes.IndexByte(data, '<')
		if at < 0 {
			return nil
		}
		data = data[at:]
		rest, found := data, false
		for _, a := range apart {
			if inside, begins := bytes.CutPrefix(data, a.begin); begins {
				if _, rest, found = bytes.Cut(inside, a.end); !found {
					return nil
				}
				break
			}
		}
		if found {
			data = rest
			continue
		}
		if bytes.HasPrefix(data, []byte("<!")) {
			return errors.New("document type definitions are not read")
		}
		n := tagLength(data[:min(len(data), longestTag+1)])
		if n > longestTag {
			return fmt.Errorf("%w: a tag of more than %d bytes", ErrTooLarge, longestTag)
		}
		data = data[n:]
	}
}

// tagLength is the length of the tag that data begins with, up to the end of data.
func tagLength(data []byte) int {
	var quote byte
	for i, c := range data {
		switch {
		case quote != 0:
			if c == quote {
				quote = 0
			}
		case c == '"' || c == '\'':
			quote = c
		case c == '>':
			return i + 1
		}
	}
	return len(data)
}
