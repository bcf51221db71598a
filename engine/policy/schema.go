package policy

import (
	"maps"
	"slices"
	"strings"
)

// Dialect is the JSON Schema dialect of Schema.
const Dialect = "https://json-schema.org/draft/2020-12/schema"

// Schema is the JSON schema of documents under the gates, for editors and for checks before a document is sent. It
// holds names of gates, triggers and parameters in lower case, which documents need not; what goes beyond form, as
// references and patterns, only Load checks.
func Schema(gates []Gate) map[string]any {
	definitions := map[string]any{}
	perType := map[string][]any{}
	for _, g := range slices.SortedFunc(slices.Values(gates), func(a, b Gate) int { return strings.Compare(a.Name, b.Name) }) {
		for i := range g.Triggers {
			t := &g.Triggers[i]
			if g.state() == EndOfLife || t.state() == EndOfLife {
				continue
			}
			name := g.Name + "." + t.Name
			definitions[name] = t.schema(&g)
			for _, artifact := range artifactTypes {
				if t.suits(artifact) {
					perType[artifact] = append(perType[artifact], map[string]any{"$ref": "#/$defs/" + name})
				}
			}
		}
	}
	document := documentShape.schema()
	document["$schema"] = Dialect
	document["title"] = "Policy"
	document["$defs"] = definitions
	ruleSets := elements(document, "rule_sets")
	properties(ruleSets)["rules"] = map[string]any{"type": "array", "maxItems": MaxRules}
	var branches []any
	for _, artifact := range artifactTypes {
		given := map[string]any{"properties": map[string]any{"artifact_type": map[string]any{"const": artifact}}}
		if artifact != ArtifactImage { // what an absent key means
			given["required"] = []string{"artifact_type"}
		}
		rules := map[string]any{"items": map[string]any{"oneOf": perType[artifact]}}
		branches = append(branches, map[string]any{"if": given, "then": map[string]any{"properties": map[string]any{"rules": rules}}})
	}
	ruleSets["allOf"] = branches
	for _, versioned := range []map[string]any{document, ruleSets, elements(document, "allowlists")} {
		properties(versioned)["version"] = map[string]any{"const": Version}
	}
	return document
}

var artifactTypes = []string{ArtifactImage, ArtifactSource, ArtifactSBOM}

// properties are those of the schema of an object, elements the schema of what is in one of its lists.
func properties(object map[string]any) map[string]any {
	all, _ := object["properties"].(map[string]any)
	return all
}

func elements(object map[string]any, list string) map[string]any {
	of, _ := properties(object)[list].(map[string]any)
	elem, _ := of["items"].(map[string]any)
	return elem
}

// schema is the shape in JSON Schema.
func (s *shape) schema() map[string]any {
	out := map[string]any{}
	switch s.kind {
	case kindString:
		out["type"] = "string"
	case kindNumber:
		out["type"] = "number"
	case kindArray:
		out["type"], out["items"], out["maxItems"] = "array", s.elem.schema(), MaxListLength
	case kindObject:
		all := map[string]any{}
		for key, child := range s.keys {
			all[key] = child.schema()
		}
		out["type"], out["properties"], out["additionalProperties"] = "object", all, false
		if len(s.required) > 0 {
			out["required"] = s.required
		}
	}
	if s.nullable {
		out["type"] = []any{out["type"], "null"}
	}
	if s.notEmpty {
		out["minLength"] = 1
	}
	if s.maxBytes > 0 {
		out["maxLength"] = s.maxBytes
	}
	if s.oneOf != nil {
		out["enum"] = s.oneOf
	}
	return out
}

// schema is that of rules that use the trigger.
func (t *Trigger) schema(g *Gate) map[string]any {
	rule := ruleShape.schema()
	said := properties(rule)
	said["gate"] = map[string]any{"const": g.Name}
	said["trigger"] = map[string]any{"const": t.Name}
	said["params"] = t.paramsSchema()
	rule["description"] = t.Doc
	if g.state() == Deprecated || t.state() == Deprecated {
		rule["deprecated"] = true
	}
	return rule
}

func (t *Trigger) paramsSchema() map[string]any {
	var kinds, needed []any
	for i := range t.Params {
		p := &t.Params[i]
		if p.state() == EndOfLife {
			continue
		}
		name := map[string]any{"enum": append([]string{p.Name}, p.Aliases...)}
		value := maps.Clone(p.Type.validator)
		value["description"] = p.description()
		kind := map[string]any{
			"type": "object", "properties": map[string]any{"name": name, "value": value}, "required": []string{"name", "value"}, "additionalProperties": false,
		}
		if p.state() == Deprecated {
			kind["deprecated"] = true
		}
		kinds = append(kinds, kind)
		if p.Required {
			needed = append(needed, map[string]any{"contains": map[string]any{"properties": map[string]any{"name": name}, "required": []string{"name"}}})
		}
	}
	params := map[string]any{"type": "array", "maxItems": MaxParams}
	if len(kinds) == 0 {
		params["maxItems"] = 0
	} else {
		params["items"] = map[string]any{"oneOf": kinds}
	}
	if len(needed) > 0 {
		params["allOf"] = needed
	}
	return params
}
