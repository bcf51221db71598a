package main

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"regexp"
	"sort"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"plimsoll/api/client"
)

func newImage(c *connection) *cobra.Command {
	cmd := &cobra.Command{Use: "image", Short: "Submit images and read their analysis"}
	cmd.AddCommand(newImageAdd(c), newImageGet(c), newImageList(c), newImageWait(c), newImageCancel(c), newImageAnalysis(c), newImageContent(c), newImageMetadata(c),
		newImageVuln(c), newImageChanges(c), newImageAnnotation(c), newImageExplain(c), newImageCheck(c), newImageSBOM(c), newImageDelete(c), newImageAncestors(c), newImageReferrers(c))
	return cmd
}

var (
	digestPattern  = regexp.MustCompile(`^sha256:[a-fA-F0-9]{64}$`)
	imageIDPattern = regexp.MustCompile(`^[a-fA-F0-9]{64}$`)
)

// find returns the image an argument means: a digest, an image id, or a tag (its newest image).
func (c *connection) find(ctx context.Context, image string) (*client.AnchoreImage, error) {
	if _, digest, ok := strings.Cut(image, "@"); ok {
		image = digest
	}
	if digestPattern.MatchString(image) {
		r, err := ask(c.api.GetImageWithResponse(ctx, image, &client.GetImageParams{}))
		if err != nil {
			return nil, fmt.Errorf("image %s: %w", image, err)
		}
		return r.JSON200, nil
	}
	params := &client.ListImagesParams{FullTag: &image}
	if imageIDPattern.MatchString(image) {
		params = &client.ListImagesParams{ImageId: &image}
	}
	r, err := ask(c.api.ListImagesWithResponse(ctx, params))
	if err != nil {
		return nil, fmt.Errorf("image %s: %w", image, err)
	}
	if len(r.JSON200.Items) == 0 {
		return nil, &client.FailureError{Status: http.StatusNotFound, Message: "image " + image + " is not known; add it with: plimsollctl image add " + image}
	}
	return &r.JSON200.Items[0], nil
}

func newImageGet(c *connection) *cobra.Command {
	return &cobra.Command{
		Use: "get IMAGE", Short: "Show one image", Args: cobra.ExactArgs(1),
		Long: "IMAGE is a digest (sha256:...), an image id or a tag (registry/repository:tag).",
		RunE: func(cmd *cobra.Command, args []string) error {
			image, err := c.find(cmd.Context(), args[0])
			if err != nil {
				return err
			}
			attached, err := c.attachments(cmd.Context(), image)
			if err != nil {
				return err
			}
			return c.showImage(cmd, image, attached...)
		},
	}
}

func (c *connection) showImage(cmd *cobra.Command, image *client.AnchoreImage, more ...string) error {
	warnIncomplete(cmd.ErrOrStderr(), image)
	return c.show(cmd, mustJSON(image), func(w io.Writer) error {
		meta := image.ImageContent.Metadata
		lines := []string{
			"Digest", image.ImageDigest,
			"Parent digest", image.ParentDigest,
			"Status", image.AnalysisStatus,
			"Distribution", strings.TrimSpace(value(meta.Distro) + " " + value(meta.DistroVersion)),
			"Architecture", value(meta.Arch),
			"Platform", value(image.Platform),
			"Size", strconv.FormatInt(value(meta.ImageSize), 10),
			"Layers", strconv.Itoa(value(meta.LayerCount)),
			"Dockerfile", value(meta.DockerfileMode),
		}
		if image.AnalysisError != nil {
			lines = append(lines, "Failure", image.AnalysisError.Code+": "+image.AnalysisError.Message)
		}
		if p := image.AnalysisProgress; p != nil {
			lines = append(lines, "Progress", p.Message)
		}
		if at := image.AnalysisCancelledAt; at != nil {
			lines = append(lines, "Cancelled", moment(*at))
		}
		if i := image.AnalysisIncomplete; i != nil {
			lines = append(lines, "Incomplete", fmt.Sprintf("%d files or databases could not be read", i.Count))
		}
		names := make([]string, 0, len(image.Annotations))
		for name := range image.Annotations {
			names = append(names, name)
		}
		sort.Strings(names)
		for _, name := range names {
			lines = append(lines, "Annotation", fmt.Sprintf("%s=%v", name, image.Annotations[name]))
		}
		for _, d := range image.ImageDetail {
			lines = append(lines, "Tag", d.FullTag+"  (detected "+moment(d.TagDetectedAt)+", image id "+d.ImageId+")")
		}
		return facts(w, append(lines, more...)...)
	})
}

func newImageList(c *connection) *cobra.Command {
	var status, tag, index string
	var labels []string
	var history, all bool
	cmd := &cobra.Command{
		Use: "list", Short: "List images", Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			params := &client.ListImagesParams{}
			if status != "" {
				wanted := client.ListImagesParamsAnalysisStatus(status)
				params.AnalysisStatus = &wanted
			}
			if tag != "" {
				params.FullTag = &tag
			}
			if index != "" {
				params.ParentDigest = &index
			}
			if len(labels) > 0 {
				params.Label = &labels
			}
			if history {
				params.History = &history
			}
			if all {
				everything := client.ListImagesParamsImageStatus("all")
				params.ImageStatus = &everything
			}
			r, err := ask(c.api.ListImagesWithResponse(cmd.Context(), params))
			if err != nil {
				return err
			}
			return c.show(cmd, r.Body, func(w io.Writer) error {
				var rows [][]string
				for _, image := range r.JSON200.Items {
					for _, d := range image.ImageDetail {
						rows = append(rows, []string{d.FullTag, image.ImageDigest, image.AnalysisStatus, moment(d.TagDetectedAt)})
					}
				}
				return table(w, []string{"TAG", "DIGEST", "STATUS", "DETECTED"}, rows)
			})
		},
	}
	cmd.Flags().StringVar(&status, "analysis-status", "", "not_analyzed, analyzing, analyzed or analysis_failed")
	cmd.Flags().StringVar(&tag, "tag", "", "only images of this tag")
	cmd.Flags().StringVar(&index, "parent-digest", "", "only images of this manifest list or index")
	cmd.Flags().StringArrayVar(&labels, "label", nil, "only images with this label or annotation, as key=value; repeatable")
	cmd.Flags().BoolVar(&history, "history", false, "with --tag: also images the tag named earlier")
	cmd.Flags().BoolVar(&all, "all", false, "also images being deleted")
	return cmd
}

func newImageDelete(c *connection) *cobra.Command {
	var force bool
	cmd := &cobra.Command{
		Use: "delete IMAGE...", Aliases: []string{"del"}, Short: "Delete images", Args: cobra.MinimumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			digests := make([]string, 0, len(args))
			for _, arg := range args {
				image, err := c.find(cmd.Context(), arg)
				if err != nil {
					return err
				}
				digests = append(digests, image.ImageDigest)
			}
			r, err := ask(c.api.DeleteImagesWithResponse(cmd.Context(), &client.DeleteImagesParams{ImageDigests: digests, Force: &force}))
			if err != nil {
				return err
			}
			err = c.show(cmd, r.Body, func(w io.Writer) error {
				var rows [][]string
				for _, d := range *r.JSON200 {
					rows = append(rows, []string{d.ImageDigest, d.Status, value(d.Detail)})
				}
				return table(w, []string{"DIGEST", "STATUS", "DETAIL"}, rows)
			})
			for _, d := range *r.JSON200 {
				if err == nil && d.Status != "deleting" {
					err = &client.FailureError{Status: http.StatusConflict, Message: d.ImageDigest + " was not deleted: " + d.Status}
				}
			}
			return err
		},
	}
	cmd.Flags().BoolVar(&force, "force", false, "delete although it is being analysed or watched")
	return cmd
}
