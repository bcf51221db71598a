package main

import (
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/spf13/cobra"

	"plimsoll/engine/sbom"
	"plimsoll/internal/source"
)

func newSBOM(c *connection) *cobra.Command {
	cmd := &cobra.Command{Use: "sbom", Short: "Analyse images on this machine, without a server"}
	cmd.AddCommand(newSBOMCreate(c))
	return cmd
}

func newSBOMCreate(c *connection) *cobra.Command {
	var file, platform, tag string
	cmd := &cobra.Command{
		Use: "create SOURCE", Short: "Print the bill of materials of an image on this machine", Args: cobra.ExactArgs(1),
		Long: "SOURCE is one of " + strings.Join(source.Schemes(), ", ") + ".\n\nThe document is the native one (Syft's JSON); `image add TAG --from FILE` imports it. With -o text a list of packages is printed.",
		RunE: func(cmd *cobra.Command, args []string) error {
			found, err := analyzeLocal(cmd.Context(), args[0], source.Options{Tag: tag, Platform: platform}, nil, cmd.ErrOrStderr())
			if err != nil {
				return err
			}
			if file != "" {
				if err := os.WriteFile(file, found.document, 0o600); err != nil {
					return fmt.Errorf("write the bill of materials: %w", err)
				}
				fmt.Fprintln(cmd.ErrOrStderr(), "written to", file)
				return nil
			}
			if !cmd.Flags().Changed("output") {
				return printJSON(cmd.OutOrStdout(), found.document)
			}
			return c.show(cmd, found.document, func(w io.Writer) error { return packageTable(w, found.document) })
		},
	}
	f := cmd.Flags()
	f.StringVar(&file, "file", "", "write here instead of standard output")
	f.StringVar(&platform, "platform", "", "platform to take from an index: os/architecture[/variant]")
	f.StringVar(&tag, "tag", "", "image to take from an archive that holds several")
	return cmd
}

func packageTable(w io.Writer, document []byte) error {
	d, err := sbom.Decode(document, sbom.Limits{})
	if err != nil {
		return err
	}
	rows := make([][]string, 0, len(d.Packages))
	for _, p := range d.Packages {
		rows = append(rows, []string{p.Name, p.Version, p.Type, p.Location})
	}
	return table(w, []string{"NAME", "VERSION", "TYPE", "LOCATION"}, rows)
}
