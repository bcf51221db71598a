package packages

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"plimsoll/engine/catalog"
	"plimsoll/engine/policy"
	"plimsoll/engine/policy/comparison"
)

// Operators on texts, and those on versions.
var (
	textOperators    = []string{comparison.Equal, comparison.NotEqual, comparison.Like, comparison.NotLike, comparison.In, comparison.NotIn}
	versionOperators = []string{
		comparison.Equal, comparison.NotEqual, comparison.Less, comparison.Greater, comparison.LessOrEqual, comparison.GreaterOrEqual,
		comparison.Like, comparison.NotLike, comparison.In, comparison.NotIn,
	}
)

// field is a property of a package that rules compare.
type field struct {
	name, doc, example string
	operators          []string
	values             func(*catalog.Package) []string // the ways to write it
}

var fields = []field{
	{"name", "Name of the package.", "libssl-dev", textOperators, func(p *catalog.Package) []string { return []string{p.Name} }},
	{"version", "Version of the package; of an rpm with or without epoch and release.", "3.0.11-1~deb12u2", versionOperators, versions},
	{"type", "Type of the package, such as dpkg, rpm, npm or java.", "dpkg", textOperators, func(p *catalog.Package) []string { return []string{p.Type} }},
}

var metadata = policy.Trigger{
	Name: "metadata",
	Doc: "Fires for each package for which all given comparisons hold; at least one has to be given. Versions are ordered as " +
		"the type of the package orders them; where it does not, < > <= >= do not hold and the evaluation says so.",
	ID:      "Hash of type, name and version of the package and of each comparison its parameter, operator and value.",
	Params:  metadataParams(),
	Prepare: prepareMetadata,
}

func metadataParams() []policy.Param {
	var params []policy.Param
	for _, f := range fields {
		params = append(params,
			policy.Param{Name: f.name, Type: policy.String, Example: f.example,
				Doc: f.doc + " A regular expression for like and not_like, a comma separated list for in and not_in."},
			policy.Param{Name: operatorOf(f), Type: policy.Enum(f.operators...), Default: comparison.Equal, Example: comparison.Equal,
				Doc: "How the " + f.name + " is compared; regular expressions from its start."})
	}
	return params
}

func operatorOf(f field) string { return f.name + "_comparison" }

// condition is one comparison of a metadata rule.
type condition struct {
	field
	operator, value string
	text            comparison.Text // for operators that do not order
}

type conditions []condition

func prepareMetadata(args policy.Args) (policy.Check, error) {
	var all conditions
	for _, f := range fields {
		c := condition{field: f, operator: args.String(operatorOf(f)), value: args.String(f.name)}
		switch {
		case c.value != "":
		case args.Written(operatorOf(f)) != "" || args.Has(f.name):
			return nil, fmt.Errorf("%s needs a value to compare with in %s", operatorOf(f), f.name)
		default:
			continue
		}
		var err error
		if c.text, err = comparison.New(c.operator, c.value, nil); err != nil {
			return nil, fmt.Errorf("%s: %w", f.name, err)
		}
		all = append(all, c)
	}
	if len(all) == 0 {
		return nil, errors.New("nothing is compared: give name, version or type")
	}
	return all.check, nil
}

func (all conditions) check(ctx context.Context, pass *policy.Pass) error {
	packages, err := pass.Packages(ctx)
	if err != nil {
		return err
	}
	var key, texts []string
	for _, c := range all {
		key = append(key, c.name, c.operator, c.value)
		texts = append(texts, c.name+" "+c.operator+" "+c.value)
	}
	unordered := 0
	for i := range packages {
		p := &packages[i]
		fires, ordered := all.hold(p)
		if !ordered {
			unordered++
		}
		if !fires || !ordered {
			continue
		}
		message := fmt.Sprintf("Package %s: %s", describe(p), strings.Join(texts, ", "))
		if err := pass.Report(message, append([]string{p.Type, p.Name, p.Version}, key...)...); err != nil {
			return err
		}
	}
	if unordered > 0 {
		pass.Warn(fmt.Sprintf("package versions that cannot be ordered: %d; the rule says nothing about these packages", unordered))
	}
	return nil
}

// hold reports whether all conditions hold; ordered is false when that hangs on a version that cannot be ordered.
func (all conditions) hold(p *catalog.Package) (fires, ordered bool) {
	ordered = true
	for _, c := range all {
		if !comparison.Orders(c.operator) {
			if !c.text.Holds(c.values(p)...) {
				return false, true
			}
			continue
		}
		order, ok := compareVersions(p, c.value)
		switch {
		case !ok:
			ordered = false
		case !comparison.Holds(c.operator, order):
			return false, true
		}
	}
	return true, ordered
}
