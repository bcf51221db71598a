package main

import (
	"errors"
	"io"
	"strconv"

	"github.com/spf13/cobra"

	"plimsoll/api/client"
)

func newImageAnnotation(c *connection) *cobra.Command {
	cmd := &cobra.Command{Use: "annotation", Aliases: []string{"annotations"}, Short: "Say what vulnerabilities mean for an image"}
	cmd.AddCommand(newAnnotationList(c), newAnnotationAdd(c), newAnnotationGet(c), newAnnotationUpdate(c), newAnnotationDelete(c), newAnnotationHistory(c))
	return cmd
}

func newAnnotationList(c *connection) *cobra.Command {
	var vulnerability, name, version, kind string
	cmd := &cobra.Command{
		Use: "list IMAGE", Short: "List annotations of an image, and what imported documents say about it", Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			image, err := c.find(cmd.Context(), args[0])
			if err != nil {
				return err
			}
			r, err := ask(c.api.ListVulnAnnotationsWithResponse(cmd.Context(), image.ImageDigest, &client.ListVulnAnnotationsParams{
				VulnerabilityId: optional(vulnerability), PackageName: optional(name), PackageVersion: optional(version), PackageType: optional(kind),
			}))
			if err != nil {
				return err
			}
			return c.show(cmd, r.Body, func(w io.Writer) error { return writeAnnotations(w, r.JSON200.Items...) })
		},
	}
	cmd.Flags().StringVar(&vulnerability, "vulnerability", "", "only about this one")
	cmd.Flags().StringVar(&name, "package", "", "only about packages of this name")
	cmd.Flags().StringVar(&version, "package-version", "", "only about packages of this version")
	cmd.Flags().StringVar(&kind, "package-type", "", "only about packages of this type")
	return cmd
}

func writeAnnotations(w io.Writer, list ...client.PackageVulnerabilityAnnotation) error {
	rows := make([][]string, 0, len(list))
	for _, item := range list {
		a := item.Annotation
		source := value(a.Author)
		if a.Document != nil {
			source += " in " + shortDigest(*a.Document)
		}
		rows = append(rows, []string{
			a.VulnerabilityId, packageText(item.PackageIdentifier), string(a.Status), value(a.Justification), source, strconv.Itoa(value(a.Version)), value(a.Uuid),
		})
	}
	return table(w, []string{"VULNERABILITY", "PACKAGE", "STATUS", "JUSTIFICATION", "SAID BY", "VERSION", "ID"}, rows)
}

// annotation are the flags that say what an annotation says.
type annotation struct {
	status, justification, notes, impact, action, details, author string
	name, version, kind                                           string
}

func (a *annotation) flags(cmd *cobra.Command) {
	f := cmd.Flags()
	f.StringVar(&a.status, "status", "", "not_affected, affected, fixed or under_investigation")
	f.StringVar(&a.justification, "justification", "", "why it is not affected, such as vulnerable_code_not_in_execute_path")
	f.StringVar(&a.notes, "notes", "", "how the status was found")
	f.StringVar(&a.impact, "impact", "", "why it does not matter")
	f.StringVar(&a.action, "action", "", "what to do")
	f.StringVar(&a.details, "details", "", "anything else")
	f.StringVar(&a.author, "author", "", "who says so; default: the user")
	f.StringVar(&a.name, "package", "", "name of the package; without one it holds for all packages of the image")
	f.StringVar(&a.version, "package-version", "", "version of the package")
	f.StringVar(&a.kind, "package-type", "", "type of the package, such as npm")
	_ = cmd.MarkFlagRequired("status")
}

func (a *annotation) body(vulnerability string) (client.PackageVulnerabilityAnnotation, error) {
	body := client.PackageVulnerabilityAnnotation{Annotation: client.VulnerabilityAnnotation{
		VulnerabilityId: vulnerability, Status: client.VulnAnnotationStatus(a.status), Justification: optional(a.justification), StatusNotes: optional(a.notes),
		ImpactStatement: optional(a.impact), ActionStatement: optional(a.action), AdditionalDetails: optional(a.details), Author: optional(a.author),
	}}
	if a.name == "" {
		return body, nil
	}
	if a.version == "" || a.kind == "" {
		return body, errors.New("--package: name its --package-version and --package-type, too")
	}
	body.PackageIdentifier = &client.PackageIdentifier{Name: a.name, Version: a.version, Type: a.kind}
	return body, nil
}

func newAnnotationAdd(c *connection) *cobra.Command {
	var a annotation
	cmd := &cobra.Command{
		Use: "add IMAGE VULNERABILITY --status STATUS", Short: "Annotate a vulnerability of an image", Args: cobra.ExactArgs(2),
		RunE: func(cmd *cobra.Command, args []string) error {
			body, err := a.body(args[1])
			if err != nil {
				return err
			}
			image, err := c.find(cmd.Context(), args[0])
			if err != nil {
				return err
			}
			r, err := ask(c.api.CreateVulnAnnotationWithResponse(cmd.Context(), image.ImageDigest, &client.CreateVulnAnnotationParams{}, body))
			if err != nil {
				return err
			}
			return c.show(cmd, r.Body, func(w io.Writer) error { return writeAnnotations(w, *r.JSON201) })
		},
	}
	a.flags(cmd)
	return cmd
}

func newAnnotationUpdate(c *connection) *cobra.Command {
	var a annotation
	cmd := &cobra.Command{
		Use: "update IMAGE ID VULNERABILITY --status STATUS", Short: "Replace an annotation", Args: cobra.ExactArgs(3),
		RunE: func(cmd *cobra.Command, args []string) error {
			body, err := a.body(args[2])
			if err != nil {
				return err
			}
			image, err := c.find(cmd.Context(), args[0])
			if err != nil {
				return err
			}
			r, err := ask(c.api.UpdateVulnAnnotationWithResponse(cmd.Context(), image.ImageDigest, args[1], &client.UpdateVulnAnnotationParams{}, body))
			if err != nil {
				return err
			}
			return c.show(cmd, r.Body, func(w io.Writer) error { return writeAnnotations(w, *r.JSON200) })
		},
	}
	a.flags(cmd)
	return cmd
}

func newAnnotationGet(c *connection) *cobra.Command {
	return &cobra.Command{
		Use: "get IMAGE ID", Short: "Show an annotation", Args: cobra.ExactArgs(2),
		RunE: func(cmd *cobra.Command, args []string) error {
			image, err := c.find(cmd.Context(), args[0])
			if err != nil {
				return err
			}
			r, err := ask(c.api.GetVulnAnnotationWithResponse(cmd.Context(), image.ImageDigest, args[1], &client.GetVulnAnnotationParams{}))
			if err != nil {
				return err
			}
			return c.show(cmd, r.Body, func(w io.Writer) error {
				a := r.JSON200.Annotation
				return facts(w, "Vulnerability", a.VulnerabilityId, "Package", packageText(r.JSON200.PackageIdentifier), "Status", string(a.Status),
					"Justification", value(a.Justification), "Impact", value(a.ImpactStatement), "Action", value(a.ActionStatement), "Notes", value(a.StatusNotes),
					"Details", value(a.AdditionalDetails), "Said by", value(a.Author), "Document", value(a.Document), "Version", strconv.Itoa(value(a.Version)),
					"Changed at", moment(value(a.UpdatedAt)))
			})
		},
	}
}

func newAnnotationDelete(c *connection) *cobra.Command {
	return &cobra.Command{
		Use: "delete IMAGE ID", Aliases: []string{"del"}, Short: "Withdraw an annotation", Args: cobra.ExactArgs(2),
		RunE: func(cmd *cobra.Command, args []string) error {
			image, err := c.find(cmd.Context(), args[0])
			if err != nil {
				return err
			}
			_, err = ask(c.api.DeleteVulnAnnotationWithResponse(cmd.Context(), image.ImageDigest, args[1], &client.DeleteVulnAnnotationParams{}))
			return err
		},
	}
}

func newAnnotationHistory(c *connection) *cobra.Command {
	return &cobra.Command{
		Use: "history IMAGE ID", Short: "Show how an annotation came to say what it says", Args: cobra.ExactArgs(2),
		RunE: func(cmd *cobra.Command, args []string) error {
			image, err := c.find(cmd.Context(), args[0])
			if err != nil {
				return err
			}
			r, err := ask(c.api.ListVulnAnnotationHistoryWithResponse(cmd.Context(), image.ImageDigest, args[1], &client.ListVulnAnnotationHistoryParams{}))
			if err != nil {
				return err
			}
			return c.show(cmd, r.Body, func(w io.Writer) error { return writeVEXChanges(w, r.JSON200.Items) })
		},
	}
}
