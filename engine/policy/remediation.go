package policy

import (
	"slices"
	"strings"

	"plimsoll/engine/version"
)

// Remediation says what would remove the findings with these trigger ids.
type Remediation struct {
	TriggerIDs  []string     `json:"trigger_ids"`
	Suggestions []Suggestion `json:"suggestions"` // the preferred one first
}

// Suggestion is one way to do it.
type Suggestion struct {
	Message   string `json:"message"`
	Preferred bool   `json:"preferred"`
}

// suggestedBase is the way for what a base image brings.
const suggestedBase = "Build on a newer base image: the present one has this too"

func (m *Remediation) suggestBase() {
	if !slices.ContainsFunc(m.Suggestions, func(s Suggestion) bool { return s.Message == suggestedBase }) {
		m.Suggestions = append(m.Suggestions, Suggestion{Message: suggestedBase})
	}
}

// Upgrade is a version of a package that does not have what was found.
type Upgrade struct {
	Package   AffectedPackage // where it lies does not matter
	To        string          // the lowest such version
	Order     version.Scheme  // of the package's versions; empty: they cannot be ordered
	Inherited bool            // the base image has the finding too
}

// remedies gathers what would remove findings. The zero value is empty.
type remedies struct {
	byText    map[string]*remedy
	byPackage map[AffectedPackage]*remedy
	known     map[found]bool
	order     []*remedy // as they came up
}

// remedy is one Remediation in the making: a text, or the upgrades of one package.
type remedy struct {
	triggerIDs []string
	listed     map[string]bool // what is in triggerIDs
	text       string
	upgrades   []Upgrade
}

// add notes the remedy of a finding, if it has one. Several rules may find the same.
func (r *remedies) add(hit found) {
	hit.message = ""
	if hit.suggestion == "" && hit.upgrade == (Upgrade{}) || r.known[hit] {
		return
	}
	if r.known == nil {
		r.known, r.byText, r.byPackage = map[found]bool{}, map[string]*remedy{}, map[AffectedPackage]*remedy{}
	}
	r.known[hit] = true
	var way *remedy
	if hit.suggestion != "" {
		way = of(r, r.byText, hit.suggestion)
		way.text = hit.suggestion
	} else {
		hit.upgrade.Package.Location = ""
		way = of(r, r.byPackage, hit.upgrade.Package)
		way.upgrades = append(way.upgrades, hit.upgrade)
	}
	if !way.listed[hit.triggerID] {
		way.listed[hit.triggerID] = true
		way.triggerIDs = append(way.triggerIDs, hit.triggerID)
	}
}

func of[K comparable](r *remedies, known map[K]*remedy, key K) *remedy {
	if known[key] == nil {
		known[key] = &remedy{listed: map[string]bool{}}
		r.order = append(r.order, known[key])
	}
	return known[key]
}

// list is nil when there is nothing to suggest.
func (r *remedies) list() []Remediation {
	var out []Remediation
	for _, way := range r.order {
		message := way.text
		if len(way.upgrades) > 0 {
			message = "Upgrade " + way.upgrades[0].Package.Name + " to " + enough(way.upgrades)
		}
		m := Remediation{TriggerIDs: way.triggerIDs, Suggestions: []Suggestion{{Message: message, Preferred: true}}}
		if slices.ContainsFunc(way.upgrades, func(u Upgrade) bool { return u.Inherited }) {
			m.suggestBase()
		}
		out = append(out, m)
	}
	return out
}

// enough is the lowest version that serves all upgrades of a package, or all their versions where the order is not known.
func enough(upgrades []Upgrade) string {
	var versions []string
	for _, u := range upgrades {
		if !slices.Contains(versions, u.To) {
			versions = append(versions, u.To)
		}
	}
	highest := versions[0]
	for _, v := range versions[1:] {
		c, err := version.Compare(upgrades[0].Order, v, highest)
		if err != nil {
			slices.Sort(versions)
			return "a version with the fixes of " + strings.Join(versions, " and ")
		}
		if c > 0 {
			highest = v
		}
	}
	return highest
}
