package dockerfile

import (
	"context"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"

	"plimsoll/engine/dockerfile"
	"plimsoll/engine/policy"
)

// Checks of the instruction trigger.
const (
	isEqual    = "="
	isNotEqual = "!="
	exists     = "exists"
	notExists  = "not_exists"
	like       = "like"
	notLike    = "not_like"
	in         = "in"
	notIn      = "not_in"
)

var instruction = policy.Trigger{
	Name: "instruction",
	Doc: "Fires for each line of an instruction, in any stage, for which the check holds; not_exists fires once when " +
		"there is no such line. The compared text is what follows the instruction, continuation lines joined.",
	ID: "Hash of instruction, check, value and the text of the line.",
	Params: []policy.Param{
		{Name: "instruction", Type: policy.Enum(dockerfile.Names()...), Required: true, Example: "RUN", Doc: "The instruction."},
		{Name: "check", Type: policy.Enum(isEqual, isNotEqual, exists, notExists, like, notLike, in, notIn), Required: true,
			Example: like, Doc: "How the text is compared: exactly, with a regular expression from its start, or with a comma separated list."},
		{Name: "value", Type: policy.String, Example: `.*sudo.*`, Doc: "What the text is compared with; every check but exists and not_exists needs it."},
		actualOnly,
	},
	Prepare: prepareInstruction,
}

// lineRule is a prepared instruction rule.
type lineRule struct {
	name, check, value string
	holds              func(text string) bool
	actualOnly         bool
}

func prepareInstruction(args policy.Args) (policy.Check, error) {
	r := lineRule{
		name: args.String("instruction"), check: args.String("check"), value: args.String("value"),
		actualOnly: args.Bool(actualOnly.Name),
	}
	if r.check != exists && r.check != notExists && !args.Has("value") {
		return nil, fmt.Errorf("check %s needs a value", r.check)
	}
	switch r.check {
	case exists, notExists:
		r.holds = func(string) bool { return true }
	case isEqual, isNotEqual:
		r.holds = func(text string) bool { return (text == r.value) == (r.check == isEqual) }
	case like, notLike:
		re, err := policy.CompileRegexp(r.value)
		if err != nil {
			return nil, fmt.Errorf("value: %w", err)
		}
		r.holds = matching(re, r.check == like)
	case in, notIn:
		choices := strings.Split(r.value, ",")
		for i := range choices {
			choices[i] = strings.TrimSpace(choices[i])
		}
		r.holds = func(text string) bool { return slices.Contains(choices, text) == (r.check == in) }
	default:
		return nil, errors.New("unknown check " + r.check)
	}
	return r.run, nil
}

func matching(re *regexp.Regexp, want bool) func(string) bool {
	return func(text string) bool { return re.MatchString(text) == want }
}

func (r *lineRule) run(ctx context.Context, pass *policy.Pass) error {
	file, mode, err := load(ctx, pass, r.actualOnly)
	if err != nil || mode == policy.DockerfileNone {
		return err
	}
	found := false
	for _, line := range file.Instructions {
		if line.Name != r.name {
			continue
		}
		found = true
		if r.check == notExists || !r.holds(line.Args) {
			continue
		}
		message := fmt.Sprintf("%s %s holds for: %s %s", r.name, strings.TrimSpace(r.check+" "+r.value), r.name, shorten(line.Args))
		if err := pass.Report(message, r.name, r.check, r.value, line.Args); err != nil {
			return err
		}
	}
	if r.check == notExists && !found {
		return pass.ReportAdvised("Add the instruction "+r.name+" to the Dockerfile", "There is no instruction "+r.name, r.name, r.check)
	}
	return nil
}

// shorten keeps one-line scripts of many kilobytes out of messages.
func shorten(text string) string {
	const most = 300
	if len(text) <= most {
		return text
	}
	return strings.ToValidUTF8(text[:most], "") + "…"
}
