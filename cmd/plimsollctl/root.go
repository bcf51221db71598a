package main

import (
	"fmt"
	"runtime/debug"

	"github.com/spf13/cobra"
)

func newRoot() *cobra.Command {
	c := &connection{}
	root := &cobra.Command{
		Use:           "plimsollctl",
		Short:         "Analyse container images, read what is in them and what is known to be wrong with it",
		SilenceUsage:  true,
		SilenceErrors: true,
		Version:       buildVersion(),
		PersistentPreRunE: func(cmd *cobra.Command, _ []string) error {
			return c.resolve(cmd)
		},
	}
	c.flags(root)
	root.AddCommand(newImage(c), newFeeds(c), newPolicy(c), newRegistry(c), newQuery(c), newScan(c), newVEX(c), newRepo(c), newSubscription(c), newCorrection(c), newAlert(c), newAction(c), newEvent(c), newSystem(c), newAccount(c), newSBOM(c))
	return root
}

func buildVersion() string {
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return "unknown"
	}
	revision := ""
	for _, s := range info.Settings {
		if s.Key == "vcs.revision" {
			revision = " " + s.Value
		}
	}
	return fmt.Sprintf("%s%s %s", info.Main.Version, revision, info.GoVersion)
}
