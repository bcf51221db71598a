package trial

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	"plimsoll/engine/policy"
)

// Suite is a file of policy tests: images, made up or stored on a server, and what a policy must say of them.
type Suite struct {
	Policy string    `json:"policy"`        // path of the document, from the file's folder
	Tag    string    `json:"tag,omitempty"` // of cases that name none
	Now    time.Time `json:"now,omitzero"`  // likewise
	Cases  []Case    `json:"cases"`
}

// Case is one test. The image is either made up (facts, or a file of them) or a stored one (digest).
type Case struct {
	Name      string          `json:"name"`
	Tag       string          `json:"tag,omitempty"`
	Now       time.Time       `json:"now,omitzero"`
	Facts     json.RawMessage `json:"facts,omitempty"`
	FactsFile string          `json:"facts_file,omitempty"` // path from the suite's folder
	Digest    string          `json:"image,omitempty"`      // manifest digest of an image the server has analysed
	Expect    Expectation     `json:"expect"`

	// Static is what Facts say.
	Static *policy.Static `json:"-"`
}

// Expectation is what must hold of the result. What is left out is not looked at.
type Expectation struct {
	Action     policy.Action `json:"action,omitempty"`  // final action
	Reason     string        `json:"reason,omitempty"`  // of the final action
	Mapping    *string       `json:"mapping,omitempty"` // id of the mapping that matched; empty: none must
	Findings   []Sought      `json:"findings,omitempty"`
	NoFindings []Sought      `json:"no_findings,omitempty"`
	Problems   []string      `json:"problems,omitempty"` // types there must be; problems of severity error that are not listed fail the case
}

// Sought describes findings; what is left out may be anything. TriggerID is a pattern as in allowlists.
type Sought struct {
	Gate      string        `json:"gate,omitempty"`
	Trigger   string        `json:"trigger,omitempty"`
	TriggerID string        `json:"trigger_id,omitempty"`
	Rule      string        `json:"rule,omitempty"`
	Message   string        `json:"message,omitempty"` // a part of it
	Action    policy.Action `json:"action,omitempty"`  // after allowlists
	Count     *int          `json:"count,omitempty"`   // how many there must be; at least one when left out
}

// MaxCases bounds a suite.
const MaxCases = 10_000

// ErrSuite says that a file is no suite of policy tests.
var ErrSuite = errors.New("not a file of policy tests")

// ReadSuite reads a suite; keys it does not know are refused.
func ReadSuite(data []byte) (*Suite, error) {
	tree, err := object(data)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrSuite, err)
	}
	suite := new(Suite)
	if err := strict(tree, suite); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrSuite, err)
	}
	if suite.Policy == "" || len(suite.Cases) == 0 || len(suite.Cases) > MaxCases {
		return nil, fmt.Errorf("%w: it needs a policy and 1 to %d cases", ErrSuite, MaxCases)
	}
	for i := range suite.Cases {
		if err := suite.complete(&suite.Cases[i], i); err != nil {
			return nil, fmt.Errorf("%w: %w", ErrSuite, err)
		}
	}
	return suite, nil
}

// complete gives a case what the suite says for all, and reads its facts.
func (s *Suite) complete(c *Case, i int) error {
	if c.Name == "" {
		c.Name = fmt.Sprintf("case %d", i+1)
	}
	if c.Tag == "" {
		c.Tag = s.Tag
	}
	if c.Now.IsZero() {
		c.Now = s.Now
	}
	images := 0
	for _, given := range []bool{c.Facts != nil, c.FactsFile != "", c.Digest != ""} {
		if given {
			images++
		}
	}
	switch {
	case images != 1:
		return fmt.Errorf("%s: name one of facts, facts_file and image", c.Name)
	case c.Tag == "":
		return fmt.Errorf("%s: under which tag?", c.Name)
	case c.Expect.nothing():
		return fmt.Errorf("%s: expects nothing", c.Name)
	case c.Digest == "" && c.Now.IsZero():
		return fmt.Errorf("%s: at which time (now)? Rules may ask for it", c.Name)
	}
	for _, list := range [][]Sought{c.Expect.Findings, c.Expect.NoFindings} {
		for _, sought := range list {
			if _, err := policy.Matcher(sought.TriggerID); err != nil {
				return fmt.Errorf("%s: trigger_id %q: %w", c.Name, sought.TriggerID, err)
			}
		}
	}
	if c.Facts == nil {
		return nil
	}
	var err error
	if c.Static, err = ReadFacts(c.Facts); err != nil {
		return fmt.Errorf("%s: %w", c.Name, err)
	}
	return nil
}

func (x *Expectation) nothing() bool {
	return x.Action == "" && x.Reason == "" && x.Mapping == nil && len(x.Findings)+len(x.NoFindings)+len(x.Problems) == 0
}

// Check compares a result with what is expected, a sentence for each difference. Results need their details.
func (x *Expectation) Check(r *policy.Result) []string {
	var faults []string
	fault := func(format string, args ...any) { faults = append(faults, fmt.Sprintf(format, args...)) }
	if x.Action != "" && r.FinalAction != x.Action {
		fault("final action is %s, want %s", r.FinalAction, x.Action)
	}
	if x.Reason != "" && r.FinalActionReason != x.Reason {
		fault("reason is %s, want %s", r.FinalActionReason, x.Reason)
	}
	if matched := mappingOf(r); x.Mapping != nil && matched != *x.Mapping {
		fault("mapping is %q, want %q", matched, *x.Mapping)
	}
	faults = append(faults, x.checkProblems(r)...)
	if r.Details == nil {
		return append(faults, "the result came without details")
	}
	for _, sought := range x.Findings {
		n := sought.count(r.Details.Findings)
		switch {
		case sought.Count != nil && n != *sought.Count:
			fault("%d findings are %s, want %d", n, sought, *sought.Count)
		case sought.Count == nil && n == 0:
			fault("no finding is %s", sought)
		}
	}
	for _, sought := range x.NoFindings {
		if n := sought.count(r.Details.Findings); n > 0 {
			fault("%d findings are %s, want none", n, sought)
		}
	}
	return faults
}

func mappingOf(r *policy.Result) string {
	if r.MatchedMappingRule == nil {
		return ""
	}
	return r.MatchedMappingRule.ID
}

func (x *Expectation) checkProblems(r *policy.Result) (faults []string) {
	there := map[string]bool{}
	for _, p := range r.EvaluationProblems {
		there[p.Type] = true
	}
	listed := map[string]bool{}
	for _, kind := range x.Problems {
		if listed[kind] = true; !there[kind] {
			faults = append(faults, fmt.Sprintf("there is no problem of type %s", kind))
		}
	}
	for _, p := range r.EvaluationProblems {
		if p.Severity == policy.SeverityError && !listed[p.Type] {
			faults = append(faults, fmt.Sprintf("problem %s: %s", p.Type, p.Details))
		}
	}
	return faults
}

func (s Sought) count(findings []policy.Finding) (n int) {
	matches, err := policy.Matcher(s.TriggerID)
	if err != nil {
		return 0 // ReadSuite refuses such patterns
	}
	for _, f := range findings {
		if (s.Gate == "" || strings.EqualFold(s.Gate, f.Gate)) && (s.Trigger == "" || strings.EqualFold(s.Trigger, f.Trigger)) &&
			(s.TriggerID == "" || matches(f.TriggerID)) && (s.Rule == "" || s.Rule == f.RuleID) &&
			strings.Contains(f.Message, s.Message) && (s.Action == "" || s.Action == f.Action) {
			n++
		}
	}
	return n
}

func (s Sought) String() string {
	var parts []string
	for _, p := range []struct{ name, value string }{
		{"gate", s.Gate}, {"trigger", s.Trigger}, {"trigger_id", s.TriggerID}, {"rule", s.Rule}, {"message", s.Message}, {"action", string(s.Action)},
	} {
		if p.value != "" {
			parts = append(parts, p.name+" "+p.value)
		}
	}
	return "{" + strings.Join(parts, ", ") + "}"
}
