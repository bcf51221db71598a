package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"sort"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"plimsoll/api/client"
)

func newImageAncestors(c *connection) *cobra.Command {
	var base, parent bool
	cmd := &cobra.Command{
		Use: "ancestors IMAGE", Short: "List the images an image was built on", Args: cobra.ExactArgs(1),
		Long: "Ancestors are analysed images whose layers are the first layers of IMAGE, fewest layers first; the last one is its parent.",
		RunE: func(cmd *cobra.Command, args []string) error {
			image, err := c.find(cmd.Context(), args[0])
			if err != nil {
				return err
			}
			r, err := ask(c.api.ListImageAncestorsWithResponse(cmd.Context(), image.ImageDigest, &client.ListImageAncestorsParams{}))
			if err != nil {
				return err
			}
			found := *r.JSON200
			body := r.Body
			if base || parent {
				found = choose(found, base, parent)
				body = mustJSON(found)
			}
			return c.show(cmd, body, func(w io.Writer) error {
				rows := make([][]string, 0, len(found))
				for _, a := range found {
					rows = append(rows, []string{a.ImageDigest, strconv.Itoa(len(a.Layers)), yes(a.ChosenBaseImage), yes(a.UserMarkedBase), strings.Join(a.Tags, ", ")})
				}
				return table(w, []string{"DIGEST", "LAYERS", "BASE", "MARKED", "TAGS"}, rows)
			})
		},
	}
	cmd.Flags().BoolVar(&base, "base", false, "only the base image")
	cmd.Flags().BoolVar(&parent, "parent", false, "only the nearest ancestor")
	return cmd
}

// choose keeps the base image, the nearest ancestor, or both.
func choose(found []client.ImageAncestor, base, parent bool) []client.ImageAncestor {
	kept := []client.ImageAncestor{}
	for i, a := range found {
		if base && a.ChosenBaseImage || parent && i == len(found)-1 {
			kept = append(kept, a)
		}
	}
	return kept
}

func newImageReferrers(c *connection) *cobra.Command {
	return &cobra.Command{
		Use: "referrers IMAGE", Short: "List signatures, attestations and SBOMs attached to an image", Args: cobra.ExactArgs(1),
		Long: "As the registry listed them when the image was analysed last. Nothing of it is verified.",
		RunE: func(cmd *cobra.Command, args []string) error {
			image, err := c.find(cmd.Context(), args[0])
			if err != nil {
				return err
			}
			r, err := ask(c.api.ListImageReferrersWithResponse(cmd.Context(), image.ImageDigest, &client.ListImageReferrersParams{}))
			if err != nil {
				return err
			}
			return c.show(cmd, r.Body, func(w io.Writer) error {
				if r.JSON200.Problem != nil {
					fmt.Fprintln(cmd.ErrOrStderr(), "incomplete:", printable(*r.JSON200.Problem))
				}
				rows := make([][]string, 0, len(r.JSON200.Items))
				for _, a := range r.JSON200.Items {
					rows = append(rows, []string{a.ArtifactType, a.Digest, attachedTo(a, image), strconv.FormatInt(a.Size, 10), a.FoundBy, pairs(a.Annotations)})
				}
				return table(w, []string{"TYPE", "DIGEST", "ATTACHED TO", "SIZE", "FOUND BY", "ANNOTATIONS"}, rows)
			})
		},
	}
}

func attachedTo(a client.ImageReferrer, image *client.AnchoreImage) string {
	if a.Subject == image.ImageDigest {
		return "image"
	}
	return "index " + shortDigest(a.Subject)
}

func pairs(m map[string]string) string {
	out := make([]string, 0, len(m))
	for key, v := range m {
		out = append(out, key+"="+v)
	}
	sort.Strings(out)
	return strings.Join(out, " ")
}

// attachments are the lines of an image's facts about what is attached to it. An older server has none to tell.
func (c *connection) attachments(ctx context.Context, image *client.AnchoreImage) ([]string, error) {
	r, err := ask(c.api.ListImageReferrersWithResponse(ctx, image.ImageDigest, &client.ListImageReferrersParams{}))
	var failure *client.FailureError
	if errors.As(err, &failure) && failure.Status == 404 {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	var lines []string
	for _, a := range r.JSON200.Items {
		lines = append(lines, "Attached", a.ArtifactType+"  "+a.Digest+"  ("+attachedTo(a, image)+")")
	}
	if r.JSON200.Problem != nil {
		lines = append(lines, "Attached", "incomplete: "+*r.JSON200.Problem)
	}
	return lines, nil
}

// showPlatforms shows what an addition of all platforms added.
func (c *connection) showPlatforms(cmd *cobra.Command, image *client.AnchoreImage) error {
	return c.show(cmd, mustJSON(image), func(w io.Writer) error {
		if err := facts(w, "Index digest", image.ParentDigest); err != nil {
			return err
		}
		rows := make([][]string, 0, len(*image.PlatformImages))
		for _, p := range *image.PlatformImages {
			rows = append(rows, []string{p.Platform, p.ImageDigest, p.AnalysisStatus})
		}
		return table(w, []string{"PLATFORM", "DIGEST", "STATUS"}, rows)
	})
}

// waitForAll follows the images of all platforms, one after the other, and shows each.
func (c *connection) waitForAll(cmd *cobra.Command, image *client.AnchoreImage, timeout time.Duration) error {
	var faults []error
	for _, p := range *image.PlatformImages {
		if err := c.waitFor(cmd, p.ImageDigest, timeout, waitInterval); err != nil {
			faults = append(faults, fmt.Errorf("%s: %w", p.Platform, err))
		}
	}
	return errors.Join(faults...)
}
