package activities

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"go.uber.org/zap"

	"plimsoll/activities/fetch"
	"plimsoll/engine/feed"
	"plimsoll/internal/log"
	"plimsoll/persistence"
	"plimsoll/persistence/feedbundle"
	"plimsoll/workflows"
)

// Stages of a feed group's sync, in heartbeats.
const (
	stageFetch = "fetch"
	stageParse = "parse"
)

// groupSync is one sync of one group.
type groupSync struct {
	*Activities
	driver   feed.Driver
	group    feed.Group
	known    persistence.FeedGroup
	progress *tracker
	flush    bool
	last     time.Time // of the latest request, for the driver's pace
}

func (a *Activities) syncGroup(ctx context.Context, in workflows.SyncGroupInput) (workflows.GroupResult, error) {
	return a.atGroup(ctx, in, func(t *tracker) (workflows.GroupResult, persistence.Committed, error) {
		s := groupSync{Activities: a, progress: t, flush: in.Flush}
		var err error
		if s.driver, s.group, err = a.group(in.Source, in.Group); err != nil {
			return workflows.GroupResult{}, persistence.Committed{}, err
		}
		if s.known, err = a.feedStore.Group(ctx, in.Source, in.Group); err != nil {
			return workflows.GroupResult{}, persistence.Committed{}, err
		}
		return s.run(ctx, in.Force)
	})
}

// clearGroup takes back what a group says.
func (a *Activities) clearGroup(ctx context.Context, in workflows.SyncGroupInput) (workflows.GroupResult, error) {
	return a.atGroup(ctx, in, func(*tracker) (workflows.GroupResult, persistence.Committed, error) {
		out := workflows.GroupResult{Source: in.Source, Group: in.Group}
		done, err := a.feedStore.Clear(ctx, in.Source, in.Group)
		if err == nil {
			fill(&out, done)
		}
		return out, done, err
	})
}

func fill(out *workflows.GroupResult, done persistence.Committed) {
	out.Unchanged, out.Generation, out.Records = done.Unchanged, done.Generation, done.Records
	out.Added, out.Changed, out.Removed = done.Added, done.Changed, done.Removed
}

// atGroup does something to a group, and leaves a record of it among the runs.
func (a *Activities) atGroup(ctx context.Context, in workflows.SyncGroupInput, do func(*tracker) (workflows.GroupResult, persistence.Committed, error)) (out workflows.GroupResult, err error) {
	t := a.track(ctx, "", "", workflows.LayerProgress{Stage: stageFetch, Layer: persistence.WholeImage})
	defer func() { t.end(ctx, err) }()
	if err := a.feedStore.BeginDriver(ctx, workflowRun(ctx), in.Source, in.Group, a.now()); err != nil {
		return out, err
	}
	out, done, err := do(t)
	if ctx.Err() != nil {
		return out, err // cancelled, or another attempt follows
	}
	ended := driverRun(in.Source, in.Group, done)
	ended.Records, ended.Unchanged = out.Records, out.Unchanged // of documents that were not even read
	if err != nil {
		a.recordFeedError(ctx, in, err)
		code, message := workflows.GroupFailure(outward(ctx, err))
		ended.Status, ended.Error = persistence.RunFailed, code+": "+message
	}
	if wrong := a.feedStore.EndDriver(ctx, workflowRun(ctx), ended, a.now()); wrong != nil {
		log.From(ctx).Warn("feed run not recorded", zap.String(log.KeyFeed, in.Source+"/"+in.Group), zap.Error(wrong))
	}
	return out, err
}

// cursor is where the last sync ended; empty when everything is to be read. That of a bundle only another installation
// understands, and nobody else is asked with it.
func (s *groupSync) cursor(ctx context.Context, force bool) (string, error) {
	if force {
		return "", nil
	}
	if s.feeds.relays(s.driver.Name) {
		return s.known.Cursor, nil
	}
	before, err := s.feedStore.Documents(ctx, s.driver.Name, s.group.Name)
	if err != nil || feedbundle.Brought(before) {
		return "", err
	}
	return s.known.Cursor, nil
}

// plan asks the driver what to fetch.
func (s *groupSync) plan(ctx context.Context, force bool) (feed.Plan, error) {
	if s.driver.Plan == nil {
		return feed.Plan{Documents: []feed.Document{{Name: s.group.Name, Host: s.group.Host, Path: s.group.Path}}}, nil
	}
	cursor, err := s.cursor(ctx, force)
	if err != nil {
		return feed.Plan{}, err
	}
	request := feed.Request{Group: s.group, Settings: s.feeds.settings(s.driver.Name), Cursor: cursor, Now: s.now().UTC()}
	plan, err := s.driver.Plan(ctx, request, func(ctx context.Context, d feed.Document) ([]byte, error) {
		if err := s.pace(ctx); err != nil {
			return nil, err
		}
		return s.fetcher.Get(ctx, s.driver.Name, d)
	})
	var fetched *fetch.Error
	if err != nil && !errors.As(err, &fetched) && ctx.Err() == nil {
		err = fmt.Errorf("%w: %w", errDocument, err)
	}
	return plan, err
}

// pace waits until the driver's next request is due.
func (s *groupSync) pace(ctx context.Context) error {
	pace := s.driver.Pace
	if s.driver.PaceWithToken > 0 && s.feeds.settings(s.driver.Name).Token != "" {
		pace = s.driver.PaceWithToken
	}
	wait := pace - time.Since(s.last)
	if wait > 0 && !s.last.IsZero() && !s.fetcher.Mirrored() {
		due := time.NewTimer(wait)
		defer due.Stop()
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-due.C:
		}
	}
	s.last = time.Now()
	return nil
}

func (s *groupSync) run(ctx context.Context, force bool) (out workflows.GroupResult, done persistence.Committed, err error) {
	out = workflows.GroupResult{Source: s.driver.Name, Group: s.group.Name}
	// What another revision of the driver read is read again, held against what is there like any sync.
	plan, docs, unchanged, err := s.get(ctx, force || s.known.Revision != s.driver.Revision)
	defer docs.close()
	if err != nil {
		return out, done, err
	}
	if unchanged {
		out.Unchanged, out.Records, done.Skipped = true, s.known.RecordCount, s.known.SkippedCount
		return out, done, s.feedStore.Unchanged(ctx, s.driver.Name, s.group.Name, plan.Cursor, docs.known(plan), s.now())
	}
	s.progress.stage(stageParse)
	done, err = s.feedStore.Commit(ctx, persistence.CommitFeed{
		Source: s.driver.Name, Group: s.group.Name, Documents: docs.known(plan), Cursor: plan.Cursor, Revision: s.driver.Revision, At: s.now(),
		Delta: plan.Delta, Removed: plan.Removed, Force: force, Replace: s.flush, Load: s.load(ctx, plan, docs), Bad: s.skipped(ctx),
	})
	if err != nil {
		return out, done, err
	}
	fill(&out, done)
	return out, done, nil
}

// get brings what is to be parsed. unchanged: none of it is new.
func (s *groupSync) get(ctx context.Context, force bool) (plan feed.Plan, docs fetchedSet, unchanged bool, err error) {
	for _, e := range s.feeds.External {
		if e.Name == s.driver.Name {
			return s.ask(ctx, e, force)
		}
	}
	if plan, err = s.plan(ctx, force); err != nil {
		return plan, nil, false, err
	}
	docs, unchanged, err = s.fetch(ctx, plan, force)
	return plan, docs, unchanged, err
}

// fetchedSet are the documents of a plan that are there, in its order.
type fetchedSet []fetchedDocument

type fetchedDocument struct {
	what feed.Document
	*fetch.Document
}

func (f fetchedSet) close() {
	for _, d := range f {
		_ = d.Close() // an unnamed scratch file
	}
}

// known is what to remember of the documents. Those of a delta do not come again.
func (f fetchedSet) known(plan feed.Plan) []persistence.FetchedDocument {
	if plan.Delta {
		return nil
	}
	var out []persistence.FetchedDocument
	for _, d := range f {
		out = append(out, persistence.FetchedDocument{Name: d.what.Name, URL: d.URL, ETag: d.ETag, LastModified: d.LastModified, BodySHA256: d.SHA256})
	}
	return out
}

// fetch gets the documents of a plan. unchanged: none of them is new. A driver reads all of them or none, so what did not
// change is fetched once more when something else did.
func (s *groupSync) fetch(ctx context.Context, plan feed.Plan, force bool) (docs fetchedSet, unchanged bool, err error) {
	if plan.Delta {
		docs, _, err = s.fetchAll(ctx, plan.Documents, nil)
		return docs, len(docs) == 0 && len(plan.Removed) == 0, err
	}
	var before map[string]persistence.FetchedDocument
	if !force {
		if before, err = s.feedStore.Documents(ctx, s.driver.Name, s.group.Name); err != nil {
			return nil, false, err
		}
	}
	docs, news, err := s.fetchAll(ctx, plan.Documents, before)
	if err == nil && len(docs) == 0 {
		err = fmt.Errorf("%w: none of its %d documents exists", errDocument, len(plan.Documents))
	}
	if err != nil || !news && len(docs) == len(before) {
		return docs, err == nil, err
	}
	for i, d := range docs {
		if !d.Unchanged {
			continue
		}
		if docs[i].Document, err = s.one(ctx, d.what, fetch.Known{}); err != nil {
			docs[i].Document = d.Document
			return docs, false, err
		}
	}
	return docs, false, nil
}

func (s *groupSync) fetchAll(ctx context.Context, documents []feed.Document, before map[string]persistence.FetchedDocument) (docs fetchedSet, news bool, err error) {
	for _, d := range documents {
		known := before[d.Name]
		doc, err := s.one(ctx, d, fetch.Known{URL: known.URL, ETag: known.ETag, LastModified: known.LastModified, SHA256: known.BodySHA256})
		if d.Optional && errors.Is(err, fetch.ErrMissing) {
			continue
		}
		if err != nil {
			return docs, news, err
		}
		docs = append(docs, fetchedDocument{d, doc})
		news = news || !doc.Unchanged
	}
	return docs, news, nil
}

func (s *groupSync) one(ctx context.Context, d feed.Document, known fetch.Known) (*fetch.Document, error) {
	if err := s.pace(ctx); err != nil {
		return nil, err
	}
	return s.fetcher.Fetch(ctx, s.driver.Name, d, known, s.progress.transfer)
}

// transfer notes what is done of something of a size; the size may be unknown.
func (t *tracker) transfer(done, total int64) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.now.BytesDone, t.now.BytesTotal = done, max(total, 0)
}

// load parses the documents into the store's hands.
func (s *groupSync) load(ctx context.Context, plan feed.Plan, docs fetchedSet) func(*persistence.Staging) error {
	return func(in *persistence.Staging) error {
		input := feed.Input{Group: s.group, Settings: s.feeds.settings(s.driver.Name), Delta: plan.Delta}
		for _, d := range docs {
			input.Documents = append(input.Documents, d.Fetched(d.what))
		}
		counted := &countedSink{Staging: in, progress: s.progress, since: time.Now(), took: s.meters.took(s.driver.Name)}
		err := s.driver.Parse(ctx, input, counted)
		if err != nil && counted.refused == nil && ctx.Err() == nil {
			err = fmt.Errorf("%w: %w", errDocument, err)
		}
		return err
	}
}

// countedSink shows progress, times records, and knows which errors are not the documents' fault.
type countedSink struct {
	*persistence.Staging
	progress *tracker
	since    time.Time // of the record before
	took     prometheus.Observer
	records  int64
	refused  error
}

func (c *countedSink) count(err error) error {
	c.records++
	c.progress.bytes(c.records)
	now := time.Now()
	c.took.Observe(now.Sub(c.since).Seconds())
	c.since, c.refused = now, err
	return err
}

func (c *countedSink) Record(v feed.Record) error       { return c.count(c.Staging.Record(v)) }
func (c *countedSink) Score(v feed.Score) error         { return c.count(c.Staging.Score(v)) }
func (c *countedSink) Exploited(v feed.Exploited) error { return c.count(c.Staging.Exploited(v)) }
func (c *countedSink) Lifecycle(v feed.Lifecycle) error { return c.count(c.Staging.Lifecycle(v)) }
func (c *countedSink) Release(v feed.Release) error     { return c.count(c.Staging.Release(v)) }
func (c *countedSink) Exclusion(v feed.Exclusion) error { return c.count(c.Staging.Exclusion(v)) }
func (c *countedSink) File(v feed.File) error           { return c.count(c.Staging.File(v)) }

// maxSkippedLines bounds the log lines about one sync; the count of skipped records is exact.
const maxSkippedLines = 20

func (s *groupSync) skipped(ctx context.Context) func(id string, err error) {
	lines := 0
	return func(id string, err error) {
		s.meters.skipped.WithLabelValues(s.driver.Name).Inc()
		if lines++; lines <= maxSkippedLines {
			log.From(ctx).Warn("feed record skipped", zap.String(log.KeyFeed, s.driver.Name+"/"+s.group.Name), zap.String("id", id), zap.Error(err))
		}
	}
}
