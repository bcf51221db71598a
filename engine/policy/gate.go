package policy

import (
	"context"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"
)

// State is where a gate, trigger or parameter stands in its life.
type State string

const (
	Active     State = "active"
	Deprecated State = "deprecated" // works, with a warning
	EndOfLife  State = "eol"        // refused in new documents, skipped in stored ones
)

// Lifecycle is embedded by everything that can be retired. The zero value is active.
type Lifecycle struct {
	State        State  // empty: active
	SupersededBy string // what to use instead
}

func (l Lifecycle) state() State {
	if l.State == "" {
		return Active
	}
	return l.State
}

// Gate groups triggers about one subject. A gate is a value without state.
type Gate struct {
	Name     string
	Doc      string
	Triggers []Trigger
	Lifecycle
}

// Trigger is one check a rule can ask for.
type Trigger struct {
	Name   string
	Doc    string
	ID     string  // how its trigger ids are made, for the reference page
	Params []Param // in display order
	// Artifacts lists the types of artifacts beside images that have the facts the trigger asks for.
	Artifacts []string
	// Prepare turns a rule's arguments, already valid one by one, into a check. It reports what is wrong with
	// them together; whatever is costly and does not depend on the image happens here.
	// Not needed at the end of life.
	Prepare func(Args) (Check, error)
	Lifecycle
}

// Formerly returns the trigger under a name it used to have, deprecated. Its findings keep the ids they have under the new
// name, so that allowlists go on to claim them when the rule is rewritten.
func (t Trigger) Formerly(name string) Trigger {
	current, prepare := t.Name, t.Prepare
	t.Name, t.Lifecycle = name, Lifecycle{State: Deprecated, SupersededBy: current}
	t.Prepare = func(args Args) (Check, error) {
		check, err := prepare(args)
		if err != nil {
			return nil, err
		}
		return func(ctx context.Context, pass *Pass) error {
			pass.trigger = current
			return check(ctx, pass)
		}, nil
	}
	return t
}

// suits reports whether the trigger can look at artifacts of a type.
func (t *Trigger) suits(artifact string) bool {
	return artifact == ArtifactImage || slices.Contains(t.Artifacts, artifact)
}

// suitable lists the triggers for artifacts of a type, as gate.trigger.
func suitable(gates []Gate, artifact string) []string {
	var all []string
	for _, g := range gates {
		for i := range g.Triggers {
			if t := &g.Triggers[i]; t.suits(artifact) && g.state() == Active && t.state() == Active {
				all = append(all, g.Name+"."+t.Name)
			}
		}
	}
	slices.Sort(all)
	return all
}

// Check looks at one image and reports what it finds to the Pass. An error says that it could not be told
// whether the trigger fires.
type Check func(ctx context.Context, pass *Pass) error

// Param is one parameter of a trigger.
type Param struct {
	Name     string
	Doc      string
	Type     Type
	Required bool
	Default  string   // what an absent value means; empty: it has no effect
	Example  string   // a valid value
	Aliases  []string // other names a rule may use
	Lifecycle
}

// wellFormed is the form of every name a policy document can mention.
var wellFormed = regexp.MustCompile(`^[a-z][a-z0-9_]*$`)

// Validate refuses a malformed set of gates; call it at start. Every trigger is prepared with the examples of
// its parameters, so that a mistake shows before a policy does.
func Validate(gates []Gate) error {
	var faults []error
	seen := map[string]bool{}
	for _, g := range gates {
		faults = append(faults, validateNames("gate "+g.Name, g.Name, g.Doc, seen))
		if len(g.Triggers) == 0 {
			faults = append(faults, fmt.Errorf("gate %s: has no trigger", g.Name))
		}
		triggers := map[string]bool{}
		for i := range g.Triggers {
			t := &g.Triggers[i]
			what := "trigger " + g.Name + "." + t.Name
			faults = append(faults, validateNames(what, t.Name, t.Doc, triggers), validateTrigger(what, t))
		}
	}
	return errors.Join(faults...)
}

func validateNames(what, name, doc string, seen map[string]bool) error {
	var faults []error
	if !wellFormed.MatchString(name) {
		faults = append(faults, fmt.Errorf("%s: name is not lower snake case", what))
	}
	if seen[name] {
		faults = append(faults, fmt.Errorf("%s: name is taken", what))
	}
	seen[name] = true
	if strings.TrimSpace(doc) == "" {
		faults = append(faults, fmt.Errorf("%s: has no documentation", what))
	}
	return errors.Join(faults...)
}

func validateTrigger(what string, t *Trigger) error {
	var faults []error
	names := map[string]bool{}
	var examples []RuleParam
	for _, p := range t.Params {
		at := what + ": parameter " + p.Name
		faults = append(faults, validateNames(at, p.Name, p.Doc, names))
		for _, alias := range p.Aliases {
			faults = append(faults, validateNames(at+" alias "+alias, alias, p.Doc, names))
		}
		if p.Type.parse == nil {
			faults = append(faults, fmt.Errorf("%s: has no type", at))
			continue
		}
		if p.Required && p.Default != "" {
			faults = append(faults, fmt.Errorf("%s: is required and has a default", at))
		}
		if p.Default != "" {
			if _, err := p.Type.parse(p.Default); err != nil {
				faults = append(faults, fmt.Errorf("%s: default: %w", at, err))
			}
		}
		if p.state() == Active {
			examples = append(examples, RuleParam{p.Name, p.Example})
		}
	}
	for _, artifact := range t.Artifacts {
		if artifact != ArtifactSource && artifact != ArtifactSBOM {
			faults = append(faults, fmt.Errorf("%s: artifact type %q is unheard of or a matter of course", what, artifact))
		}
	}
	if t.state() == EndOfLife {
		return errors.Join(faults...) // never prepared
	}
	if t.Prepare == nil {
		return errors.Join(append(faults, fmt.Errorf("%s: cannot be prepared", what))...)
	}
	if errors.Join(faults...) == nil {
		args, argFaults := bindArgs(t, examples)
		for _, f := range argFaults {
			faults = append(faults, fmt.Errorf("%s: examples: %s", what, f.text))
		}
		if len(argFaults) == 0 {
			if _, err := t.Prepare(args); err != nil {
				faults = append(faults, fmt.Errorf("%s: examples: %w", what, err))
			}
		}
	}
	return errors.Join(faults...)
}
