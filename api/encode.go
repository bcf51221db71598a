package api

import (
	"time"
)

// orElse returns what p points to, or fallback.
func orElse[T any](p *T, fallback T) T {
	if p == nil {
		return fallback
	}
	return *p
}

// given returns nil for the zero value, so that an optional key is left out.
func given[T comparable](v T) *T {
	var zero T
	if v == zero {
		return nil
	}
	return &v
}

// list returns an empty slice for nil: the document promises arrays.
func list[T any](s []T) []T {
	if s == nil {
		return []T{}
	}
	return s
}

// each converts a slice.
func each[From, To any](in []From, convert func(From) To) []To {
	out := make([]To, len(in))
	for i, v := range in {
		out[i] = convert(v)
	}
	return out
}

// utc gives the time with zone Z: clients append a Z of their own to anything else.
func utc(t time.Time) time.Time { return t.UTC() }

func utcOrNil(t *time.Time) *time.Time {
	if t == nil || t.IsZero() {
		return nil
	}
	u := t.UTC()
	return &u
}
