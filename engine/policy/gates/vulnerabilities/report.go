package vulnerabilities

import (
	"context"
	"strings"

	"plimsoll/engine/match"
	"plimsoll/engine/policy"
	"plimsoll/engine/version"
)

// report adds a finding about one match, and the upgrade that removes it where one is known.
func report(pass *policy.Pass, v *policy.Vulnerability, message string, inherited bool) error {
	id := triggerID(v)
	if !fixKnown(v) {
		return pass.ReportID(id, message, "")
	}
	order, _ := version.SchemeFor(match.Namespace(v.FeedGroup))
	return pass.ReportUpgrade(id, message, policy.Upgrade{
		Package: v.Package, To: lowestFix(order, v), Order: order, Inherited: inherited,
	})
}

// lowestFix is the first version behind the installed one that has the fix, or all of them where they cannot be ordered.
func lowestFix(order version.Scheme, v *policy.Vulnerability) string {
	if len(v.FixedIn) == 1 {
		return v.FixedIn[0]
	}
	lowest := ""
	for _, fix := range v.FixedIn {
		behind, err := version.Compare(order, fix, v.Package.Version)
		if err != nil {
			return strings.Join(v.FixedIn, " or ")
		}
		if behind <= 0 {
			continue
		}
		if c, _ := version.Compare(order, fix, lowest); lowest == "" || c < 0 {
			lowest = fix
		}
	}
	if lowest == "" {
		return strings.Join(v.FixedIn, " or ")
	}
	return lowest
}

// inheritance knows the vulnerabilities of the base image.
type inheritance map[inheritedKey]bool

// inheritedKey tells that two matches are the same, wherever the package lies.
type inheritedKey struct{ vulnerability, kind, name, version string }

func keyOf(v *policy.Vulnerability) inheritedKey {
	return inheritedKey{v.ID, v.Package.Type, v.Package.Name, v.Package.Version}
}

func inheritanceOf(ctx context.Context, pass *policy.Pass) (inheritance, error) {
	list, err := pass.BaseVulnerabilities(ctx)
	if err != nil {
		return nil, err
	}
	known := make(inheritance, len(list))
	for i := range list {
		known[keyOf(&list[i])] = true
	}
	return known, nil
}

func (known inheritance) has(v *policy.Vulnerability) bool { return known[keyOf(v)] }
