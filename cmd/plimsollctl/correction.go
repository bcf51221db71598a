package main

import (
	"fmt"
	"io"
	"strings"

	"github.com/spf13/cobra"

	"plimsoll/api/client"
)

func newCorrection(c *connection) *cobra.Command {
	cmd := &cobra.Command{
		Use: "correction", Aliases: []string{"corrections"}, Short: "Correct what was found of packages",
		Long: "A correction names packages by their type and fields, and says what some of their fields should be. Vulnerabilities are then looked up\n" +
			"by the corrected fields, in this account alone.",
	}
	cmd.AddCommand(newCorrectionAdd(c), newCorrectionUpdate(c), newCorrectionList(c), newCorrectionGet(c), newCorrectionDelete(c))
	return cmd
}

// correctionFlags are the parts of a rule on the command line.
type correctionFlags struct {
	kind, description string
	match, replace    []string
}

func (f *correctionFlags) register(cmd *cobra.Command) {
	flags := cmd.Flags()
	flags.StringVar(&f.kind, "type", "", "type of the packages: java, npm, ..., or os for those of package databases")
	flags.StringArrayVarP(&f.match, "match", "m", nil, "field=value the packages have; repeat for more (package, version, purl, cpes, source, source_version)")
	flags.StringArrayVarP(&f.replace, "replace", "r", nil, "field=value to put in its place; values may quote {package} and {version}; repeat for more")
	flags.StringVar(&f.description, "description", "", "note for people")
	_ = cmd.MarkFlagRequired("type")
	_ = cmd.MarkFlagRequired("replace")
}

func (f *correctionFlags) request() (client.CorrectionRequest, error) {
	match, err := fieldsOf("match", f.match)
	if err != nil {
		return client.CorrectionRequest{}, err
	}
	replace, err := fieldsOf("replace", f.replace)
	return client.CorrectionRequest{
		Type: client.Package, Description: &f.description, Match: client.CorrectionMatch{Type: f.kind, FieldMatches: match}, Replace: replace,
	}, err
}

func fieldsOf(flag string, pairs []string) ([]client.CorrectionField, error) {
	out := []client.CorrectionField{}
	for _, pair := range pairs {
		name, value, ok := strings.Cut(pair, "=")
		if !ok {
			return nil, fmt.Errorf("--%s %q: write it as field=value", flag, pair)
		}
		out = append(out, client.CorrectionField{FieldName: name, FieldValue: value})
	}
	return out, nil
}

func newCorrectionAdd(c *connection) *cobra.Command {
	var f correctionFlags
	cmd := &cobra.Command{
		Use: "add", Short: "Add a correction", Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			body, err := f.request()
			if err != nil {
				return err
			}
			r, err := ask(c.api.AddCorrectionWithResponse(cmd.Context(), &client.AddCorrectionParams{}, body))
			if err != nil {
				return err
			}
			return c.corrections(cmd, r.Body, *r.JSON200)
		},
	}
	f.register(cmd)
	cmd.Example = "  plimsollctl correction add --type java --match package=catalina --replace 'cpes=cpe:2.3:a:apache:tomcat:{version}:*:*:*:*:*:*:*'"
	return cmd
}

func newCorrectionUpdate(c *connection) *cobra.Command {
	var f correctionFlags
	cmd := &cobra.Command{
		Use: "update UUID", Short: "Replace a correction", Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			body, err := f.request()
			if err != nil {
				return err
			}
			r, err := ask(c.api.UpdateCorrectionWithResponse(cmd.Context(), args[0], &client.UpdateCorrectionParams{}, body))
			if err != nil {
				return err
			}
			return c.corrections(cmd, r.Body, *r.JSON200)
		},
	}
	f.register(cmd)
	return cmd
}

func newCorrectionList(c *connection) *cobra.Command {
	return &cobra.Command{
		Use: "list", Short: "List corrections in the order in which they apply", Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			r, err := ask(c.api.ListCorrectionsWithResponse(cmd.Context(), &client.ListCorrectionsParams{}))
			if err != nil {
				return err
			}
			return c.corrections(cmd, r.Body, *r.JSON200...)
		},
	}
}

func newCorrectionGet(c *connection) *cobra.Command {
	return &cobra.Command{
		Use: "get UUID", Short: "Show a correction", Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			r, err := ask(c.api.GetCorrectionWithResponse(cmd.Context(), args[0], &client.GetCorrectionParams{}))
			if err != nil {
				return err
			}
			return c.corrections(cmd, r.Body, *r.JSON200)
		},
	}
}

func newCorrectionDelete(c *connection) *cobra.Command {
	return &cobra.Command{
		Use: "delete UUID", Aliases: []string{"del"}, Short: "Delete a correction", Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			_, err := ask(c.api.DeleteCorrectionWithResponse(cmd.Context(), args[0], &client.DeleteCorrectionParams{}))
			return err
		},
	}
}

func (c *connection) corrections(cmd *cobra.Command, body []byte, list ...client.Correction) error {
	return c.show(cmd, body, func(w io.Writer) error {
		rows := make([][]string, 0, len(list))
		for _, one := range list {
			rows = append(rows, []string{
				one.Uuid, one.Match.Type, pairsOf(one.Match.FieldMatches), pairsOf(one.Replace), moment(one.LastUpdated), one.Description,
			})
		}
		return table(w, []string{"UUID", "TYPE", "MATCH", "REPLACE", "UPDATED", "DESCRIPTION"}, rows)
	})
}

func pairsOf(fields []client.CorrectionField) string {
	out := make([]string, len(fields))
	for i, f := range fields {
		out[i] = f.FieldName + "=" + f.FieldValue
	}
	return strings.Join(out, " ")
}
