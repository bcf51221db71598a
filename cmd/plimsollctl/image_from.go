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
	"plimsoll/engine/catalog"
	"plimsoll/internal/source"
)

// addition is what `image add` was told.
type addition struct {
	image, from, platform, dockerfile string
	searches                          string // file with settings
	packagesOnly                      bool   // search for nothing
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
	found, err := a.read(ctx, cmd.InOrStdin(), cmd.ErrOrStderr())
	if err != nil {
		return err
	}
	finish, err := c.upload(ctx, a, found)
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

// read analyses the source, or takes the finished document.
func (a addition) read(ctx context.Context, input io.Reader, out io.Writer) (*local, error) {
	if isSource(a.from) {
		var searches []catalog.Analyzer
		if !a.packagesOnly {
			var err error
			if searches, err = searchesOf(a.searches); err != nil {
				return nil, err
			}
		}
		return analyzeLocal(ctx, a.from, source.Options{Tag: a.image, Platform: a.platform}, searches, out)
	}
	if a.searches != "" {
		return nil, errors.New("--searches goes with an image that is analysed here; a finished document says what was found")
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
	return &local{document: document}, nil
}

// upload brings the documents to the server and says how to finish the import. What is not finished is taken back.
func (c *connection) upload(ctx context.Context, a addition, found *local) (finish *client.ImageImportManifest, err error) {
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
	said, err := ask(c.api.AddImportSbomWithBodyWithResponse(ctx, operation, &client.AddImportSbomParams{}, mediaOf(found.document), bytes.NewReader(found.document)))
	if err != nil {
		return nil, err
	}
	if said.JSON200.Contents == nil || said.JSON200.ImageDigest == nil {
		return nil, errors.New("the server does not say what it took from the document; is it of this client's version?")
	}
	finish = &client.ImageImportManifest{
		Contents: *said.JSON200.Contents, Digest: *said.JSON200.ImageDigest, OperationUuid: operation, Tags: []string{a.image},
	}
	if err := c.uploadFindings(ctx, operation, found, &finish.Contents); err != nil {
		return nil, err
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

// jsonMedia is the media type of what searches found.
const jsonMedia = "application/json"

// uploadFindings brings what searches found, and files kept.
func (c *connection) uploadFindings(ctx context.Context, operation string, found *local, into *client.ImportContentDigests) error {
	if found.secrets != nil {
		r, err := ask(c.api.AddImportSecretSearchesWithBodyWithResponse(ctx, operation, &client.AddImportSecretSearchesParams{}, jsonMedia, bytes.NewReader(found.secrets)))
		if err != nil {
			return fmt.Errorf("secret search: %w", err)
		}
		into.SecretSearches = &r.JSON200.Digest
	}
	if found.content != nil {
		r, err := ask(c.api.AddImportContentSearchesWithBodyWithResponse(ctx, operation, &client.AddImportContentSearchesParams{}, jsonMedia, bytes.NewReader(found.content)))
		if err != nil {
			return fmt.Errorf("content search: %w", err)
		}
		into.ContentSearches = &r.JSON200.Digest
	}
	if found.kept != nil {
		r, err := ask(c.api.AddImportFileContentsWithBodyWithResponse(ctx, operation, &client.AddImportFileContentsParams{}, jsonMedia, bytes.NewReader(found.kept)))
		if err != nil {
			return fmt.Errorf("kept files: %w", err)
		}
		into.FileContents = &r.JSON200.Digest
	}
	return nil
}
