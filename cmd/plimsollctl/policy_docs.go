package main

import (
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"plimsoll/engine/policy"
	"plimsoll/engine/policy/gates"
)

func newPolicyDocs() *cobra.Command {
	return &cobra.Command{
		Use: "docs [GATE]", Short: "Print the reference of the gates this client knows, in Markdown", Args: cobra.MaximumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			chosen := gates.All()
			if len(args) == 1 {
				chosen = nil
				var known []string
				for _, g := range gates.All() {
					known = append(known, g.Name)
					if strings.EqualFold(g.Name, args[0]) {
						chosen = append(chosen, g)
					}
				}
				if chosen == nil {
					return fmt.Errorf("there is no gate %s, there are: %s", args[0], strings.Join(known, ", "))
				}
			}
			_, err := fmt.Fprint(cmd.OutOrStdout(), policy.Reference(chosen))
			return err
		},
	}
}
