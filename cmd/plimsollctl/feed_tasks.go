package main

import (
	"encoding/json"
	"fmt"
	"io"
	"strconv"

	"github.com/spf13/cobra"

	"plimsoll/api/client"
)

// idRange are flags that narrow a list of tasks.
type idRange struct {
	status   string
	from, to int64
	limit    int
}

func (r *idRange) flags(cmd *cobra.Command) {
	cmd.Flags().StringVar(&r.status, "status", "", "running, completed or failed")
	cmd.Flags().Int64Var(&r.from, "from", 0, "lowest id")
	cmd.Flags().Int64Var(&r.to, "to", 0, "highest id")
	cmd.Flags().IntVar(&r.limit, "limit", 20, "how many, newest first")
}

// chosen is a number that was given.
func chosen(n int64) *int64 {
	if n == 0 {
		return nil
	}
	return &n
}

func newFeedTasks(c *connection) *cobra.Command {
	cmd := &cobra.Command{Use: "tasks", Short: "See what syncs did"}
	cmd.AddCommand(newSyncTasks(c), newDriverTasks(c))
	return cmd
}

func newSyncTasks(c *connection) *cobra.Command {
	var in idRange
	cmd := &cobra.Command{
		Use: "list", Short: "List syncs and deletions", Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			params := client.ListFeedSyncTasksParams{FromId: chosen(in.from), ToId: chosen(in.to), Limit: &in.limit}
			if in.status != "" {
				params.Status = new(client.ListFeedSyncTasksParamsStatus(in.status))
			}
			r, err := ask(c.api.ListFeedSyncTasksWithResponse(cmd.Context(), &params))
			if err != nil {
				return err
			}
			return c.show(cmd, r.Body, func(w io.Writer) error {
				var rows [][]string
				for _, t := range *r.JSON200 {
					rows = append(rows, []string{
						strconv.FormatInt(t.Id, 10), string(t.Kind), string(t.Status), moment(t.StartedAt), moment(value(t.EndedAt)),
						counts(t.Added, t.Changed, t.Removed), value(t.Feed), value(t.Group), value(t.Message),
					})
				}
				return table(w, []string{"ID", "KIND", "STATUS", "STARTED", "ENDED", "ADDED/CHANGED/REMOVED", "FEED", "GROUP", "MESSAGE"}, rows)
			})
		},
	}
	in.flags(cmd)
	return cmd
}

func newDriverTasks(c *connection) *cobra.Command {
	var in idRange
	var driver, group string
	var task int64
	cmd := &cobra.Command{
		Use: "executions", Short: "List what syncs did to single groups", Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			params := client.ListDriverExecutionTasksParams{
				Driver: optional(driver), Group: optional(group), Task: chosen(task), FromId: chosen(in.from), ToId: chosen(in.to), Limit: &in.limit,
			}
			if in.status != "" {
				params.Status = new(client.ListDriverExecutionTasksParamsStatus(in.status))
			}
			r, err := ask(c.api.ListDriverExecutionTasksWithResponse(cmd.Context(), &params))
			if err != nil {
				return err
			}
			return c.show(cmd, r.Body, func(w io.Writer) error {
				var rows [][]string
				for _, t := range *r.JSON200 {
					rows = append(rows, []string{
						strconv.FormatInt(t.Id, 10), strconv.FormatInt(t.Task, 10), t.Driver, t.Group, string(t.Status), strconv.Itoa(t.Attempts),
						moment(t.StartedAt), moment(value(t.EndedAt)), strconv.Itoa(t.Records), counts(t.Added, t.Changed, t.Removed), value(t.Error),
					})
				}
				return table(w, []string{"ID", "TASK", "DRIVER", "GROUP", "STATUS", "ATTEMPTS", "STARTED", "ENDED", "RECORDS", "ADDED/CHANGED/REMOVED", "ERROR"}, rows)
			})
		},
	}
	cmd.Flags().StringVar(&driver, "driver", "", "only this source")
	cmd.Flags().StringVar(&group, "group", "", "only groups of this name")
	cmd.Flags().Int64Var(&task, "task", 0, "only of this sync")
	in.flags(cmd)
	return cmd
}

func counts(added, changed, removed int) string {
	return fmt.Sprintf("%d/%d/%d", added, changed, removed)
}

func newRecordHistory(c *connection) *cobra.Command {
	var source, namespace, pkg string
	var before int64
	var limit int
	cmd := &cobra.Command{
		Use: "vulnerability-history ID", Short: "Show how a record of the vulnerability data came to say what it says", Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			r, err := ask(c.api.GetVulnerabilityHistoryWithResponse(cmd.Context(), &client.GetVulnerabilityHistoryParams{
				Id: args[0], Source: optional(source), Namespace: optional(namespace), AffectedPackage: optional(pkg), Before: chosen(before), Limit: &limit,
			}))
			if err != nil {
				return err
			}
			return c.show(cmd, r.Body, func(w io.Writer) error { return writeHistory(w, r.JSON200.Changes) })
		},
	}
	cmd.Flags().StringVar(&source, "source", "", "only of this source, such as debian")
	cmd.Flags().StringVar(&namespace, "namespace", "", "only of this feed group, such as debian:12")
	cmd.Flags().StringVar(&pkg, "package", "", "only of this package")
	cmd.Flags().Int64Var(&before, "before", 0, "only generations before this one")
	cmd.Flags().IntVar(&limit, "limit", 50, "generations at most")
	return cmd
}

func writeHistory(w io.Writer, changes []client.RecordChange) error {
	var rows [][]string
	for _, c := range changes {
		line := []string{moment(c.CommittedAt), strconv.FormatInt(c.Generation, 10), c.Source, c.Group, value(c.Namespace), value(c.Package), string(c.Kind)}
		if c.Kind != "changed" {
			rows = append(rows, append(line, "", "", ""))
			continue
		}
		for _, f := range c.Fields {
			rows = append(rows, append(line[:len(line):len(line)], f.Name, short(f.Before), short(f.After)))
		}
	}
	return table(w, []string{"AT", "GENERATION", "SOURCE", "GROUP", "NAMESPACE", "PACKAGE", "WHAT", "FIELD", "BEFORE", "AFTER"}, rows)
}

// short is a value on one line; the JSON output has all of it.
func short(v any) string {
	const most = 60
	if v == nil {
		return ""
	}
	text, err := json.Marshal(v)
	if err != nil {
		return ""
	}
	if runes := []rune(string(text)); len(runes) > most {
		return string(runes[:most]) + "…"
	}
	return string(text)
}
