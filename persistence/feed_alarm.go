package persistence

import "time"

// FeedAlarm is a reason for somebody to look at a feed group. Its data stays in use.
type FeedAlarm string

// The alarms.
const (
	// AlarmRefused: what the source delivers has no records, or less than half of those it had, and was not taken over.
	AlarmRefused FeedAlarm = "refused"
	// AlarmStale: the last success is longer ago than it should be.
	AlarmStale FeedAlarm = "stale"
	// AlarmUnreadable: so many records of the last load could not be read that the format may have changed.
	AlarmUnreadable FeedAlarm = "unreadable"
)

// FeedAlarms lists all there are.
func FeedAlarms() []FeedAlarm { return []FeedAlarm{AlarmRefused, AlarmStale, AlarmUnreadable} }

// unreadableShare: one record in this many that cannot be read is an alarm. Of real sources less than one in a hundred is.
const unreadableShare = 10

// Alarms are those of a group now; a group that is not enabled has none.
func (g *FeedGroup) Alarms(now time.Time) (out []FeedAlarm) {
	if !g.Enabled {
		return nil
	}
	if g.RefusedSince != nil {
		out = append(out, AlarmRefused)
	}
	since := g.CreatedAt
	if g.LastSync != nil {
		since = *g.LastSync
	}
	if g.StaleAfter > 0 && now.Sub(since) > time.Duration(g.StaleAfter)*time.Second {
		out = append(out, AlarmStale)
	}
	if g.SkippedCount*unreadableShare > g.RecordCount+g.SkippedCount {
		out = append(out, AlarmUnreadable)
	}
	return out
}
