package main

import (
	"encoding/csv"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"plimsoll/api/client"
)

// Formats of a list of vulnerabilities: what people read, and documents.
const (
	vulnTable        = "table"
	vulnCSV          = "csv"
	vulnCycloneDX    = "cyclonedx-json"
	vulnCycloneDXXML = "cyclonedx-xml"
)

var vulnFormats = []string{vulnTable, vulnCSV, vulnCycloneDX, vulnCycloneDXXML}

// vulnExport are the flags that shape a list of vulnerabilities.
type vulnExport struct {
	format, file          string
	suppressed, annotated bool
}

func (e *vulnExport) flags(cmd *cobra.Command) {
	f := cmd.Flags()
	f.StringVar(&e.format, "format", vulnTable, strings.Join(vulnFormats, ", "))
	f.StringVar(&e.file, "file", "", "write documents here instead of standard output")
	f.BoolVar(&e.suppressed, "include-suppressed", true, "list what is annotated as not_affected or fixed, too")
	f.BoolVar(&e.annotated, "annotation-detail", false, "in CycloneDX, tell what is said about each vulnerability")
}

func (e *vulnExport) check() error {
	if !slices.Contains(vulnFormats, e.format) {
		return fmt.Errorf("format %q: it is one of %s", e.format, strings.Join(vulnFormats, ", "))
	}
	return nil
}

// disclosure reports whether the server writes the format.
func (e *vulnExport) disclosure() bool {
	return e.format == vulnCycloneDX || e.format == vulnCycloneDXXML
}

// disclose fetches a vulnerability report.
func (e *vulnExport) disclose(cmd *cobra.Command, c *connection, digest, kind string, vendorOnly bool) error {
	var body []byte
	var err error
	if e.format == vulnCycloneDX {
		body, err = document(c.api.GetImageVulnerabilitiesCyclonedxWithResponse(cmd.Context(), digest, client.GetImageVulnerabilitiesCyclonedxParamsVulnType(kind),
			&client.GetImageVulnerabilitiesCyclonedxParams{VendorOnly: &vendorOnly, IncludeSuppressed: &e.suppressed, IncludeAnnotationDetail: &e.annotated}))
	} else {
		body, err = document(c.api.GetImageVulnerabilitiesCyclonedxXmlWithResponse(cmd.Context(), digest, client.GetImageVulnerabilitiesCyclonedxXmlParamsVulnType(kind),
			&client.GetImageVulnerabilitiesCyclonedxXmlParams{VendorOnly: &vendorOnly, IncludeSuppressed: &e.suppressed, IncludeAnnotationDetail: &e.annotated}))
	}
	if err != nil {
		return err
	}
	return save(cmd, body, e.file)
}

// writeVulnerabilityCSV writes a list for spreadsheets. A cell that one would take for a formula is written as a text.
func writeVulnerabilityCSV(w io.Writer, list []client.ImagePackageVulnerability) error {
	out := csv.NewWriter(w)
	rows := [][]string{{"Vulnerability ID", "Package", "Version", "Severity", "Fix", "Type", "Feed Group", "Package Path", "URL", "Annotation Status"}}
	for _, v := range list {
		row := []string{v.Vuln, v.PackageName, v.PackageVersion, v.Severity, v.Fix, v.PackageType, v.FeedGroup, v.PackagePath, v.Url, string(value(v.AnnotationStatus))}
		for i, cell := range row {
			if cell != "" && strings.ContainsRune("=+-@\t\r", rune(cell[0])) {
				row[i] = "'" + cell
			}
		}
		rows = append(rows, row)
	}
	return out.WriteAll(rows)
}
