package ruby

import (
	"regexp"
	"strconv"
	"strings"
)

// specification is what a gemspec says literally.
type specification struct {
	name, version, platform string
	attributes              map[string][]string
}

// maxItems bounds the elements taken of a list.
const maxItems = 64

// assignment matches the line of an attribute: "  s.name = ...". Conditions may follow the value.
var assignment = regexp.MustCompile(`^\s*[a-z_]\w*\.(name|version|platform|licenses?|authors?|homepage)\s*=\s*(.*)$`)

// stub matches what RubyGems itself reads instead of the program (Gem::StubSpecification): name, version,
// platform.
var stub = regexp.MustCompile(`^# stub: (\S+) (\S+) (\S+)`)

// readSpec reads the attributes; the stub line fills in what is no literal.
func readSpec(text string) specification {
	s := specification{attributes: map[string][]string{}}
	var comment []string
	for line := range strings.Lines(text) {
		line = strings.TrimRight(line, "\r\n")
		if m := stub.FindStringSubmatch(line); m != nil && comment == nil {
			comment = m[1:]
		}
		m := assignment.FindStringSubmatch(line)
		if m == nil {
			continue
		}
		if values := literals(m[2]); len(values) > 0 {
			s.attributes[m[1]] = values
		}
	}
	s.name, s.version, s.platform = s.first("name"), s.first("version"), s.first("platform")
	if comment != nil && (s.name == "" || s.version == "") {
		s.name, s.version, s.platform = comment[0], comment[1], comment[2]
	}
	return s
}

func (s *specification) first(attribute string) string {
	if values := s.attributes[attribute]; len(values) > 0 {
		return strings.TrimSpace(values[0])
	}
	return ""
}

// literals reads a string, a version made of one, or a list of strings; nothing if the value is anything else.
func literals(value string) []string {
	if rest, ok := strings.CutPrefix(value, "Gem::Version.new("); ok {
		value = strings.TrimLeft(rest, " ")
	}
	if words, ok := percentWords(value); ok {
		return words
	}
	if !strings.HasPrefix(value, "[") {
		if text, _, ok := literal(value); ok {
			return []string{text}
		}
		return nil
	}
	var all []string
	rest := value[1:]
	for len(all) < maxItems {
		rest = strings.TrimLeft(rest, " \t,")
		text, after, ok := literal(rest)
		if !ok {
			if after, ok = strings.CutPrefix(rest, "nil"); !ok { // e-mail lists have holes
				return all
			}
		} else {
			all = append(all, text)
		}
		rest = strings.TrimPrefix(after, ".freeze")
	}
	return all
}

// literal reads a quoted string as Ruby's String#dump writes it, or %q<...>.
func literal(value string) (text, rest string, ok bool) {
	if value == "" {
		return "", "", false
	}
	switch quote := value[0]; quote {
	case '"', '\'':
		return quoted(value[1:], quote)
	case '%':
		if len(value) > 3 && (value[1] == 'q' || value[1] == 'Q') {
			if end, known := closing[value[2]]; known {
				if text, rest, ok = strings.Cut(value[3:], end); ok {
					return text, rest, true
				}
			}
		}
	}
	return "", value, false
}

var closing = map[byte]string{'<': ">", '(': ")", '[': "]", '{': "}"}

func percentWords(value string) ([]string, bool) {
	if len(value) < 4 || (value[:2] != "%w" && value[:2] != "%W") {
		return nil, false
	}
	end, known := closing[value[2]]
	words, _, whole := strings.Cut(value[3:], end)
	if !known || !whole {
		return nil, false
	}
	all := strings.Fields(words)
	return all[:min(len(all), maxItems)], true
}

// codePoint matches how String#dump writes what is not ASCII.
var codePoint = regexp.MustCompile(`^\\u(?:[0-9A-Fa-f]{4}|\{[0-9A-Fa-f]{1,6}\})`)

// quoted reads up to the closing quote. A string with an interpolation is no literal; escapes other than of
// quotes, backslashes, code points and line ends stay as they are written.
func quoted(value string, quote byte) (text, rest string, ok bool) {
	var b strings.Builder
	for i := 0; i < len(value); i++ {
		switch c := value[i]; {
		case c == quote:
			return b.String(), value[i+1:], true
		case c == '#' && quote == '"' && i+1 < len(value) && strings.IndexByte("{$@", value[i+1]) >= 0:
			return "", value, false
		case c == '\\' && i+1 < len(value):
			if m := codePoint.FindString(value[i:]); m != "" && quote == '"' {
				code, _ := strconv.ParseUint(strings.Trim(m, `\u{}`), 16, 32) // the pattern is one of numbers
				b.WriteRune(rune(code))
				i += len(m) - 1
				continue
			}
			i++
			switch next := value[i]; {
			case next == '\\' || next == quote || next == '#' && quote == '"':
				b.WriteByte(next)
			case next == 'n' && quote == '"':
				b.WriteByte('\n')
			default:
				b.WriteByte('\\')
				b.WriteByte(next)
			}
		default:
			b.WriteByte(c)
		}
	}
	return "", value, false
}
