package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/spf13/cobra"

	"plimsoll/api/client"
)

func newSystem(c *connection) *cobra.Command {
	cmd := &cobra.Command{Use: "system", Short: "See how the installation is doing"}
	errorCodes := &cobra.Command{
		Use: "error-codes", Short: "List the error codes the API uses", Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			r, err := ask(c.api.ListErrorCodesWithResponse(cmd.Context()))
			if err != nil {
				return err
			}
			return c.show(cmd, r.Body, func(w io.Writer) error {
				var rows [][]string
				for _, code := range *r.JSON200 {
					rows = append(rows, []string{code.Name, code.Description})
				}
				return table(w, []string{"CODE", "MEANING"}, rows)
			})
		},
	}
	cmd.AddCommand(newSystemStatus(c), newSystemWait(c), errorCodes)
	return cmd
}

func newSystemStatus(c *connection) *cobra.Command {
	return &cobra.Command{
		Use: "status", Short: "List services and whether they are up", Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			r, err := ask(c.api.GetSystemWithResponse(cmd.Context()))
			if err != nil {
				return err
			}
			return c.show(cmd, r.Body, func(w io.Writer) error {
				var rows [][]string
				for _, s := range r.JSON200.ServiceStates {
					rows = append(rows, []string{s.ServiceName, s.HostId, s.BaseUrl, s.StatusMessage, s.Version, s.ServiceDetail.DbVersion})
				}
				return table(w, []string{"SERVICE", "HOST", "URL", "STATUS", "VERSION", "SCHEMA"}, rows)
			})
		},
	}
}

// requiredServices must be up for an image to be analysed.
var requiredServices = []string{"catalog", "policy_engine", "simplequeue", "analyzer", "api"}

func newSystemWait(c *connection) *cobra.Command {
	var timeout, interval time.Duration
	var feeds bool
	cmd := &cobra.Command{
		Use: "wait", Short: "Wait until every service is up", Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			ctx := cmd.Context()
			if timeout > 0 {
				var cancel context.CancelFunc
				ctx, cancel = context.WithTimeout(ctx, timeout)
				defer cancel()
			}
			tick := time.NewTicker(max(interval, 100*time.Millisecond))
			defer tick.Stop()
			for {
				missing := c.notReady(ctx, feeds)
				if missing == nil {
					fmt.Fprintln(cmd.ErrOrStderr(), "ready")
					return nil
				}
				var failure *client.FailureError
				if errors.As(missing, &failure) && failure.Status == 401 {
					return missing
				}
				select {
				case <-ctx.Done():
					return fmt.Errorf("not ready: %w", missing)
				case <-tick.C:
				}
			}
		},
	}
	cmd.Flags().DurationVar(&timeout, "timeout", 0, "give up after this time (0: never)")
	cmd.Flags().DurationVar(&interval, "interval", time.Second, "how often to ask")
	cmd.Flags().BoolVar(&feeds, "feeds-ready", false, "also wait until every enabled feed group has data")
	return cmd
}

// notReady says what is still missing, or nil.
func (c *connection) notReady(ctx context.Context, feeds bool) error {
	r, err := ask(c.api.GetSystemWithResponse(ctx))
	if err != nil {
		return err
	}
	up := map[string]bool{}
	for _, s := range r.JSON200.ServiceStates {
		up[s.ServiceName] = up[s.ServiceName] || s.ServiceDetail.Up
	}
	for _, name := range requiredServices {
		if !up[name] {
			return fmt.Errorf("service %s is not up", name)
		}
	}
	if !feeds {
		return nil
	}
	f, err := ask(c.api.ListFeedsWithResponse(ctx))
	if err != nil {
		return err
	}
	if !feedsReady(*f.JSON200) {
		return errors.New("a feed group has no data yet")
	}
	return nil
}
