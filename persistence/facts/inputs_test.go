package facts_test

import (
	"context"
	"testing"

	"plimsoll/engine/policy"
	"plimsoll/persistence/facts"
)

func TestWhatInputsDoNotKnowOfIsNoted(t *testing.T) {
	t.Parallel()
	ctx := context.Background()
	for name, c := range map[string]struct {
		ask    func(policy.Facts) error
		beyond bool
	}{
		"image":           {func(f policy.Facts) error { _, err := f.Image(ctx); return err }, false},
		"vulnerabilities": {func(f policy.Facts) error { _, err := f.Vulnerabilities(ctx); return err }, false},
		"ratings":         {func(f policy.Facts) error { _, err := f.RatedVulnerabilities(ctx); return err }, false},
		"feeds":           {func(f policy.Facts) error { _, err := f.FeedStatus(ctx); return err }, false},
		"ancestors":       {func(f policy.Facts) error { _, err := f.Ancestors(ctx); return err }, true},
		"base image":      {func(f policy.Facts) error { _, err := f.BaseVulnerabilities(ctx); return err }, true},
		"predecessor":     {func(f policy.Facts) error { _, err := f.Predecessor(ctx, "r/a:1"); return err }, true},
		"package index":   {func(f policy.Facts) error { _, err := f.PackageIndex(ctx, "npm"); return err }, true},
		"sources":         {func(f policy.Facts) error { _, err := f.Sources(ctx); return err }, true},
		"STIG":            {func(f policy.Facts) error { _, err := f.STIGEvaluations(ctx); return err }, true},
	} {
		watched := facts.Watch(&policy.Static{})
		if err := c.ask(watched); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		if watched.Beyond() != c.beyond {
			t.Errorf("%s: beyond %t, want %t", name, watched.Beyond(), c.beyond)
		}
	}
}
