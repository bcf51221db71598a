package policy

import (
	"slices"
	"strings"
)

// GateSpec, TriggerSpec and ParamSpec are the published specification of the gates.
type GateSpec struct {
	Name                  string        `json:"name"`
	Description           string        `json:"description"`
	SupportedArtifactType string        `json:"supported_artifact_type"`
	State                 State         `json:"state"`
	SupersededBy          *string       `json:"superseded_by"`
	Triggers              []TriggerSpec `json:"triggers"`
}

type TriggerSpec struct {
	Name         string      `json:"name"`
	Description  string      `json:"description"`
	State        State       `json:"state"`
	SupersededBy *string     `json:"superseded_by"`
	Parameters   []ParamSpec `json:"parameters"`
}

type ParamSpec struct {
	Name         string         `json:"name"`
	Description  string         `json:"description"`
	Example      *string        `json:"example"`
	State        State          `json:"state"`
	SupersededBy *string        `json:"superseded_by"`
	Required     bool           `json:"required"`
	Validator    map[string]any `json:"validator"`
}

// Spec describes the gates, by name; triggers and parameters keep their display order.
func Spec(gates []Gate) []GateSpec {
	specs := make([]GateSpec, 0, len(gates))
	for _, g := range gates {
		spec := GateSpec{
			Name: g.Name, Description: g.Doc, SupportedArtifactType: ArtifactImage,
			State: g.state(), SupersededBy: orNull(g.SupersededBy), Triggers: []TriggerSpec{},
		}
		for i := range g.Triggers {
			spec.Triggers = append(spec.Triggers, g.Triggers[i].spec())
		}
		specs = append(specs, spec)
	}
	slices.SortFunc(specs, func(a, b GateSpec) int { return strings.Compare(a.Name, b.Name) })
	return specs
}

func (t *Trigger) spec() TriggerSpec {
	spec := TriggerSpec{
		Name: t.Name, Description: t.Doc, State: t.state(), SupersededBy: orNull(t.SupersededBy), Parameters: []ParamSpec{},
	}
	for _, p := range t.Params {
		spec.Parameters = append(spec.Parameters, ParamSpec{
			Name: p.Name, Description: p.description(), Example: orNull(p.Example), State: p.state(),
			SupersededBy: orNull(p.SupersededBy), Required: p.Required, Validator: p.Type.validator,
		})
	}
	return spec
}

func (p *Param) description() string {
	if p.Default == "" {
		return p.Doc
	}
	return p.Doc + " Default: " + p.Default + "."
}

func orNull(s string) *string {
	if s == "" {
		return nil
	}
	return &s
}
