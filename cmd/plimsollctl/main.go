// Plimsollctl is the command line client of Plimsoll. It speaks to the API and to no other part of
// the server, and it analyses images that lie on this machine with the engine the server has.
//
// Data goes to standard output, everything said to a person to standard error. Exit codes: 0 success, 1 the
// request was refused or the policy check failed, 2 wrong usage, no login, a broken server or no connection.
package main

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"os/signal"
	"syscall"

	"plimsoll/api/client"
)

// Exit codes scripts rely on.
const (
	exitRefused = 1
	exitTrouble = 2
)

// errVerdict ends a command whose answer was printed and whose policy verdict is fail.
var errVerdict = errors.New("the image fails its policy")

// errAnalysis ends a command that waited for an analysis which failed.
var errAnalysis = errors.New("the analysis failed")

// Ends of commands about policies whose answer was printed and is not the one hoped for.
var (
	errFaults = errors.New("the policy has faults")
	errTests  = errors.New("a policy test failed")
	errFlips  = errors.New("images that pass would fail")
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := newRoot().ExecuteContext(ctx)
	stop()
	if err != nil && !errors.Is(err, errVerdict) {
		fmt.Fprintln(os.Stderr, "plimsollctl:", err)
	}
	os.Exit(exitCode(err))
}

func exitCode(err error) int {
	var failure *client.FailureError
	switch {
	case err == nil:
		return 0
	case errors.Is(err, errVerdict), errors.Is(err, errAnalysis), errors.Is(err, errFaults), errors.Is(err, errTests), errors.Is(err, errFlips):
		return exitRefused
	case errors.As(err, &failure) && failure.Status != http.StatusUnauthorized && failure.Status < http.StatusInternalServerError:
		return exitRefused
	}
	return exitTrouble
}
