package main

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"github.com/schollz/progressbar/v3"
	"github.com/spf13/cobra"
	"golang.org/x/term"

	"plimsoll/api/client"
	"plimsoll/internal/source"
)

func newImageAdd(c *connection) *cobra.Command {
	var (
		force, wait               bool
		dockerfile, tag, platform string
		from, searches            string
		annotations               []string
		timeout                   time.Duration
	)
	cmd := &cobra.Command{
		Use: "add IMAGE", Short: "Submit an image for analysis", Args: cobra.ExactArgs(1),
		Long: "IMAGE is registry/repository:tag, or registry/repository@sha256:... together with --tag.",
		RunE: func(cmd *cobra.Command, args []string) error {
			if searches != "" && (from == "" || from == "registry") {
				return errors.New("--searches goes with --from: the server has settings of its own for what it analyses")
			}
			if from != "" && from != "registry" {
				return c.addFrom(cmd, addition{
					image: args[0], from: from, platform: platform, dockerfile: dockerfile, searches: searches,
					annotations: annotations, force: force, wait: wait, timeout: timeout,
				})
			}
			body, err := analysisRequest(args[0], tag, platform, dockerfile, annotations)
			if err != nil {
				return err
			}
			r, err := ask(c.api.AddImageWithResponse(cmd.Context(), &client.AddImageParams{Force: &force}, body))
			if err != nil {
				return fmt.Errorf("add %s: %w", args[0], err)
			}
			if r.JSON200.PlatformImages != nil && wait {
				return c.waitForAll(cmd, r.JSON200, timeout)
			}
			if r.JSON200.PlatformImages != nil {
				return c.showPlatforms(cmd, r.JSON200)
			}
			if !wait {
				return c.showImage(cmd, r.JSON200)
			}
			return c.waitFor(cmd, r.JSON200.ImageDigest, timeout, waitInterval)
		},
	}
	f := cmd.Flags()
	f.BoolVar(&force, "force", false, "analyse again even when the result is there")
	f.BoolVar(&wait, "wait", false, "follow the analysis to its end")
	f.DurationVar(&timeout, "timeout", 0, "with --wait: give up after this time (0: never)")
	f.StringVar(&dockerfile, "dockerfile", "", "Dockerfile the image was built from")
	f.StringVar(&from, "from", "registry", "analyse here and import: "+strings.Join(source.Schemes(), ", ")+", or a file with its document (Syft's JSON), - for standard input")
	f.StringVar(&searches, "searches", "", "with --from: YAML file with what to search files for and which to keep, in the form of the server's worker.analysis.search (default: credentials, and /etc/passwd)")
	f.StringVar(&tag, "tag", "", "with a digest: the tag to file it under")
	f.StringVar(&platform, "platform", "", "platform to take from a manifest list: os/architecture[/variant], or all for one image for each")
	f.StringArrayVar(&annotations, "annotation", nil, "key=value, repeatable")
	return cmd
}

func analysisRequest(image, tag, platform, dockerfile string, annotations []string) (client.ImageAnalysisRequest, error) {
	var body client.ImageAnalysisRequest
	var encoded *string
	if dockerfile != "" {
		text, err := os.ReadFile(dockerfile)
		if err != nil {
			return body, fmt.Errorf("read the Dockerfile: %w", err)
		}
		b64 := base64.StdEncoding.EncodeToString(text)
		encoded = &b64
	}
	if strings.Contains(image, "@") {
		if tag == "" {
			return body, fmt.Errorf("image %s is named by digest: say with --tag which tag to file it under", image)
		}
		body.Source.Digest = &client.RegistryDigestSource{PullString: image, Tag: tag, Dockerfile: encoded}
	} else {
		body.Source.Tag = &client.RegistryTagSource{PullString: image, Dockerfile: encoded}
		if platform != "" {
			body.Source.Tag.Platform = &platform
		}
	}
	pairs, err := annotationsOf(annotations)
	body.Annotations = pairs
	return body, err
}

// annotationsOf reads key=value pairs; nil when there are none.
func annotationsOf(annotations []string) (*map[string]any, error) {
	if len(annotations) == 0 {
		return nil, nil //nolint:nilnil // there are none
	}
	pairs := map[string]any{}
	for _, a := range annotations {
		key, text, ok := strings.Cut(a, "=")
		if !ok || key == "" {
			return nil, fmt.Errorf("annotation %q: write key=value", a)
		}
		pairs[key] = text
	}
	return &pairs, nil
}

const waitInterval = time.Second

func newImageWait(c *connection) *cobra.Command {
	var timeout, interval time.Duration
	cmd := &cobra.Command{
		Use: "wait IMAGE", Short: "Follow an analysis to its end", Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			image, err := c.find(cmd.Context(), args[0])
			if err != nil {
				return err
			}
			return c.waitFor(cmd, image.ImageDigest, timeout, interval)
		},
	}
	cmd.Flags().DurationVar(&timeout, "timeout", 0, "give up after this time (0: never)")
	cmd.Flags().DurationVar(&interval, "interval", waitInterval, "how often to ask")
	return cmd
}

// waitFor follows an image until it is analysed, showing progress on standard error.
func (c *connection) waitFor(cmd *cobra.Command, digest string, timeout, interval time.Duration) error {
	ctx := cmd.Context()
	if timeout > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, timeout)
		defer cancel()
	}
	follow := newFollower(cmd.ErrOrStderr())
	defer follow.close()
	tick := time.NewTicker(max(interval, 100*time.Millisecond))
	defer tick.Stop()
	for {
		image, err := c.find(ctx, digest)
		if err != nil && ctx.Err() == nil {
			return err
		}
		if image != nil {
			follow.show(image)
			switch image.AnalysisStatus {
			case "analyzed":
				follow.close()
				return c.showImage(cmd, image)
			case "analysis_failed":
				follow.close()
				if image.AnalysisError != nil {
					return fmt.Errorf("%w: %s (%s)", errAnalysis, image.AnalysisError.Message, image.AnalysisError.Code)
				}
				return errAnalysis
			}
			if image.AnalysisCancelledAt != nil {
				follow.close()
				return fmt.Errorf("%w: it was cancelled; submit the image again to analyse it", errAnalysis)
			}
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("image %s is not analysed yet; it goes on without this command: %w", shortDigest(digest), ctx.Err())
		case <-tick.C:
		}
	}
}

// follower shows progress: a bar on a terminal, a line per stage elsewhere.
type follower struct {
	out  io.Writer
	bar  *progressbar.ProgressBar
	last string
}

func newFollower(out io.Writer) *follower {
	f := &follower{out: out}
	if file, ok := out.(*os.File); ok && term.IsTerminal(int(file.Fd())) {
		f.bar = progressbar.NewOptions(100, progressbar.OptionSetWriter(out), progressbar.OptionSetPredictTime(false),
			progressbar.OptionSetElapsedTime(false), progressbar.OptionSetWidth(30), progressbar.OptionClearOnFinish(), progressbar.OptionUseANSICodes(os.Getenv("NO_COLOR") == ""))
	}
	return f
}

func (f *follower) show(image *client.AnchoreImage) {
	p := image.AnalysisProgress
	line := image.AnalysisStatus
	if p != nil {
		line = p.Stage
		if p.LayersTotal > 0 {
			line = fmt.Sprintf("%s, layer %d of %d", p.Stage, p.LayersDone, p.LayersTotal)
		}
	}
	if f.bar != nil {
		if p != nil {
			if p.EtaSeconds != nil {
				line += fmt.Sprintf(", about %s left", time.Duration(*p.EtaSeconds)*time.Second)
			}
			_ = f.bar.Set(value(p.Percentage))
		}
		f.bar.Describe(line)
		return
	}
	if line != f.last {
		fmt.Fprintln(f.out, line)
		f.last = line
	}
}

func (f *follower) close() {
	if f.bar != nil {
		_ = f.bar.Clear()
		f.bar = nil
	}
}

// mustJSON encodes what the server just sent and the client decoded; that cannot fail.
func mustJSON(v any) []byte {
	raw, err := json.Marshal(v)
	if err != nil {
		return []byte("null")
	}
	return raw
}
