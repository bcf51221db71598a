package persistence

import (
	"context"

	"github.com/jackc/pgx/v5"
)

var eventKnown = query("event.known", `SELECT EXISTS (SELECT FROM plimsoll.event WHERE account = @account AND key = @key)`)

func syncKey(run, what string) string { return "feeds/" + run + "/" + what }

// SyncStarted tells the administrators' account that a synchronisation of feed groups runs, once for a run. The feeds may
// live in another database: whoever runs it repeats the step until it is told.
func (s *Events) SyncStarted(ctx context.Context, run string, groups []string) error {
	err := inTx(ctx, s.pool, func(tx pgx.Tx) error {
		return emit(ctx, tx, happening{
			Account: AdminAccount, Type: EventSyncStarted, Resource: run, Key: syncKey(run, "started"),
			Details: map[string]any{"groups": groups[:min(len(groups), toldChanges)], "group_count": len(groups)},
		})
	})
	return wrap(err, "tell of feed sync %s", run)
}

// SyncEnded tells how a synchronisation that was told of ended, and of any other one that failed.
func (s *Events) SyncEnded(ctx context.Context, run string, failed bool, message string) error {
	err := inTx(ctx, s.pool, func(tx pgx.Tx) error {
		h := happening{Account: AdminAccount, Type: EventSyncCompleted, Resource: run, Key: syncKey(run, "ended"), Details: map[string]any{"message": clip(message)}}
		if failed {
			h.Type = EventSyncFailed
			return emit(ctx, tx, h)
		}
		told, err := value[bool](ctx, tx, eventKnown, args{"account": AdminAccount, "key": syncKey(run, "started")})
		if err != nil || !told {
			return err
		}
		return emit(ctx, tx, h)
	})
	return wrap(err, "tell of the end of feed sync %s", run)
}
