package correction

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"plimsoll/engine/catalog"
	"plimsoll/engine/feed/cpe"
)

// Names of fields, as content lists have them; source and source_version are those of an OS package's source package.
const (
	FieldPackage       = "package"
	FieldVersion       = "version"
	FieldType          = "type" // only to be quoted
	FieldPURL          = "purl"
	FieldCPEs          = "cpes" // matched where one of them is equal; several new ones are given one by one
	FieldSource        = "source"
	FieldSourceVersion = "source_version"
)

// fields lists those a rule may match and replace.
var fields = []string{FieldPackage, FieldVersion, FieldPURL, FieldCPEs, FieldSource, FieldSourceVersion}

// AnyOS as a rule's type stands for the packages of all package databases.
const AnyOS = "os"

// Limits of one rule.
const (
	MaxFields = 16 // conditions, and replacements
	maxType   = 64
)

// longest are the bytes a value may have: what the dictionary keeps of a package.
var longest = map[string]int{
	FieldPackage: 512, FieldVersion: 256, FieldPURL: 1024, FieldCPEs: 480, FieldSource: 512, FieldSourceVersion: 256,
}

// ErrRule: a rule could not do anything, or not what it says.
var ErrRule = errors.New("invalid correction")

// Field is a value of a field: one to be found, or one to be put in its place.
type Field struct {
	Name  string `json:"field_name"`
	Value string `json:"field_value"`
}

// Rule replaces fields of the packages of a type that have all the given values.
type Rule struct {
	Type    string  `json:"type"` // package type, or AnyOS
	Match   []Field `json:"field_matches"`
	Replace []Field `json:"replace"`
}

// Check reports what is wrong with a rule: ErrRule.
func (r Rule) Check() error {
	if !word(r.Type) {
		return fmt.Errorf("%w: match.type must be a package type such as java or npm, or os", ErrRule)
	}
	if len(r.Match) > MaxFields || len(r.Replace) > MaxFields {
		return fmt.Errorf("%w: at most %d field_matches and %d replacements can be given", ErrRule, MaxFields, MaxFields)
	}
	if len(r.Replace) == 0 {
		return fmt.Errorf("%w: replace is empty, so nothing would be corrected", ErrRule)
	}
	for _, f := range r.Match {
		if err := r.checkField(f); err != nil {
			return fmt.Errorf("%w: match.field_matches: %w", ErrRule, err)
		}
	}
	seen := map[string]bool{}
	for _, f := range r.Replace {
		err := r.checkField(f)
		if err == nil && seen[f.Name] && f.Name != FieldCPEs {
			err = fmt.Errorf("%s is given twice", f.Name)
		}
		if err == nil {
			err = checkValue(f)
		}
		if err != nil {
			return fmt.Errorf("%w: replace: %w", ErrRule, err)
		}
		seen[f.Name] = true
	}
	return nil
}

// os reports whether the rule can only be about packages of package databases.
func (r Rule) os() bool { return r.Type == AnyOS || catalog.IsOS(r.Type) }

func (r Rule) checkField(f Field) error {
	switch {
	case !slices.Contains(fields, f.Name):
		return fmt.Errorf("field_name %.64q is none of %s", f.Name, strings.Join(fields, ", "))
	case f.Value == "":
		return fmt.Errorf("field_value of %s is empty", f.Name)
	case len(f.Value) > longest[f.Name]:
		return fmt.Errorf("field_value of %s is longer than %d bytes", f.Name, longest[f.Name])
	case r.os() && f.Name == FieldPURL:
		return errors.New("advisories do not name OS packages by purl; use package, version, source or source_version")
	case !r.os() && (f.Name == FieldSource || f.Name == FieldSourceVersion):
		return fmt.Errorf("only OS packages have a %s", f.Name)
	}
	return nil
}

// checkValue tries a new value on a package whose fields are all short words.
func checkValue(f Field) error {
	t, err := parse(f.Value)
	if err != nil {
		return err
	}
	if _, ok := fill(f.Name, t, func(string) string { return "1" }); ok {
		return nil
	}
	switch f.Name {
	case FieldCPEs:
		return fmt.Errorf("%.200q is no CPE 2.3 name with vendor and product", f.Value)
	case FieldPURL:
		return fmt.Errorf("%.200q is no package URL", f.Value)
	}
	return fmt.Errorf("%.200q is no value for %s", f.Value, f.Name)
}

// useful reports whether a CPE name can be looked up.
func useful(name string) bool {
	n, err := cpe.Parse(name)
	return err == nil && named(n.Vendor) && named(n.Product)
}

func named(value string) bool { return value != "" && value != cpe.None }

func word(s string) bool {
	if s == "" || len(s) > maxType {
		return false
	}
	for i := range len(s) {
		c := s[i]
		if (c < 'a' || c > 'z') && (c < '0' || c > '9') && !(i > 0 && strings.IndexByte("._-", c) >= 0) {
			return false
		}
	}
	return true
}
