package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"

	"github.com/spf13/cobra"

	"plimsoll/api/client"
)

func newEvent(c *connection) *cobra.Command {
	cmd := &cobra.Command{Use: "event", Aliases: []string{"events"}, Short: "See what happened"}
	cmd.AddCommand(newEventList(c), newEventGet(c), newEventTypes(c), newEventDelete(c))
	return cmd
}

func newEventList(c *connection) *cobra.Command {
	var kind, level, since, before, service, host, resourceType, resourceID string
	var page, limit int
	cmd := &cobra.Command{
		Use: "list [RESOURCE]", Short: "List events, newest first", Args: cobra.MaximumNArgs(1),
		Long: "RESOURCE is what events are about: a full tag, an image digest, the id of a policy, an alert or a plan.",
		RunE: func(cmd *cobra.Command, args []string) error {
			if len(args) == 1 {
				resourceID = args[0]
			}
			r, err := ask(c.api.ListEventsWithResponse(cmd.Context(), &client.ListEventsParams{
				EventType: optional(kind), Level: optional(level), Since: optional(since), Before: optional(before), SourceServiceName: optional(service),
				SourceHostId: optional(host), ResourceType: optional(resourceType), ResourceId: optional(resourceID), Page: &page, Limit: &limit,
			}))
			if err != nil {
				return err
			}
			return c.show(cmd, r.Body, func(w io.Writer) error {
				if err := writeEvents(w, r.JSON200.Results); err != nil || !r.JSON200.NextPage {
					return err
				}
				_, err := fmt.Fprintf(cmd.ErrOrStderr(), "there are more: --page %d\n", page+1)
				return err
			})
		},
	}
	f := cmd.Flags()
	f.StringVar(&kind, "event-type", "", "how the type begins; * stands for anything")
	f.StringVar(&level, "level", "", "INFO or ERROR")
	f.StringVar(&since, "since", "", "only what happened then or later, such as 2026-03-01T12:00:00Z")
	f.StringVar(&before, "before", "", "only what happened earlier")
	f.StringVar(&service, "service", "", "only from this service")
	f.StringVar(&host, "host", "", "only from this host")
	f.StringVar(&resourceType, "resource-type", "", "only about this kind of thing, such as image_tag")
	f.StringVar(&resourceID, "resource-id", "", "only about this; the same as RESOURCE")
	pageFlags(cmd, &page, &limit)
	return cmd
}

func writeEvents(w io.Writer, list []client.EventResponse) error {
	rows := make([][]string, 0, len(list))
	for _, e := range list {
		rows = append(rows, []string{
			moment(e.CreatedAt), string(e.Event.Level), e.Event.Source.ServiceName, e.Event.Source.HostId, e.Event.Type, e.Event.Resource.Id, e.EventId,
		})
	}
	return table(w, []string{"TIME", "LEVEL", "SERVICE", "HOST", "EVENT", "RESOURCE", "ID"}, rows)
}

func newEventGet(c *connection) *cobra.Command {
	return &cobra.Command{
		Use: "get ID", Short: "Show an event with its details", Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			r, err := ask(c.api.GetEventWithResponse(cmd.Context(), args[0], &client.GetEventParams{}))
			if err != nil {
				return err
			}
			return c.show(cmd, r.Body, func(w io.Writer) error { return writeEvent(w, r.JSON200) })
		},
	}
}

func writeEvent(w io.Writer, e *client.EventResponse) error {
	err := facts(w, "Event", e.EventId, "Time", moment(e.CreatedAt), "Level", string(e.Event.Level), "Type", e.Event.Type, "Message", e.Event.Message,
		"About", e.Event.Resource.Type+" "+e.Event.Resource.Id, "Service", e.Event.Source.ServiceName, "Host", e.Event.Source.HostId, "Request", e.Event.Source.RequestId)
	if err != nil {
		return err
	}
	details, err := json.Marshal(e.Event.Details)
	if err != nil {
		return fmt.Errorf("encode details: %w", err)
	}
	fmt.Fprintln(w)
	return printJSON(w, details)
}

func newEventTypes(c *connection) *cobra.Command {
	return &cobra.Command{
		Use: "types", Short: "List the types of events", Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			r, err := ask(c.api.ListEventTypesWithResponse(cmd.Context()))
			if err != nil {
				return err
			}
			return c.show(cmd, r.Body, func(w io.Writer) error {
				var rows [][]string
				for _, category := range *r.JSON200 {
					for _, sub := range category.Subcategories {
						for _, e := range sub.Events {
							rows = append(rows, []string{e.Type, e.ResourceType, e.Message})
						}
					}
				}
				return table(w, []string{"TYPE", "ABOUT", "MEANING"}, rows)
			})
		},
	}
}

func newEventDelete(c *connection) *cobra.Command {
	var since, before, level string
	var all bool
	cmd := &cobra.Command{
		Use: "delete [ID]", Aliases: []string{"del"}, Short: "Delete an event, or events of a time and level", Args: cobra.MaximumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			narrowed := since != "" || before != "" || level != ""
			switch {
			case len(args) == 1 && !all && !narrowed:
				_, err := ask(c.api.DeleteEventWithResponse(cmd.Context(), args[0], &client.DeleteEventParams{}))
				return err
			case len(args) == 1 || all == narrowed:
				return errors.New("name one event, or say which with --since, --before and --level, or all with --all")
			}
			r, err := ask(c.api.DeleteEventsWithResponse(cmd.Context(), &client.DeleteEventsParams{Since: optional(since), Before: optional(before), Level: optional(level)}))
			if err != nil {
				return err
			}
			return c.show(cmd, r.Body, func(w io.Writer) error {
				_, err := fmt.Fprintf(w, "%d events deleted\n", len(*r.JSON200))
				return err
			})
		},
	}
	cmd.Flags().StringVar(&since, "since", "", "what happened then or later")
	cmd.Flags().StringVar(&before, "before", "", "what happened earlier")
	cmd.Flags().StringVar(&level, "level", "", "INFO or ERROR")
	cmd.Flags().BoolVar(&all, "all", false, "all events of the account")
	return cmd
}
