package feedbundle

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"plimsoll/engine/feed"
	"plimsoll/engine/feed/bundle"
	"plimsoll/persistence"
)

var (
	// ErrForm means that a group cannot be brought as one document of its publisher.
	ErrForm = errors.New("the feed group cannot be brought as one document")
	// ErrGroup means that no source has a group of that name under the settings, or that there are several to choose from.
	ErrGroup = errors.New("no such feed group")
	// ErrDocument means that a document is not what its group is supposed to be.
	ErrDocument = errors.New("not a document of this feed group")
)

// errNetwork is what a driver hears that wants to look something up.
var errNetwork = errors.New("nothing is fetched for what was brought by hand")

// Document is what a publisher publishes of a feed group, brought by hand.
type Document struct {
	Driver   feed.Driver
	Group    feed.Group
	Settings feed.Settings
	Digest   string    // of the document
	Built    time.Time // as whoever brings it says; zero: now
	Force    bool      // also what is older than what is there, or suspiciously small
	Now      time.Time
}

func (d Document) at() time.Time {
	if d.Built.IsZero() {
		return d.Now
	}
	return d.Built
}

// input is what the driver reads: ErrForm, when it wants more than one document.
func (d Document) input(ctx context.Context, r io.ReaderAt, size int64) (feed.Input, error) {
	plan := feed.Plan{Documents: []feed.Document{{Name: d.Group.Name, Host: d.Group.Host, Path: d.Group.Path}}}
	switch {
	case d.Driver.Plan != nil:
		var err error
		plan, err = d.Driver.Plan(ctx, feed.Request{Group: d.Group, Settings: d.Settings, Now: d.Now.UTC()}, func(context.Context, feed.Document) ([]byte, error) {
			return nil, errNetwork
		})
		if err != nil || plan.Delta || len(plan.Documents) != 1 {
			return feed.Input{}, fmt.Errorf("%w: %s/%s is read from several; bring a bundle", ErrForm, d.Driver.Name, d.Group.Name)
		}
	case d.Group.Host == "":
		return feed.Input{}, fmt.Errorf("%w: %s is delivered by a program of its own; bring a bundle", ErrForm, d.Driver.Name)
	}
	document := feed.Fetched{Document: plan.Documents[0], ReaderAt: r, Size: size}
	return feed.Input{Group: d.Group, Settings: d.Settings, Documents: []feed.Fetched{document}}, nil
}

// Check reads the document to its end and stores nothing: ErrForm, ErrDocument, bundle.ErrOlder, persistence.ErrShrunk. What
// it accepts now, Take takes. It returns how many records there are.
func (d Document) Check(ctx context.Context, feeds *persistence.Feeds, r io.ReaderAt, size int64) (int, error) {
	in, err := d.input(ctx, r, size)
	if err != nil {
		return 0, err
	}
	have, err := d.follows(ctx, feeds)
	if err != nil {
		return 0, err
	}
	var count tally
	if err := d.Driver.Parse(ctx, in, &count); err != nil {
		return 0, d.fault(ctx, err)
	}
	if !d.Force {
		err = persistence.Plausible(have.RecordCount, count.records)
	}
	return count.records, err
}

// follows refuses what says of itself that it is older than what is there, which it returns.
func (d Document) follows(ctx context.Context, feeds *persistence.Feeds) (persistence.FeedGroup, error) {
	have, err := feeds.Group(ctx, d.Driver.Name, d.Group.Name)
	if errors.Is(err, persistence.ErrNotFound) {
		return have, nil
	}
	if err != nil || d.Force || d.Built.IsZero() || have.LastSync == nil || !have.LastSync.After(d.Built) {
		return have, err
	}
	return have, fmt.Errorf("%w: group %s/%s was brought up to date at %s, the document is of %s: force it if that is meant", bundle.ErrOlder,
		d.Driver.Name, d.Group.Name, have.LastSync.UTC().Format(time.RFC3339), d.Built.UTC().Format(time.RFC3339))
}

func (d Document) fault(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return err
	}
	return fmt.Errorf("%w (%s/%s): %w", ErrDocument, d.Driver.Name, d.Group.Name, err)
}

// Take commits what the document says as a sync would. Its errors are those of Check; a document that turns out to be bad
// leaves the data as it is.
func (d Document) Take(ctx context.Context, feeds *persistence.Feeds, r io.ReaderAt, size int64) (persistence.Committed, error) {
	in, err := d.input(ctx, r, size)
	if err != nil {
		return persistence.Committed{}, err
	}
	if _, err := d.follows(ctx, feeds); err != nil {
		return persistence.Committed{}, err
	}
	return feeds.Commit(ctx, persistence.CommitFeed{
		Source: d.Driver.Name, Group: d.Group.Name, Revision: d.Driver.Revision, At: d.at(), Force: d.Force,
		// What was known of the publisher's documents does not hold for this content; without a cursor the next sync reads all.
		Documents: []persistence.FetchedDocument{{Name: "upload", URL: "upload:" + d.Digest, BodySHA256: d.Digest}},
		Load: func(to *persistence.Staging) error {
			stored := &stagingFault{Staging: to}
			err := d.Driver.Parse(ctx, in, stored)
			if err != nil && stored.fault == nil {
				err = d.fault(ctx, err)
			}
			return err
		},
	})
}

// stagingFault knows which errors are the store's.
type stagingFault struct {
	*persistence.Staging
	fault error
}

func (s *stagingFault) note(err error) error {
	if err != nil {
		s.fault = err
	}
	return err
}

func (s *stagingFault) Record(v feed.Record) error       { return s.note(s.Staging.Record(v)) }
func (s *stagingFault) Score(v feed.Score) error         { return s.note(s.Staging.Score(v)) }
func (s *stagingFault) Exploited(v feed.Exploited) error { return s.note(s.Staging.Exploited(v)) }
func (s *stagingFault) Lifecycle(v feed.Lifecycle) error { return s.note(s.Staging.Lifecycle(v)) }
func (s *stagingFault) Release(v feed.Release) error     { return s.note(s.Staging.Release(v)) }
func (s *stagingFault) Exclusion(v feed.Exclusion) error { return s.note(s.Staging.Exclusion(v)) }
func (s *stagingFault) File(v feed.File) error           { return s.note(s.Staging.File(v)) }

// tally is a sink that only counts.
type tally struct{ records int }

func (t *tally) count() error {
	t.records++
	return nil
}

func (t *tally) Record(feed.Record) error       { return t.count() }
func (t *tally) Score(feed.Score) error         { return t.count() }
func (t *tally) Exploited(feed.Exploited) error { return t.count() }
func (t *tally) Lifecycle(feed.Lifecycle) error { return t.count() }
func (t *tally) Release(feed.Release) error     { return t.count() }
func (t *tally) Exclusion(feed.Exclusion) error { return t.count() }
func (t *tally) File(feed.File) error           { return t.count() }
func (*tally) Bad(string, error)                {}
