package persistence

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"

	"plimsoll/engine/match"
)

// SourceRules is the source of generations that stand for other rules: everything is matched anew.
const SourceRules = "rules"

// settingConfigured holds the ConfiguredRules.
const settingConfigured = "match_rules_configured"

// settingRulesApplied is the fingerprint of what the last such generation was made for.
const settingRulesApplied = "match_rules_applied"

var (
	feedOrigin = query("feed.origin", `SELECT id::text FROM plimsoll_feeds.origin`)

	// The newest generation that answers of this database rest on.
	generationUsed = query("generation.used", `
SELECT greatest((SELECT max(generation) FROM plimsoll.analysis_counter), (SELECT max(generation) FROM plimsoll.evaluation),
  (SELECT max(matched_generation) FROM plimsoll.package), 0)`)

	generationRaise = query("generation.raise", `
SELECT setval(pg_get_serial_sequence('plimsoll_feeds.generation', 'id'), @used::bigint)
WHERE @used > (SELECT coalesce(max(id), 0) FROM plimsoll_feeds.generation)`)

	generationSource = query("generation.source", `SELECT source FROM plimsoll_feeds.generation WHERE id = @generation`)

	packagePage = query("package.page", `SELECT id FROM plimsoll.package WHERE id > @after ORDER BY id LIMIT @limit`)

	counterMissing = query("counter.missing", `
SELECT a.id FROM plimsoll.analysis a
WHERE a.id > @after AND NOT EXISTS (SELECT FROM plimsoll.analysis_counter k WHERE k.analysis_id = a.id) ORDER BY a.id LIMIT @limit`)

	targetReplace = query("package.replace_targets", `
WITH given AS (
  SELECT * FROM unnest(@namespaces::text[], @names::text[], @packages::bigint[]) g (namespace, name, package_id)
), gone AS (
  DELETE FROM plimsoll.package_target t WHERE t.package_id = ANY (@batch::bigint[])
    AND NOT EXISTS (SELECT FROM given g WHERE (g.namespace, g.name, g.package_id) = (t.namespace, t.name, t.package_id))
)
INSERT INTO plimsoll.package_target (namespace, name, package_id)
SELECT namespace, name, package_id FROM given ORDER BY namespace, name, package_id ON CONFLICT DO NOTHING`)
)

// Rules are those in force.
func (s *Matches) Rules(ctx context.Context) (match.Rules, error) {
	r, err := rules(ctx, s.pool)
	return r, wrap(err, "load matching rules")
}

// ConfiguredRules is the part of the rules that an installation's configuration decides.
type ConfiguredRules struct {
	WithoutSources []string       `json:"without_sources,omitempty"`
	WithoutTypes   []string       `json:"without_types,omitempty"`
	Priorities     map[string]int `json:"priorities,omitempty"` // of sources
}

func (c ConfiguredRules) apply(to match.Rules) match.Rules {
	to = to.Clone()
	set := func(into *map[string]bool, names []string) {
		for _, name := range names {
			if *into == nil {
				*into = map[string]bool{}
			}
			(*into)[name] = true
		}
	}
	set(&to.WithoutSources, c.WithoutSources)
	set(&to.WithoutTypes, c.WithoutTypes)
	for source, priority := range c.Priorities {
		if to.Priorities == nil {
			to.Priorities = map[string]int{}
		}
		to.Priorities[source] = priority
	}
	return to
}

// Configure puts the configured part of the rules in force. The caller then has EnsureRules make a generation for it.
func (s *Matches) Configure(ctx context.Context, c ConfiguredRules) error {
	return NewSettings(s.pool).Set(ctx, settingConfigured, c)
}

// SetRules puts rules in force. The caller then has EnsureRules make a generation for them.
func (s *Matches) SetRules(ctx context.Context, r match.Rules) error {
	return NewSettings(s.pool).Set(ctx, settingRules, r)
}

// EnsureRules makes a generation when matches were made by other rules than those in force, by another way of this
// program to judge, or with the data of another feed store. 0: nothing is to be done.
func (s *Matches) EnsureRules(ctx context.Context) (generation int64, err error) {
	inForce, err := s.Rules(ctx)
	if err != nil {
		return 0, err
	}
	origin, err := value[string](ctx, s.feeds, feedOrigin, args{})
	if err != nil {
		return 0, fmt.Errorf("tell the feed store: %w", err)
	}
	sum := sha256.Sum256([]byte(fmt.Sprintf("%d\n%s\n%s", match.Version, origin, strings.Join(inForce.Lines(), "\n"))))
	mark := hex.EncodeToString(sum[:])
	settings := NewSettings(s.pool)
	var applied string
	if err := settings.Get(ctx, settingRulesApplied, &applied); err != nil && !errors.Is(err, ErrNotFound) {
		return 0, err
	}
	if applied == mark {
		return 0, nil
	}
	// Another feed store may count from one: what is newer here has the higher number all the same.
	used, err := value[int64](ctx, s.pool, generationUsed, args{})
	if err != nil {
		return 0, fmt.Errorf("look for the newest generation: %w", err)
	}
	// Ids are given out in the order of commits, as for feeds: nothing below one that is seen is still to come.
	generation, err = InTx(ctx, s.feeds, func(tx pgx.Tx) (int64, error) {
		if _, err := exec(ctx, tx, lockExclusive, args{"lock": lockFeed}); err != nil {
			return 0, err
		}
		if _, err := exec(ctx, tx, generationRaise, args{"used": used}); err != nil {
			return 0, err
		}
		return value[int64](ctx, tx, generationInsert, args{"source": SourceRules, "group": "", "added": 0, "changed": 0, "removed": 0})
	})
	if err != nil {
		return 0, fmt.Errorf("open generation: %w", err)
	}
	return generation, settings.Set(ctx, settingRulesApplied, mark)
}

// rescanAll gives every dictionary entry the names the rules in force have for it, and matches it anew.
func (s *Matches) rescanAll(ctx context.Context, generation int64, at time.Time, progress func(done, of int), out *Rescanned) error {
	after := int64(0)
	for {
		batch, err := column[int64](ctx, s.pool, packagePage, args{"after": after, "limit": rescanBatch})
		if err != nil {
			return err
		}
		if len(batch) == 0 {
			if err := s.settle(ctx, out); err != nil {
				return err
			}
			return s.countMissing(ctx, generation)
		}
		after = batch[len(batch)-1]
		moved, err := s.underRescanLock(ctx, func(tx pgx.Tx) (movement, error) {
			if err := retarget(ctx, tx, batch); err != nil {
				return movement{}, err
			}
			return s.rematch(ctx, tx, batch, interval{at, generation, CauseRules})
		})
		if err != nil {
			return err
		}
		out.Opened, out.Closed, out.Packages = out.Opened+moved.opened, out.Closed+moved.closed, out.Packages+len(batch)
		progress(out.Packages, 0)
	}
}

func retarget(ctx context.Context, tx pgx.Tx, batch []int64) error {
	inForce, err := rules(ctx, tx)
	if err != nil {
		return err
	}
	subjects, err := many[subjectRow](ctx, tx, subjectList, args{"packages": batch})
	if err != nil {
		return err
	}
	namespaces, names, packages := []string{}, []string{}, []int64{}
	for _, p := range subjects {
		for _, t := range inForce.Targets(p.subject()) {
			namespaces, names, packages = append(namespaces, clean(t.Namespace, maxNamespace)), append(names, clean(t.Name, maxPackage)), append(packages, p.ID)
		}
	}
	_, err = exec(ctx, tx, targetReplace, args{"namespaces": namespaces, "names": names, "packages": packages, "batch": batch})
	return err
}

// countMissing makes counters for analyses that have none, as after an upgrade that dropped them.
func (s *Matches) countMissing(ctx context.Context, generation int64) error {
	for after := int64(0); ; {
		batch, err := column[int64](ctx, s.pool, counterMissing, args{"after": after, "limit": rescanBatch})
		if err != nil || len(batch) == 0 {
			return err
		}
		after = batch[len(batch)-1]
		_, err = s.underRescanLock(ctx, func(tx pgx.Tx) (movement, error) { return movement{}, count(ctx, tx, batch, generation) })
		if err != nil {
			return err
		}
	}
}
