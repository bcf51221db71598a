package trial

import (
	"bytes"
	"context"
	"errors"
	"fmt"

	"plimsoll/engine/policy"
)

// Surroundings is where a suite finds what it names.
type Surroundings struct {
	// Read reads a file by its path from the suite's folder.
	Read func(path string) ([]byte, error)
	// Ask has a server judge a stored image, as of now; nil when there is no server.
	Ask   func(ctx context.Context, document []byte, digest, tag string) (*policy.Result, error)
	Gates []policy.Gate
}

// Outcome is how a case went: well when there are no faults.
type Outcome struct {
	Case   string         `json:"case"`
	Faults []string       `json:"faults,omitempty"`
	Result *policy.Result `json:"-"`
}

// ErrNoServer says that a case is about a stored image and nobody was there to ask.
var ErrNoServer = errors.New("the case is about a stored image, which only a server can judge")

// Run runs every case. A policy that cannot be used is an error (*policy.InvalidError among others), a case that cannot be
// run is a fault of the case.
func (s *Suite) Run(ctx context.Context, around Surroundings) ([]Outcome, error) {
	raw, err := around.Read(s.Policy)
	if err != nil {
		return nil, fmt.Errorf("read policy %s: %w", s.Policy, err)
	}
	document, err := Document(raw)
	if err != nil {
		return nil, fmt.Errorf("read policy %s: %w", s.Policy, err)
	}
	compiled, _, err := policy.Load(document, around.Gates)
	if err != nil {
		return nil, fmt.Errorf("policy %s: %w", s.Policy, err)
	}
	outcomes := make([]Outcome, 0, len(s.Cases))
	for i := range s.Cases {
		c := &s.Cases[i]
		out := Outcome{Case: c.Name}
		out.Result, err = c.judge(ctx, around, compiled, document)
		switch {
		case ctx.Err() != nil:
			return nil, ctx.Err()
		case err != nil:
			out.Faults = []string{err.Error()}
		default:
			out.Faults = c.Expect.Check(out.Result)
		}
		outcomes = append(outcomes, out)
	}
	return outcomes, nil
}

func (c *Case) judge(ctx context.Context, around Surroundings, compiled *policy.Policy, document []byte) (*policy.Result, error) {
	if c.Digest != "" {
		if around.Ask == nil {
			return nil, ErrNoServer
		}
		return around.Ask(ctx, document, c.Digest, c.Tag)
	}
	facts := c.Static
	if facts == nil {
		raw, err := around.Read(c.FactsFile)
		if err != nil {
			return nil, fmt.Errorf("read facts %s: %w", c.FactsFile, err)
		}
		if facts, err = ReadFacts(raw); err != nil {
			return nil, fmt.Errorf("read facts %s: %w", c.FactsFile, err)
		}
	}
	return compiled.Evaluate(ctx, facts, c.Tag, c.Now)
}

// Document returns a policy document as JSON: JSON stays as it is, with all its faults, YAML is turned into it.
func Document(data []byte) ([]byte, error) {
	if trimmed := bytes.TrimSpace(data); bytes.HasPrefix(trimmed, []byte("{")) {
		return data, nil
	}
	return ToJSON(data)
}
