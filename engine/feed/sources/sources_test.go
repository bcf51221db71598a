package sources

import (
	"testing"

	"plimsoll/engine/feed"
)

func TestEverySourceIsCompleteAndItsGroupsAreDistinct(t *testing.T) {
	t.Parallel()
	names := map[string]bool{}
	for _, d := range All() {
		if d.Name == "" || names[d.Name] || d.Parse == nil || d.Groups == nil {
			t.Fatalf("source %q is incomplete or listed twice", d.Name)
		}
		names[d.Name] = true
		groups := map[string]bool{}
		for _, g := range d.Groups(feed.Settings{Enabled: true, Extra: []string{"example.org/data"}}) {
			if g.Name == "" || g.Host == "" || g.Path == "" || groups[g.Name] {
				t.Errorf("source %s: group %+v is incomplete or listed twice", d.Name, g)
			}
			groups[g.Name] = true
		}
		if len(groups) == 0 {
			t.Errorf("source %s has no groups by default", d.Name)
		}
	}
}
