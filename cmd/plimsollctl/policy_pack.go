package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"

	"github.com/spf13/cobra"

	"plimsoll/api/client"
	"plimsoll/engine/policy/packs"
)

func newPolicyPack(c *connection) *cobra.Command {
	cmd := &cobra.Command{Use: "pack", Short: "Policies that come with this client, ready to use"}
	cmd.AddCommand(newPackList(c), newPackShow(), newPackInstall(c))
	return cmd
}

func newPackList(c *connection) *cobra.Command {
	return &cobra.Command{
		Use: "list", Short: "List the packs", Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			all, err := packs.All()
			if err != nil {
				return err
			}
			return c.showValue(cmd, all, func(w io.Writer) error {
				rows := make([][]string, len(all))
				for i, p := range all {
					rows[i] = []string{p.Name, p.Title, p.Description}
				}
				return table(w, []string{"PACK", "NAME", "WHAT IT ASKS FOR"}, rows)
			})
		},
	}
}

func newPackShow() *cobra.Command {
	var tests bool
	cmd := &cobra.Command{
		Use: "show PACK", Short: "Print a pack's policy in YAML, or its tests: a start for your own", Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			if _, err := pack(args[0]); err != nil {
				return err
			}
			document, cases, err := packs.Files(args[0])
			if err != nil {
				return err
			}
			if tests {
				document = cases
			}
			_, err = cmd.OutOrStdout().Write(document)
			return err
		},
	}
	cmd.Flags().BoolVar(&tests, "tests", false, "print the tests")
	return cmd
}

func newPackInstall(c *connection) *cobra.Command {
	var activate, update bool
	cmd := &cobra.Command{
		Use: "install PACK", Short: "Store a pack's policy in the account", Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			p, err := pack(args[0])
			if err != nil {
				return err
			}
			return c.install(cmd, p.Document, update, activate)
		},
	}
	installFlags(cmd, &activate, &update)
	return cmd
}

func installFlags(cmd *cobra.Command, activate, update *bool) {
	cmd.Flags().BoolVar(activate, "activate", false, "make it the active policy; try it before: plimsollctl policy what-if")
	cmd.Flags().BoolVar(update, "update", false, "replace the policy with the same id, with all changes that were made to it")
}

func pack(name string) (packs.Pack, error) {
	all, err := packs.All()
	if err != nil {
		return packs.Pack{}, err
	}
	var known []string
	for _, p := range all {
		if p.Name == name {
			return p, nil
		}
		known = append(known, p.Name)
	}
	return packs.Pack{}, fmt.Errorf("there is no pack %s, there are: %s", name, strings.Join(known, ", "))
}

// install stores a document, and replaces or activates it if asked to.
func (c *connection) install(cmd *cobra.Command, document json.RawMessage, update, activate bool) error {
	added, err := ask(c.api.AddPolicyWithResponse(cmd.Context(), &client.AddPolicyParams{}, document))
	var refused *client.FailureError
	switch {
	case err == nil && !activate:
		return c.show(cmd, added.Body, func(w io.Writer) error { return writePolicies(w, []client.PolicyRecord{*added.JSON200}) })
	case err == nil:
		return c.activate(cmd, added.JSON200, document)
	case !errors.As(err, &refused) || refused.Status != http.StatusConflict:
		return withFaults(err)
	case !update:
		return fmt.Errorf("%w; --update replaces it", err)
	}
	var named struct{ ID string }
	if err := json.Unmarshal(document, &named); err != nil {
		return fmt.Errorf("read the policy: %w", err)
	}
	record, err := c.policy(cmd, named.ID)
	if err != nil {
		return err
	}
	record.Policy = document
	if activate {
		return c.activate(cmd, record, document)
	}
	return c.putPolicy(cmd, record, nil)
}

func (c *connection) activate(cmd *cobra.Command, record *client.PolicyRecord, document json.RawMessage) error {
	active := true
	record.Active, record.Policy = true, document
	return c.putPolicy(cmd, record, &active)
}
