package main

import (
	"encoding/json"
	"fmt"
	"io"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"plimsoll/api/client"
)

func newImageCancel(c *connection) *cobra.Command {
	return &cobra.Command{
		Use: "cancel IMAGE", Short: "Cancel the queued or running analysis of an image", Args: cobra.ExactArgs(1),
		Long: "The image stays, not analysed, until it is submitted again. What an earlier analysis found stays, too.",
		RunE: func(cmd *cobra.Command, args []string) error {
			image, err := c.find(cmd.Context(), args[0])
			if err != nil {
				return err
			}
			r, err := ask(c.api.CancelImageAnalysisWithResponse(cmd.Context(), image.ImageDigest, &client.CancelImageAnalysisParams{}))
			if err != nil {
				return err
			}
			return c.showImage(cmd, r.JSON200)
		},
	}
}

func newImageAnalysis(c *connection) *cobra.Command {
	return &cobra.Command{
		Use: "analysis IMAGE", Short: "Show how an image's analysis came to be and what it could not read", Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			image, err := c.find(cmd.Context(), args[0])
			if err != nil {
				return err
			}
			r, err := ask(c.api.GetImageAnalysisWithResponse(cmd.Context(), image.ImageDigest, &client.GetImageAnalysisParams{}))
			if err != nil {
				return err
			}
			return c.show(cmd, r.Body, func(w io.Writer) error { return writeAnalysis(w, r.JSON200) })
		},
	}
}

func writeAnalysis(w io.Writer, a *client.ImageAnalysis) error {
	lines := []string{
		"Image digest", a.ImageDigest, "Image id", a.ImageId, "Analyzer set", a.AnalyzerSet, "Content made", moment(a.ContentCreatedAt),
	}
	if run := a.Run; run != nil {
		lines = append(lines,
			"Started", moment(run.StartedAt), "Ended", moment(run.EndedAt), "Worker", run.HostId, "Version", run.Version,
			"Setup digest", run.SetupDigest, "Layers", fmt.Sprintf("%d, of which %d reused", run.Layers, run.LayersReused),
			"Bytes read", strconv.FormatInt(run.BytesRead, 10))
	}
	if names := analyzerNames(a.Setup); names != "" {
		lines = append(lines, "Analyzers", names)
	}
	if err := facts(w, lines...); err != nil {
		return err
	}
	fmt.Fprintln(w)
	rows := make([][]string, 0, len(a.Layers))
	for _, l := range a.Layers {
		rows = append(rows, []string{l.Digest, strconv.FormatInt(l.Size, 10), moment(value(l.AnalyzedAt)), value(l.HostId), value(l.Version)})
	}
	if err := table(w, []string{"LAYER", "SIZE", "READ", "WORKER", "VERSION"}, rows); err != nil {
		return err
	}
	fmt.Fprintln(w)
	if len(a.Incomplete) == 0 {
		_, err := fmt.Fprintln(w, "Everything in the image could be read.")
		return err
	}
	rows = rows[:0]
	for _, i := range a.Incomplete {
		rows = append(rows, []string{i.Path, i.Analyzer, i.Reason, i.Detail})
	}
	return table(w, []string{"NOT READ COMPLETELY", "ANALYZER", "REASON", "DETAIL"}, rows)
}

// analyzerNames reads name and version of each analyzer out of the setup document.
func analyzerNames(setup *map[string]any) string {
	raw, err := json.Marshal(setup)
	if err != nil {
		return ""
	}
	var of struct {
		Analyzers []struct {
			Name    string `json:"name"`
			Version int    `json:"version"`
		} `json:"analyzers"`
	}
	if json.Unmarshal(raw, &of) != nil {
		return ""
	}
	names := make([]string, 0, len(of.Analyzers))
	for _, a := range of.Analyzers {
		names = append(names, a.Name+"@"+strconv.Itoa(a.Version))
	}
	return strings.Join(names, " ")
}

// warnIncomplete says on standard error that an answer rests on an analysis which could not read everything. It
// stays out of the way of programs that read standard output.
func warnIncomplete(w io.Writer, image *client.AnchoreImage) {
	if i := image.AnalysisIncomplete; i != nil {
		fmt.Fprintf(w, "Warning: the analysis of this image is incomplete: %d of its files or databases could not be read, so packages and vulnerabilities may be missing. See: plimsollctl image analysis %s\n",
			i.Count, image.ImageDigest)
	}
}

func (c *connection) summary(cmd *cobra.Command, digest string) error {
	r, err := ask(c.api.GetImageContentSummaryWithResponse(cmd.Context(), digest, &client.GetImageContentSummaryParams{}))
	if err != nil {
		return err
	}
	return c.show(cmd, r.Body, func(w io.Writer) error {
		rows := make([][]string, 0, len(r.JSON200.Items))
		for _, item := range r.JSON200.Items {
			rows = append(rows, []string{item.ContentType, strconv.Itoa(item.Count)})
		}
		return table(w, []string{"TYPE", "COUNT"}, rows)
	})
}

func (c *connection) licenses(cmd *cobra.Command, digest string) error {
	r, err := ask(c.api.GetImageLicensesWithResponse(cmd.Context(), digest, &client.GetImageLicensesParams{}))
	if err != nil {
		return err
	}
	return c.show(cmd, r.Body, func(w io.Writer) error {
		rows := make([][]string, 0, len(r.JSON200.Items))
		for _, p := range r.JSON200.Items {
			var stated, spdx []string
			for _, l := range p.Licenses {
				stated = append(stated, l.License)
				if e := value(l.SpdxExpression); e != "" {
					spdx = append(spdx, e)
				}
			}
			rows = append(rows, []string{p.Package, p.Version, p.Type, strings.Join(spdx, ", "), strings.Join(stated, ", "), p.Source})
		}
		return table(w, []string{"PACKAGE", "VERSION", "TYPE", "SPDX", "STATED", "SOURCE"}, rows)
	})
}
