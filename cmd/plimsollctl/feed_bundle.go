package main

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"mime/multipart"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"time"

	"github.com/spf13/cobra"

	"plimsoll/api/client"
)

func newFeedExport(c *connection) *cobra.Command {
	var feed, group, since string
	cmd := &cobra.Command{
		Use: "export FILE", Short: "Have the server write its vulnerability data into a signed bundle", Args: cobra.ExactArgs(1),
		Long: "Have the server write its vulnerability data into a signed bundle, for an installation without a network.\n" +
			"With --since, only what changed since an earlier bundle is written; it applies where that bundle was taken.\nThe server signs with its own key (feed_bundles.signing_key).",
		RunE: func(cmd *cobra.Command, args []string) error {
			params := client.ExportFeedParams{Group: optional(group), Since: optional(since)}
			resp, err := c.patient.ExportFeed(cmd.Context(), feed, &params)
			if err != nil {
				return fmt.Errorf("no answer from the server (is it running, is --url right?): %w", err)
			}
			defer resp.Body.Close()
			size, err := saveBundle(cmd, resp, args[0])
			if err != nil {
				return err
			}
			cursor := resp.Header.Get("Plimsoll-Feed-Cursor")
			body, err := json.Marshal(map[string]any{"file": args[0], "size": size, "cursor": cursor})
			if err != nil {
				return err
			}
			return c.show(cmd, body, func(w io.Writer) error {
				return facts(w, "Bundle", args[0], "Size", strconv.FormatInt(size, 10), "Cursor", cursor, "What changes from here", "--since "+cursor)
			})
		},
	}
	cmd.Flags().StringVar(&feed, "feed", "vulnerabilities", "only this source, such as debian")
	cmd.Flags().StringVar(&group, "group", "", "only groups of this name")
	cmd.Flags().StringVar(&since, "since", "", "cursor of the bundle to follow, as it was printed, or its generation")
	return cmd
}

// maxRefusal bounds what is read of an answer that is no bundle.
const maxRefusal = 1 << 20

// saveBundle writes an answer into a file, which has its name only when it is whole.
func saveBundle(cmd *cobra.Command, resp *http.Response, name string) (size int64, err error) {
	if resp.StatusCode != http.StatusOK {
		body, err := io.ReadAll(io.LimitReader(resp.Body, maxRefusal))
		return 0, errors.Join(err, client.Failure(resp.StatusCode, body))
	}
	if resp.Header.Get("Content-Type") != "application/x-tar" {
		return 0, errStranger
	}
	part, err := os.CreateTemp(filepath.Dir(name), ".feed-bundle-*")
	if err != nil {
		return 0, fmt.Errorf("create bundle: %w", err)
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, part.Close(), os.Remove(part.Name()))
		}
	}()
	var out io.Writer = part
	if bar := newBar(cmd.ErrOrStderr(), -1); bar != nil {
		bar.Describe("receiving")
		defer func() { _ = bar.Clear() }()
		out = io.MultiWriter(part, bar)
	}
	if size, err = io.Copy(out, resp.Body); err != nil {
		return size, fmt.Errorf("the transfer broke off after %d bytes: %w", size, err)
	}
	if err = errors.Join(part.Sync(), os.Rename(part.Name(), name)); err != nil {
		return size, fmt.Errorf("write bundle: %w", err)
	}
	return size, part.Close()
}

// feedImport are the flags of an import.
type feedImport struct {
	feed, group, built string
	document, force    bool
	wait               bool
	timeout            time.Duration
}

func newFeedImport(c *connection) *cobra.Command {
	var in feedImport
	cmd := &cobra.Command{
		Use: "import FILE", Short: "Upload vulnerability data and follow how it is taken over", Args: cobra.ExactArgs(1),
		Long: "Upload a feed bundle, or with --document the one document of a publisher that a group is read from, and follow how it is taken over.\n" +
			"The server checks all of it before anything is replaced: signature, checksums, every record, whether it is newer and plausible.",
		RunE: func(cmd *cobra.Command, args []string) error { return in.run(cmd, c, args[0]) },
	}
	cmd.Flags().StringVar(&in.feed, "feed", "vulnerabilities", "the source the data must be of, such as osv; needed for a document")
	cmd.Flags().BoolVar(&in.document, "document", false, "FILE is a publisher's own document, such as OSV.dev's all.zip")
	cmd.Flags().StringVar(&in.group, "group", "", "the group a document is of, such as npm")
	cmd.Flags().StringVar(&in.built, "built-at", "", "when a document was made, such as 2026-03-01T12:00:00Z; newer data then stays")
	cmd.Flags().BoolVar(&in.force, "force", false, "take also what is older than what is there, or suspiciously small")
	cmd.Flags().BoolVar(&in.wait, "wait", true, "wait until it is taken over")
	cmd.Flags().DurationVar(&in.timeout, "timeout", time.Hour, "longest wait; the server goes on")
	return cmd
}

func (in feedImport) run(cmd *cobra.Command, c *connection, name string) error {
	sent, err := in.send(cmd, c, name)
	if err != nil {
		return err
	}
	if !in.wait {
		return c.show(cmd, sent.Body, func(w io.Writer) error {
			return facts(w, "Checksum", sent.JSON202.Checksum, "Data set", value(sent.JSON202.DatasetName), "Workflow run", sent.JSON202.WorkflowRun)
		})
	}
	fmt.Fprintf(cmd.ErrOrStderr(), "checked and accepted; it is being taken over as %s\n", sent.JSON202.WorkflowRun)
	ctx, cancel := context.WithTimeout(cmd.Context(), in.timeout)
	defer cancel()
	task, err := c.follow(ctx, cmd.ErrOrStderr(), sent.JSON202.WorkflowRun)
	if err != nil {
		return err
	}
	if err := c.taken(cmd, task); err != nil {
		return err
	}
	if task.Status == "failed" {
		return fmt.Errorf("the data was not taken over, or not all of it: %s", printable(value(task.Message)))
	}
	return nil
}

// send uploads a file.
func (in feedImport) send(cmd *cobra.Command, c *connection, name string) (*client.UploadFeedReply, error) {
	file, err := os.Open(name)
	if err != nil {
		return nil, fmt.Errorf("open the data: %w", err)
	}
	defer file.Close()
	info, err := file.Stat()
	if err != nil {
		return nil, fmt.Errorf("open the data: %w", err)
	}
	if !info.Mode().IsRegular() {
		return nil, fmt.Errorf("open the data: %s is not a file", name)
	}
	params := client.UploadFeedParams{Group: optional(in.group), Force: &in.force}
	if in.document {
		params.Format = new(client.Document)
	}
	var data io.Reader = file
	if bar := newBar(cmd.ErrOrStderr(), max(info.Size(), 1)); bar != nil {
		bar.Describe("sending")
		defer func() { _ = bar.Clear() }()
		data = io.TeeReader(file, bar)
	}
	body, send := io.Pipe()
	form := multipart.NewWriter(send)
	go func() { send.CloseWithError(in.fill(form, data)) }()
	defer body.Close()
	reply, err := c.patient.UploadFeedWithBodyWithResponse(cmd.Context(), in.feed, &params, form.FormDataContentType(), body,
		func(_ context.Context, r *http.Request) error {
			r.Header.Set("Expect", "100-continue") // a refusal comes before gigabytes are sent
			return nil
		})
	if reply, err = ask(reply, err); err != nil {
		return nil, err
	}
	if reply.JSON202 == nil {
		return nil, errStranger
	}
	return reply, nil
}

// fill writes the form. The checksum follows the data, so that it is read once.
func (in feedImport) fill(form *multipart.Writer, data io.Reader) error {
	part, err := form.CreateFormFile("data", "data")
	if err != nil {
		return err
	}
	sum := sha256.New()
	if _, err := io.Copy(io.MultiWriter(part, sum), data); err != nil {
		return fmt.Errorf("read the data: %w", err)
	}
	if err := form.WriteField("checksum", hex.EncodeToString(sum.Sum(nil))); err != nil {
		return err
	}
	if in.built != "" {
		if err := form.WriteField("built_at", in.built); err != nil {
			return err
		}
	}
	return form.Close()
}

const (
	// followEvery is how often a task is asked for.
	followEvery = time.Second
	// followPatience is after how many questions without a task it is said that no worker took it.
	followPatience = 30
)

// follow waits until the task of a workflow run has ended, and tells how far it is.
func (c *connection) follow(ctx context.Context, out io.Writer, run string) (client.FeedSyncTask, error) {
	told := ""
	for asked := 1; ; asked++ {
		r, err := ask(c.api.ListFeedSyncTasksWithResponse(ctx, &client.ListFeedSyncTasksParams{WorkflowRun: &run}))
		if err == nil && len(*r.JSON200) > 0 && (*r.JSON200)[0].Status != "running" {
			return (*r.JSON200)[0], nil
		}
		say := told
		switch {
		case ctx.Err() != nil:
			return client.FeedSyncTask{}, fmt.Errorf("gave up waiting; the server goes on with %s (plimsollctl feeds tasks list)", run)
		case err != nil:
			return client.FeedSyncTask{}, err
		case len(*r.JSON200) == 0 && asked == followPatience:
			say = "no worker has begun with it; is one running?"
		case len(*r.JSON200) > 0:
			t := (*r.JSON200)[0]
			say = fmt.Sprintf("%d groups so far: %s added/changed/removed", t.Groups, counts(t.Added, t.Changed, t.Removed))
		}
		if say != told {
			told = say
			fmt.Fprintln(out, say)
		}
		select {
		case <-ctx.Done():
		case <-time.After(followEvery):
		}
	}
}

// taken prints what a task did to each group.
func (c *connection) taken(cmd *cobra.Command, task client.FeedSyncTask) error {
	most := 1000 // what the server lists at most
	r, err := ask(c.api.ListDriverExecutionTasksWithResponse(cmd.Context(), &client.ListDriverExecutionTasksParams{Task: &task.Id, Limit: &most}))
	if err != nil {
		return err
	}
	body, err := json.Marshal(map[string]any{"task": task, "executions": r.JSON200})
	if err != nil {
		return err
	}
	return c.show(cmd, body, func(w io.Writer) error {
		var rows [][]string
		for _, t := range *r.JSON200 {
			rows = append(rows, []string{t.Driver, t.Group, string(t.Status), strconv.Itoa(t.Records), counts(t.Added, t.Changed, t.Removed), value(t.Error)})
		}
		if err := table(w, []string{"SOURCE", "GROUP", "STATUS", "RECORDS", "ADDED/CHANGED/REMOVED", "ERROR"}, rows); err != nil {
			return err
		}
		return writeLine(w, value(task.Message))
	})
}
