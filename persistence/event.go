package persistence

import (
	"context"
	"encoding/json"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
)

// Source is the part of the system on whose behalf something is done, as events tell it.
type Source struct{ Service, Host, RequestID string }

type sourceKey struct{}

// WithSource makes what is written with the context tell its source.
func WithSource(ctx context.Context, s Source) context.Context {
	return context.WithValue(ctx, sourceKey{}, s)
}

func sourceOf(ctx context.Context) Source {
	s, _ := ctx.Value(sourceKey{}).(Source)
	return s
}

// happening is an event to record.
type happening struct {
	Account  string
	Type     EventType
	Resource string // id of what it is about: a full tag, a policy id, ...
	// Untagged: Resource is the digest of an image that has no tag.
	Untagged bool
	Details  any    // an object; nil: an empty one
	Key      string // records it once, however often the step is repeated; empty: always
}

// Event is what happened.
type Event struct {
	Number       int64
	ID           string
	Account      string
	Type         string
	Level        string
	ResourceType string
	ResourceID   string
	Message      string
	Details      json.RawMessage
	Service      string
	Host         string
	RequestID    string
	CreatedAt    time.Time
}

// EventFilter chooses events of an account. Zero fields do not restrict.
type EventFilter struct {
	Service      string
	Host         string
	Type         string // how it begins; * stands for anything
	ResourceType string
	ResourceID   string
	Level        string
	Since        *time.Time // at or after
	Before       *time.Time
}

// Events stores what happened.
type Events struct{ pool *pgxpool.Pool }

// NewEvents returns the store.
func NewEvents(pool *pgxpool.Pool) *Events { return &Events{pool} }

const (
	eventColumns = `number, id::text AS id, account, type, level, resource_type, resource_id, message, details, service, host, request_id, created_at`

	eventTimes = `(@since::timestamptz IS NULL OR created_at >= @since) AND (@before::timestamptz IS NULL OR created_at < @before)`

	// deletedAtOnce is how many events one request deletes, and names, at most.
	deletedAtOnce = 100_000
)

var (
	// Nobody is left to tell in an account that is gone.
	eventInsert = query("event.insert", `
INSERT INTO plimsoll.event (account, type, level, resource_type, resource_id, message, details, service, host, request_id, key)
SELECT e.account, e.type, e.level, e.resource_type, e.resource_id, e.message, e.details, @service, @host, @request_id, e.key
FROM jsonb_to_recordset(@events::jsonb) AS e (place integer, account text, type text, level text, resource_type text, resource_id text,
  message text, details jsonb, key text)
JOIN plimsoll.account a ON a.name = e.account
ORDER BY e.place
ON CONFLICT (account, key) WHERE key <> '' DO NOTHING`)

	eventList = query("event.list", `
SELECT `+eventColumns+` FROM plimsoll.event
WHERE account = @account AND (@service = '' OR service = @service) AND (@host = '' OR host = @host)
  AND (@type = '' OR type LIKE @type) AND (@resource_type = '' OR resource_type = @resource_type)
  AND (@resource_id = '' OR resource_id = @resource_id) AND (@level = '' OR level = @level) AND `+eventTimes+`
ORDER BY created_at DESC, number DESC OFFSET @offset LIMIT @limit`)

	eventGet = query("event.get", `SELECT `+eventColumns+` FROM plimsoll.event WHERE account = @account AND id = @id::uuid`)

	eventDelete = query("event.delete", `DELETE FROM plimsoll.event WHERE account = @account AND id = @id::uuid`)

	eventDeleteAll = query("event.delete_all", `
DELETE FROM plimsoll.event WHERE account = @account AND number IN (
  SELECT number FROM plimsoll.event WHERE account = @account AND (@level = '' OR level = @level) AND `+eventTimes+`
  ORDER BY created_at, number LIMIT @limit)
RETURNING id::text`)

	eventForget = query("event.forget", `
DELETE FROM plimsoll.event WHERE number IN (
  SELECT number FROM plimsoll.event WHERE created_at < @before ORDER BY created_at LIMIT @limit FOR UPDATE SKIP LOCKED)`)
)

type eventRow struct {
	Place        int    `json:"place"`
	Account      string `json:"account"`
	Type         string `json:"type"`
	Level        string `json:"level"`
	ResourceType string `json:"resource_type"`
	ResourceID   string `json:"resource_id"`
	Message      string `json:"message"`
	Details      any    `json:"details"`
	Key          string `json:"key"`
}

// emit records events as part of a transaction, in one statement.
func emit(ctx context.Context, tx pgx.Tx, happened ...happening) error {
	if len(happened) == 0 {
		return nil
	}
	rows := make([]eventRow, len(happened))
	for i, h := range happened {
		rows[i] = eventRow{
			Place: i, Account: h.Account, Type: h.Type.Type, Level: h.Type.Level, ResourceType: h.Type.Resource, ResourceID: h.Resource,
			Message: h.Type.Message, Details: h.Details, Key: h.Key,
		}
		if h.Untagged {
			rows[i].ResourceType = resourceDigest
		}
		if h.Details == nil {
			rows[i].Details = struct{}{}
		}
	}
	text, err := json.Marshal(rows)
	if err == nil {
		by := sourceOf(ctx)
		_, err = exec(ctx, tx, eventInsert, args{"events": storableJSON(text), "service": by.Service, "host": by.Host, "request_id": by.RequestID})
	}
	return wrap(err, "record %d events, first %s of %s", len(happened), happened[0].Type.Type, happened[0].Resource)
}

// pattern is a type with wildcards as LIKE reads it.
func (f EventFilter) pattern() string {
	if f.Type == "" {
		return ""
	}
	return strings.NewReplacer(`\`, `\\`, `%`, `\%`, `_`, `\_`, `*`, `%`).Replace(f.Type) + "%"
}

// List returns up to limit events of the account, newest first, without the first offset ones.
func (s *Events) List(ctx context.Context, account string, f EventFilter, offset, limit int) ([]Event, error) {
	list, err := many[Event](ctx, s.pool, eventList, args{
		"account": account, "service": f.Service, "host": f.Host, "type": f.pattern(), "resource_type": f.ResourceType,
		"resource_id": f.ResourceID, "level": f.Level, "since": f.Since, "before": f.Before, "offset": offset, "limit": limit,
	})
	return list, wrap(err, "list events")
}

// Get returns an event of the account: ErrNotFound. The id must be a UUID.
func (s *Events) Get(ctx context.Context, account, id string) (Event, error) {
	e, err := one[Event](ctx, s.pool, eventGet, args{"account": account, "id": id})
	return e, wrap(err, "load event %s", id)
}

// Delete removes an event of the account: ErrNotFound. The id must be a UUID.
func (s *Events) Delete(ctx context.Context, account, id string) error {
	err := found(exec(ctx, s.pool, eventDelete, args{"account": account, "id": id}))
	return wrap(err, "delete event %s", id)
}

// DeleteAll removes the account's events of a time and level, oldest first and a hundred thousand at most, and returns
// their ids. Of the filter only Level, Since and Before count.
func (s *Events) DeleteAll(ctx context.Context, account string, f EventFilter) ([]string, error) {
	ids, err := column[string](ctx, s.pool, eventDeleteAll, args{
		"account": account, "level": f.Level, "since": f.Since, "before": f.Before, "limit": deletedAtOnce,
	})
	return ids, wrap(err, "delete events")
}

// Forget removes events recorded before a time, of all accounts, in batches, and returns how many.
func (s *Events) Forget(ctx context.Context, before time.Time) (int64, error) {
	var total int64
	for {
		n, err := exec(ctx, s.pool, eventForget, args{"before": before, "limit": forgetBatch})
		if err != nil {
			return total, wrap(err, "forget old events")
		}
		if total += n; n < forgetBatch {
			return total, nil
		}
	}
}
