package main

import (
	"bytes"
	"fmt"
	"io"
	"os"
	"slices"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"plimsoll/api/client"
)

// longestVEX is the largest document that is read here, in bytes; the server has a limit of its own.
const longestVEX = 100 << 20

var vexFormats = []string{"openvex", "cyclonedx-json", "cyclonedx-xml"}

func newVEX(c *connection) *cobra.Command {
	cmd := &cobra.Command{Use: "vex", Short: "Import and export what is said about vulnerabilities (VEX)"}
	cmd.AddCommand(newVEXImport(c), newVEXList(c), newVEXGet(c), newVEXDelete(c), newVEXExport(c), newVEXChanges(c))
	return cmd
}

func newVEXImport(c *connection) *cobra.Command {
	return &cobra.Command{
		Use: "import FILE", Short: "Import a VEX document; it holds for all images of the account", Args: cobra.ExactArgs(1),
		Long: "FILE is OpenVEX, CycloneDX (JSON or XML) or CSAF, - is standard input. Signatures of attestations are not checked.",
		RunE: func(cmd *cobra.Command, args []string) error {
			document, err := readAtMost(args[0], cmd.InOrStdin(), longestVEX)
			if err != nil {
				return fmt.Errorf("read the document: %w", err)
			}
			r, err := ask(c.api.ImportVexDocumentWithBodyWithResponse(cmd.Context(), &client.ImportVexDocumentParams{}, mediaOf(document), bytes.NewReader(document)))
			if err != nil {
				return err
			}
			return c.show(cmd, r.Body, func(w io.Writer) error { return writeVEX(w, r.JSON200, true) })
		},
	}
}

func writeVEX(w io.Writer, d *client.VexDocumentDetail, imported bool) error {
	lines := []string{
		"Digest", d.Document.Digest, "Format", d.Document.Format, "Name", value(d.Document.DocumentId), "Version", value(d.Document.DocumentVersion),
		"Author", value(d.Document.Author), "Statements", strconv.Itoa(d.Document.StatementCount), "Not usable", strconv.Itoa(d.Document.RefusedCount),
		"Without effect", fmt.Sprintf("%d of %d products", d.UnmatchedCount, d.Document.ProductCount),
	}
	if imported {
		lines = append(lines, "Images affected", strconv.Itoa(d.ImagesAffected))
		if !d.Created {
			lines = append(lines, "Note", "it was there already")
		}
	}
	if err := facts(w, lines...); err != nil {
		return err
	}
	var rows [][]string
	for _, r := range d.Refused {
		rows = append(rows, []string{r.VulnerabilityId, "", "", "not usable: " + r.Reason})
	}
	for _, u := range d.Unmatched {
		rows = append(rows, []string{u.VulnerabilityId, string(u.Status), u.Product, u.Reason})
	}
	if len(rows) == 0 {
		return nil
	}
	if _, err := fmt.Fprintln(w); err != nil {
		return err
	}
	return table(w, []string{"VULNERABILITY", "STATUS", "PRODUCT", "WHY IT HAS NO EFFECT"}, rows)
}

func newVEXList(c *connection) *cobra.Command {
	return &cobra.Command{
		Use: "list", Short: "List imported VEX documents", Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			r, err := ask(c.api.ListVexDocumentsWithResponse(cmd.Context(), &client.ListVexDocumentsParams{}))
			if err != nil {
				return err
			}
			return c.show(cmd, r.Body, func(w io.Writer) error {
				var rows [][]string
				for _, d := range r.JSON200.Items {
					rows = append(rows, []string{d.Digest, d.Format, value(d.DocumentId), value(d.Author), strconv.Itoa(d.StatementCount), d.ImportedBy, moment(d.ImportedAt)})
				}
				return table(w, []string{"DIGEST", "FORMAT", "NAME", "AUTHOR", "STATEMENTS", "IMPORTED BY", "AT"}, rows)
			})
		},
	}
}

func newVEXGet(c *connection) *cobra.Command {
	var file string
	cmd := &cobra.Command{
		Use: "get DIGEST", Short: "Show an imported VEX document, and what of it has no effect", Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			if file != "" {
				body, err := document(c.api.GetVexDocumentContentWithResponse(cmd.Context(), args[0], &client.GetVexDocumentContentParams{}))
				if err != nil {
					return err
				}
				return save(cmd, body, file)
			}
			r, err := ask(c.api.GetVexDocumentWithResponse(cmd.Context(), args[0], &client.GetVexDocumentParams{}))
			if err != nil {
				return err
			}
			return c.show(cmd, r.Body, func(w io.Writer) error { return writeVEX(w, r.JSON200, false) })
		},
	}
	cmd.Flags().StringVar(&file, "file", "", "write the document as it was imported here; - is standard output")
	return cmd
}

// save writes a document to a file; "-" and "" are standard output.
func save(cmd *cobra.Command, body []byte, file string) error {
	if file == "" || file == "-" {
		_, err := cmd.OutOrStdout().Write(body)
		return err
	}
	if err := os.WriteFile(file, body, 0o644); err != nil {
		return fmt.Errorf("write the document: %w", err)
	}
	fmt.Fprintln(cmd.ErrOrStderr(), "written to", file)
	return nil
}

func newVEXDelete(c *connection) *cobra.Command {
	return &cobra.Command{
		Use: "delete DIGEST", Aliases: []string{"del"}, Short: "Delete an imported VEX document; what it says holds no longer", Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			_, err := ask(c.api.DeleteVexDocumentWithResponse(cmd.Context(), args[0], &client.DeleteVexDocumentParams{}))
			return err
		},
	}
}

func newVEXExport(c *connection) *cobra.Command {
	var format, file string
	cmd := &cobra.Command{
		Use: "export IMAGE", Short: "Write what is said about an image as a VEX document", Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			if !slices.Contains(vexFormats, format) {
				return fmt.Errorf("format %q: it is one of %s", format, strings.Join(vexFormats, ", "))
			}
			image, err := c.find(cmd.Context(), args[0])
			if err != nil {
				return err
			}
			var body []byte
			switch ctx := cmd.Context(); format {
			case "cyclonedx-json":
				body, err = document(c.api.GetImageVexCyclonedxWithResponse(ctx, image.ImageDigest, &client.GetImageVexCyclonedxParams{}))
			case "cyclonedx-xml":
				body, err = document(c.api.GetImageVexCyclonedxXmlWithResponse(ctx, image.ImageDigest, &client.GetImageVexCyclonedxXmlParams{}))
			default:
				body, err = document(c.api.GetImageVexOpenvexWithResponse(ctx, image.ImageDigest, &client.GetImageVexOpenvexParams{}))
			}
			if err != nil {
				return err
			}
			return save(cmd, body, file)
		},
	}
	cmd.Flags().StringVar(&format, "format", vexFormats[0], strings.Join(vexFormats, ", "))
	cmd.Flags().StringVar(&file, "file", "", "write here instead of standard output")
	return cmd
}

func newVEXChanges(c *connection) *cobra.Command {
	var image string
	cmd := &cobra.Command{
		Use: "changes", Short: "Show who said or withdrew what about vulnerabilities, newest first", Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			var params client.ListVexChangesParams
			if image != "" {
				found, err := c.find(cmd.Context(), image)
				if err != nil {
					return err
				}
				params.ImageDigest = &found.ImageDigest
			}
			r, err := ask(c.api.ListVexChangesWithResponse(cmd.Context(), &params))
			if err != nil {
				return err
			}
			return c.show(cmd, r.Body, func(w io.Writer) error { return writeVEXChanges(w, r.JSON200.Items) })
		},
	}
	cmd.Flags().StringVar(&image, "image", "", "only annotations of this image")
	return cmd
}

func writeVEXChanges(w io.Writer, list []client.VexChange) error {
	rows := make([][]string, 0, len(list))
	for _, ch := range list {
		about, status, version := shortDigest(value(ch.Document)), "", ""
		if a := ch.Annotation; a != nil {
			about, status, version = a.Annotation.VulnerabilityId+" "+packageText(a.PackageIdentifier), string(a.Annotation.Status), strconv.Itoa(value(a.Annotation.Version))
		}
		rows = append(rows, []string{moment(ch.ChangedAt), ch.ChangedBy, ch.Action, about, status, version, shortDigest(value(ch.ImageDigest)), strconv.Itoa(ch.ImagesAffected)})
	}
	return table(w, []string{"WHEN", "WHO", "WHAT", "ABOUT", "STATUS", "VERSION", "IMAGE", "IMAGES AFFECTED"}, rows)
}

func packageText(p *client.PackageIdentifier) string {
	if p == nil {
		return ""
	}
	return p.Name + " " + p.Version
}
