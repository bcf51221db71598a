package sqlite_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"testing"

	"plimsoll/engine/catalog/sqlite"
)

const maxRow = 4000

// ships is a database made by SQLite itself, with pages of 512 bytes: 60 rows, of which the n-th has the name "ship n", n
// times 40 bytes of the value n, n, and "ahoy" where n is even.
func ships(t testing.TB) []byte {
	t.Helper()
	content, err := os.ReadFile("testdata/ships.sqlite")
	if err != nil {
		t.Fatal(err)
	}
	return content
}

func read(ctx context.Context, content []byte, table string, most int64, visit func([]sqlite.Value) error) error {
	return sqlite.Table(ctx, bytes.NewReader(content), int64(len(content)), table, most, visit)
}

func TestRowsOfATable(t *testing.T) {
	t.Parallel()
	n := 0
	err := read(t.Context(), ships(t), "ships", maxRow, func(row []sqlite.Value) error {
		name, isText := row[0].Text()
		cargo, isBlob := row[1].Blob()
		note, noted := row[3].Text()
		_, wrong := row[0].Blob()
		if !isText || !isBlob || wrong || name != fmt.Sprintf("ship %d", n) || !bytes.Equal(cargo, bytes.Repeat([]byte{byte(n)}, n*40)) ||
			noted != (n%2 == 0) || noted && note != "ahoy" {
			t.Errorf("row %d: %q, %d bytes, %q", n, name, len(cargo), note)
		}
		n++
		return nil
	})
	if err != nil || n != 60 {
		t.Errorf("%d rows, %v", n, err)
	}
	if err := read(t.Context(), ships(t), "other", maxRow, func([]sqlite.Value) error { return errors.New("a row") }); err != nil {
		t.Errorf("an empty table: %v", err)
	}
}

func TestWhatCannotBeReadEndsTheWalk(t *testing.T) {
	t.Parallel()
	none := func([]sqlite.Value) error { return nil }
	for name, tt := range map[string]struct {
		content []byte
		table   string
		most    int64
	}{
		"another table": {ships(t), "boats", maxRow}, "a row too large": {ships(t), "ships", 1000}, "cut": {ships(t)[:2000], "ships", maxRow}, "nothing": {nil, "ships", maxRow},
		"another encoding": {slices.Concat(ships(t)[:59], []byte{2}, ships(t)[60:]), "ships", maxRow},
	} {
		if err := read(t.Context(), tt.content, tt.table, tt.most, none); !errors.Is(err, sqlite.ErrMalformed) {
			t.Errorf("%s: %v", name, err)
		}
	}
	enough := errors.New("enough")
	if err := read(t.Context(), ships(t), "ships", maxRow, func([]sqlite.Value) error { return enough }); !errors.Is(err, enough) {
		t.Errorf("the visitor's error: %v", err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := read(ctx, ships(t), "ships", maxRow, none); !errors.Is(err, context.Canceled) {
		t.Errorf("after its context: %v", err)
	}
}

func FuzzTable(f *testing.F) {
	f.Add(ships(f))
	f.Add(ships(f)[:3000])
	f.Fuzz(func(t *testing.T, content []byte) {
		total := 0
		_ = read(t.Context(), content, "ships", maxRow, func(row []sqlite.Value) error {
			for _, v := range row {
				if blob, ok := v.Blob(); ok {
					total += len(blob)
				} else if text, ok := v.Text(); ok {
					total += len(text)
				}
			}
			return nil
		})
		if total > len(content) {
			t.Errorf("%d bytes of rows in a file of %d", total, len(content))
		}
	})
}
