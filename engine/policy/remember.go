package policy

import (
	"context"
	"errors"
)

// Remember returns facts whose every part is loaded once, whatever number of evaluations asks for it: for several
// policies, or tags, over one image. One goroutine uses it at a time, and as long as the image is looked at as of one
// moment; what could not be loaded is not tried again.
func Remember(facts Facts) Facts {
	return &remembered{memory: memory{facts: facts}, before: map[string]*once[*Predecessor]{}}
}

// remembered is memory over evaluations of several tags.
type remembered struct {
	memory
	before map[string]*once[*Predecessor]
}

func (r *remembered) Predecessor(ctx context.Context, tag string) (*Predecessor, error) {
	if r.before[tag] == nil {
		r.before[tag] = new(once[*Predecessor])
	}
	return r.before[tag].get(ctx, "image the tag named before", func(ctx context.Context) (*Predecessor, error) {
		return r.facts.Predecessor(ctx, tag)
	})
}

// MissingFacts tells whether rules could not be run for want of facts (Result.Err): trying again may help.
func MissingFacts(err error) bool {
	_, missing := errors.AsType[*loadError](err)
	return missing
}
