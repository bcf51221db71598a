package policy

import (
	"bytes"
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"
)

// Limits of a document. They are far above what people write and keep one evaluation cheap.
const (
	MaxDocumentBytes  = 10 << 20
	MaxDepth          = 16
	MaxRules          = 2000    // in all rule sets together
	MaxAllowlistItems = 10000   // in all allowlists together
	MaxListLength     = 10000   // of any array
	MaxPatternBytes   = 1024    // of a selector, an allowlist trigger id or a regular expression
	MaxWildcards      = 32      // of one pattern
	MaxRegexpSize     = 10000   // of one regular expression, in steps of its program
	MaxRegexpsSize    = 1000000 // of all together
	MaxParams         = 100     // of one rule
	MaxValueBytes     = 64 << 10
	MaxIDBytes        = 256  // of the document's id
	MaxNameBytes      = 1024 // of the document's name
	MaxProblems       = 100
)

// kind is the JSON type a shape asks for.
type kind string

const (
	kindString kind = "a string"
	kindNumber kind = "a number"
	kindArray  kind = "an array"
	kindObject kind = "an object"
)

// shape describes a JSON value of the document format.
type shape struct {
	kind     kind
	nullable bool
	notEmpty bool              // string
	maxBytes int               // string; 0: MaxValueBytes
	oneOf    []string          // string
	elem     *shape            // array
	keys     map[string]*shape // object; every other key is refused
	required []string          // object
}

var (
	text       = &shape{kind: kindString}
	identifier = &shape{kind: kindString, notEmpty: true}
	idList     = &shape{kind: kindArray, elem: identifier}
)

// object builds a shape from required and optional keys.
func object(required, optional map[string]*shape) *shape {
	keys := maps.Clone(required)
	maps.Copy(keys, optional)
	return &shape{kind: kindObject, keys: keys, required: slices.Sorted(maps.Keys(required))}
}

func arrayOf(elem *shape) *shape { return &shape{kind: kindArray, elem: elem} }

var (
	described     = map[string]*shape{"description": text}
	imageRefShape = object(map[string]*shape{
		"type":  {kind: kindString, oneOf: []string{SelectTag, SelectDigest, SelectID}},
		"value": text,
	}, nil)
	selectorShape = object(map[string]*shape{
		"id": identifier, "name": text, "registry": text, "repository": text, "image": imageRefShape,
	}, described)
	mappingShape = object(map[string]*shape{
		"id": identifier, "name": text, "allowlist_ids": idList, "rule_set_ids": idList,
		"registry": text, "repository": text, "image": imageRefShape,
	}, described)
	sourceMappingShape = object(map[string]*shape{
		"id": identifier, "name": text, "allowlist_ids": idList, "rule_set_ids": idList,
		"host": text, "repository": text,
	}, described)
	sbomMappingShape = object(map[string]*shape{
		"id": identifier, "name": text, "allowlist_ids": idList, "rule_set_ids": idList, "sbom_name": text,
	}, map[string]*shape{"description": text, "sbom_version": {kind: kindString, nullable: true}})
	paramShape = object(map[string]*shape{"name": identifier, "value": text}, nil)
	ruleShape  = object(map[string]*shape{
		"id": identifier, "gate": identifier, "trigger": identifier, "params": arrayOf(paramShape),
		"action": {kind: kindString, oneOf: []string{"GO", "STOP", "WARN"}},
	}, map[string]*shape{"description": text, "recommendation": text})
	ruleSetShape = object(map[string]*shape{
		"id": identifier, "name": text, "version": text, "rules": arrayOf(ruleShape),
	}, map[string]*shape{
		"description":   text,
		"artifact_type": {kind: kindString, oneOf: []string{ArtifactImage, ArtifactSource, ArtifactSBOM}},
	})
	itemShape = object(map[string]*shape{
		"id": identifier, "gate": identifier, "trigger_id": identifier,
	}, map[string]*shape{"description": text, "expires_on": {kind: kindString, nullable: true}})
	allowlistShape = object(map[string]*shape{
		"id": identifier, "name": text, "version": text, "items": arrayOf(itemShape),
	}, described)
	documentShape = object(map[string]*shape{
		"id":   {kind: kindString, notEmpty: true, maxBytes: MaxIDBytes},
		"name": {kind: kindString, notEmpty: true, maxBytes: MaxNameBytes}, "version": text,
		"rule_sets": arrayOf(ruleSetShape), "mappings": arrayOf(mappingShape),
	}, map[string]*shape{
		"description": text, "allowlists": arrayOf(allowlistShape), "source_mappings": arrayOf(sourceMappingShape),
		"sbom_mappings":      arrayOf(sbomMappingShape),
		"allowlisted_images": arrayOf(selectorShape), "denylisted_images": arrayOf(selectorShape),
		"last_updated": {kind: kindNumber},
	})
)

// decodeTree reads one JSON value. Unlike encoding/json it refuses repeated keys, of which the last would
// silently win, and deep nesting.
func decodeTree(data []byte) (any, *Problem) {
	fail := func(kind, path, text string) (any, *Problem) {
		p := newProblem(SeverityError, kind, path, "", text)
		return nil, &p
	}
	if len(data) > MaxDocumentBytes {
		return fail(ProblemLimit, "", fmt.Sprintf("document has %d bytes, at most %d are allowed", len(data), MaxDocumentBytes))
	}
	if !utf8.Valid(data) {
		return fail(ProblemValidation, "", "document is not valid UTF-8")
	}
	decoder := json.NewDecoder(bytes.NewReader(data))
	decoder.UseNumber()
	tree, err := decodeValue(decoder, "", 0)
	if err != nil {
		if fault, ok := errors.AsType[*treeError](err); ok {
			return fail(fault.kind, fault.path, fault.text)
		}
		if errors.Is(err, io.EOF) {
			err = io.ErrUnexpectedEOF
		}
		return fail(ProblemValidation, "", fmt.Sprintf("not JSON after %d bytes: %v", decoder.InputOffset(), err))
	}
	if _, err := decoder.Token(); !errors.Is(err, io.EOF) {
		return fail(ProblemValidation, "", "more text after the end of the document")
	}
	return tree, nil
}

type treeError struct{ kind, path, text string }

func (e *treeError) Error() string { return e.path + ": " + e.text }

func decodeValue(decoder *json.Decoder, path string, depth int) (any, error) {
	if depth > MaxDepth {
		return nil, &treeError{ProblemLimit, path, fmt.Sprintf("nested deeper than %d levels", MaxDepth)}
	}
	token, err := decoder.Token()
	if err != nil {
		return nil, err
	}
	switch token {
	case json.Delim('['):
		list := []any{}
		for decoder.More() {
			value, err := decodeValue(decoder, path+"/"+strconv.Itoa(len(list)), depth+1)
			if err != nil {
				return nil, err
			}
			list = append(list, value)
		}
		_, err := decoder.Token()
		return list, err
	case json.Delim('{'):
		object := map[string]any{}
		for decoder.More() {
			key, err := decoder.Token()
			if err != nil {
				return nil, err
			}
			name, ok := key.(string)
			if !ok {
				return nil, &treeError{ProblemValidation, path, "object key is not a string"}
			}
			at := member(path, name)
			if _, seen := object[name]; seen {
				return nil, &treeError{ProblemValidation, at, "key appears twice"}
			}
			if object[name], err = decodeValue(decoder, at, depth+1); err != nil {
				return nil, err
			}
		}
		_, err := decoder.Token()
		return object, err
	}
	return token, nil
}

// maxPointerKey bounds the keys a pointer repeats, in bytes: no key of the format is longer.
const maxPointerKey = 64

// member is the pointer (RFC 6901) to a key of the object at path, or to the object where the key is too long to
// be repeated.
func member(path, key string) string {
	if len(key) > maxPointerKey {
		return path
	}
	return path + "/" + strings.NewReplacer("~", "~0", "/", "~1").Replace(key)
}

func checkVersion(tree any) *Problem {
	top, ok := tree.(map[string]any)
	if !ok {
		return nil // checkShape says so
	}
	version, ok := top["version"].(string)
	if !ok || version == Version || version == FormerVersion {
		return nil
	}
	p := newProblem(SeverityError, ProblemVersion, "/version", "", fmt.Sprintf("version %q is not supported, use %q", version, Version))
	return &p
}

// shapeCheck collects the faults of a tree.
type shapeCheck struct {
	problems []Problem
	broken   map[string]bool // pointers at which nothing usable stands
	ruleID   string          // of the rule being walked
}

func checkShape(tree any) *shapeCheck {
	c := &shapeCheck{broken: map[string]bool{}}
	c.walk(documentShape, tree, "")
	return c
}

// about reports whether a pointer leads to, or into, something broken: what else is wrong there is no news.
func (c *shapeCheck) about(pointer string) bool {
	for pointer != "" {
		if c.broken[pointer] {
			return true
		}
		pointer = pointer[:max(strings.LastIndexByte(pointer, '/'), 0)]
	}
	return false
}

func (c *shapeCheck) wrong(path, format string, args ...any) {
	c.broken[path] = true
	c.fault(ProblemValidation, path, format, args...)
}

func (c *shapeCheck) fault(kind, path, format string, args ...any) {
	if len(c.problems) < MaxProblems {
		c.problems = append(c.problems, newProblem(SeverityError, kind, path, c.ruleID, fmt.Sprintf(format, args...)))
	}
}

func (c *shapeCheck) walk(s *shape, value any, path string) {
	if value == nil {
		if !s.nullable {
			c.wrong(path, "must be %s, not null", s.kind)
		}
		return
	}
	switch v := value.(type) {
	case map[string]any:
		if s.kind == kindObject {
			c.walkObject(s, v, path)
			return
		}
	case []any:
		if s.kind == kindArray {
			c.walkArray(s, v, path)
			return
		}
	case string:
		if s.kind == kindString {
			c.checkString(s, v, path)
			return
		}
	case json.Number:
		if s.kind == kindNumber {
			return
		}
	}
	c.wrong(path, "must be %s", s.kind)
}

func (c *shapeCheck) walkObject(s *shape, object map[string]any, path string) {
	if s == ruleShape {
		c.ruleID, _ = object["id"].(string)
		defer func() { c.ruleID = "" }()
	}
	for _, key := range s.required {
		if _, ok := object[key]; !ok {
			c.wrong(path+"/"+key, "is required")
		}
	}
	for _, key := range slices.Sorted(maps.Keys(object)) {
		at := member(path, key)
		if child, ok := s.keys[key]; ok {
			c.walk(child, object[key], at)
		} else if len(c.problems) < MaxProblems {
			c.fault(ProblemValidation, at, "unknown key %.*q%s", maxPointerKey, key, suggest(key, slices.Sorted(maps.Keys(s.keys))))
		}
	}
}

func (c *shapeCheck) walkArray(s *shape, list []any, path string) {
	if len(list) > MaxListLength {
		c.fault(ProblemLimit, path, "has %d entries, at most %d are allowed", len(list), MaxListLength)
		return
	}
	for i, value := range list {
		c.walk(s.elem, value, path+"/"+strconv.Itoa(i))
	}
}

func (c *shapeCheck) checkString(s *shape, value, path string) {
	limit := cmp.Or(s.maxBytes, MaxValueBytes)
	switch {
	case len(value) > limit:
		c.fault(ProblemLimit, path, "has %d bytes, at most %d are allowed", len(value), limit)
	case s.notEmpty && value == "":
		c.wrong(path, "must not be empty")
	case s.oneOf != nil && !slices.Contains(s.oneOf, value):
		c.wrong(path, "must be one of %s%s", strings.Join(s.oneOf, ", "), suggest(value, s.oneOf))
	}
}
