package nvd

import (
	"context"
	"errors"
	"fmt"

	"plimsoll/engine/feed"
	"plimsoll/engine/feed/field"
	"plimsoll/engine/feed/jsonlist"
)

// limits are far above what NVD publishes: records with thousands of criteria have some MB, the largest years some hundred.
var limits = jsonlist.Limits{Element: 32 << 20, Document: 4 << 30}

// ErrRecord means that a record cannot be used.
var ErrRecord = errors.New("unusable NVD record")

// reader goes through records.
type reader struct {
	feed.Sink
	overrides overriding
	seen      map[string]struct{} // in a delta, whose pages overlap
	records   int
}

func parse(ctx context.Context, in feed.Input, out feed.Sink) error {
	r := reader{Sink: out}
	if in.Delta {
		r.seen = map[string]struct{}{}
	}
	if doc, ok := in.Document(documentOverrides); ok {
		var err error
		if r.overrides, err = readOverrides(ctx, doc, out); err != nil {
			return err
		}
	}
	for _, doc := range in.Documents {
		if doc.Name == documentOverrides {
			continue
		}
		// A yearly file and a page of the API are of one shape.
		err := jsonlist.Each(ctx, doc, limits, "vulnerabilities", r.item)
		if errors.Is(err, jsonlist.ErrDocument) {
			err = fmt.Errorf("%s: %w", doc.Name, err)
		}
		if err != nil {
			return err
		}
	}
	if r.records == 0 && !in.Delta {
		return fmt.Errorf("%w: there is no record in any of them", jsonlist.ErrDocument)
	}
	return nil
}

// item hands on a record; wrong is what kept it from being read whole.
func (r *reader) item(it *item, wrong error) error {
	id := it.CVE.ID
	switch {
	case !field.IsCVE(id):
		r.Bad(field.Prose(id, field.MaxID), fmt.Errorf("%w: id %.40q", ErrRecord, id))
		return nil
	case wrong != nil:
		r.Bad(id, fmt.Errorf("%w: %w", ErrRecord, wrong))
		return nil
	}
	if r.seen != nil {
		if _, again := r.seen[id]; again {
			return nil
		}
		r.seen[id] = struct{}{}
	}
	r.records++
	rec := feed.Record{Vulnerability: it.vulnerability()}
	if rec.Vulnerability.Withdrawn != nil {
		return r.Record(rec)
	}
	configurations, err := r.overrides.of(id, it.CVE.Configurations)
	if err != nil {
		r.Bad(id, err)
	}
	var problems []error
	rec.Advisories, problems = advisories(id, configurations)
	if n := len(problems); n == 1 {
		r.Bad(id, problems[0])
	} else if n > 1 {
		r.Bad(id, fmt.Errorf("%d times, first: %w", n, problems[0]))
	}
	return r.Record(rec)
}
