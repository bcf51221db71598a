package main

import (
	"errors"
	"io"
	"os"

	"github.com/spf13/cobra"

	"plimsoll/api/client"
)

func newAccount(c *connection) *cobra.Command {
	cmd := &cobra.Command{Use: "account", Short: "See and add accounts and their users"}
	cmd.AddCommand(newWhoami(c), newAccountList(c), newAccountAdd(c), newUser(c))
	return cmd
}

func newWhoami(c *connection) *cobra.Command {
	return &cobra.Command{
		Use: "whoami", Short: "Show the user and the account commands act in", Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			user, err := ask(c.api.GetOwnUserWithResponse(cmd.Context()))
			if err != nil {
				return err
			}
			account := user.JSON200.AccountName
			if c.Account != "" {
				account = c.Account
			}
			return c.show(cmd, user.Body, func(w io.Writer) error {
				return facts(w, "User", user.JSON200.Username, "Account", account)
			})
		},
	}
}

func newAccountList(c *connection) *cobra.Command {
	return &cobra.Command{
		Use: "list", Short: "List accounts", Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			r, err := ask(c.api.ListAccountsWithResponse(cmd.Context(), &client.ListAccountsParams{}))
			if err != nil {
				return err
			}
			return c.show(cmd, r.Body, func(w io.Writer) error { return writeAccounts(w, *r.JSON200) })
		},
	}
}

func newAccountAdd(c *connection) *cobra.Command {
	var email string
	cmd := &cobra.Command{
		Use: "add NAME", Short: "Add an account", Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			body := client.AccountCreationRequest{Name: args[0]}
			if email != "" {
				body.Email = &email
			}
			r, err := ask(c.api.CreateAccountWithResponse(cmd.Context(), body))
			if err != nil {
				return err
			}
			return c.show(cmd, r.Body, func(w io.Writer) error { return writeAccounts(w, []client.Account{*r.JSON200}) })
		},
	}
	cmd.Flags().StringVar(&email, "email", "", "address of whoever is responsible")
	return cmd
}

func writeAccounts(w io.Writer, accounts []client.Account) error {
	rows := make([][]string, 0, len(accounts))
	for _, a := range accounts {
		rows = append(rows, []string{a.Name, value(a.Email), a.Type, a.State, moment(a.CreatedAt)})
	}
	return table(w, []string{"ACCOUNT", "EMAIL", "TYPE", "STATE", "CREATED"}, rows)
}

func newUser(c *connection) *cobra.Command {
	cmd := &cobra.Command{Use: "user", Short: "Add users and give them roles"}
	var role string
	add := &cobra.Command{
		Use: "add ACCOUNT NAME", Short: "Add a user; the password comes from PLIMSOLL_NEW_PASSWORD", Args: cobra.ExactArgs(2),
		RunE: func(cmd *cobra.Command, args []string) error {
			password := os.Getenv("PLIMSOLL_NEW_PASSWORD")
			if password == "" {
				return errors.New("no password: set PLIMSOLL_NEW_PASSWORD")
			}
			_, err := ask(c.api.CreateUserWithResponse(cmd.Context(), args[0], client.UserCreationRequest{Username: args[1], Password: password}))
			if err != nil || role == "" {
				return err
			}
			_, err = ask(c.api.CreateRoleMemberWithResponse(cmd.Context(), role, client.RbacManagerRoleMember{Username: args[1], DomainName: &args[0]}))
			return err
		},
	}
	add.Flags().StringVar(&role, "role", "", "role to give in the account, for example full-control or read-only")
	cmd.AddCommand(add)
	return cmd
}
