package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"plimsoll/api/client"
	"plimsoll/internal/source"
)

// addition is what `image add` was told.
type addition struct {
	image, from, platform, dockerfile string
	annotations                       []string
	force, wait                       bool
	timeout                           time.Duration
}

// maxDocument bounds a document that is read from a file or standard input, in bytes.
const maxDocument = 1 << 30

// addFrom analyses an image on this machine, or takes a finished document, and imports the result.
func (c *connection) addFrom(cmd *cobra.Command, a addition) error {
	ctx := cmd.Context()
	if strings.Contains(a.image, "@") {
		return fmt.Errorf("image %s: with --from, name the tag to file it under", a.image)
	}
	pairs, err := annotationsOf(a.annotations)
	if err != nil {
		return err
	}
	document, err := a.document(ctx, cmd.InOrStdin(), cmd.ErrOrStderr())
	if err != nil {
		return err
	}
	finish, err := c.upload(ctx, a, document)
	if err != nil {
		return fmt.Errorf("import %s: %w", a.image, err)
	}
	r, err := ask(c.api.AddImageWithResponse(ctx, &client.AddImageParams{Force: &a.force}, client.ImageAnalysisRequest{
		Source: client.ImageSource{Import: finish}, Annotations: pairs,
	}))
	if err != nil {
		return fmt.Errorf("import %s: %w", a.image, err)
	}
	if r.JSON200.AnalysisStatus == "analyzed" && !a.force {
		fmt.Fprintln(cmd.ErrOrStderr(), "the image was analysed before and stays as it is; --force replaces the result")
	}
	if !a.wait {
		return c.showImage(cmd, r.JSON200)
	}
	return c.waitFor(cmd, r.JSON200.ImageDigest, a.timeout, waitInterval)
}

func (a addition) document(ctx context.Context, input io.Reader, out io.Writer) ([]byte, error) {
	if isSource(a.from) {
		found, err := analyzeLocal(ctx, a.from, source.Options{Tag: a.image, Platform: a.platform}, out)
		if err != nil {
			return nil, err
		}
		return found.document, nil
	}
	if a.from != "-" {
		file, err := os.Open(a.from)
		if err != nil {
			return nil, fmt.Errorf("read the document (sources are %s): %w", strings.Join(source.Schemes(), ", "), err)
		}
		defer file.Close()
		input = file
	}
	document, err := io.ReadAll(io.LimitReader(input, maxDocument+1))
	if err != nil {
		return nil, fmt.Errorf("read the document: %w", err)
	}
	if len(document) > maxDocument {
		return nil, fmt.Errorf("the document is larger than %d bytes", maxDocument)
	}
	return document, nil
}

// upload brings the documents to the server and says how to finish the import. What is not finished is taken back.
func (c *connection) upload(ctx context.Context, a addition, document []byte) (finish *client.ImageImportManifest, err error) {
	opened, err := ask(c.api.OpenImageImportWithResponse(ctx, &client.OpenImageImportParams{}))
	if err != nil {
		return nil, err
	}
	operation := opened.JSON200.Uuid
	defer func() {
		if err != nil {
			_, again := c.api.CancelImageImportWithResponse(context.WithoutCancel(ctx), operation, &client.CancelImageImportParams{})
			err = errors.Join(err, again)
		}
	}()
	said, err := ask(c.api.AddImportSbomWithBodyWithResponse(ctx, operation, &client.AddImportSbomParams{}, mediaOf(document), bytes.NewReader(document)))
	if err != nil {
		return nil, err
	}
	if said.JSON200.Contents == nil || said.JSON200.ImageDigest == nil {
		return nil, errors.New("the server does not say what it took from the document; is it of this client's version?")
	}
	finish = &client.ImageImportManifest{
		Contents: *said.JSON200.Contents, Digest: *said.JSON200.ImageDigest, OperationUuid: operation, Tags: []string{a.image},
	}
	if a.dockerfile != "" {
		text, err := os.ReadFile(a.dockerfile)
		if err != nil {
			return nil, fmt.Errorf("read the Dockerfile: %w", err)
		}
		added, err := ask(c.api.AddImportDockerfileWithBodyWithResponse(ctx, operation, &client.AddImportDockerfileParams{}, "text/plain", bytes.NewReader(text)))
		if err != nil {
			return nil, fmt.Errorf("Dockerfile: %w", err) //nolint:staticcheck // a name
		}
		finish.Contents.Dockerfile = &added.JSON200.Digest
	}
	return finish, nil
}
