package api

import (
	"bytes"
	"encoding/json"
	"fmt"
	"math"
	"os"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
)

// expected is one op line of testdata/shapes.txt.
type expected struct {
	status string
	kind   string
}

// shape is what a client decodes an object into.
type shape struct {
	strict bool
	keys   []shapeKey
}

type shapeKey struct {
	name     string
	kind     string
	present  bool // required by the document, or read without asking
	addition bool // of this server
}

// shapes is testdata/shapes.txt, read.
type shapes struct {
	operations map[string]expected // by "METHOD /path"
	objects    map[string]*shape
}

// publishedShapes are read once for all tests.
var publishedShapes = sync.OnceValues(func() (*shapes, error) {
	text, err := os.ReadFile("testdata/shapes.txt")
	if err != nil {
		return nil, err
	}
	return readShapes(string(text))
})

func readShapes(text string) (*shapes, error) {
	s := &shapes{operations: map[string]expected{}, objects: map[string]*shape{}}
	var current *shape
	for i, line := range strings.Split(text, "\n") {
		fields := strings.Fields(line)
		switch {
		case len(fields) == 0 || strings.HasPrefix(line, "#"):
		case fields[0] == "op" && len(fields) == 5:
			s.operations[fields[1]+" "+fields[2]] = expected{fields[3], fields[4]}
		case fields[0] == "shape":
			current = &shape{strict: len(fields) == 3 && fields[2] == "strict"}
			s.objects[fields[1]] = current
		case fields[0] == "=" && current != nil && len(fields) == 2:
			current.keys = append(current.keys, shapeKey{name: "=", kind: fields[1]})
		case current != nil && len(fields) == 2:
			name := strings.TrimRight(fields[0], "!+~")
			mark := fields[0][len(name):]
			current.keys = append(current.keys, shapeKey{name, fields[1], mark == "!" || mark == "+", mark == "~"})
		default:
			return nil, fmt.Errorf("line %d is not understood: %s", i+1, line)
		}
	}
	return s, s.resolve()
}

// resolve copies the keys of included shapes, and finds kinds that nothing describes.
func (s *shapes) resolve() error {
	for name, object := range s.objects {
		for i := 0; i < len(object.keys); i++ {
			key := object.keys[i]
			if key.name == "=" {
				included := s.objects[key.kind]
				if included == nil {
					return fmt.Errorf("%s includes the unknown shape %s", name, key.kind)
				}
				object.keys = slices.Concat(object.keys[:i], included.keys, object.keys[i+1:])
				i--
				continue
			}
			if object.strict && key.addition {
				return fmt.Errorf("%s is strict, so nothing can be added to it: %s", name, key.name)
			}
			if err := s.known(key.kind); err != nil {
				return fmt.Errorf("%s.%s: %w", name, key.name, err)
			}
		}
	}
	for key, op := range s.operations {
		if err := s.known(op.kind); err != nil {
			return fmt.Errorf("%s: %w", key, err)
		}
	}
	return nil
}

func (s *shapes) known(kind string) error {
	kind = strings.TrimSuffix(kind, "?")
	for strings.HasPrefix(kind, "[]") || strings.HasPrefix(kind, "[1]") {
		kind = kind[strings.IndexByte(kind, ']')+1:]
	}
	if word, _, _ := strings.Cut(kind, "("); scalars[word] != nil || word == "empty" || word == "text" || s.objects[word] != nil {
		return nil
	}
	return fmt.Errorf("unknown kind %s", kind)
}

var zuluTime = regexp.MustCompile(`^\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}(\.\d+)?Z$`)

// scalars say whether a decoded value is of a kind.
var scalars = map[string]func(any) bool{
	"any":    func(any) bool { return true },
	"str":    func(v any) bool { _, ok := v.(string); return ok },
	"bool":   func(v any) bool { _, ok := v.(bool); return ok },
	"object": func(v any) bool { _, ok := v.(map[string]any); return ok },
	"num":    func(v any) bool { _, ok := v.(json.Number); return ok },
	"int":    func(v any) bool { return integer(v, math.MinInt32, math.MaxInt32) },
	"int64":  func(v any) bool { return integer(v, math.MinInt64, math.MaxInt64) },
	"time": func(v any) bool {
		text, ok := v.(string)
		return ok && zuluTime.MatchString(text)
	},
}

func integer(v any, low, high int64) bool {
	number, ok := v.(json.Number)
	if !ok {
		return false
	}
	n, err := strconv.ParseInt(number.String(), 10, 64)
	return err == nil && low <= n && n <= high
}

// faults compares the body of an answer with a kind.
func (s *shapes) faults(kind, body string) []string {
	if kind == "empty" {
		if body != "" {
			return []string{"the answer must be empty, but is " + body}
		}
		return nil
	}
	if kind == "text" {
		if body == "" {
			return []string{"the answer is empty"}
		}
		return nil
	}
	decoder := json.NewDecoder(bytes.NewReader([]byte(body)))
	decoder.UseNumber()
	var value any
	if err := decoder.Decode(&value); err != nil {
		return []string{"not JSON: " + err.Error()}
	}
	return s.compare("", kind, value, nil)
}

func (s *shapes) compare(at, kind string, value any, faults []string) []string {
	null := strings.HasSuffix(kind, "?")
	kind = strings.TrimSuffix(kind, "?")
	if value == nil {
		if null || kind == "any" {
			return faults
		}
		return append(faults, fmt.Sprintf("%s is null, want %s", at, kind))
	}
	if prefix, item, ok := strings.Cut(kind, "]"); ok && strings.HasPrefix(prefix, "[") {
		return s.compareList(at, item, prefix == "[1", value, faults)
	}
	word, words, limited := strings.Cut(strings.TrimSuffix(kind, ")"), "(")
	if object := s.objects[word]; object != nil {
		return s.compareObject(at, word, object, value, faults)
	}
	if !scalars[word](value) {
		return append(faults, fmt.Sprintf("%s is %#v, want %s", at, value, kind))
	}
	if text, _ := value.(string); limited && !slices.Contains(strings.Split(words, "|"), text) {
		return append(faults, fmt.Sprintf("%s is %q, want one of %s", at, text, words))
	}
	return faults
}

func (s *shapes) compareList(at, item string, filled bool, value any, faults []string) []string {
	list, ok := value.([]any)
	if !ok {
		return append(faults, fmt.Sprintf("%s is %T, want a list of %s", at, value, item))
	}
	if filled && len(list) == 0 {
		faults = append(faults, at+" must not be empty")
	}
	for i, v := range list {
		faults = s.compare(fmt.Sprintf("%s/%d", at, i), item, v, faults)
	}
	return faults
}

func (s *shapes) compareObject(at, name string, object *shape, value any, faults []string) []string {
	fields, ok := value.(map[string]any)
	if !ok {
		return append(faults, fmt.Sprintf("%s is %T, want %s", at, value, name))
	}
	left := map[string]bool{}
	for key := range fields {
		left[key] = true
	}
	for _, key := range object.keys {
		v, there := fields[key.name]
		delete(left, key.name)
		switch {
		case there:
			faults = s.compare(at+"/"+key.name, key.kind, v, faults)
		case key.present:
			faults = append(faults, fmt.Sprintf("%s/%s of %s is missing", at, key.name, name))
		}
	}
	for key := range left {
		faults = append(faults, fmt.Sprintf("%s/%s is not a key of %s", at, key, name))
	}
	return faults
}

// The checker is what the other tests rely on, so it has to find each kind of deviation.
func TestShapesFindDeviations(t *testing.T) {
	t.Parallel()
	s, err := readShapes("op GET /x 200 A\nshape A\n  id! str(a|b)\n  n+ int\n  big int64\n  at time?\n  bs []B\n  one [1]str\n  more~ num\n  map object\nshape B strict\n  = C\n  ok! bool\nshape C\n  c str\n")
	must(t, err)
	good := `{"id":"a","n":-2147483648,"big":2147483648,"at":"2026-01-02T03:04:05.6Z","bs":[{"ok":true,"c":""}],"one":[""],"more":1.5,"map":{"x":null}}`
	for name, c := range map[string]struct{ from, to, want string }{
		"nothing":          {"", "", ""},
		"null allowed":     {`"2026-01-02T03:04:05.6Z"`, "null", ""},
		"null":             {`"a"`, "null", "/id is null"},
		"missing":          {`"id":"a",`, "", "/id of A is missing"},
		"missing for read": {`"n":-2147483648,`, "", "/n of A is missing"},
		"enumeration":      {`"a"`, `"c"`, "want one of a|b"},
		"number for text":  {`"a"`, `1`, "/id is"},
		"text for number":  {`-2147483648`, `"1"`, "/n is"},
		"32 bits":          {`-2147483648`, `2147483648`, "/n is"},
		"fraction":         {`2147483648,"at"`, `1.5,"at"`, "/big is"},
		"time zone":        {`05.6Z`, `05+00:00`, "/at is"},
		"empty time":       {`"2026-01-02T03:04:05.6Z"`, `""`, "/at is"},
		"empty list":       {`[""]`, `[]`, "/one must not be empty"},
		"no list":          {`[""]`, `""`, "/one is string, want a list"},
		"item":             {`"ok":true`, `"ok":1`, "/bs/0/ok is"},
		"included":         {`"c":""`, `"c":1`, "/bs/0/c is"},
		"unknown key":      {`"c":""`, `"d":""`, "/bs/0/d is not a key of B"},
		"object":           {`{"x":null}`, `[]`, "/map is"},
	} {
		body := strings.Replace(good, c.from, c.to, 1)
		if got := strings.Join(s.faults("A", body), "; "); got != c.want && (c.want == "" || !strings.Contains(got, c.want)) {
			t.Errorf("%s: found %q, want %q", name, got, c.want)
		}
	}
	for _, broken := range []string{"shape A\n  a B\n", "shape A strict\n  a~ str\n", "shape A\n  = B\n", "op GET /x 200 A\n", "what\n"} {
		if _, err := readShapes(broken); err == nil {
			t.Errorf("%q was understood", broken)
		}
	}
}
