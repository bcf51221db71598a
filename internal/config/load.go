package config

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"reflect"
	"regexp"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"
)

// Prefix begins the name of every environment variable of the system.
const Prefix = "PLIMSOLL_"

// FileVariable names the configuration file when no flag does.
const FileVariable = Prefix + "CONFIG"

// maxFileBytes bounds a configuration or secret file; both are a few lines.
const maxFileBytes = 1 << 20

// ErrInvalid is wrapped by every error that means "the settings are wrong"
// rather than "they could not be read".
var ErrInvalid = errors.New("invalid configuration")

// Source says where settings come from besides the defaults.
type Source struct {
	// File is the path of a YAML file; empty means none.
	File string
	// Environ has the form of os.Environ.
	Environ []string
	// Ignore lists variables below Prefix that mean something elsewhere and
	// deserve no warning. A trailing * matches any ending.
	Ignore []string
	// Overrides win over everything; they stand for command-line flags.
	Overrides []Override
}

// Override sets one key from a named origin, such as a flag.
type Override struct {
	Key, Value, Origin string
}

// Validator is implemented by sections that can be wrong. Load calls it for
// the root and each nested section by itself, so a section does not descend.
type Validator interface{ Validate() error }

// Load fills the struct that root points to and validates it. It returns
// warnings for people (unknown variables), and either nil or an error that
// names every fault together with its key, file or variable.
func Load(root any, src Source) (warnings []string, err error) {
	v := reflect.ValueOf(root).Elem()
	if src.File != "" {
		if err := readFile(root, src.File); err != nil {
			return nil, err
		}
	}
	leaves := map[string]setting{}
	walk(v, nil, func(s setting) {
		if !s.section {
			leaves[s.key()] = s
		}
	})
	warnings, faults := applyEnviron(leaves, src)
	for _, o := range src.Overrides {
		leaf, ok := leaves[o.Key]
		if !ok {
			faults = append(faults, fmt.Errorf("%s: no setting %s", o.Origin, o.Key))
			continue
		}
		if err := leaf.set(o.Value); err != nil {
			faults = append(faults, fmt.Errorf("%s: %w", o.Origin, err))
		}
	}
	if len(faults) == 0 {
		faults = validate(v)
	}
	if len(faults) > 0 {
		return warnings, fmt.Errorf("%w:\n%w", ErrInvalid, errors.Join(faults...))
	}
	return warnings, nil
}

func readFile(root any, path string) error {
	text, err := readLimited(path)
	if err != nil {
		return fmt.Errorf("read configuration file: %w", err)
	}
	dec := yaml.NewDecoder(bytes.NewReader(text))
	dec.KnownFields(true)
	err = dec.Decode(root)
	if errors.Is(err, io.EOF) {
		return nil // an empty file sets nothing
	}
	if err != nil {
		return fmt.Errorf("%w: %s: %s", ErrInvalid, path, plainYAMLError(err))
	}
	if err := dec.Decode(new(yaml.Node)); !errors.Is(err, io.EOF) {
		return fmt.Errorf("%w: %s: more than one YAML document", ErrInvalid, path)
	}
	return nil
}

func readLimited(path string) ([]byte, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	text, err := io.ReadAll(io.LimitReader(f, maxFileBytes+1))
	if err == nil && len(text) > maxFileBytes {
		err = fmt.Errorf("%s is larger than %d bytes", path, maxFileBytes)
	}
	return text, err
}

var (
	unknownField = regexp.MustCompile(`field (\S+) not found in type \S+`)
	quotedValue  = regexp.MustCompile("(cannot unmarshal !!\\w+) `[^`]*` into \\S+")
)

// plainYAMLError words a decoder error without Go type names and without the
// offending value, which may be part of a secret.
func plainYAMLError(err error) string {
	text := err.Error()
	if typeError := (*yaml.TypeError)(nil); errors.As(err, &typeError) {
		text = strings.Join(typeError.Errors, "; ")
	}
	text = unknownField.ReplaceAllString(text, `unknown key "$1"`)
	return quotedValue.ReplaceAllString(text, "$1: wrong type for this key")
}

func applyEnviron(leaves map[string]setting, src Source) (warnings []string, faults []error) {
	set := map[string]string{}
	for _, entry := range src.Environ {
		name, value, _ := strings.Cut(entry, "=")
		// Compose files pass "${X:-}" as an empty string: that means "unset".
		if strings.HasPrefix(name, Prefix) && value != "" {
			set[name] = value
		}
	}
	known := map[string]bool{FileVariable: true}
	for _, leaf := range leaves {
		name := leaf.variable()
		known[name] = true
		value, found := set[name]
		if leaf.secret() {
			known[name+"_FILE"] = true
			path, fromFile := set[name+"_FILE"]
			switch {
			case fromFile && found:
				faults = append(faults, fmt.Errorf("%s and %s_FILE are both set: keep one", name, name))
				continue
			case fromFile:
				text, err := readLimited(path)
				if err != nil {
					faults = append(faults, fmt.Errorf("%s_FILE: %w", name, err))
					continue
				}
				value, found = strings.TrimRight(string(text), "\r\n"), true
			}
		}
		if !found {
			continue
		}
		if err := leaf.set(value); err != nil {
			faults = append(faults, fmt.Errorf("%s: %w", name, err))
		}
	}
	for name := range set {
		if !known[name] && !ignored(name, src.Ignore) {
			warnings = append(warnings, fmt.Sprintf("environment variable %s is not a setting and has no effect", name))
		}
	}
	slices.Sort(warnings)
	slices.SortFunc(faults, func(a, b error) int { return strings.Compare(a.Error(), b.Error()) })
	return warnings, faults
}

func ignored(name string, patterns []string) bool {
	return slices.ContainsFunc(patterns, func(pattern string) bool {
		stem, wild := strings.CutSuffix(pattern, "*")
		return name == pattern || wild && strings.HasPrefix(name, stem)
	})
}

// validate asks the root and every section, and prefixes each fault with the
// key of the section it lies in.
func validate(root reflect.Value) []error {
	faults := faultsOf(root, "")
	walk(root, nil, func(s setting) {
		if s.section {
			faults = append(faults, faultsOf(s.value, s.key()+".")...)
		}
	})
	return faults
}

func faultsOf(section reflect.Value, prefix string) []error {
	validator, ok := section.Addr().Interface().(Validator)
	if !ok {
		return nil
	}
	err := validator.Validate()
	if err == nil {
		return nil
	}
	all := []error{err}
	if joined, ok := err.(interface{ Unwrap() []error }); ok {
		all = joined.Unwrap()
	}
	for i, fault := range all {
		all[i] = fmt.Errorf("%s%w", prefix, fault)
	}
	return all
}
