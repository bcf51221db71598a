package persistence

import (
	"context"
	"fmt"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"

	"plimsoll/engine/feed"
)

// copies takes what is staged and forgets it.
type copies struct {
	pgx.Tx
	rows int
}

func (c *copies) CopyFrom(_ context.Context, _ pgx.Identifier, _ []string, src pgx.CopyFromSource) (int64, error) {
	for src.Next() {
		c.rows++
	}
	return 0, src.Err()
}

func TestGiantFeedRecordsDoNotPileUp(t *testing.T) {
	t.Parallel()
	tx := &copies{}
	s := newStaging(t.Context(), tx, func(id string, err error) { t.Error(id, err) })
	text, most := strings.Repeat("x", 1<<20), 0
	for i := range 50 {
		r := feed.Record{
			Vulnerability: feed.Vulnerability{ID: fmt.Sprintf("GHSA-%d", i), Description: text},
			Advisories:    []feed.Advisory{{Namespace: "npm", Package: "p", Versions: []string{text[:1<<17]}}},
		}
		if err := s.Record(r); err != nil {
			t.Fatal(err)
		}
		waiting := 0
		for _, w := range s.waiting {
			waiting += w.bytes
		}
		most = max(most, waiting)
	}
	if most > 2*(stageBytes+2<<20) {
		t.Errorf("%d bytes wait at a time, want about %d a table at most", most, stageBytes)
	}
	if err := s.finish(); err != nil || tx.rows != 100 {
		t.Errorf("%d rows were copied (%v), want 100", tx.rows, err)
	}
}
