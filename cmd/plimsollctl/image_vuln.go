package main

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/spf13/cobra"

	"plimsoll/api/client"
)

func newImageVuln(c *connection) *cobra.Command {
	var vendorOnly bool
	var asOf, sort string
	var export vulnExport
	cmd := &cobra.Command{
		Use: "vuln IMAGE [all|os|non-os]", Aliases: []string{"vulnerabilities"}, Args: cobra.RangeArgs(1, 2),
		Short: "List the vulnerabilities of an image",
		RunE: func(cmd *cobra.Command, args []string) error {
			kind := "all"
			if len(args) == 2 {
				kind = args[1]
			}
			if err := export.check(); err != nil {
				return err
			}
			order := client.GetImageVulnerabilitiesParamsSort(sort)
			params := client.GetImageVulnerabilitiesParams{VendorOnly: &vendorOnly, Sort: &order, IncludeSuppressed: &export.suppressed}
			var err error
			if params.AsOf, err = timeFlag("as-of", asOf, time.Now()); err != nil {
				return err
			}
			image, err := c.find(cmd.Context(), args[0])
			if err != nil {
				return err
			}
			if export.disclosure() {
				if params.AsOf != nil {
					return errors.New("--as-of: CycloneDX tells what is known now")
				}
				return export.disclose(cmd, c, image.ImageDigest, kind, vendorOnly)
			}
			r, err := ask(c.api.GetImageVulnerabilitiesWithResponse(cmd.Context(), image.ImageDigest, client.GetImageVulnerabilitiesParamsVulnType(kind), &params))
			if err != nil {
				return err
			}
			if export.format == vulnCSV {
				var text bytes.Buffer
				if err := writeVulnerabilityCSV(&text, r.JSON200.Vulnerabilities); err != nil {
					return err
				}
				return save(cmd, text.Bytes(), export.file)
			}
			return c.show(cmd, r.Body, func(w io.Writer) error {
				if err := writeSupport(w, r.JSON200.DistroSupport); err != nil {
					return err
				}
				return writeVulnerabilities(w, r.JSON200.Vulnerabilities)
			})
		},
	}
	cmd.Flags().BoolVar(&vendorOnly, "vendor-only", true, "leave out what the distribution will not fix")
	cmd.Flags().StringVar(&sort, "sort", "severity", "what comes first: severity, or risk (severity times likelihood)")
	export.flags(cmd)
	cmd.Flags().StringVar(&asOf, "as-of", "", "what was known then: a date, a time (RFC 3339) or how long ago, such as 36h")
	return cmd
}

// writeSupport warns where a distribution's release gets no fixes any more.
func writeSupport(w io.Writer, s *client.DistroSupport) error {
	if s == nil || s.State == client.Supported {
		return nil
	}
	since := ""
	if s.EndOfLife != nil {
		since = ", since " + s.EndOfLife.UTC().Format(time.DateOnly)
	}
	text := "gets no security fixes any more"
	if s.State == client.Extended {
		text = "gets security fixes by extended support only"
		if s.EndOfExtendedSupport != nil {
			since += " and until " + s.EndOfExtendedSupport.UTC().Format(time.DateOnly)
		}
	}
	_, err := fmt.Fprintf(w, "%s %s %s%s\n\n", printable(s.Product), printable(s.Release), text, since)
	return err
}

// timeFlag reads a flag that names a time; nil where it was not given.
func timeFlag(flag, text string, now time.Time) (*time.Time, error) {
	if text == "" {
		return nil, nil
	}
	if ago, err := time.ParseDuration(text); err == nil && ago >= 0 {
		return new(now.Add(-ago)), nil
	}
	for _, layout := range []string{time.RFC3339, time.DateTime, time.DateOnly} {
		if at, err := time.ParseInLocation(layout, text, time.Local); err == nil {
			return &at, nil
		}
	}
	return nil, fmt.Errorf("--%s %q: give a date (2026-01-31), a time (2026-01-31T12:00:00Z) or how long ago (36h)", flag, text)
}

func newImageChanges(c *connection) *cobra.Command {
	var since, until string
	var generation int64
	cmd := &cobra.Command{
		Use: "changes IMAGE", Short: "Show how the vulnerabilities of an image changed", Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			var params client.GetImageVulnerabilityChangesParams
			var err error
			now := time.Now()
			if params.Since, err = timeFlag("since", since, now); err != nil {
				return err
			}
			if params.Until, err = timeFlag("until", until, now); err != nil {
				return err
			}
			if generation != 0 {
				params.Generation = &generation
			}
			image, err := c.find(cmd.Context(), args[0])
			if err != nil {
				return err
			}
			r, err := ask(c.api.GetImageVulnerabilityChangesWithResponse(cmd.Context(), image.ImageDigest, &params))
			if err != nil {
				return err
			}
			return c.show(cmd, r.Body, func(w io.Writer) error { return writeChanges(w, r.JSON200) })
		},
	}
	cmd.Flags().StringVar(&since, "since", "", "compare with what was known then: a date, a time (RFC 3339) or how long ago (default: a day)")
	cmd.Flags().StringVar(&until, "until", "", "what was known then, instead of now")
	cmd.Flags().Int64Var(&generation, "generation", 0, "what this generation of the feeds changed, instead of times")
	return cmd
}

func writeChanges(w io.Writer, list *client.VulnerabilityChanges) error {
	var rows [][]string
	for _, part := range []struct {
		kind    string
		changes []client.VulnerabilityChange
	}{{"added", list.Added}, {"updated", list.Updated}, {"removed", list.Removed}} {
		for _, c := range part.changes {
			rows = append(rows, []string{
				part.kind, c.Vuln, c.PackageName, c.PackageVersion, moved(c.PreviousSeverity, c.Severity), moved(c.PreviousFix, c.Fix), c.Cause,
				c.ChangedAt.Local().Format(time.DateTime),
			})
		}
	}
	return table(w, []string{"CHANGE", "ID", "PACKAGE", "VERSION", "SEVERITY", "FIX", "CAUSE", "WHEN"}, rows)
}

// moved shows a value that may have changed.
func moved(before, after *string) string {
	switch {
	case before == nil && after == nil:
		return ""
	case before == nil:
		return *after
	case after == nil || *before == *after:
		return *before
	}
	return *before + " -> " + *after
}

func newImageExplain(c *connection) *cobra.Command {
	var name string
	cmd := &cobra.Command{
		Use: "explain IMAGE VULNERABILITY", Short: "Say why an image has a vulnerability, or has not", Args: cobra.ExactArgs(2),
		RunE: func(cmd *cobra.Command, args []string) error {
			image, err := c.find(cmd.Context(), args[0])
			if err != nil {
				return err
			}
			r, err := ask(c.api.ExplainImageVulnerabilityWithResponse(cmd.Context(), image.ImageDigest, args[1],
				&client.ExplainImageVulnerabilityParams{Package: optional(name)}))
			if err != nil {
				return err
			}
			return c.show(cmd, r.Body, func(w io.Writer) error { return writeExplanation(w, r.JSON200) })
		},
	}
	cmd.Flags().StringVar(&name, "package", "", "only packages of this name")
	return cmd
}

func writeExplanation(w io.Writer, e *client.VulnerabilityExplanation) error {
	if len(e.Packages) == 0 {
		_, err := fmt.Fprintf(w, "Nothing known under the name %s is about a package of this image.\n", e.Vuln)
		return err
	}
	for i, p := range e.Packages {
		if i > 0 {
			if _, err := fmt.Fprintln(w); err != nil {
				return err
			}
		}
		if _, err := fmt.Fprintf(w, "%s\n  %s\n", p.Purl, p.Reason); err != nil {
			return err
		}
		for _, l := range p.Locations {
			if l.Path == "" && l.Layer == nil {
				continue
			}
			if _, err := fmt.Fprintf(w, "  found at %s %s\n", l.Path, shown(l.Layer)); err != nil {
				return err
			}
		}
		var rows [][]string
		for _, s := range p.Statements {
			decides := ""
			if s.Decides {
				decides = "*"
			}
			rows = append(rows, []string{decides, s.Vuln, s.Source, s.FeedGroup, s.PackageName, shown(s.Range), shown(s.ComparedVersion), s.Outcome, s.Severity})
		}
		if err := table(w, []string{"", "ID", "SOURCE", "FEED GROUP", "PACKAGE", "RANGE", "VERSION", "OUTCOME", "SEVERITY"}, rows); err != nil {
			return err
		}
	}
	return nil
}

func shown(text *string) string {
	if text == nil {
		return ""
	}
	return *text
}
