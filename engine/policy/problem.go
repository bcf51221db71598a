package policy

import "fmt"

// Severities of a Problem.
const (
	SeverityError = "error"
	SeverityWarn  = "warn"
)

// Problem types. The first group is known to clients of other implementations of the format.
const (
	ProblemVersion        = "UnsupportedVersionError"
	ProblemGate           = "GateNotFoundError"
	ProblemTrigger        = "TriggerNotFoundError"
	ProblemParameter      = "InvalidParameterError"
	ProblemParameterValue = "ParameterValueInvalidError"
	ProblemEndOfLife      = "EndOfLifedError"
	ProblemReference      = "ReferencedObjectNotFoundError"
	ProblemDuplicate      = "DuplicateIdentifierFoundError"
	ProblemValidation     = "ValidationError"

	ProblemPattern       = "InvalidPatternError"
	ProblemExpiry        = "InvalidExpiryError"
	ProblemLimit         = "LimitExceededError"
	ProblemDeprecated    = "DeprecatedWarning"
	ProblemUnmapped      = "UnmappedImageWarning"
	ProblemTriggerFailed = "TriggerFailedError"
	ProblemIncomplete    = "IncompleteDataWarning"
	ProblemFormerID      = "FormerTriggerIDWarning"
)

// Problem is something wrong with a document or an evaluation. Details is a sentence for people that repeats
// the path and the rule.
type Problem struct {
	Severity string `json:"severity"` // error or warn
	Type     string `json:"problem_type"`
	Details  string `json:"details"`
	Path     string `json:"-"` // RFC 6901 pointer into the document; empty for the whole
	RuleID   string `json:"-"`
}

func newProblem(severity, kind, path, ruleID, text string) Problem {
	details := text
	switch {
	case path != "" && ruleID != "":
		details = fmt.Sprintf("%s (rule %s): %s", path, ruleID, text)
	case path != "":
		details = path + ": " + text
	}
	return Problem{Severity: severity, Type: kind, Details: details, Path: path, RuleID: ruleID}
}

// HasErrors reports whether one of the problems is more than a warning.
func HasErrors(problems []Problem) bool {
	for _, p := range problems {
		if p.Severity == SeverityError {
			return true
		}
	}
	return false
}
