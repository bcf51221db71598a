// Package licenses is the gate about the licences packages declare.
//
// Package formats write licences in many ways: SPDX expressions, short names of their own, whole titles, several words for
// several licences. A rule therefore meets the text as the package has it, its words, and the SPDX expression it stands for
// with the licences in that. It does not weigh expressions: a licence that is only offered as a choice fires.
package licenses

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"unicode"

	"plimsoll/engine/catalog"
	"plimsoll/engine/license"
	"plimsoll/engine/policy"
)

// Gate is the value for the list of gates.
var Gate = policy.Gate{
	Name: "licenses",
	Doc: "Looks at the licences that packages declare: the text as it stands, each word of it, and the SPDX expression it " +
		"stands for (GPLv2+ is GPL-2.0-or-later) with each licence in that, also those that are offered as a choice.",
	Triggers: []policy.Trigger{
		exactMatch, partialMatch,
		exactMatch.Formerly("blacklist_exact_match"), partialMatch.Formerly("blacklist_partial_match"),
	},
}

const formOfID = "Hash of the package name and the licence as the package has it."

// Classes of packages a rule may choose beside a single type.
const (
	classAll   = "all"
	classOS    = "os"
	classNonOS = "non-os"
)

var packageType = policy.Param{
	Name: "package_type", Type: policy.String, Default: classAll, Example: "java",
	Doc: "Only packages of the operating system (os), only others (non-os), or only those of one type such as java or npm.",
}

func licensesParam(doc string) policy.Param {
	return policy.Param{Name: "licenses", Type: policy.List, Required: true, Example: "GPL-3.0-or-later, AGPL-3.0-only", Doc: doc}
}

var exactMatch = policy.Trigger{
	Name: "denylist_exact_match",
	Doc:  "Fires for each package and each of its licences that is in the list.",
	ID:   formOfID,
	Params: []policy.Param{
		licensesParam("Licences; one that stands for an SPDX expression means that too. Case counts."),
		packageType,
	},
	Prepare: func(args policy.Args) (policy.Check, error) {
		return prepare(args, "denied as", func(name string) func(*declared) bool {
			expression, known := license.Normalize(name)
			return func(d *declared) bool {
				return slices.Contains(d.names, name) || known && slices.Contains(d.names, expression)
			}
		}), nil
	},
}

var partialMatch = policy.Trigger{
	Name: "denylist_partial_match",
	Doc:  "Fires for each package and each of its licences that contains a text of the list: GPL is in LGPL-2.1-only.",
	ID:   formOfID,
	Params: []policy.Param{
		licensesParam("Texts. Case counts."),
		packageType,
	},
	Prepare: func(args policy.Args) (policy.Check, error) {
		return prepare(args, "denied for containing", func(part string) func(*declared) bool {
			return func(d *declared) bool {
				return slices.ContainsFunc(d.names, func(name string) bool { return strings.Contains(name, part) })
			}
		}), nil
	},
}

// declared is a licence as a package has it, with all the names it goes by.
type declared struct{ names []string }

func declare(text string) *declared {
	d := &declared{names: append([]string{text}, strings.FieldsFunc(text, between)...)}
	if expression, known := license.Normalize(text); known {
		d.names = append(append(d.names, expression), license.Names(expression)...)
	}
	return d
}

// between separates the words of a licence.
func between(r rune) bool { return unicode.IsSpace(r) || strings.ContainsRune("(),;|", r) }

// listed is an item of a rule's list.
type listed struct {
	text    string
	matches func(*declared) bool
}

func prepare(args policy.Args, verdict string, matcher func(text string) func(*declared) bool) policy.Check {
	class := args.String(packageType.Name)
	var list []listed
	for _, text := range args.List("licenses") {
		list = append(list, listed{text, matcher(text)})
	}
	return func(ctx context.Context, pass *policy.Pass) error {
		packages, err := pass.Packages(ctx)
		if err != nil {
			return err
		}
		denied := map[string]string{} // what of the list a licence is denied by; empty for nothing
		type finding struct{ name, license string }
		seen := map[finding]bool{}
		for i := range packages {
			p := &packages[i]
			if !inClass(p.Type, class) {
				continue
			}
			for _, text := range p.Licenses {
				by, known := denied[text]
				if !known {
					by = matching(list, text)
					denied[text] = by
				}
				found := finding{p.Name, text}
				if by == "" || seen[found] {
					continue
				}
				seen[found] = true
				message := fmt.Sprintf("Package %s has the licence %s, %s %s", p.Name, text, verdict, by)
				if err := pass.Report(message, p.Name, text); err != nil {
					return err
				}
			}
		}
		return nil
	}
}

// matching names the items of the list that match a licence.
func matching(list []listed, text string) string {
	d := declare(text)
	var all []string
	for _, item := range list {
		if item.matches(d) && !slices.Contains(all, item.text) {
			all = append(all, item.text)
		}
	}
	return strings.Join(all, ", ")
}

func inClass(packageType, class string) bool {
	switch class {
	case classAll, "":
		return true
	case classOS, classNonOS:
		return catalog.IsOS(packageType) == (class == classOS)
	}
	return packageType == class
}
