// Command plimsoll is the server: one program whose subcommands are the roles
// of an installation (api, worker, ui, migrate) and, for one machine,
// standalone, which is all of them at once.
//
// This is the only place where the parts are joined. Invariants: standard
// output carries what a command was asked for, standard error everything
// else; a role ends with status 0 after SIGTERM or SIGINT, with 1 on a fault.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"syscall"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM)
	// The first signal starts an orderly end; a second one ends at once.
	context.AfterFunc(ctx, stop)
	code := run(ctx, os.Args[1:], os.Environ(), os.Stdout, os.Stderr)
	stop()
	os.Exit(code)
}

// run executes one command line and returns the exit status.
func run(ctx context.Context, args, environ []string, stdout, stderr io.Writer) int {
	p := &program{environ: environ, stdout: stdout, stderr: stderr}
	root := p.command()
	root.SetArgs(args)
	root.SetOut(stdout)
	root.SetErr(stderr)
	err := root.ExecuteContext(ctx)
	if err == nil || ctx.Err() != nil && errors.Is(err, context.Canceled) {
		return 0
	}
	fmt.Fprintf(stderr, "plimsoll: %v\n", err)
	return 1
}
