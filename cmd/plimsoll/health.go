package main

import (
	"context"
	"fmt"
	"net/http"
	"time"

	"github.com/spf13/cobra"
)

// healthTimeout is below the timeout of the probes that run this command.
const healthTimeout = 4 * time.Second

// healthCommand serves container images, which hold no other program that
// could ask a role how it is.
func (p *program) healthCommand() *cobra.Command {
	var address string
	cmd := &cobra.Command{
		Use: "health", Short: "Ask a running role whether it is ready", Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return askHealth(cmd.Context(), address) },
	}
	cmd.Flags().StringVar(&address, "url", "http://127.0.0.1:8228/ready", "address to ask")
	return cmd
}

// askHealth succeeds when the address answers 200.
func askHealth(ctx context.Context, address string) error {
	ctx, cancel := context.WithTimeout(ctx, healthTimeout)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, address, nil)
	if err != nil {
		return fmt.Errorf("ask %s: %w", address, err)
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		return fmt.Errorf("ask %s: %w", address, err)
	}
	defer res.Body.Close()
	if res.StatusCode != http.StatusOK {
		return fmt.Errorf("%s is not ready: it answers %s", address, res.Status)
	}
	return nil
}
