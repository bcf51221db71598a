package debian

import (
	"context"
	"errors"
	"fmt"

	"plimsoll/engine/feed"
)

// Name is the source name of everything this driver emits.
const Name = "debian"

// Where the documents are.
const (
	trackerHost = "security-tracker.debian.org"
	trackerPath = "tracker/data/json"
	listHost    = "salsa.debian.org"
	listPath    = "security-tracker-team/security-tracker/-/raw/master/data/%s/list"
	page        = "https://security-tracker.debian.org/tracker/"
	bugPage     = "https://bugs.debian.org/"
)

// lists are the names of the advisory lists.
var lists = []string{"DSA", "DLA"}

// ErrDocument means that a document is not what the tracker publishes.
var ErrDocument = errors.New("not a document of the Debian security tracker")

// Driver reads the Debian security tracker.
var Driver = feed.Driver{Name: Name, Groups: groups, Plan: plan, Parse: parse}

func groups(feed.Settings) []feed.Group {
	return []feed.Group{{Name: "tracker", Host: trackerHost, Path: trackerPath}}
}

func plan(_ context.Context, r feed.Request, _ feed.Get) (feed.Plan, error) {
	docs := []feed.Document{{Name: "tracker", Host: r.Group.Host, Path: r.Group.Path}}
	for _, list := range lists {
		docs = append(docs, feed.Document{Name: list, Host: listHost, Path: fmt.Sprintf(listPath, list), Optional: true})
	}
	return feed.Plan{Documents: docs}, nil
}

func parse(ctx context.Context, in feed.Input, out feed.Sink) error {
	names, err := releases(in.Settings.Releases)
	if err != nil {
		return err
	}
	tracker, ok := in.Document("tracker")
	if !ok {
		return fmt.Errorf("%w: the tracker's export is missing", ErrDocument)
	}
	t := newTable(names, out)
	if err := t.readTracker(ctx, tracker); err != nil {
		return fmt.Errorf("tracker: %w", err)
	}
	for _, name := range lists {
		list, ok := in.Document(name)
		if !ok {
			continue
		}
		if err := t.readList(ctx, list); err != nil {
			return fmt.Errorf("%s list: %w", name, err)
		}
	}
	return t.emit(ctx)
}
