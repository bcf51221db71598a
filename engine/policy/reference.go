package policy

import (
	"fmt"
	"slices"
	"strings"
)

// Reference writes the reference page of the gates in Markdown.
func Reference(gates []Gate) string {
	var b strings.Builder
	b.WriteString(referenceHead)
	sorted := slices.SortedFunc(slices.Values(gates), func(a, b Gate) int { return strings.Compare(a.Name, b.Name) })
	var gone []Gate
	for _, g := range sorted {
		if g.state() == EndOfLife {
			gone = append(gone, g)
			continue
		}
		fmt.Fprintf(&b, "\n## %s\n\n%s\n", g.Name, g.Doc+lifecycleNote(g.Lifecycle))
		for i := range g.Triggers {
			g.Triggers[i].reference(&b, g.Name)
		}
	}
	referenceOfGone(&b, gone)
	return b.String()
}

// referenceOfGone names gates that only older documents mention.
func referenceOfGone(b *strings.Builder, gates []Gate) {
	if len(gates) == 0 {
		return
	}
	b.WriteString("\n## Gates of older documents\n\nNew documents with one of these are refused; stored ones skip its rules and say so.\n\n" +
		"| gate | triggers | use instead |\n|---|---|---|\n")
	for _, g := range gates {
		triggers := make([]string, len(g.Triggers))
		for i := range g.Triggers {
			triggers[i] = g.Triggers[i].Name
		}
		fmt.Fprintf(b, "| %s | %s | %s |\n", code(g.Name), strings.Join(triggers, ", "), code(g.SupersededBy))
	}
}

const referenceHead = `# Gates

<!-- Generated from the gates; run the tests of engine/policy/gates with -update to renew. -->

What a policy rule can ask for. Names of gates, triggers and parameters are compared without case, values with
it. Every value is a JSON string. Regular expressions use RE2 syntax and are matched from the start of the text.

Allowlist items claim findings by trigger id. Where an id is said to be a hash, it is the hexadecimal MD5 over gate,
trigger and the parts listed, separated by NUL bytes; take it from an evaluation.
`

func (t *Trigger) reference(b *strings.Builder, gate string) {
	fmt.Fprintf(b, "\n### %s.%s\n\n%s\n\nTrigger id: %s\n", gate, t.Name, t.Doc+lifecycleNote(t.Lifecycle), t.ID)
	if len(t.Artifacts) > 0 {
		fmt.Fprintf(b, "\nFor rule sets of type %s too.\n", strings.Join(t.Artifacts, ", "))
	}
	if len(t.Params) == 0 {
		b.WriteString("\nNo parameters.\n")
		return
	}
	b.WriteString("\n| parameter | value | required | default | example | meaning |\n|---|---|---|---|---|---|\n")
	for _, p := range t.Params {
		required := ""
		if p.Required {
			required = "yes"
		}
		fmt.Fprintf(b, "| `%s` | %s | %s | %s | %s | %s |\n", p.Name, cell(p.Type.Name), required, code(p.Default),
			code(p.Example), cell(p.Doc+lifecycleNote(p.Lifecycle)))
	}
}

func lifecycleNote(l Lifecycle) string {
	if l.state() == Active {
		return ""
	}
	return " This " + retired("part", l) + "."
}

func cell(text string) string { return strings.ReplaceAll(text, "|", `\|`) }

func code(text string) string {
	if text == "" {
		return ""
	}
	return "`" + cell(text) + "`"
}
