package vex

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"
)

// Status is what is said of a flaw in a product, in the words of OpenVEX 0.2, "Status Labels".
type Status string

// The statuses.
const (
	NotAffected        Status = "not_affected"
	Affected           Status = "affected"
	Fixed              Status = "fixed"
	UnderInvestigation Status = "under_investigation"
)

// caution orders statuses said at the same time: the one that asks for the most wins.
var caution = []Status{NotAffected, Fixed, UnderInvestigation, Affected}

// Valid reports whether it is one of the statuses.
func (s Status) Valid() bool { return slices.Contains(caution, s) }

// Suppresses reports whether a finding of that status needs no further work.
func (s Status) Suppresses() bool { return s == NotAffected || s == Fixed }

// Justification says in one word why a product is not affected, as OpenVEX 0.2, "Status Justifications", and one of ours.
type Justification string

// The justifications. FixNotPlanned is said of what is affected.
const (
	ComponentNotPresent Justification = "component_not_present"
	CodeNotPresent      Justification = "vulnerable_code_not_present"
	CodeNotExecuted     Justification = "vulnerable_code_not_in_execute_path"
	CodeNotControlled   Justification = "vulnerable_code_cannot_be_controlled_by_adversary"
	MitigationsExist    Justification = "inline_mitigations_already_exist"
	FixNotPlanned       Justification = "fix_not_planned"
)

var justifications = []Justification{ComponentNotPresent, CodeNotPresent, CodeNotExecuted, CodeNotControlled, MitigationsExist}

// Assertion is what a statement says about its products.
type Assertion struct {
	Status        Status
	Justification Justification // may be empty
	Impact        string        // why it does not matter
	Action        string        // what to do
	Notes         string        // how the status was found
	Details       string        // anything else
}

// Statement says the same about one flaw in some products.
type Statement struct {
	Vulnerability string
	Aliases       []string // its other names
	Products      []Product
	Assertion
	At time.Time // when it was true; UTC, whole seconds
}

// Bounds of a statement.
const (
	maxName  = 256      // bytes of a vulnerability's name
	maxNames = 100      // of one vulnerability
	maxText  = 16 << 10 // bytes of a text
	maxID    = 4 << 10  // bytes of an identifier
)

// errUnusable wraps why a statement cannot be used.
var errUnusable = errors.New("unusable")

// Check reports what is wrong with what is said: an unknown word, or a text that is too long.
func (a Assertion) Check() error {
	if !a.Status.Valid() {
		return fmt.Errorf("%w: status %.40q", errUnusable, a.Status)
	}
	if a.Justification != "" && a.Justification != FixNotPlanned && !slices.Contains(justifications, a.Justification) {
		return fmt.Errorf("%w: justification %.60q", errUnusable, a.Justification)
	}
	for _, text := range []string{a.Impact, a.Action, a.Notes, a.Details} {
		if len(text) > maxText {
			return fmt.Errorf("%w: a text of more than %d bytes", errUnusable, maxText)
		}
		if !storable(text) {
			return fmt.Errorf("%w: a text with a NUL byte or that is no UTF-8", errUnusable)
		}
	}
	return nil
}

// storable reports whether a database takes a text.
func storable(text string) bool { return utf8.ValidString(text) && !strings.ContainsRune(text, 0) }

// names are all names of the vulnerability that can be one, its own first, each once.
func (s *Statement) names() []string {
	var out []string
	for _, name := range append([]string{s.Vulnerability}, s.Aliases...) {
		if nameable(name) && !slices.ContainsFunc(out, func(o string) bool { return strings.EqualFold(o, name) }) {
			out = append(out, name)
		}
	}
	return out
}

func nameable(name string) bool {
	return name != "" && len(name) <= maxName && storable(name) && !strings.ContainsFunc(name, unicode.IsSpace)
}

// settle brings a statement of a document into its form and reports why it cannot be used.
func (s *Statement) settle() error {
	if len(s.Aliases) > maxNames {
		return fmt.Errorf("%w: more than %d names of one vulnerability", errUnusable, maxNames)
	}
	names := s.names()
	switch {
	case len(names) == 0:
		return fmt.Errorf("%w: it names no vulnerability", errUnusable)
	case len(s.Products) == 0:
		return fmt.Errorf("%w: it names no product", errUnusable)
	}
	if err := s.Check(); err != nil {
		return err
	}
	if s.Status == NotAffected && s.Justification == "" && s.Impact == "" {
		return fmt.Errorf("%w: it gives no reason why the product is not affected", errUnusable)
	}
	s.Vulnerability, s.Aliases = names[0], names[1:]
	if len(s.Aliases) == 0 {
		s.Aliases = nil
	}
	s.At = whole(s.At)
	return nil
}

// whole is a time as documents have it.
func whole(at time.Time) time.Time { return at.UTC().Truncate(time.Second) }

// clip keeps a line about a document storable.
func clip(text string) string {
	text = strings.TrimSpace(strings.ReplaceAll(strings.ToValidUTF8(text, "\ufffd"), "\x00", ""))
	if len(text) > maxID {
		text = strings.ToValidUTF8(text[:maxID], "")
	}
	return text
}
