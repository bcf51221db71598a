package match

import (
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestAPriorityThatChangesNothingIsNoOtherRule(t *testing.T) {
	t.Parallel()
	r := DefaultRules()
	r.Priorities = map[string]int{"osv": -1, "debian": 0, NVD: -2}
	if !r.Equal(DefaultRules()) {
		t.Errorf("lines %q", r.Lines())
	}
	r.Priorities["acme"] = 5
	c := r.Clone()
	c.Priorities["acme"] = 0
	if diff := cmp.Diff([]string{"priority acme=5"}, r.Lines()[len(r.Lines())-1:]); diff != "" || c.Equal(r) {
		t.Errorf("(-want +got):\n%s", diff)
	}
}
