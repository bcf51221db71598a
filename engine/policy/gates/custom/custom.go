// Package custom is the gate for rules that users write themselves, as expressions in CEL (Common Expression
// Language, cel.dev) over the facts of an image.
//
// An expression is checked when a policy is added: it has to be of type bool, its names have to exist and its cost
// must not be out of all bounds. It runs without access to anything but the facts it mentions, of which only those
// are loaded, within a fixed budget of steps: what needs more counts as a rule that could not be checked, and stops
// the image. The language has no loops without end, no clock and no input or output; what it could read by itself,
// the time zones of the machine, is refused.
package custom

import (
	"context"
	"errors"
	"fmt"
	"time"

	"cel.dev/cel-go/cel"

	"plimsoll/engine/policy"
)

// What an expression is evaluated on.
const (
	eachImage         = "image"
	eachPackage       = "package"
	eachVulnerability = "vulnerability"
	eachFile          = "file"
)

// Gate is the value for the list of gates.
var Gate = policy.Gate{
	Name:     "custom",
	Doc:      "Holds rules written in CEL (Common Expression Language, https://cel.dev) over everything known of the image.",
	Triggers: []policy.Trigger{expression},
}

var expression = policy.Trigger{
	Name: "expression",
	Doc: "Fires when an expression holds: once for the image, or for each package, vulnerability or file it holds for. " +
		"The facts are the variables `image`, `config`, `dockerfile`, `distro`, `packages`, `vulnerabilities`, `files`, `findings`, `malware`, " +
		"`ancestors`, `feeds`, `tag` and `now`, with fields in snake case; the package at hand is `pkg`, the vulnerability `vulnerability`, the file `file`. " +
		"Regular expressions of matches() are literals. A rule that mentions now is asked again after a day. " +
		"An expression that takes too many steps or fails, by a key that is not there for instance, counts as a rule that could not be checked.",
	ID: "Hash of the key where the rule has one; else of the expression and what it holds for: type, name, version and location of a package, " +
		"id and package of a vulnerability, path of a file.",
	Params: []policy.Param{
		{Name: "expression", Type: policy.String, Required: true, Example: `pkg.type == "npm" && pkg.name.startsWith("@acme/") && pkg.licenses.size() == 0`,
			Doc: "What has to hold, of type bool."},
		{Name: "each", Type: policy.Enum(eachImage, eachPackage, eachVulnerability, eachFile), Default: eachImage, Example: eachPackage,
			Doc: "What the expression is evaluated on."},
		{Name: "message", Type: policy.String, Example: `"Package " + pkg.name + " names no licence"`,
			Doc: "What a finding says, an expression of type string. Without one it repeats the expression."},
		{Name: "key", Type: policy.String, Example: `pkg.name`,
			Doc: "What tells findings apart for allowlists, an expression of type string."},
	},
	Prepare: prepare,
}

// rule is a compiled rule.
type rule struct {
	each         string
	written      string
	holds        cel.Program
	message, key cel.Program // nil: none given
	mentions     map[string]bool
}

func prepare(args policy.Args) (policy.Check, error) {
	r := rule{each: args.String("each"), written: args.String("expression"), mentions: map[string]bool{}}
	env, err := environment(r.each)
	if err != nil {
		return nil, err
	}
	var faults []error
	compile := func(param string, kind *cel.Type) cel.Program {
		if !args.Has(param) {
			return nil
		}
		program, err := env.compile(args.String(param), kind, r.mentions)
		if err != nil {
			faults = append(faults, fmt.Errorf("%s: %w", param, err))
		}
		return program
	}
	r.holds, r.message, r.key = compile("expression", cel.BoolType), compile("message", cel.StringType), compile("key", cel.StringType)
	if err := errors.Join(faults...); err != nil {
		return nil, err
	}
	return r.check, nil
}

// day is how long the answer of a rule that mentions now is taken for granted.
const day = 24 * time.Hour

func (r *rule) check(ctx context.Context, pass *policy.Pass) error {
	if r.mentions[varNow] {
		pass.Recheck(pass.Now.Add(day))
	}
	facts, err := load(ctx, pass, r.mentions)
	if err != nil {
		return err
	}
	run := run{rule: r, pass: pass, scope: scope{facts: facts}}
	return elements(ctx, pass, r.each, func(e element) error { return run.on(ctx, e) })
}

// run is one evaluation of a rule.
type run struct {
	*rule
	pass  *policy.Pass
	scope scope
	spent uint64
}

// on evaluates the rule on one element.
func (r *run) on(ctx context.Context, e element) error {
	r.scope.name, r.scope.value = e.variable, e.value
	held, err := r.eval(ctx, r.holds, "expression", e)
	if err != nil || held != true {
		return err
	}
	message := fmt.Sprintf("%s holds", r.written)
	if e.text != nil {
		message = fmt.Sprintf("%s holds for %s", r.written, e.text())
	}
	if said, err := r.text(ctx, r.message, "message", e); err != nil {
		return err
	} else if said != "" {
		message = said
	}
	key := append([]string{r.written}, e.identity...)
	if r.key != nil {
		said, err := r.text(ctx, r.key, "key", e)
		if err != nil {
			return err
		}
		key = []string{said}
	}
	return r.pass.Report(clip(message), key...)
}

func (r *run) text(ctx context.Context, program cel.Program, param string, e element) (string, error) {
	if program == nil {
		return "", nil
	}
	value, err := r.eval(ctx, program, param, e)
	text, _ := value.(string)
	return text, err
}

// errTooCostly says that a rule ran out of steps.
var errTooCostly = fmt.Errorf("the expression takes more than %d steps on this image; look at fewer things, or at each by itself", maxSteps)

func (r *run) eval(ctx context.Context, program cel.Program, param string, e element) (any, error) {
	value, details, err := program.ContextEval(ctx, &r.scope)
	if details != nil && details.ActualCost() != nil {
		r.spent += *details.ActualCost()
	}
	switch {
	case ctx.Err() != nil:
		return nil, ctx.Err()
	case r.spent > maxSteps:
		return nil, errTooCostly
	case err != nil && e.text != nil:
		return nil, fmt.Errorf("%s fails for %s: %w", param, e.text(), err)
	case err != nil:
		return nil, fmt.Errorf("%s fails: %w", param, err)
	}
	return value.Value(), nil
}

// maxMessageBytes bounds what a rule may say: a finding is a line, not a document.
const maxMessageBytes = 2000

func clip(message string) string {
	if len(message) > maxMessageBytes {
		return message[:maxMessageBytes] + "…"
	}
	return message
}
