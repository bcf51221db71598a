package persistence

import "errors"

// Conditions callers tell apart. Each is wrapped with what was attempted.
var (
	// ErrNotFound: no such row, or it belongs to another account.
	ErrNotFound = errors.New("not found")
	// ErrExists: the name is taken.
	ErrExists = errors.New("already exists")
	// ErrActive: the active policy cannot be deleted or deactivated, nor a service that still reports.
	ErrActive = errors.New("is active")
	// ErrAnalyzing: an image under analysis is deleted only by force.
	ErrAnalyzing = errors.New("analysis is running")
	// ErrSubscribed: the newest image of a tag with an active subscription is deleted only by force.
	ErrSubscribed = errors.New("a tag of it has an active subscription")
	// ErrNotAnalyzed: the image exists, but nothing is known about its content yet.
	ErrNotAnalyzed = errors.New("not analyzed yet")
	// ErrSuperseded: another submission, run or deletion took over; nothing was written.
	ErrSuperseded = errors.New("superseded")
	// ErrState: the account's state does not allow the change asked for.
	ErrState = errors.New("state does not allow this")
	// ErrBusy: as much of the kind as may be is under way.
	ErrBusy = errors.New("too many are under way")
	// ErrShrunk: a feed group lost so much that the old data is kept.
	ErrShrunk = errors.New("feed group shrank suspiciously")
	// ErrSchemaOld: the database needs `plimsoll migrate`.
	ErrSchemaOld = errors.New("database schema is older than this program")
	// ErrSchemaNew: a newer program has migrated the database.
	ErrSchemaNew = errors.New("database schema is newer than this program")
	// ErrUnsuitable: the server is too old or the database is not UTF8.
	ErrUnsuitable = errors.New("database is unsuitable")
)
