package custom

import (
	"errors"
	"fmt"
	"regexp"
	"strings"
	"sync"

	"cel.dev/cel-go/cel"
	"cel.dev/cel-go/common/ast"
	"cel.dev/cel-go/common/cost"
	"cel.dev/cel-go/ext"

	"plimsoll/engine/policy"
)

// Bounds of an expression.
const (
	maxExpressionRunes = 4096
	maxNodes           = 2000
	maxNesting         = 60
	// maxSteps is the cost, in the units of CEL's cost model, that one rule may cause on one image, all elements
	// together. It is about a second of computing.
	maxSteps = 5_000_000
	// maxEstimate bounds what an expression may cost on the largest image imaginable; it keeps out what multiplies
	// packages with packages and vulnerabilities.
	maxEstimate = 1_000_000_000_000
	// interruptEvery is after how many rounds of a comprehension the end of the evaluation is looked for.
	interruptEvery = 1000
)

// env compiles the expressions of rules of one kind.
type env struct{ *cel.Env }

// environments are made once: they depend on nothing but what is evaluated.
var environments sync.Map // each -> func() (*env, error)

func environment(each string) (*env, error) {
	made, _ := environments.LoadOrStore(each, sync.OnceValues(func() (*env, error) { return newEnvironment(each) }))
	return made.(func() (*env, error))() //nolint:forcetypeassert // stored above
}

func newEnvironment(each string) (*env, error) {
	options := []cel.EnvOption{
		cel.StdLib(),
		cel.DefaultUTCTimeZone(true),
		cel.ParserExpressionSizeLimit(maxExpressionRunes),
		cel.ParserRecursionLimit(maxNesting),
		cel.ExpressionNodeLimit(maxNodes),
		cel.ASTValidators(cel.ValidateDurationLiterals(), cel.ValidateTimestampLiterals()),
		ext.NativeTypes(nativeTypes()...),
	}
	for name, kind := range variables() {
		options = append(options, cel.Variable(name, kind))
	}
	if name, kind := elementVariable(each); name != "" {
		options = append(options, cel.Variable(name, kind))
	}
	made, err := cel.NewCustomEnv(options...)
	if err != nil {
		return nil, fmt.Errorf("set up the expression language: %w", err)
	}
	return &env{made}, nil
}

// compile checks an expression and adds the variables it mentions to mentions.
func (e *env) compile(text string, kind *cel.Type, mentions map[string]bool) (cel.Program, error) {
	checked, issues := e.Compile(text)
	if err := issuesError(issues); err != nil {
		return nil, err
	}
	if !checked.OutputType().IsExactType(kind) {
		return nil, fmt.Errorf("must be of type %s, is of type %s", kind, checked.OutputType())
	}
	tree := checked.NativeRep()
	if err := refuse(tree); err != nil {
		return nil, err
	}
	estimate, err := e.EstimateCost(checked, sizes{})
	if err != nil {
		return nil, fmt.Errorf("estimate the cost: %w", err)
	}
	if estimate.Max > maxEstimate {
		return nil, errors.New("may take far too many steps on a large image; do not go through lists within lists within lists")
	}
	for _, reference := range tree.ReferenceMap() {
		if _, known := variables()[reference.Name]; known {
			mentions[reference.Name] = true
		}
	}
	program, err := e.Program(checked, cel.EvalOptions(cel.OptOptimize, cel.OptTrackCost), cel.CostLimit(maxSteps),
		cel.InterruptCheckFrequency(interruptEvery))
	if err != nil {
		return nil, fmt.Errorf("prepare: %w", err)
	}
	return program, nil
}

// issuesError puts all faults of an expression on one line, each with its place.
func issuesError(issues *cel.Issues) error {
	if issues == nil || issues.Err() == nil {
		return nil
	}
	var all []string
	for _, fault := range issues.Errors() {
		all = append(all, fmt.Sprintf("line %d, column %d: %s", fault.Location.Line(), fault.Location.Column()+1, fault.Message))
	}
	if len(all) == 0 {
		all = append(all, issues.Err().Error())
	}
	return errors.New(strings.Join(all, "; "))
}

// refuse turns down what the type check lets pass: expressions compiled while an image is evaluated, and time zones,
// which are read from the machine.
func refuse(tree *ast.AST) error {
	var fault error
	ast.PreOrderVisit(tree.Expr(), ast.NewExprVisitor(func(e ast.Expr) {
		if e.Kind() != ast.CallKind || fault != nil {
			return
		}
		call := e.AsCall()
		switch name := call.FunctionName(); {
		case name == "matches":
			fault = refuseRegexp(call.Args())
		case strings.HasPrefix(name, "get") && len(call.Args()) > 0:
			fault = fmt.Errorf("%s() takes no time zone here, times are in UTC", name)
		}
	}))
	return fault
}

// refuseRegexp looks at the last of the arguments of matches().
func refuseRegexp(args []ast.Expr) error {
	if len(args) == 0 || args[len(args)-1].Kind() != ast.LiteralKind {
		return errors.New("the regular expression of matches() has to be a literal")
	}
	text, _ := args[len(args)-1].AsLiteral().Value().(string)
	if _, err := policy.CompileSearch(text); err != nil {
		return fmt.Errorf("matches(): %w", err)
	}
	if _, err := regexp.Compile(text); err != nil {
		return fmt.Errorf("matches(): %w, and look-around is not translated in expressions", err)
	}
	return nil
}

// sizes assumes how large things get.
type sizes struct{}

// Assumed sizes: a very large image.
var assumed = map[string]uint64{
	varPackages: 5000, varVulnerabilities: 5000, varFiles: 200_000, varAncestors: 20,
}

const (
	assumedList = 100
	assumedText = 200
)

// EstimateSize tells how long a value may be, in elements or characters.
func (sizes) EstimateSize(node cost.AstNode) *cost.SizeEstimate {
	size := uint64(assumedText)
	if node.Type().Kind() == cel.ListKind || node.Type().Kind() == cel.MapKind {
		size = assumedList
	}
	if path := node.Path(); len(path) == 1 && assumed[path[0]] > 0 {
		size = assumed[path[0]]
	}
	return &cost.SizeEstimate{Min: 0, Max: size}
}

// EstimateCallCost leaves it to the language what its functions cost.
func (sizes) EstimateCallCost(string, string, *cost.AstNode, []cost.AstNode) *cost.CallEstimate {
	return nil
}
