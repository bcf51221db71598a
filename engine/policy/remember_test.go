package policy_test

import (
	"context"
	"testing"
	"time"

	"plimsoll/engine/policy"
)

// tallied counts how often facts are loaded.
type tallied struct {
	*policy.Static
	matches, before int
}

func (c *tallied) Vulnerabilities(ctx context.Context) ([]policy.Vulnerability, error) {
	c.matches++
	return c.Static.Vulnerabilities(ctx)
}

func (c *tallied) Predecessor(_ context.Context, tag string) (*policy.Predecessor, error) {
	c.before++
	return &policy.Predecessor{Digest: "before " + tag}, nil
}

func TestFactsAreLoadedOnceForSeveralPolicies(t *testing.T) {
	t.Parallel()
	loaded := &tallied{Static: new(policy.Static)}
	facts := policy.Remember(loaded)
	for range 3 {
		if _, err := load(t, policy.Default()).Evaluate(t.Context(), facts, "docker.io/acme/web:1", time.Now()); err != nil {
			t.Fatal(err)
		}
	}
	if loaded.matches != 1 {
		t.Errorf("loaded %d times", loaded.matches)
	}
	for _, tag := range []string{"a", "b", "a"} {
		if p, err := facts.Predecessor(t.Context(), tag); err != nil || p.Digest != "before "+tag {
			t.Errorf("%s: %+v, %v", tag, p, err)
		}
	}
	if loaded.before != 2 {
		t.Errorf("%d predecessors loaded for two tags", loaded.before)
	}
}
