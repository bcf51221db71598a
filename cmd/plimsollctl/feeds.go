package main

import (
	"encoding/base64"
	"fmt"
	"io"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"plimsoll/api/client"
)

func newFeeds(c *connection) *cobra.Command {
	cmd := &cobra.Command{Use: "feeds", Aliases: []string{"feed"}, Short: "See, sync and switch the vulnerability feeds"}
	cmd.AddCommand(
		newFeedList(c), newFeedSync(c), newFeedSwitch(c, "enable", "Sync a source from now on, whatever the configuration says", true),
		newFeedSwitch(c, "disable", "Leave a source out from now on; its data stays", false), newFeedDelete(c), newFeedTasks(c), newFeedExport(c), newFeedImport(c),
	)
	return cmd
}

func newFeedList(c *connection) *cobra.Command {
	var all bool
	cmd := &cobra.Command{
		Use: "list", Short: "List feeds, their groups and how fresh they are", Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			r, err := ask(c.api.ListFeedsWithResponse(cmd.Context()))
			if err != nil {
				return err
			}
			return c.show(cmd, r.Body, func(w io.Writer) error { return writeFeeds(w, *r.JSON200, all) })
		},
	}
	cmd.Flags().BoolVar(&all, "all", false, "also groups that are off and have no data")
	return cmd
}

func newFeedSync(c *connection) *cobra.Command {
	var force, flush bool
	var feed, group string
	cmd := &cobra.Command{
		Use: "sync", Short: "Sync feeds now and wait for the result", Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			fmt.Fprintln(cmd.ErrOrStderr(), "syncing; the first load takes minutes")
			r, err := ask(c.api.SyncFeedsWithResponse(cmd.Context(), &client.SyncFeedsParams{
				ForceSync: &force, Flush: &flush, Feed: optional(feed), Group: optional(group),
			}))
			if err != nil {
				return err
			}
			return c.show(cmd, r.Body, func(w io.Writer) error { return writeLine(w, r.JSON200.Message) })
		},
	}
	cmd.Flags().BoolVar(&force, "force", false, "fetch and compare even when an upstream says nothing changed")
	cmd.Flags().BoolVar(&flush, "flush", false, "write every record anew and match everything again")
	cmd.Flags().StringVar(&feed, "feed", "", "only this source, such as debian")
	cmd.Flags().StringVar(&group, "group", "", "only groups of this name")
	return cmd
}

func writeLine(w io.Writer, text string) error {
	_, err := fmt.Fprintln(w, printable(text))
	return err
}

func newFeedSwitch(c *connection, use, short string, enabled bool) *cobra.Command {
	var group string
	cmd := &cobra.Command{
		Use: use + " FEED", Short: short, Args: cobra.ExactArgs(1),
		Long: short + ". FEED is a source, such as debian; vulnerabilities means all of them.",
		RunE: func(cmd *cobra.Command, args []string) error {
			r, err := ask(c.api.SwitchFeedWithResponse(cmd.Context(), args[0], &client.SwitchFeedParams{Enabled: enabled, Group: optional(group)}))
			if err != nil {
				return err
			}
			return c.show(cmd, r.Body, func(w io.Writer) error { return writeFeeds(w, []client.FeedMetadata{*r.JSON200}, true) })
		},
	}
	cmd.Flags().StringVar(&group, "group", "", "only groups of this name")
	return cmd
}

func newFeedDelete(c *connection) *cobra.Command {
	var group string
	cmd := &cobra.Command{
		Use: "delete FEED", Short: "Delete the data of a source, and what was found by it alone", Args: cobra.ExactArgs(1),
		Long: "Delete the data of a source, and what was found by it alone. What is not disabled is read anew with the next sync.",
		RunE: func(cmd *cobra.Command, args []string) error {
			r, err := ask(c.api.DeleteFeedWithResponse(cmd.Context(), args[0], &client.DeleteFeedParams{Group: optional(group)}))
			if err != nil {
				return err
			}
			return c.show(cmd, r.Body, func(w io.Writer) error { return writeLine(w, r.JSON200.Message) })
		},
	}
	cmd.Flags().StringVar(&group, "group", "", "only groups of this name")
	return cmd
}

func writeFeeds(w io.Writer, feeds []client.FeedMetadata, all bool) error {
	var rows [][]string
	for _, feed := range feeds {
		for _, g := range feed.Groups {
			if !all && !g.Enabled && g.RecordCount == 0 {
				continue
			}
			var alarms []string
			for _, alarm := range value(g.Alarms) {
				alarms = append(alarms, string(alarm))
			}
			rows = append(rows, []string{
				g.Source, g.Name, yes(g.Enabled && feed.Enabled), moment(value(g.LastSync)), strconv.Itoa(g.RecordCount), strconv.Itoa(g.SkippedCount),
				strings.Join(alarms, ","), value(g.LastError),
			})
		}
	}
	return table(w, []string{"SOURCE", "GROUP", "ENABLED", "LAST SYNC", "RECORDS", "SKIPPED", "ALARMS", "LAST ERROR"}, rows)
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
