package rpm

import (
	"errors"
	"fmt"

	reader "plimsoll/engine/catalog/sqlite"
)

// sqliteTable is the table with the headers (rpm's lib/backend/sqlite.c).
const sqliteTable = "Packages"

// sqlite reads rpmdb.sqlite of Fedora, RHEL 9 and others: the blob column of Packages, the rows' only one
// beside the number, which is their key.
func sqlite(in *input, record func([]byte) error) error {
	err := reader.Table(in.ctx, in.from, in.size, sqliteTable, maxHeader, func(row []reader.Value) error {
		for _, v := range row {
			if blob, ok := v.Blob(); ok {
				return record(blob)
			}
		}
		return fmt.Errorf("%w: row without header", ErrMalformed)
	})
	if errors.Is(err, reader.ErrMalformed) {
		return fmt.Errorf("%w: %w", ErrMalformed, err)
	}
	return err
}
