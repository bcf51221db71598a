package persistence

import (
	"context"

	"github.com/jackc/pgx/v5"
)

var (
	alertReopen = query("alert.reopen", `
UPDATE plimsoll.alert SET state = 'open', closed_by = '', closed_reason = '', acknowledged = false, updated_at = now()
WHERE account = @account AND id = @id::uuid AND state = 'closed'`)

	// Of a tag, whichever alert it is.
	alertForgive = query("alert.forgive", `
UPDATE plimsoll.alert SET acknowledged = false
WHERE account = @account AND registry = @registry AND repository = @repository AND tag = @tag AND acknowledged`)
)

// Close closes an alert for a person, who may say why: ErrNotFound. One that is closed stays as it is. The tag raises no
// other alert while it means this image and goes on violating the policy.
func (s *Alerts) Close(ctx context.Context, account, id, by, reason string) (Alert, error) {
	out, err := s.change(ctx, account, id, func(tx pgx.Tx, a *Alert) error {
		if a.State == AlertClosed {
			return nil
		}
		_, err := exec(ctx, tx, alertClose, args{
			"account": account, "ids": []string{id}, "reasons": []string{clip(reason)}, "by": by, "acknowledged": true,
		})
		if err != nil {
			return err
		}
		return emit(ctx, tx, closing(account, id, a.name(), a.ImageDigest, by, reason))
	})
	return out, wrap(err, "close alert %s", id)
}

// Reopen takes the closing of an alert back: ErrNotFound; ErrExists when the tag has another open alert; ErrState when there
// is nothing to alert about any more. One that is open stays as it is.
func (s *Alerts) Reopen(ctx context.Context, account, id string) (Alert, error) {
	out, err := s.change(ctx, account, id, func(tx pgx.Tx, a *Alert) error {
		if a.State == AlertOpen {
			return nil
		}
		tag := args{"account": account, "registry": a.Registry, "repository": a.Repository, "tag": a.Tag}
		if _, err := exec(ctx, tx, alertForgive, tag); err != nil {
			return err
		}
		_, err := exec(ctx, tx, alertReopen, args{"account": account, "id": id})
		if isViolationOf(err, "alert_open") {
			return ErrExists
		}
		if err != nil {
			return err
		}
		if err := settle(ctx, tx, account, []TagName{a.name()}); err != nil {
			return err
		}
		now, err := one[Alert](ctx, tx, alertGet, args{"account": account, "id": id})
		if err != nil {
			return err
		}
		if now.State == AlertClosed {
			return ErrState
		}
		return emit(ctx, tx, happening{Account: account, Type: EventAlertOpened, Resource: id, Details: map[string]any{
			"image_tag": a.FullTag(), "image_digest": now.ImageDigest, "policy_id": now.PolicyID, "reopened": true,
			"compliance_status_reason": now.Reason, "violations_count": now.Violations,
		}})
	})
	return out, wrap(err, "reopen alert %s", id)
}

func (a *Alert) name() TagName { return TagName{a.Registry, a.Repository, a.Tag} }

// change runs do on an alert whose tag's lock is held, and returns what became of it.
func (s *Alerts) change(ctx context.Context, account, id string, do func(tx pgx.Tx, a *Alert) error) (Alert, error) {
	return InTx(ctx, s.pool, func(tx pgx.Tx) (Alert, error) {
		key := args{"account": account, "id": id}
		a, err := one[Alert](ctx, tx, alertGet, key)
		if err != nil {
			return Alert{}, err
		}
		if _, err := exec(ctx, tx, alertShareAccount, args{"lock": lockAlerts, "account": account}); err != nil {
			return Alert{}, err
		}
		tags := []TagName{a.name()} // never changes
		if _, err := exec(ctx, tx, alertLockTags, merge(args{"lock": lockAlertTag, "account": account}, tagArgs(tags))); err != nil {
			return Alert{}, err
		}
		if a, err = one[Alert](ctx, tx, alertGet, key); err != nil {
			return Alert{}, err
		}
		if err := do(tx, &a); err != nil {
			return Alert{}, err
		}
		return one[Alert](ctx, tx, alertGet, key)
	})
}
