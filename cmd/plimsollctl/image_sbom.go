package main

import (
	"encoding/json"
	"fmt"
	"os"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"plimsoll/api/client"
)

// Formats of a bill of materials: documents as the server writes them, and what is shown of the native one.
const (
	sbomTable = "table"
	sbomText  = "text"
)

var sbomFormats = []string{"native-json", "syft-json", "spdx-json", "spdx-tag-value", "cyclonedx-json", "cyclonedx-xml", sbomTable, sbomText}

func newImageSBOM(c *connection) *cobra.Command {
	var format, file string
	cmd := &cobra.Command{
		Use: "sbom IMAGE", Short: "Export an image's bill of materials", Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			if !slices.Contains(sbomFormats, format) {
				return fmt.Errorf("format %q: it is one of %s", format, strings.Join(sbomFormats, ", "))
			}
			image, err := c.find(cmd.Context(), args[0])
			if err != nil {
				return err
			}
			body, err := c.sbom(cmd, image.ImageDigest, format)
			if err != nil {
				return err
			}
			return writeSBOM(cmd, body, format, file)
		},
	}
	cmd.Flags().StringVar(&format, "format", "native-json", strings.Join(sbomFormats, ", "))
	cmd.Flags().StringVar(&file, "file", "", "write here instead of standard output")
	return cmd
}

func writeSBOM(cmd *cobra.Command, body []byte, format, file string) error {
	if file != "" {
		if err := os.WriteFile(file, body, 0o644); err != nil {
			return fmt.Errorf("write the bill of materials: %w", err)
		}
		fmt.Fprintln(cmd.ErrOrStderr(), "written to", file)
		return nil
	}
	if strings.HasSuffix(format, "-json") {
		return printJSON(cmd.OutOrStdout(), body)
	}
	_, err := cmd.OutOrStdout().Write(body)
	return err
}

func (c *connection) sbom(cmd *cobra.Command, digest, format string) ([]byte, error) {
	ctx := cmd.Context()
	switch format {
	case "spdx-json":
		return document(c.api.GetImageSbomSpdxWithResponse(ctx, digest, &client.GetImageSbomSpdxParams{}))
	case "spdx-tag-value":
		return document(c.api.GetImageSbomSpdxTagValueWithResponse(ctx, digest, &client.GetImageSbomSpdxTagValueParams{}))
	case "cyclonedx-json":
		return document(c.api.GetImageSbomCyclonedxWithResponse(ctx, digest, &client.GetImageSbomCyclonedxParams{}))
	case "cyclonedx-xml":
		return document(c.api.GetImageSbomCyclonedxXmlWithResponse(ctx, digest, &client.GetImageSbomCyclonedxXmlParams{}))
	}
	body, err := document(c.api.GetImageSbomNativeWithResponse(ctx, digest, &client.GetImageSbomNativeParams{}))
	if err == nil && (format == sbomTable || format == sbomText) {
		return listed(body, format)
	}
	return body, err
}

// listed shows the packages of a native document: a table, or a paragraph each.
func listed(document []byte, format string) ([]byte, error) {
	var d struct {
		Artifacts []struct {
			Name, Version, Type, PURL string
			Locations                 []struct{ Path string }
		}
	}
	if err := json.Unmarshal(document, &d); err != nil {
		return nil, fmt.Errorf("read the bill of materials: %w", err)
	}
	var out strings.Builder
	rows := make([][]string, 0, len(d.Artifacts))
	for _, a := range d.Artifacts {
		if format == sbomTable {
			rows = append(rows, []string{a.Name, a.Version, a.Type})
			continue
		}
		fmt.Fprintf(&out, "[%s]\n Version:\t%s\n Type:\t%s\n PURL:\t%s\n", a.Name, a.Version, a.Type, a.PURL)
		for _, l := range a.Locations {
			fmt.Fprintf(&out, " Found in:\t%s\n", l.Path)
		}
		fmt.Fprintln(&out)
	}
	if format == sbomTable {
		if err := table(&out, []string{"NAME", "VERSION", "TYPE"}, rows); err != nil {
			return nil, err
		}
	}
	return []byte(out.String()), nil
}
