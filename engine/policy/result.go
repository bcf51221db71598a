package policy

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"
)

// Action is what a rule asks for and an evaluation answers.
type Action string

const (
	Go   Action = "go"
	Warn Action = "warn"
	Stop Action = "stop"
)

// parseAction reads the upper case word of a document.
func parseAction(word string) (Action, error) {
	switch a := Action(strings.ToLower(word)); a {
	case Go, Warn, Stop:
		return a, nil
	}
	return "", fmt.Errorf("unknown action %q, there are: GO, STOP, WARN", word)
}

func (a Action) weight() int {
	switch a {
	case Stop:
		return 2
	case Warn:
		return 1
	}
	return 0
}

// worse returns the action that prevails: stop over warn over go.
func worse(a, b Action) Action {
	if b.weight() > a.weight() {
		return b
	}
	return a
}

// Status is the short answer.
type Status string

const (
	Passed Status = "pass"
	Failed Status = "fail"
)

// Reasons of a final action.
const (
	ReasonEvaluation  = "policy_evaluation"
	ReasonAllowlisted = "allowlisted"
	ReasonDenylisted  = "denylisted"
)

// Result is the answer of one evaluation. Its JSON is the API's PolicyEvaluationResult.
type Result struct {
	Details                      *Details       `json:"details"` // nil when the asker wants none
	ComparisonImageDigest        *string        `json:"comparison_image_digest"`
	EvaluationTime               time.Time      `json:"evaluation_time"` // UTC, whole seconds
	EvaluationProblems           []Problem      `json:"evaluation_problems"`
	Status                       Status         `json:"status"`
	FinalAction                  Action         `json:"final_action"`
	FinalActionReason            string         `json:"final_action_reason"`
	ImageAllowlisted             bool           `json:"image_allowlisted"`
	MatchedAllowlistedImagesRule *ImageSelector `json:"matched_allowlisted_images_rule"`
	ImageDenylisted              bool           `json:"image_denylisted"`
	MatchedDenylistedImagesRule  *ImageSelector `json:"matched_denylisted_images_rule"`
	ImageMappedToRule            bool           `json:"image_mapped_to_rule"`
	MatchedMappingRule           *Mapping       `json:"matched_mapping_rule"`
	NumberOfFindings             int            `json:"number_of_findings"`

	// MatchedSourceMapping and MatchedSBOMMapping take the place of MatchedMappingRule for other artifacts.
	MatchedSourceMapping *SourceMapping `json:"-"`
	MatchedSBOMMapping   *SBOMMapping   `json:"-"`

	// ValidUntil is the first moment at which the same facts may give another result, because an allowlist
	// item expires or something grows too old; zero when time does not matter.
	ValidUntil time.Time `json:"-"`

	failures []error
}

// Err tells why rules could not be run, for logs and for a decision to try again; nil when all could. The
// result is right either way: such a rule stops the image.
func (r *Result) Err() error { return errors.Join(r.failures...) }

// Until is the first whole second at which the result may be another one: evaluations look at whole seconds. Nil when time
// does not matter.
func (r *Result) Until() *time.Time {
	if r.ValidUntil.IsZero() {
		return nil
	}
	until := r.ValidUntil.Truncate(time.Second)
	if until.Before(r.ValidUntil) {
		until = until.Add(time.Second)
	}
	return &until
}

// Timeless encodes the result with a zero evaluation time: two that say the same are the same bytes, whenever they were made.
func (r *Result) Timeless() ([]byte, error) {
	timeless := *r
	timeless.EvaluationTime = time.Time{}
	encoded, err := json.Marshal(&timeless)
	if err != nil {
		return nil, fmt.Errorf("encode result: %w", err)
	}
	return encoded, nil
}

// Details are the findings behind a result.
type Details struct {
	Policy       *Document     `json:"policy"`
	PolicyAction Action        `json:"policy_action"` // before the image lists
	Findings     []Finding     `json:"findings"`      // by rule, then trigger id
	Remediations []Remediation `json:"remediations"`
}

// Finding is one firing of a trigger.
type Finding struct {
	TriggerID         string          `json:"trigger_id"`
	Gate              string          `json:"gate"`
	Trigger           string          `json:"trigger"`
	Message           string          `json:"message"`
	Action            Action          `json:"action"`    // go when an allowlist claims it
	PolicyID          string          `json:"policy_id"` // of the rule set, for which the API has no other key
	RuleID            string          `json:"rule_id"`
	Recommendation    string          `json:"recommendation"`
	Allowlisted       bool            `json:"allowlisted"`
	AllowlistMatch    *AllowlistMatch `json:"allowlist_match"`
	InheritedFromBase *bool           `json:"inherited_from_base"` // nil without comparison
}

// AllowlistMatch names the allowlist and the item that claim a finding.
type AllowlistMatch struct {
	ID            string `json:"id"`
	Name          string `json:"name"`
	MatchedRuleID string `json:"matched_rule_id"`
}

// Compare marks each finding that the base image has too, suggests another base against those, and names the base. The
// verdict stays as it is. Both results need details; findings are the same when rule and trigger id are.
func (r *Result) Compare(base *Result, baseDigest string) {
	if r.Details == nil || base.Details == nil {
		return
	}
	type identity struct{ ruleSet, rule, gate, trigger, triggerID string }
	of := func(f *Finding) identity { return identity{f.PolicyID, f.RuleID, f.Gate, f.Trigger, f.TriggerID} }
	inBase := make(map[identity]bool, len(base.Details.Findings))
	for i := range base.Details.Findings {
		inBase[of(&base.Details.Findings[i])] = true
	}
	fromBase := map[string]bool{}
	for i := range r.Details.Findings {
		f := &r.Details.Findings[i]
		inherited := inBase[of(f)]
		f.InheritedFromBase = &inherited
		fromBase[f.TriggerID] = fromBase[f.TriggerID] || inherited
	}
	for i := range r.Details.Remediations {
		if m := &r.Details.Remediations[i]; slices.ContainsFunc(m.TriggerIDs, func(id string) bool { return fromBase[id] }) {
			m.suggestBase()
		}
	}
	r.ComparisonImageDigest = &baseDigest
}
