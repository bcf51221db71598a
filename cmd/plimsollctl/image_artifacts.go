package main

import (
	"archive/tar"
	"bytes"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"plimsoll/api/client"
)

// Types of `image content` that are artifacts of the API.
const (
	typeSecrets   = "secret_search"
	typeContents  = "content_search"
	typeRetrieved = "retrieved_files"
)

// artifactFlags are those of `image content` that only artifacts have.
type artifactFlags struct {
	scope     string
	file      string
	overwrite bool
}

func (f *artifactFlags) register(cmd *cobra.Command) {
	cmd.Flags().StringVar(&f.scope, "scope", "", "of secret_search and content_search: all_layers also lists what a later layer deletes, squashed does not (default: as the server is configured)")
	cmd.Flags().StringVar(&f.file, "file", "", "with retrieved_files: write the files into this tar archive")
	cmd.Flags().BoolVar(&f.overwrite, "overwrite", false, "with --file: replace the archive if there is one")
}

func (f *artifactFlags) check(kind string) error {
	if f.file != "" && kind != typeRetrieved {
		return errors.New("--file goes with retrieved_files only")
	}
	if f.scope != "" && kind != typeSecrets && kind != typeContents {
		return errors.New("--scope goes with secret_search and content_search only")
	}
	return nil
}

func (c *connection) secrets(cmd *cobra.Command, digest string, f artifactFlags) error {
	params := &client.GetImageSecretSearchParams{}
	if f.scope != "" {
		scope := client.GetImageSecretSearchParamsScope(f.scope)
		params.Scope = &scope
	}
	r, err := ask(c.api.GetImageSecretSearchWithResponse(cmd.Context(), digest, params))
	if err != nil {
		return err
	}
	return c.show(cmd, r.Body, func(w io.Writer) error {
		var rows [][]string
		for _, file := range *r.JSON200 {
			rows = append(rows, matchRows(file.Path, file.Matches)...)
		}
		return writeMatches(w, rows)
	})
}

func (c *connection) contents(cmd *cobra.Command, digest string, f artifactFlags) error {
	params := &client.GetImageContentSearchParams{}
	if f.scope != "" {
		scope := client.GetImageContentSearchParamsScope(f.scope)
		params.Scope = &scope
	}
	r, err := ask(c.api.GetImageContentSearchWithResponse(cmd.Context(), digest, params))
	if err != nil {
		return err
	}
	return c.show(cmd, r.Body, func(w io.Writer) error {
		var rows [][]string
		for _, file := range *r.JSON200 {
			rows = append(rows, matchRows(file.Path, file.Matches)...)
		}
		return writeMatches(w, rows)
	})
}

func matchRows(path string, matches []client.RegexContentMatch) [][]string {
	rows := make([][]string, 0, len(matches))
	for _, m := range matches {
		lines := make([]string, len(m.Lines))
		for i, n := range m.Lines {
			lines[i] = strconv.Itoa(n)
		}
		removed := ""
		if m.Removed != nil && *m.Removed {
			removed = "removed"
		}
		rows = append(rows, []string{m.Name, path, strings.Join(lines, ","), removed})
	}
	return rows
}

func writeMatches(w io.Writer, rows [][]string) error {
	return table(w, []string{"NAME", "PATH", "LINES", "BY A LATER LAYER"}, rows)
}

// retrieved lists the files kept, or writes them into an archive.
func (c *connection) retrieved(cmd *cobra.Command, digest string, f artifactFlags) error {
	r, err := ask(c.api.GetImageRetrievedFilesWithResponse(cmd.Context(), digest, &client.GetImageRetrievedFilesParams{}))
	if err != nil {
		return err
	}
	files := *r.JSON200
	if f.file != "" {
		if err := saveArchive(f.file, f.overwrite, files); err != nil {
			return err
		}
		fmt.Fprintf(cmd.ErrOrStderr(), "%d files written to %s\n", len(files), f.file)
		return nil
	}
	return c.show(cmd, r.Body, func(w io.Writer) error {
		rows := make([][]string, 0, len(files))
		for _, file := range files {
			content, err := base64.StdEncoding.DecodeString(file.B64Content)
			if err != nil {
				return fmt.Errorf("content of %s is not base64: %w", file.Path, err)
			}
			rows = append(rows, []string{strconv.Itoa(len(content)), file.Path})
		}
		return table(w, []string{"SIZE", "PATH"}, rows)
	})
}

// saveArchive writes the archive; what is there already is touched only once the new one is made.
func saveArchive(name string, overwrite bool, files []client.RetrievedFile) error {
	var content bytes.Buffer
	if err := writeArchive(&content, files); err != nil {
		return fmt.Errorf("make archive: %w", err)
	}
	flags := os.O_WRONLY | os.O_CREATE | os.O_EXCL
	if overwrite {
		flags = os.O_WRONLY | os.O_CREATE | os.O_TRUNC
	}
	out, err := os.OpenFile(name, flags, 0o600)
	if errors.Is(err, os.ErrExist) {
		return fmt.Errorf("%s is there already; use --overwrite to replace it", name)
	}
	if err != nil {
		return fmt.Errorf("create archive: %w", err)
	}
	_, err = content.WriteTo(out)
	if err := errors.Join(err, out.Close()); err != nil {
		return fmt.Errorf("write archive: %w", err)
	}
	return nil
}

func writeArchive(w io.Writer, files []client.RetrievedFile) error {
	archive := tar.NewWriter(w)
	for _, file := range files {
		content, err := base64.StdEncoding.DecodeString(file.B64Content)
		if err != nil {
			return fmt.Errorf("content of %s is not base64: %w", file.Path, err)
		}
		header := &tar.Header{Typeflag: tar.TypeReg, Name: strings.TrimLeft(file.Path, "/"), Size: int64(len(content)), Mode: 0o600, ModTime: time.Unix(0, 0)}
		if err := archive.WriteHeader(header); err != nil {
			return err
		}
		if _, err := archive.Write(content); err != nil {
			return err
		}
	}
	return archive.Close()
}
