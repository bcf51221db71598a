package persistence

import (
	"context"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
)

// An alert follows from what is stored: the image a tag means, the newest verdict about it by the active policy as it is, and
// the subscriptions. Whoever changes one of them settles the alerts of the tags concerned in the same transaction. Where the
// verdict is not known yet, of a new image or a changed policy, alerts stay as they are.
//
// Changes that concern single tags hold the lock of the account together and those of their tags alone; changes that concern
// many hold the lock of the account alone. They are the last locks a transaction takes.

const (
	askedTags = `unnest(@registries::text[], @repositories::text[], @tags::text[]) t (registry, repository, tag)`

	ofTag = `.account = @account AND a.registry = t.registry AND a.repository = t.repository AND a.tag = t.tag`
)

var (
	alertLockAccount = query("alert.lock_account", `SELECT pg_advisory_xact_lock(@lock::int, hashtext(@account::text))`)

	alertShareAccount = query("alert.share_account", `SELECT pg_advisory_xact_lock_shared(@lock::int, hashtext(@account::text))`)

	// Of tags nobody asked about there is nothing to settle.
	alertConcerned = query("alert.concerned", `
SELECT DISTINCT t.registry, t.repository, t.tag FROM `+askedTags+`
WHERE EXISTS (SELECT FROM plimsoll.subscription s WHERE s.account = @account AND s.type = 'alerts'
    AND s.key IN (t.registry || '/' || t.repository, t.registry || '/' || t.repository || ':' || t.tag))
  OR EXISTS (SELECT FROM plimsoll.alert a WHERE a`+ofTag+` AND a.state = 'open')
  OR EXISTS (SELECT FROM plimsoll.alert a WHERE a`+ofTag+` AND a.acknowledged)
ORDER BY t.registry, t.repository, t.tag`)

	tagsOfImage = query("tag.of_image", `
SELECT registry, repository, tag FROM plimsoll.image_tag WHERE account = @account AND digest = @digest AND current`)

	alertLockTags = query("alert.lock_tags", `
SELECT pg_advisory_xact_lock(@lock::int, k.hash) FROM (
  SELECT DISTINCT hashtext(concat_ws(E'\n', @account::text, t.registry, t.repository, t.tag)) AS hash FROM `+askedTags+` ORDER BY hash) k`)

	// An empty repository stands for all, an empty tag for those of the repository.
	alertWithin = query("alert.within", `
SELECT t.registry, t.repository, t.tag FROM plimsoll.subscription s
JOIN plimsoll.image_tag t ON t.account = s.account AND t.registry = s.registry AND t.repository = s.repository AND (s.tag = '' OR t.tag = s.tag) AND t.current
WHERE s.account = @account AND s.type = 'alerts'
  AND (@repository = '' OR s.registry = @registry AND s.repository = @repository) AND (@tag = '' OR t.tag = @tag)
UNION
SELECT a.registry, a.repository, a.tag FROM plimsoll.alert a
WHERE a.account = @account AND a.state = 'open' AND (@repository = '' OR a.registry = @registry AND a.repository = @repository) AND (@tag = '' OR a.tag = @tag)
UNION
SELECT a.registry, a.repository, a.tag FROM plimsoll.alert a
WHERE a.account = @account AND a.acknowledged AND (@repository = '' OR a.registry = @registry AND a.repository = @repository) AND (@tag = '' OR a.tag = @tag)
ORDER BY 1, 2, 3`)

	// The subscription of a tag decides, else that of its repository.
	alertCases = query("alert.cases", `
SELECT t.registry, t.repository, t.tag, coalesce(st.active, sr.active, false) AS watched, coalesce(i.digest, '') AS digest,
  coalesce(e.id, 0) AS evaluation, coalesce(e.policy_id, '') AS policy_id, coalesce(e.status, '') AS status,
  coalesce(e.reason, '') AS reason, coalesce(e.violations, 0) AS violations, e.evaluated_at,
  coalesce(o.id::text, '') AS open_id, coalesce(o.image_digest, '') AS open_digest, coalesce(o.evaluation, 0) AS open_evaluation,
  coalesce(o.policy_id, '') AS open_policy, coalesce(o.reason, '') AS open_reason, coalesce(o.violations, 0) AS open_violations,
  coalesce(k.id::text, '') AS acknowledged_id, coalesce(k.image_digest, '') AS acknowledged_digest
FROM `+askedTags+`
LEFT JOIN plimsoll.subscription st ON st.account = @account AND st.type = 'alerts' AND st.key = t.registry || '/' || t.repository || ':' || t.tag
LEFT JOIN plimsoll.subscription sr ON sr.account = @account AND sr.type = 'alerts' AND sr.key = t.registry || '/' || t.repository
LEFT JOIN plimsoll.image_tag c ON c.account = @account AND c.registry = t.registry AND c.repository = t.repository AND c.tag = t.tag AND c.current
LEFT JOIN plimsoll.image i ON i.account = c.account AND i.digest = c.digest AND i.image_status = 'active'
LEFT JOIN plimsoll.policy p ON p.account = @account AND p.active
LEFT JOIN LATERAL (
  SELECT e.id, e.policy_id, e.policy_digest, e.status, e.reason, e.violations, e.evaluated_at FROM plimsoll.evaluation e
  WHERE e.account = @account AND e.image_digest = i.digest AND e.tag = t.registry || '/' || t.repository || ':' || t.tag AND e.policy_id = p.policy_id
  ORDER BY e.id DESC LIMIT 1) e ON e.policy_digest = p.digest
LEFT JOIN plimsoll.alert o ON o.account = @account AND o.registry = t.registry AND o.repository = t.repository AND o.tag = t.tag AND o.state = 'open'
LEFT JOIN plimsoll.alert k ON k.account = @account AND k.registry = t.registry AND k.repository = t.repository AND k.tag = t.tag AND k.acknowledged
ORDER BY t.registry, t.repository, t.tag`)

	alertRaise = query("alert.raise", `
INSERT INTO plimsoll.alert (account, id, registry, repository, tag, image_digest, policy_id, evaluation, evaluated_at, reason, violations)
SELECT @account, n.id, n.registry, n.repository, n.tag, n.digest, n.policy_id, n.evaluation, n.evaluated_at, n.reason, n.violations
FROM unnest(@ids::uuid[], @registries::text[], @repositories::text[], @tags::text[], @digests::text[], @policies::text[], @evaluations::bigint[],
  @evaluated_ats::timestamptz[], @reasons::text[], @violations::integer[]) WITH ORDINALITY
  AS n (id, registry, repository, tag, digest, policy_id, evaluation, evaluated_at, reason, violations, place)
ORDER BY n.place`)

	alertRefresh = query("alert.refresh", `
UPDATE plimsoll.alert a SET image_digest = n.digest, policy_id = n.policy_id, evaluation = n.evaluation, evaluated_at = n.evaluated_at,
  reason = n.reason, violations = n.violations, updated_at = now()
FROM unnest(@ids::uuid[], @digests::text[], @policies::text[], @evaluations::bigint[], @evaluated_ats::timestamptz[], @reasons::text[],
  @violations::integer[]) AS n (id, digest, policy_id, evaluation, evaluated_at, reason, violations)
WHERE a.account = @account AND a.id = n.id`)

	alertClose = query("alert.close", `
UPDATE plimsoll.alert a SET state = 'closed', closed_by = @by, closed_reason = n.reason, acknowledged = @acknowledged, updated_at = now()
FROM unnest(@ids::uuid[], @reasons::text[]) AS n (id, reason)
WHERE a.account = @account AND a.id = n.id AND a.state = 'open'`)

	alertReset = query("alert.reset", `UPDATE plimsoll.alert SET acknowledged = false WHERE account = @account AND id = ANY (@ids::uuid[])`)
)

// alertCase is what decides about the alert of a tag. Zero fields: there is none.
type alertCase struct {
	Registry           string
	Repository         string
	Tag                string
	Watched            bool
	Digest             string // of the image the tag means
	Evaluation         int64  // newest of the image by the active policy as it is
	PolicyID           string
	Status             string
	Reason             string
	Violations         int
	EvaluatedAt        *time.Time
	OpenID             string
	OpenDigest         string
	OpenEvaluation     int64
	OpenPolicy         string
	OpenReason         string
	OpenViolations     int
	AcknowledgedID     string
	AcknowledgedDigest string
}

// statusFailed is the status of a verdict that stops, in the words of results.
const statusFailed = "fail"

type alertStep int

const (
	leaveAlert alertStep = iota
	raiseAlert
	refreshAlert
	endAlert // closes it when it is open, and lets the next violation be one of its own
)

// decide is the rule of alerts. The reason is that of closing.
func (c *alertCase) decide() (step alertStep, reason string) {
	switch {
	case !c.Watched:
		return endAlert, ClosedNotSubscribed
	case c.Digest == "":
		return endAlert, ClosedImageGone
	case c.Evaluation == 0:
		return leaveAlert, ""
	case c.Status != statusFailed:
		return endAlert, ClosedComplies
	case c.OpenID == "" && c.AcknowledgedID != "" && c.AcknowledgedDigest == c.Digest:
		return leaveAlert, "" // whoever closed it knew of this image
	case c.OpenID == "":
		return raiseAlert, ""
	case c.OpenDigest != c.Digest || c.OpenEvaluation != c.Evaluation || c.OpenPolicy != c.PolicyID || c.OpenReason != c.reason() || c.OpenViolations != c.Violations:
		return refreshAlert, ""
	}
	return leaveAlert, ""
}

// reason is that of the verdict in the words of alerts. What is stopped by no list and no finding is stopped because the
// policy could not be applied to it.
func (c *alertCase) reason() string {
	switch {
	case c.Reason == AlertByDenylist:
		return AlertByDenylist
	case c.Reason == AlertByPolicy && c.Violations == 0:
		return AlertByErrors
	}
	return AlertByPolicy
}

func (c *alertCase) name() TagName { return TagName{c.Registry, c.Repository, c.Tag} }

// settleVerdicts settles the alerts that verdicts may concern.
func settleVerdicts(ctx context.Context, tx pgx.Tx, list []NewEvaluation) error {
	byAccount := make(map[string][]TagName)
	for i := range list {
		k := &list[i].EvaluationKey
		if name, ok := splitTag(k.Tag); ok {
			byAccount[k.Account] = append(byAccount[k.Account], name)
		}
	}
	return settleAccounts(ctx, tx, byAccount)
}

// settleSubmitted settles the alerts of tags that may mean another image than before.
func settleSubmitted(ctx context.Context, tx pgx.Tx, all []SubmitImage) error {
	byAccount := make(map[string][]TagName)
	for _, in := range all {
		if in.Tag != "" {
			byAccount[in.Account] = append(byAccount[in.Account], TagName{in.Registry, in.Repository, in.Tag})
		}
		byAccount[in.Account] = append(byAccount[in.Account], in.Also...)
	}
	return settleAccounts(ctx, tx, byAccount)
}

func settleAccounts(ctx context.Context, tx pgx.Tx, byAccount map[string][]TagName) error {
	for _, account := range slices.Sorted(maps.Keys(byAccount)) {
		if err := settleTags(ctx, tx, account, byAccount[account]); err != nil {
			return err
		}
	}
	return nil
}

// splitTag reads a full tag.
func splitTag(full string) (TagName, bool) {
	registry, rest, ok := strings.Cut(full, "/")
	colon := strings.LastIndexByte(rest, ':')
	if !ok || colon < 0 {
		return TagName{}, false
	}
	return TagName{registry, rest[:colon], rest[colon+1:]}, true
}

// settleTags settles the alerts of single tags of an account.
func settleTags(ctx context.Context, tx pgx.Tx, account string, tags []TagName) error {
	if len(tags) == 0 {
		return nil
	}
	if _, err := exec(ctx, tx, alertShareAccount, args{"lock": lockAlerts, "account": account}); err != nil {
		return err
	}
	tags, err := many[TagName](ctx, tx, alertConcerned, merge(args{"account": account}, tagArgs(tags)))
	if err != nil || len(tags) == 0 {
		return err
	}
	if _, err := exec(ctx, tx, alertLockTags, merge(args{"lock": lockAlertTag, "account": account}, tagArgs(tags))); err != nil {
		return err
	}
	return settle(ctx, tx, account, tags)
}

// settleWithin settles the alerts of a tag, of a repository (no tag) or of the whole account.
func settleWithin(ctx context.Context, tx pgx.Tx, account string, within TagName) error {
	if _, err := exec(ctx, tx, alertLockAccount, args{"lock": lockAlerts, "account": account}); err != nil {
		return err
	}
	tags, err := many[TagName](ctx, tx, alertWithin, args{
		"account": account, "registry": within.Registry, "repository": within.Repository, "tag": within.Tag,
	})
	if err != nil {
		return err
	}
	return settle(ctx, tx, account, tags)
}

// settleImage settles the alerts of the tags that mean an image.
func settleImage(ctx context.Context, tx pgx.Tx, account, digest string) error {
	tags, err := many[TagName](ctx, tx, tagsOfImage, args{"account": account, "digest": digest})
	if err != nil {
		return err
	}
	return settleTags(ctx, tx, account, tags)
}

func tagArgs(tags []TagName) args {
	registries, repositories, names := make([]string, len(tags)), make([]string, len(tags)), make([]string, len(tags))
	for i, t := range tags {
		registries[i], repositories[i], names[i] = t.Registry, t.Repository, t.Tag
	}
	return args{"registries": registries, "repositories": repositories, "tags": names}
}

// settle makes the alerts of tags what they should be. The locks are held.
func settle(ctx context.Context, tx pgx.Tx, account string, tags []TagName) error {
	if len(tags) == 0 {
		return nil
	}
	cases, err := many[alertCase](ctx, tx, alertCases, merge(args{"account": account}, tagArgs(tags)))
	if err != nil {
		return wrap(err, "look at alerts")
	}
	w := alertWork{account: account}
	for i := range cases {
		c := &cases[i]
		switch step, reason := c.decide(); step {
		case raiseAlert:
			w.raise(c)
		case refreshAlert:
			w.changed = append(w.changed, c)
		case endAlert:
			w.end(c, reason)
		case leaveAlert:
		}
	}
	return wrap(w.write(ctx, tx), "settle alerts")
}

// alertWork collects what is to be written of an account.
type alertWork struct {
	account         string
	raised, changed []*alertCase
	closed          []string
	reasons         []string
	reset           []string
	events          []happening
}

func (w *alertWork) raise(c *alertCase) {
	c.OpenID = uuid.NewString()
	w.raised = append(w.raised, c)
	if c.AcknowledgedID != "" {
		w.reset = append(w.reset, c.AcknowledgedID)
	}
	w.events = append(w.events, happening{Account: w.account, Type: EventAlertOpened, Resource: c.OpenID, Details: map[string]any{
		"image_tag": SubscriptionKey(c.name()), "image_digest": c.Digest, "policy_id": c.PolicyID,
		"evaluation_id": strconv.FormatInt(c.Evaluation, 10), "compliance_status_reason": c.reason(), "violations_count": c.Violations,
	}})
}

func (w *alertWork) end(c *alertCase, reason string) {
	if c.AcknowledgedID != "" {
		w.reset = append(w.reset, c.AcknowledgedID)
	}
	if c.OpenID != "" {
		w.closed, w.reasons = append(w.closed, c.OpenID), append(w.reasons, reason)
		w.events = append(w.events, closing(w.account, c.OpenID, c.name(), c.OpenDigest, ClosedBySystem, reason))
	}
}

func closing(account, id string, name TagName, digest, by, reason string) happening {
	return happening{Account: account, Type: EventAlertClosed, Resource: id, Details: map[string]any{
		"image_tag": SubscriptionKey(name), "image_digest": digest, "closed_by": by, "closed_reason": reason,
	}}
}

func (w *alertWork) write(ctx context.Context, tx pgx.Tx) error {
	mine := args{"account": w.account}
	if len(w.reset) > 0 {
		if _, err := exec(ctx, tx, alertReset, merge(mine, args{"ids": w.reset})); err != nil {
			return err
		}
	}
	if len(w.closed) > 0 {
		a := args{"ids": w.closed, "reasons": w.reasons, "by": ClosedBySystem, "acknowledged": false}
		if _, err := exec(ctx, tx, alertClose, merge(mine, a)); err != nil {
			return err
		}
	}
	if len(w.changed) > 0 {
		if _, err := exec(ctx, tx, alertRefresh, merge(mine, verdictArgs(w.changed))); err != nil {
			return err
		}
	}
	if len(w.raised) > 0 {
		tags := make([]TagName, len(w.raised))
		for i, c := range w.raised {
			tags[i] = c.name()
		}
		if _, err := exec(ctx, tx, alertRaise, merge(mine, tagArgs(tags), verdictArgs(w.raised))); err != nil {
			return err
		}
	}
	return emit(ctx, tx, w.events...)
}

// verdictArgs passes what an open alert says, column by column.
func verdictArgs(list []*alertCase) args {
	ids, digests, policies, reasons := make([]string, len(list)), make([]string, len(list)), make([]string, len(list)), make([]string, len(list))
	evaluations, violations, times := make([]int64, len(list)), make([]int, len(list)), make([]*time.Time, len(list))
	for i, c := range list {
		ids[i], digests[i], policies[i], reasons[i] = c.OpenID, c.Digest, c.PolicyID, c.reason()
		evaluations[i], violations[i], times[i] = c.Evaluation, c.Violations, c.EvaluatedAt
	}
	return args{
		"ids": ids, "digests": digests, "policies": policies, "reasons": reasons, "evaluations": evaluations, "violations": violations, "evaluated_ats": times,
	}
}
