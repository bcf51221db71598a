package main

import (
	"encoding/base64"
	"fmt"
	"io"
	"strconv"
	"time"

	"github.com/spf13/cobra"

	"plimsoll/api/client"
)

func newFeeds(c *connection) *cobra.Command {
	cmd := &cobra.Command{Use: "feeds", Aliases: []string{"feed"}, Short: "See and sync the vulnerability feeds"}
	var force bool
	list := &cobra.Command{
		Use: "list", Short: "List feeds, their groups and how fresh they are", Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			r, err := ask(c.api.ListFeedsWithResponse(cmd.Context()))
			if err != nil {
				return err
			}
			return c.show(cmd, r.Body, func(w io.Writer) error { return writeFeeds(w, *r.JSON200) })
		},
	}
	sync := &cobra.Command{
		Use: "sync", Short: "Sync all feeds now and wait for the result", Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			fmt.Fprintln(cmd.ErrOrStderr(), "syncing; the first load takes minutes")
			r, err := ask(c.api.SyncFeedsWithResponse(cmd.Context(), &client.SyncFeedsParams{ForceSync: &force}))
			if err != nil {
				return err
			}
			return c.show(cmd, r.Body, func(w io.Writer) error {
				_, err := fmt.Fprintln(w, printable(r.JSON200.Message))
				return err
			})
		},
	}
	sync.Flags().BoolVar(&force, "force", false, "fetch and compare even when an upstream says nothing changed")
	cmd.AddCommand(list, sync)
	return cmd
}

func writeFeeds(w io.Writer, feeds []client.FeedMetadata) error {
	var rows [][]string
	for _, feed := range feeds {
		for _, g := range feed.Groups {
			rows = append(rows, []string{g.Source, g.Name, yes(g.Enabled), moment(value(g.LastSync)), strconv.Itoa(g.RecordCount), strconv.Itoa(g.SkippedCount), value(g.LastError)})
		}
	}
	return table(w, []string{"SOURCE", "GROUP", "ENABLED", "LAST SYNC", "RECORDS", "SKIPPED", "LAST ERROR"}, rows)
}

// writeDecoded prints a document that the API carries as base64 text.
func writeDecoded(w io.Writer, encoded string) error {
	raw, err := base64.StdEncoding.DecodeString(encoded)
	if err != nil {
		raw = []byte(encoded)
	}
	_, err = fmt.Fprintln(w, string(raw))
	return err
}

// feedsReady reports whether every enabled group has been synced or could not be, and there is data.
func feedsReady(feeds []client.FeedMetadata) bool {
	loaded := false
	for _, feed := range feeds {
		for _, g := range feed.Groups {
			synced := value(g.LastSync) != (time.Time{})
			if g.Enabled && !synced && value(g.LastError) == "" {
				return false
			}
			loaded = loaded || g.Enabled && synced
		}
	}
	return loaded
}
