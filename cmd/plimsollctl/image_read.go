package main

import (
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"plimsoll/api/client"
)

func newImageContent(c *connection) *cobra.Command {
	var flags artifactFlags
	cmd := &cobra.Command{
		Use: "content IMAGE [TYPE]", Short: "List what is in an image", Args: cobra.RangeArgs(1, 2),
		Long: "Without TYPE the types with content are listed. TYPE is files, os, java, npm, python, go, malware and so on; licenses shows the licences of every package, summary how much there is of each type. secret_search and content_search list what searches found in files, retrieved_files the files kept.",
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := flags.check(strings.Join(args[1:], "")); err != nil {
				return err
			}
			image, err := c.find(cmd.Context(), args[0])
			if err != nil {
				return err
			}
			if len(args) == 1 {
				r, err := ask(c.api.ListImageContentTypesWithResponse(cmd.Context(), image.ImageDigest, &client.ListImageContentTypesParams{}))
				if err != nil {
					return err
				}
				return c.show(cmd, r.Body, func(w io.Writer) error {
					_, err := fmt.Fprintln(w, strings.Join(*r.JSON200, "\n"))
					return err
				})
			}
			switch args[1] {
			case "files":
				return c.files(cmd, image.ImageDigest)
			case "malware":
				return c.malware(cmd, image.ImageDigest)
			case "java":
				return c.java(cmd, image.ImageDigest)
			case "licenses":
				return c.licenses(cmd, image.ImageDigest)
			case "summary":
				return c.summary(cmd, image.ImageDigest)
			case typeSecrets:
				return c.secrets(cmd, image.ImageDigest, flags)
			case typeContents:
				return c.contents(cmd, image.ImageDigest, flags)
			case typeRetrieved:
				return c.retrieved(cmd, image.ImageDigest, flags)
			}
			return c.packages(cmd, image.ImageDigest, args[1])
		},
	}
	flags.register(cmd)
	return cmd
}

func (c *connection) files(cmd *cobra.Command, digest string) error {
	r, err := ask(c.api.GetImageFilesWithResponse(cmd.Context(), digest, &client.GetImageFilesParams{}))
	if err != nil {
		return err
	}
	return c.show(cmd, r.Body, func(w io.Writer) error {
		rows := make([][]string, 0, len(r.JSON200.Content))
		for _, f := range r.JSON200.Content {
			name := f.Filename
			if value(f.Linkdest) != "" {
				name += " -> " + *f.Linkdest
			}
			rows = append(rows, []string{f.Mode, strconv.Itoa(f.Uid), strconv.Itoa(f.Gid), strconv.Itoa(f.Size), f.Type, value(f.Sha256), name})
		}
		return table(w, []string{"MODE", "UID", "GID", "SIZE", "TYPE", "SHA256", "NAME"}, rows)
	})
}

func (c *connection) java(cmd *cobra.Command, digest string) error {
	r, err := ask(c.api.GetImageJavaPackagesWithResponse(cmd.Context(), digest, &client.GetImageJavaPackagesParams{}))
	if err != nil {
		return err
	}
	return c.show(cmd, r.Body, func(w io.Writer) error {
		rows := make([][]string, 0, len(r.JSON200.Content))
		for _, p := range r.JSON200.Content {
			rows = append(rows, []string{p.Package, p.Version, p.Type, strings.Join(p.Licenses, ", "), p.Location})
		}
		return table(w, []string{"PACKAGE", "VERSION", "TYPE", "LICENCES", "LOCATION"}, rows)
	})
}

func (c *connection) packages(cmd *cobra.Command, digest, contentType string) error {
	r, err := ask(c.api.GetImagePackagesWithResponse(cmd.Context(), digest, contentType, &client.GetImagePackagesParams{}))
	if err != nil {
		return err
	}
	return c.show(cmd, r.Body, func(w io.Writer) error {
		rows := make([][]string, 0, len(r.JSON200.Content))
		for _, p := range r.JSON200.Content {
			rows = append(rows, []string{p.Package, p.Version, p.Type, strings.Join(p.Licenses, ", "), p.Location})
		}
		return table(w, []string{"PACKAGE", "VERSION", "TYPE", "LICENCES", "LOCATION"}, rows)
	})
}

func newImageMetadata(c *connection) *cobra.Command {
	return &cobra.Command{
		Use: "metadata IMAGE [TYPE]", Short: "Show an image's manifest, docker_history, dockerfile, labels or docker_inspect", Args: cobra.RangeArgs(1, 2),
		RunE: func(cmd *cobra.Command, args []string) error {
			image, err := c.find(cmd.Context(), args[0])
			if err != nil {
				return err
			}
			if len(args) == 1 {
				r, err := ask(c.api.ListImageMetadataTypesWithResponse(cmd.Context(), image.ImageDigest, &client.ListImageMetadataTypesParams{}))
				if err != nil {
					return err
				}
				return c.show(cmd, r.Body, func(w io.Writer) error {
					_, err := fmt.Fprintln(w, strings.Join(*r.JSON200, "\n"))
					return err
				})
			}
			r, err := ask(c.api.GetImageMetadataWithResponse(cmd.Context(), image.ImageDigest, args[1], &client.GetImageMetadataParams{}))
			if err != nil {
				return err
			}
			return c.show(cmd, r.Body, func(w io.Writer) error { return writeDecoded(w, r.JSON200.Metadata) })
		},
	}
}

func newImageCheck(c *connection) *cobra.Command {
	var tag, policy string
	var detail, history, failOnVerdict bool
	cmd := &cobra.Command{
		Use: "check IMAGE", Aliases: []string{"evaluate"}, Short: "Evaluate an image against a policy", Args: cobra.ExactArgs(1),
		Long: "Exit code 0 when the image passes, 1 when it fails, 2 on trouble.",
		RunE: func(cmd *cobra.Command, args []string) error {
			image, err := c.find(cmd.Context(), args[0])
			if err != nil {
				return err
			}
			params := &client.CheckImageParams{Tag: tagToEvaluate(tag, args[0], image), Detail: &detail, History: &history}
			if params.Tag == "" {
				return errors.New("the image has no tag: say with --tag under which to evaluate it")
			}
			if policy != "" {
				params.PolicyId = &policy
			}
			r, err := ask(c.api.CheckImageWithResponse(cmd.Context(), image.ImageDigest, params))
			if err != nil {
				return err
			}
			warnIncomplete(cmd.ErrOrStderr(), image)
			if err := c.show(cmd, r.Body, func(w io.Writer) error { return writeEvaluations(w, r.JSON200) }); err != nil {
				return err
			}
			if failOnVerdict && len(r.JSON200.Evaluations) > 0 && r.JSON200.Evaluations[0].Status != "pass" {
				return errVerdict
			}
			return nil
		},
	}
	f := cmd.Flags()
	f.StringVar(&tag, "tag", "", "tag to evaluate under (default: the one given, else the image's newest)")
	f.StringVar(&policy, "policy", "", "policy id (default: the account's active policy)")
	f.BoolVar(&detail, "detail", true, "show the findings")
	f.BoolVar(&history, "history", false, "all stored evaluations, newest first")
	f.BoolVar(&failOnVerdict, "fail-based-on-results", true, "exit 1 when the verdict is fail")
	return cmd
}

func tagToEvaluate(flag, argument string, image *client.AnchoreImage) string {
	if flag != "" {
		return flag
	}
	for _, d := range image.ImageDetail {
		if d.FullTag == argument {
			return argument
		}
	}
	if len(image.ImageDetail) == 0 {
		return ""
	}
	return image.ImageDetail[0].FullTag
}

func writeEvaluations(w io.Writer, answer *client.PolicyEvaluation) error {
	for _, e := range answer.Evaluations {
		err := facts(w,
			"Image digest", answer.ImageDigest,
			"Full tag", answer.EvaluatedTag,
			"Policy", answer.PolicyId,
			"Status", e.Status,
			"Final action", e.FinalAction,
			"Reason", e.FinalActionReason,
			"Evaluated", moment(e.EvaluationTime),
			"Findings", strconv.Itoa(e.NumberOfFindings))
		if err != nil {
			return err
		}
		for _, p := range e.EvaluationProblems {
			fmt.Fprintf(w, "Problem: %s %s: %s\n", p.Severity, p.ProblemType, printable(p.Details))
		}
		if e.Details == nil {
			continue
		}
		fmt.Fprintln(w)
		rows := make([][]string, 0, len(e.Details.Findings))
		for _, f := range e.Details.Findings {
			action := f.Action
			if f.Allowlisted && f.AllowlistMatch != nil {
				action = "allowlisted(" + f.AllowlistMatch.Name + ")"
			}
			rows = append(rows, []string{action, f.Gate, f.Trigger, f.TriggerId, f.Message})
		}
		if err := table(w, []string{"ACTION", "GATE", "TRIGGER", "TRIGGER ID", "FINDING"}, rows); err != nil {
			return err
		}
	}
	return nil
}
