package errata

import (
	"context"
	"errors"
	"fmt"

	"plimsoll/engine/feed"
)

// One makes the record of one advisory about one flaw. The record has what could be used; the error says what could not.
func One(ctx context.Context, cfg Config, e Erratum) (feed.Record, error) {
	var s single
	t := New(cfg, &s)
	err := t.Add(e)
	if err == nil {
		err = t.Emit(ctx)
	}
	return s.record, errors.Join(append(s.failed, err)...)
}

// single is a sink for one record.
type single struct {
	feed.Sink
	record feed.Record
	failed []error
}

// Record keeps the record.
func (s *single) Record(r feed.Record) error {
	if s.record.Vulnerability.ID != "" {
		return fmt.Errorf("%w: it is about several flaws", ErrErratum)
	}
	s.record = r
	return nil
}

// Bad keeps the report.
func (s *single) Bad(_ string, err error) { s.failed = append(s.failed, err) }
