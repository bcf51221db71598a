package catalog

import (
	"errors"
	"fmt"
)

// ErrInvalidAnalyzer reports an analyzer set that cannot be used; a fault of the program, not of an image.
var ErrInvalidAnalyzer = errors.New("invalid analyzer")

// ErrUnavailable reports an analyzer that cannot work because a service it asks is missing: the layer's result
// would be wrong, and trying again later helps.
var ErrUnavailable = errors.New("analyzer is not available")

// Validate checks an analyzer set: every analyzer complete, no name used twice. It returns all faults.
func Validate(analyzers []Analyzer) error {
	seen := make(map[string]bool, len(analyzers))
	var faults []error
	for i, a := range analyzers {
		switch {
		case a.Name == "":
			faults = append(faults, fmt.Errorf("%w: number %d has no name", ErrInvalidAnalyzer, i))
		case seen[a.Name]:
			faults = append(faults, fmt.Errorf("%w: %s is listed twice", ErrInvalidAnalyzer, a.Name))
		case a.Version < 1:
			faults = append(faults, fmt.Errorf("%w: %s has no version", ErrInvalidAnalyzer, a.Name))
		case a.MaxSize < 1:
			faults = append(faults, fmt.Errorf("%w: %s does not bound its files", ErrInvalidAnalyzer, a.Name))
		case a.Wants == nil || a.Analyze == nil:
			faults = append(faults, fmt.Errorf("%w: %s lacks Wants or Analyze", ErrInvalidAnalyzer, a.Name))
		}
		seen[a.Name] = true
	}
	return errors.Join(faults...)
}

// Error makes a pointer to an Incompleteness the error an analyzer returns when the reason is more than
// ReasonUnreadable, alone or joined with others.
func (i *Incompleteness) Error() string {
	text := i.Path + ": " + i.Reason
	if i.Detail != "" {
		text += ": " + i.Detail
	}
	return text
}

// Incomplete turns what an analyzer returned as its error into the records to keep: each Incompleteness
// inside with its own reason and path, anything else as unreadable.
func Incomplete(file, analyzer string, err error) []Incompleteness {
	if err == nil {
		return nil
	}
	if joined, ok := err.(interface{ Unwrap() []error }); ok {
		var all []Incompleteness
		for _, e := range joined.Unwrap() {
			all = append(all, Incomplete(file, analyzer, e)...)
		}
		return all
	}
	found := Incompleteness{Reason: ReasonUnreadable, Detail: err.Error()}
	if known := (*Incompleteness)(nil); errors.As(err, &known) {
		found = *known
	}
	if found.Path == "" {
		found.Path = file
	}
	found.Analyzer = analyzer
	return []Incompleteness{found}
}
