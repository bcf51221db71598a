package policy

import (
	"errors"
	"fmt"
	"math"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// Type is what the values of a parameter may look like. Values are always JSON strings.
type Type struct {
	Name  string // in the reference page
	parse func(value string) (any, error)
	// validator is the JSON Schema of the value, published with the specification.
	validator map[string]any
}

func stringSchema() map[string]any { return map[string]any{"type": "string"} }

func stringSchemaWith(keyword string, value any) map[string]any {
	return map[string]any{"type": "string", keyword: value}
}

// Forms of the value types, used both for checking and in the published validators.
const (
	booleanForm = `^([Tt][Rr][Uu][Ee]|[Ff][Aa][Ll][Ss][Ee])$`
	integerForm = `^\s*[0-9]+\s*$`
	floatForm   = `^\s*-?([0-9]+(\.[0-9]*)?|\.[0-9]+)\s*$`
	listForm    = `^\s*[^,\s][^,]*(,\s*[^,\s][^,]*)*$`
	numbersForm = `^\s*[0-9]+\s*(,\s*[0-9]+\s*)*$`
	octalForm   = `^(0o)?[0-7]+$`
)

var (
	booleanExpr = regexp.MustCompile(booleanForm)
	integerExpr = regexp.MustCompile(integerForm)
	floatExpr   = regexp.MustCompile(floatForm)
	listExpr    = regexp.MustCompile(listForm)
	numbersExpr = regexp.MustCompile(numbersForm)
	octalExpr   = regexp.MustCompile(octalForm)
)

var (
	// String takes any text, the empty one included.
	String = Type{Name: "string", validator: stringSchema(),
		parse: func(value string) (any, error) { return value, nil }}

	// Boolean takes true or false in any case.
	Boolean = Type{Name: "boolean", validator: stringSchemaWith("pattern", booleanForm), parse: parseBoolean}

	// Integer takes unsigned digits; blanks around them do not matter.
	Integer = Type{Name: "integer", validator: stringSchemaWith("pattern", integerForm), parse: parseInteger}

	// Float takes a decimal number: 7, 7.5, .5, -1.
	Float = Type{Name: "number", validator: stringSchemaWith("pattern", floatForm), parse: parseFloat}

	// List takes texts separated by commas; blanks around them do not count, none may be empty.
	List = Type{Name: "comma separated list", validator: stringSchemaWith("pattern", listForm), parse: parseList}

	// ListOrEmpty is a List in which the empty value stands for no text at all.
	ListOrEmpty = Type{Name: "comma separated list, may be empty", validator: stringSchema(),
		parse: func(value string) (any, error) {
			if value == "" {
				return []string{}, nil
			}
			return parseList(value)
		}}

	// Numbers takes unsigned numbers separated by commas: 80, 443.
	Numbers = Type{Name: "comma separated numbers", validator: stringSchemaWith("pattern", numbersForm), parse: parseNumbers}

	// Regexp takes a regular expression in RE2 syntax, matched from the start of the text.
	Regexp = Type{Name: "regular expression", validator: stringSchemaWith("format", "regex"),
		parse: func(value string) (any, error) {
			re, err := CompileRegexp(value)
			if err != nil {
				return nil, &patternError{err}
			}
			return re, nil
		}}

	// Mode takes twelve permission bits in octal, with or without a leading 0 or 0o.
	Mode = Type{Name: "octal mode", validator: stringSchemaWith("pattern", octalForm), parse: parseMode}
)

// Enum takes exactly one of the choices; case matters.
func Enum(choices ...string) Type {
	return Type{Name: "one of " + strings.Join(choices, ", "), validator: stringSchemaWith("enum", choices),
		parse: func(value string) (any, error) {
			if !slices.Contains(choices, value) {
				return nil, fmt.Errorf("%.80q is not one of %s%s", value, strings.Join(choices, ", "), suggest(value, choices))
			}
			return value, nil
		}}
}

// patternError sets bad regular expressions apart from other bad values.
type patternError struct{ err error }

func (e *patternError) Error() string { return e.err.Error() }
func (e *patternError) Unwrap() error { return e.err }

func parseBoolean(value string) (any, error) {
	if !booleanExpr.MatchString(value) {
		return nil, fmt.Errorf("%q is neither true nor false", value)
	}
	return strings.EqualFold(value, "true"), nil
}

func parseInteger(value string) (any, error) {
	n, err := strconv.ParseInt(strings.TrimSpace(value), 10, 32)
	if !integerExpr.MatchString(value) || err != nil {
		return nil, fmt.Errorf("%q is not an unsigned integer up to %d", value, math.MaxInt32)
	}
	return int(n), nil
}

func parseFloat(value string) (any, error) {
	f, err := strconv.ParseFloat(strings.TrimSpace(value), 64)
	if !floatExpr.MatchString(value) || err != nil {
		return nil, fmt.Errorf("%q is not a decimal number", value)
	}
	return f, nil
}

func parseList(value string) (any, error) {
	if !listExpr.MatchString(value) {
		return nil, errors.New("must be texts separated by commas, none of them empty")
	}
	items := strings.Split(value, ",")
	for i := range items {
		items[i] = strings.TrimSpace(items[i])
	}
	return items, nil
}

func parseNumbers(value string) (any, error) {
	if !numbersExpr.MatchString(value) {
		return nil, errors.New("must be unsigned numbers separated by commas")
	}
	return parseList(value)
}

func parseMode(value string) (any, error) {
	mode, err := strconv.ParseUint(strings.TrimPrefix(value, "0o"), 8, 32)
	if !octalExpr.MatchString(value) || err != nil || mode > 0o7777 {
		return nil, fmt.Errorf("%q is not an octal mode of twelve bits", value)
	}
	return uint32(mode), nil
}

// Args are the arguments of one rule by canonical parameter name, defaults filled in.
type Args struct {
	values  map[string]any
	written map[string]string
}

// Has reports whether the rule or a default gives the parameter a value.
func (a Args) Has(name string) bool { _, ok := a.values[name]; return ok }

func arg[T any](a Args, name string) T { v, _ := a.values[name].(T); return v }

// Written returns the argument as the rule has it, for keys and messages; empty for an absent parameter.
func (a Args) Written(name string) string { return a.written[name] }

// The getters return the zero value for an absent parameter.

func (a Args) String(name string) string         { return arg[string](a, name) }
func (a Args) Bool(name string) bool             { return arg[bool](a, name) }
func (a Args) Int(name string) int               { return arg[int](a, name) }
func (a Args) Float(name string) float64         { return arg[float64](a, name) }
func (a Args) List(name string) []string         { return arg[[]string](a, name) }
func (a Args) Mode(name string) uint32           { return arg[uint32](a, name) }
func (a Args) Regexp(name string) *regexp.Regexp { return arg[*regexp.Regexp](a, name) }

// argFault is one thing wrong with the arguments of a rule.
type argFault struct {
	kind  string // problem type
	index int    // into the rule's params; -1: about the rule
	text  string
	warn  bool
}

// bindArgs checks each argument on its own. Names are compared without case, values with.
func bindArgs(t *Trigger, params []RuleParam) (Args, []argFault) {
	args := Args{values: map[string]any{}, written: map[string]string{}}
	var faults []argFault
	given := map[string]bool{}
	for i, rp := range params {
		p := t.param(rp.Name)
		if p == nil {
			faults = append(faults, argFault{ProblemParameter, i, fmt.Sprintf("unknown parameter %q, there are: %s%s", rp.Name, t.paramNames(), suggest(rp.Name, t.activeParams())), false})
			continue
		}
		if given[p.Name] {
			faults = append(faults, argFault{ProblemParameterValue, i, fmt.Sprintf("parameter %s is given twice", p.Name), false})
			continue
		}
		given[p.Name] = true
		switch p.state() {
		case EndOfLife:
			faults = append(faults, argFault{ProblemEndOfLife, i, retired("parameter "+p.Name, p.Lifecycle), false})
			continue
		case Deprecated:
			faults = append(faults, argFault{ProblemDeprecated, i, retired("parameter "+p.Name, p.Lifecycle), true})
		}
		value, err := p.Type.parse(rp.Value)
		if err != nil {
			kind := ProblemParameterValue
			if _, ok := errors.AsType[*patternError](err); ok {
				kind = ProblemPattern
			}
			faults = append(faults, argFault{kind, i, fmt.Sprintf("parameter %s: %v", p.Name, err), false})
			continue
		}
		args.values[p.Name], args.written[p.Name] = value, rp.Value
	}
	for _, p := range t.Params {
		switch {
		case given[p.Name]:
		case p.Required:
			faults = append(faults, argFault{ProblemParameterValue, -1, fmt.Sprintf("required parameter %s is missing", p.Name), false})
		case p.Default != "":
			if value, err := p.Type.parse(p.Default); err == nil { // Validate saw to it
				args.values[p.Name] = value
			}
		}
	}
	return args, faults
}

func (t *Trigger) param(name string) *Param {
	for i := range t.Params {
		p := &t.Params[i]
		if strings.EqualFold(p.Name, name) || slices.ContainsFunc(p.Aliases, func(a string) bool { return strings.EqualFold(a, name) }) {
			return p
		}
	}
	return nil
}

func (t *Trigger) paramNames() string {
	if len(t.Params) == 0 {
		return "none"
	}
	names := make([]string, len(t.Params))
	for i, p := range t.Params {
		names[i] = p.Name
	}
	return strings.Join(names, ", ")
}

func (t *Trigger) activeParams() []string {
	var names []string
	for _, p := range t.Params {
		if p.state() != EndOfLife {
			names = append(names, p.Name)
		}
	}
	return names
}

func retired(what string, l Lifecycle) string {
	text := what + " is deprecated"
	if l.State == EndOfLife {
		text = what + " is no longer supported"
	}
	if l.SupersededBy != "" {
		text += ", use " + l.SupersededBy
	}
	return text
}
