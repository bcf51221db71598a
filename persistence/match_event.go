package persistence

import (
	"context"
	"errors"
	"fmt"

	"github.com/jackc/pgx/v5"
)

// toldChanges is how many changes of each kind an event lists; it counts them all.
const toldChanges = 500

// Tags whose vulnerabilities somebody wants to hear about.
var matchTold = query("match.told", `
SELECT t.account, t.digest, s.key AS tag FROM unnest(@accounts::text[], @digests::text[]) r (account, digest)
JOIN plimsoll.image_tag t ON t.account = r.account AND t.digest = r.digest AND t.current
JOIN plimsoll.subscription s ON s.account = t.account AND s.type = 'vuln_update' AND s.active AND s.key = t.registry || '/' || t.repository || ':' || t.tag
ORDER BY t.account, t.digest, s.key`)

// Tell records what a generation of the feeds changed for the tags of some images that are subscribed to, one event for
// each tag, and returns how many. Repeating it records nothing twice.
func (s *Matches) Tell(ctx context.Context, generation int64, images []ImageRef) (int, error) {
	accounts, digests := make([]string, len(images)), make([]string, len(images))
	for i, ref := range images {
		accounts[i], digests[i] = ref.Account, ref.Digest
	}
	type tagged struct{ Account, Digest, Tag string }
	tags, err := many[tagged](ctx, s.pool, matchTold, args{"accounts": accounts, "digests": digests})
	if err != nil {
		return 0, wrap(err, "find subscriptions to vulnerabilities")
	}
	var events []happening
	var of ImageRef
	var details map[string]any
	for _, t := range tags {
		if ref := (ImageRef{t.Account, t.Digest}); ref != of {
			of = ref
			changes, err := s.ChangesWith(ctx, t.Account, t.Digest, generation)
			if err != nil && !errors.Is(err, ErrNotFound) && !errors.Is(err, ErrNotAnalyzed) {
				return 0, err
			}
			details = toldDifference(t.Digest, generation, changes)
		}
		if details != nil {
			events = append(events, happening{
				Account: t.Account, Type: EventVulnerabilities, Resource: t.Tag, Details: details, Key: fmt.Sprintf("vulnerabilities/%d/%s/%s", generation, t.Digest, t.Tag),
			})
		}
	}
	if len(events) == 0 {
		return 0, nil
	}
	err = inTx(ctx, s.pool, func(tx pgx.Tx) error { return emit(ctx, tx, events...) })
	return len(events), wrap(err, "tell of generation %d", generation)
}

// toldDifference is what an event says of changes; nil when there are none.
func toldDifference(digest string, generation int64, changes []MatchChange) map[string]any {
	if len(changes) == 0 {
		return nil
	}
	lists, counts := map[string][]map[string]any{"added": {}, "updated": {}, "removed": {}}, map[string]int{}
	for _, c := range changes {
		if counts[c.Kind]++; counts[c.Kind] > toldChanges {
			continue
		}
		line := map[string]any{"vulnerability_id": c.Vulnerability, "package": c.PackageName, "version": c.PackageVersion, "package_type": c.PackageType, "feed_group": c.Namespace}
		for when, state := range map[string]*MatchState{"was": c.Old, "is": c.New} {
			if state != nil {
				line[when] = map[string]any{"severity": state.Severity.String(), "fix": state.FixVersion, "fix_state": state.FixState}
			}
		}
		lists[c.Kind] = append(lists[c.Kind], line)
	}
	out := map[string]any{"image_digest": digest, "feed_generation": generation}
	for kind, list := range lists {
		out[kind], out[kind+"_count"] = list, counts[kind]
	}
	return out
}
