package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/spf13/cobra"

	"plimsoll/api/client"
)

func newRegistry(c *connection) *cobra.Command {
	cmd := &cobra.Command{Use: "registry", Short: "Manage registry credentials"}
	cmd.AddCommand(newRegistryPut(c, false), newRegistryPut(c, true), newRegistryList(c), newRegistryGet(c), newRegistryDelete(c))
	return cmd
}

func newRegistryPut(c *connection, update bool) *cobra.Command {
	var user, name, kind string
	var insecure, skipValidate, stdin bool
	use, short := "add REGISTRY", "Store the credential of a registry"
	if update {
		use, short = "update REGISTRY", "Replace the credential of a registry"
	}
	cmd := &cobra.Command{
		Use: use, Short: short, Args: cobra.ExactArgs(1),
		Long: "REGISTRY is a host, host:port, or host/repository with wildcards; the most specific entry wins.\n" +
			"The password comes from PLIMSOLL_REGISTRY_PASSWORD or, with --password-stdin, from standard input.",
		RunE: func(cmd *cobra.Command, args []string) error {
			password := os.Getenv("PLIMSOLL_REGISTRY_PASSWORD")
			if stdin {
				raw, err := io.ReadAll(io.LimitReader(cmd.InOrStdin(), 1<<20))
				if err != nil {
					return fmt.Errorf("read the password: %w", err)
				}
				password = strings.TrimRight(string(raw), "\r\n")
			}
			if password == "" {
				return errors.New("no password: set PLIMSOLL_REGISTRY_PASSWORD or use --password-stdin")
			}
			verify, validate := !insecure, !skipValidate
			body := client.RegistryConfigurationRequest{Registry: &args[0], RegistryUser: &user, RegistryPass: &password, RegistryType: &kind, RegistryVerify: &verify}
			if name != "" {
				body.RegistryName = &name
			}
			if update {
				r, err := ask(c.api.UpdateRegistryWithResponse(cmd.Context(), args[0], &client.UpdateRegistryParams{Validate: &validate}, body))
				if err != nil {
					return err
				}
				return c.registries(cmd, r.Body, *r.JSON200)
			}
			r, err := ask(c.api.CreateRegistryWithResponse(cmd.Context(), &client.CreateRegistryParams{Validate: &validate}, body))
			if err != nil {
				return err
			}
			return c.registries(cmd, r.Body, *r.JSON200)
		},
	}
	f := cmd.Flags()
	f.StringVar(&user, "user", "", "user name at the registry")
	f.StringVar(&name, "name", "", "name to show (default: the registry)")
	f.StringVar(&kind, "type", "docker_v2", "docker_v2 or awsecr")
	f.BoolVar(&insecure, "insecure", false, "do not verify the registry's certificate")
	f.BoolVar(&skipValidate, "skip-validate", false, "store it without logging in first")
	f.BoolVar(&stdin, "password-stdin", false, "read the password from standard input")
	_ = cmd.MarkFlagRequired("user")
	return cmd
}

func (c *connection) registries(cmd *cobra.Command, body []byte, list client.RegistryConfigurationList) error {
	return c.show(cmd, body, func(w io.Writer) error {
		var rows [][]string
		for _, r := range list {
			rows = append(rows, []string{r.Registry, r.RegistryName, r.RegistryUser, r.RegistryType, yes(r.RegistryVerify)})
		}
		return table(w, []string{"REGISTRY", "NAME", "USER", "TYPE", "VERIFY TLS"}, rows)
	})
}

func newRegistryList(c *connection) *cobra.Command {
	return &cobra.Command{
		Use: "list", Short: "List registry credentials", Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			r, err := ask(c.api.ListRegistriesWithResponse(cmd.Context(), &client.ListRegistriesParams{}))
			if err != nil {
				return err
			}
			return c.registries(cmd, r.Body, *r.JSON200)
		},
	}
}

func newRegistryGet(c *connection) *cobra.Command {
	return &cobra.Command{
		Use: "get REGISTRY", Short: "Show one registry credential, without its password", Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			r, err := ask(c.api.GetRegistryWithResponse(cmd.Context(), args[0], &client.GetRegistryParams{}))
			if err != nil {
				return err
			}
			return c.registries(cmd, r.Body, *r.JSON200)
		},
	}
}

func newRegistryDelete(c *connection) *cobra.Command {
	return &cobra.Command{
		Use: "delete REGISTRY", Aliases: []string{"del"}, Short: "Forget a registry credential", Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			_, err := ask(c.api.DeleteRegistryWithResponse(cmd.Context(), args[0], &client.DeleteRegistryParams{}))
			return err
		},
	}
}
