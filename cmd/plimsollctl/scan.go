package main

import (
	"bytes"
	"encoding/json"
	"io"
	"slices"
	"strconv"

	"github.com/spf13/cobra"

	"plimsoll/api/client"
)

// newScan matches a bill of materials, or something on this machine, against the server's data.
func newScan(c *connection) *cobra.Command {
	var a addition
	var vendorOnly bool
	cmd := &cobra.Command{
		Use: "scan SOURCE", Short: "Show what is known to be wrong with a bill of materials or an image here; nothing is stored", Args: cobra.ExactArgs(1),
		Long: "SOURCE is a file with a bill of materials, - for standard input, or a source as `image add --from` takes it, such as dir:PATH.",
		RunE: func(cmd *cobra.Command, args []string) error {
			a.from, a.packagesOnly = args[0], true
			found, err := a.read(cmd.Context(), cmd.InOrStdin(), cmd.ErrOrStderr())
			if err != nil {
				return err
			}
			document := found.document
			r, err := ask(c.api.ScanSbomWithBodyWithResponse(cmd.Context(), &client.ScanSbomParams{VendorOnly: &vendorOnly}, mediaOf(document), bytes.NewReader(document)))
			if err != nil {
				return err
			}
			return c.show(cmd, r.Body, func(w io.Writer) error { return writeVulnerabilities(w, r.JSON200.Vulnerabilities) })
		},
	}
	cmd.Flags().StringVar(&a.platform, "platform", "", "which image of an index to take, as os/arch[/variant]")
	cmd.Flags().BoolVar(&vendorOnly, "vendor-only", true, "leave out what its publisher will not fix")
	return cmd
}

// mediaOf is how a document is sent.
func mediaOf(document []byte) string {
	if json.Valid(document) {
		return "application/json"
	}
	return "application/octet-stream"
}

func writeVulnerabilities(w io.Writer, list []client.ImagePackageVulnerability) error {
	rows := make([][]string, 0, len(list))
	for _, v := range list {
		risk := ""
		if v.RiskScore != nil {
			risk = strconv.FormatFloat(*v.RiskScore, 'f', 2, 64)
		}
		rows = append(rows, []string{v.Vuln, v.PackageName, v.PackageVersion, v.Severity, risk, v.Fix, v.PackageType, v.FeedGroup, v.PackagePath, v.Url})
	}
	header := []string{"ID", "PACKAGE", "VERSION", "SEVERITY", "RISK", "FIX", "TYPE", "FEED GROUP", "PATH", "URL"}
	if slices.ContainsFunc(list, func(v client.ImagePackageVulnerability) bool { return v.AnnotationStatus != nil }) {
		header = append(header, "ANNOTATED AS")
		for i := range rows {
			rows[i] = append(rows[i], string(value(list[i].AnnotationStatus)))
		}
	}
	return table(w, header, rows)
}
