package relay

import (
	"context"
	"encoding/json"
	"fmt"
	"net/url"

	"plimsoll/engine/feed"
)

// Host stands for the feed service of the other installation; fetching maps it to its address.
const Host = "upstream.plimsoll"

// maxRemoved bounds how many removed records one delta names.
const maxRemoved = 1_000_000

// State is what a feed service says about a group before it is read.
type State struct {
	Cursor  string   `json:"cursor"`  // for the next time
	Delta   bool     `json:"delta"`   // the export tells what changed since the cursor it was asked with
	Removed []string `json:"removed"` // in a delta: the ids of records that are gone
}

// StatePath and ExportPath are where a feed service tells the state of a group and its records.
func StatePath(source, group string) string { return "v1/feeds/" + source + "/" + group + "/state" }

// ExportPath: see StatePath.
func ExportPath(source, group string) string { return "v1/feeds/" + source + "/" + group + "/export" }

// Drivers stand in for drivers of publishers.
func Drivers(publishers []feed.Driver) []feed.Driver {
	out := make([]feed.Driver, len(publishers))
	for i, d := range publishers {
		out[i] = feed.Driver{Name: d.Name, Groups: d.Groups, Plan: planOf(d.Name), Parse: parseOf(d.Name)}
	}
	return out
}

func planOf(source string) func(context.Context, feed.Request, feed.Get) (feed.Plan, error) {
	return func(ctx context.Context, r feed.Request, get feed.Get) (feed.Plan, error) {
		query := url.Values{"since": {r.Cursor}}.Encode()
		body, err := get(ctx, feed.Document{Name: "state", Host: Host, Path: StatePath(source, r.Group.Name), Query: query})
		if err != nil {
			return feed.Plan{}, err
		}
		var s State
		if err := json.Unmarshal(body, &s); err != nil || s.Cursor == "" || len(s.Removed) > maxRemoved {
			return feed.Plan{}, fmt.Errorf("%w: the state of a group: %w", ErrDocument, err)
		}
		plan := feed.Plan{Cursor: s.Cursor, Delta: s.Delta && r.Cursor != ""}
		export := feed.Document{Name: "export", Host: Host, Path: ExportPath(source, r.Group.Name)}
		if plan.Delta {
			export.Query, plan.Removed = query, s.Removed
		}
		plan.Documents = []feed.Document{export}
		return plan, nil
	}
}

func parseOf(source string) func(context.Context, feed.Input, feed.Sink) error {
	return func(ctx context.Context, in feed.Input, out feed.Sink) error {
		export, ok := in.Document("export")
		if !ok {
			return fmt.Errorf("%w: nothing was fetched", ErrDocument)
		}
		return Read(ctx, export.Reader(), source, out)
	}
}
