package policy

import (
	"strings"
	"time"
)

// allowlist is a compiled Allowlist. Items without wildcard, the bulk of long lists, are looked up.
type allowlist struct {
	doc   *Allowlist
	items []allowItem
	exact map[allowKey][]int // indexes of literal items, rising
	wild  []int              // indexes of all others, rising
}

type allowItem struct {
	gate    string // lower case
	trigger pattern
	expires time.Time // zero: never
}

type allowKey struct{ gate, triggerID string }

// compileAllowlist expects a list the document check has passed.
func compileAllowlist(doc *Allowlist) (*allowlist, error) {
	a := &allowlist{doc: doc, exact: map[allowKey][]int{}}
	for i, item := range doc.Items {
		compiled, err := compilePattern(item.TriggerID)
		if err != nil {
			return nil, err
		}
		entry := allowItem{gate: strings.ToLower(item.Gate), trigger: compiled}
		if item.ExpiresOn != nil {
			if entry.expires, err = parseExpiry(*item.ExpiresOn); err != nil {
				return nil, err
			}
		}
		a.items = append(a.items, entry)
		if literal, ok := compiled.literal(); ok {
			key := allowKey{entry.gate, literal}
			a.exact[key] = append(a.exact[key], i)
		} else {
			a.wild = append(a.wild, i)
		}
	}
	return a, nil
}

// alive reports whether item i has not expired: it ends at its expiry time, not after.
func (a *allowlist) alive(i int, now time.Time) bool {
	expires := a.items[i].expires
	return expires.IsZero() || now.Before(expires)
}

// claim returns the index of the first unexpired item for the finding, or -1.
func (a *allowlist) claim(gate, triggerID string, now time.Time) int {
	first := -1
	for _, i := range a.exact[allowKey{gate, triggerID}] {
		if a.alive(i, now) {
			first = i
			break
		}
	}
	for _, i := range a.wild {
		if first >= 0 && i > first {
			break
		}
		if item := &a.items[i]; item.gate == gate && a.alive(i, now) && item.trigger.match(triggerID) {
			return i
		}
	}
	return first
}
