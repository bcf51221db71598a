// Command feed is a sample of a program that delivers vulnerability data of one's own; deploy/external-feeds.md tells how
// it is configured. It reads records, as package external describes them, from a JSON array in a file:
//
//	feed records.json
//
// Asked for everything it gives everything; asked what changed since a cursor, which is the time of the newest record it has
// given, it gives what was modified later.
package main

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"time"

	"plimsoll/engine/feed/external"
)

func main() {
	if err := run(os.Args[1:], os.Stdin, os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func run(args []string, in io.Reader, out io.Writer) error {
	if len(args) != 1 {
		return errors.New("usage: feed records.json")
	}
	var asked external.Request
	if err := json.NewDecoder(in).Decode(&asked); err != nil {
		return fmt.Errorf("read the request: %w", err)
	}
	if asked.Protocol != external.Protocol {
		return fmt.Errorf("protocol %d, this program speaks %d", asked.Protocol, external.Protocol)
	}
	var since time.Time
	if asked.Cursor != "" {
		var err error
		if since, err = time.Parse(time.RFC3339, asked.Cursor); err != nil {
			return fmt.Errorf("read the cursor: %w", err)
		}
	}
	text, err := os.ReadFile(args[0]) // #nosec G703 -- the file whoever configures the feed names
	if err != nil {
		return err
	}
	var records []external.Record
	if err := json.Unmarshal(text, &records); err != nil {
		return fmt.Errorf("read %s: %w", args[0], err)
	}
	buffered := bufio.NewWriter(out)
	return errors.Join(write(buffered, records, since), buffered.Flush())
}

// write gives the records that were modified after a time; the zero time means all.
func write(out io.Writer, records []external.Record, since time.Time) error {
	answer, err := external.NewWriter(out, !since.IsZero())
	if err != nil {
		return err
	}
	newest := since
	for _, r := range records {
		if r.Modified != nil && r.Modified.After(newest) {
			newest = *r.Modified
		}
		if !since.IsZero() && (r.Modified == nil || !r.Modified.After(since)) {
			continue
		}
		if err := answer.Record(r); err != nil {
			return err
		}
	}
	if newest.IsZero() {
		return answer.End("")
	}
	return answer.End(newest.Format(time.RFC3339))
}
