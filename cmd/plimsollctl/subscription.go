package main

import (
	"encoding/json"
	"fmt"
	"io"
	"slices"
	"strconv"

	"github.com/spf13/cobra"

	"plimsoll/api/client"
)

func newSubscription(c *connection) *cobra.Command {
	cmd := &cobra.Command{Use: "subscription", Short: "See and switch what is watched and notified about"}
	cmd.AddCommand(newSubscriptionList(c), newSubscriptionGet(c), newSubscriptionSwitch(c, true), newSubscriptionSwitch(c, false), newSubscriptionDelete(c))
	return cmd
}

func newSubscriptionList(c *connection) *cobra.Command {
	var kind, key string
	cmd := &cobra.Command{
		Use: "list", Short: "List subscriptions", Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			r, err := ask(c.api.ListSubscriptionsWithResponse(cmd.Context(), &client.ListSubscriptionsParams{
				SubscriptionType: optional(kind), SubscriptionKey: optional(key),
			}))
			if err != nil {
				return err
			}
			return c.show(cmd, r.Body, func(w io.Writer) error { return writeSubscriptions(w, *r.JSON200) })
		},
	}
	cmd.Flags().StringVar(&kind, "type", "", "only subscriptions of this type, such as tag_update")
	cmd.Flags().StringVar(&key, "key", "", "only those of this tag or repository")
	return cmd
}

func writeSubscriptions(w io.Writer, list []client.Subscription) error {
	var rows [][]string
	for _, s := range list {
		state := ""
		if s.Watch != nil {
			state = value(s.Watch.ErrorMessage)
			if state == "" {
				state = value(s.Watch.SeenDigest)
			}
		}
		rows = append(rows, []string{s.SubscriptionKey, s.SubscriptionType, yes(s.Active), s.SubscriptionId, state})
	}
	return table(w, []string{"KEY", "TYPE", "ACTIVE", "ID", "LAST LOOK"}, rows)
}

func newSubscriptionGet(c *connection) *cobra.Command {
	return &cobra.Command{
		Use: "get ID", Short: "Show a subscription", Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			r, err := ask(c.api.GetSubscriptionWithResponse(cmd.Context(), args[0], &client.GetSubscriptionParams{}))
			if err != nil {
				return err
			}
			return c.show(cmd, r.Body, func(w io.Writer) error { return writeSubscriptions(w, *r.JSON200) })
		},
	}
}

func newSubscriptionDelete(c *connection) *cobra.Command {
	return &cobra.Command{
		Use: "del ID", Aliases: []string{"delete"}, Short: "Delete a subscription", Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			_, err := ask(c.api.DeleteSubscriptionWithResponse(cmd.Context(), args[0], &client.DeleteSubscriptionParams{}))
			return err
		},
	}
}

// subscriptionTypes tell a type from a key.
var subscriptionTypes = []string{"tag_update", repositoryType, "policy_eval", "vuln_update", "analysis_update", "alerts"}

// newSubscriptionSwitch switches a subscription on, making it where there is none, or off.
func newSubscriptionSwitch(c *connection, on bool) *cobra.Command {
	use, short := "activate TYPE KEY", "Switch a subscription on"
	if !on {
		use, short = "deactivate TYPE KEY", "Switch a subscription off"
	}
	return &cobra.Command{
		Use: use, Short: short, Args: cobra.ExactArgs(2),
		Long: "TYPE is tag_update, repo_update, policy_eval, vuln_update, analysis_update or alerts, KEY a full tag or a repository. The order does not matter.",
		RunE: func(cmd *cobra.Command, args []string) error {
			if slices.Contains(subscriptionTypes, args[1]) {
				args[0], args[1] = args[1], args[0]
			}
			found, err := c.subscription(cmd, args[0], args[1])
			if err != nil {
				return err
			}
			if found == nil && on {
				r, err := ask(c.api.CreateSubscriptionWithResponse(cmd.Context(), &client.CreateSubscriptionParams{}, client.SubscriptionRequest{
					SubscriptionType: args[0], SubscriptionKey: args[1],
				}))
				if err != nil {
					return err
				}
				return c.show(cmd, r.Body, func(w io.Writer) error { return writeSubscriptions(w, *r.JSON200) })
			}
			if found == nil {
				return fmt.Errorf("there is no subscription %s of %s", args[0], args[1])
			}
			return c.switchSubscription(cmd, found.SubscriptionId, on)
		},
	}
}

// subscription finds one by type and key; nil when there is none.
func (c *connection) subscription(cmd *cobra.Command, kind, key string) (*client.Subscription, error) {
	r, err := ask(c.api.ListSubscriptionsWithResponse(cmd.Context(), &client.ListSubscriptionsParams{SubscriptionType: &kind, SubscriptionKey: &key}))
	if err != nil || len(*r.JSON200) == 0 {
		return nil, err
	}
	return &(*r.JSON200)[0], nil
}

func (c *connection) switchSubscription(cmd *cobra.Command, id string, on bool) error {
	r, err := ask(c.api.UpdateSubscriptionWithResponse(cmd.Context(), id, &client.UpdateSubscriptionParams{}, client.SubscriptionUpdate{Active: &on}))
	if err != nil {
		return err
	}
	return c.show(cmd, r.Body, func(w io.Writer) error { return writeSubscriptions(w, *r.JSON200) })
}

const repositoryType = "repo_update"

func newRepo(c *connection) *cobra.Command {
	cmd := &cobra.Command{Use: "repo", Short: "Watch repositories for new tags"}
	cmd.AddCommand(newRepoAdd(c), newRepoList(c), newRepoGet(c), newRepoDelete(c), newRepoSwitch(c, true), newRepoSwitch(c, false))
	return cmd
}

func newRepoAdd(c *connection) *cobra.Command {
	var noAuto, dry, exclude bool
	cmd := &cobra.Command{
		Use: "add REPOSITORY", Short: "Watch a repository and add the images of its tags", Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			auto := !noAuto
			r, err := ask(c.api.CreateRepositoryWithResponse(cmd.Context(), &client.CreateRepositoryParams{
				Repository: args[0], AutoSubscribe: &auto, DryRun: &dry, ExcludeExistingTags: &exclude,
			}))
			if err != nil {
				return err
			}
			return c.show(cmd, r.Body, func(w io.Writer) error {
				if dry {
					for _, tag := range value((*r.JSON200)[0].Tags) {
						fmt.Fprintln(w, printable(tag))
					}
					return nil
				}
				return writeRepositories(w, *r.JSON200)
			})
		},
	}
	cmd.Flags().BoolVar(&noAuto, "no-auto-subscribe", false, "do not watch the tags themselves")
	cmd.Flags().BoolVar(&dry, "dry-run", false, "only list the tags; nothing is stored")
	cmd.Flags().BoolVar(&exclude, "exclude-existing-tags", false, "add only tags that appear from now on")
	return cmd
}

func newRepoList(c *connection) *cobra.Command {
	return &cobra.Command{
		Use: "list", Short: "List watched repositories", Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			kind := repositoryType
			r, err := ask(c.api.ListSubscriptionsWithResponse(cmd.Context(), &client.ListSubscriptionsParams{SubscriptionType: &kind}))
			if err != nil {
				return err
			}
			return c.show(cmd, r.Body, func(w io.Writer) error { return writeRepositories(w, *r.JSON200) })
		},
	}
}

func writeRepositories(w io.Writer, list []client.Subscription) error {
	var rows [][]string
	for _, s := range list {
		var state struct{ TagCount int }
		if s.SubscriptionValue != nil {
			_ = json.Unmarshal([]byte(*s.SubscriptionValue), &state) // what is no state shows none
		}
		problem := ""
		if s.Watch != nil {
			problem = value(s.Watch.ErrorMessage)
		}
		rows = append(rows, []string{s.SubscriptionKey, yes(s.Active), strconv.Itoa(state.TagCount), problem})
	}
	return table(w, []string{"REPOSITORY", "WATCHED", "TAG COUNT", "LAST ERROR"}, rows)
}

// repository finds a watched repository.
func (c *connection) repository(cmd *cobra.Command, name string) (*client.Subscription, error) {
	found, err := c.subscription(cmd, repositoryType, name)
	if err == nil && found == nil {
		err = fmt.Errorf("the repository %s is not known; `repo add` watches it", name)
	}
	return found, err
}

func newRepoGet(c *connection) *cobra.Command {
	return &cobra.Command{
		Use: "get REPOSITORY", Short: "Show a watched repository, with the tags that could not be added", Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			found, err := c.repository(cmd, args[0])
			if err != nil {
				return err
			}
			r, err := ask(c.api.GetSubscriptionWithResponse(cmd.Context(), found.SubscriptionId, &client.GetSubscriptionParams{}))
			if err != nil {
				return err
			}
			return c.show(cmd, r.Body, func(w io.Writer) error {
				if err := writeRepositories(w, *r.JSON200); err != nil {
					return err
				}
				return writeRefusedTags(w, (*r.JSON200)[0].Watch)
			})
		},
	}
}

func writeRefusedTags(w io.Writer, watch *client.WatchState) error {
	if watch == nil || len(value(watch.RefusedTags)) == 0 {
		return nil
	}
	fmt.Fprintln(w)
	var rows [][]string
	for _, tag := range *watch.RefusedTags {
		rows = append(rows, []string{tag.Tag, tag.ErrorCode, tag.ErrorMessage})
	}
	return table(w, []string{"TAG NOT ADDED", "CODE", "REASON"}, rows)
}

func newRepoDelete(c *connection) *cobra.Command {
	return &cobra.Command{
		Use: "del REPOSITORY", Aliases: []string{"delete"}, Short: "Stop watching a repository and forget it; its images stay", Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			found, err := c.repository(cmd, args[0])
			if err != nil {
				return err
			}
			_, err = ask(c.api.DeleteSubscriptionWithResponse(cmd.Context(), found.SubscriptionId, &client.DeleteSubscriptionParams{}))
			return err
		},
	}
}

func newRepoSwitch(c *connection, on bool) *cobra.Command {
	use, short := "watch REPOSITORY", "Watch a known repository again"
	if !on {
		use, short = "unwatch REPOSITORY", "Stop watching a repository"
	}
	return &cobra.Command{
		Use: use, Short: short, Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			found, err := c.repository(cmd, args[0])
			if err != nil {
				return err
			}
			return c.switchSubscription(cmd, found.SubscriptionId, on)
		},
	}
}
