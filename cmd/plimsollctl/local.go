package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"github.com/schollz/progressbar/v3"
	"golang.org/x/term"

	"plimsoll/engine/catalog"
	"plimsoll/engine/catalog/builtin"
	"plimsoll/engine/catalog/search/content"
	"plimsoll/engine/catalog/search/retrieve"
	"plimsoll/engine/catalog/search/secret"
	"plimsoll/engine/catalog/search/suite"
	"plimsoll/engine/image"
	"plimsoll/engine/imported"
	"plimsoll/engine/match"
	"plimsoll/engine/sbom"
	"plimsoll/internal/config"
	"plimsoll/internal/source"
)

// local is an image analysed on this machine, with the engine the server has.
type local struct {
	document []byte // native, with files, manifest and configuration
	// What searches found and files kept, in the form of imports; nil: nothing was looked for.
	secrets, content, kept []byte
}

// analyzeLocal reads an image from a source, with these analyzers beside those for packages. What it says to a person
// goes to out.
func analyzeLocal(ctx context.Context, from string, options source.Options, searches []catalog.Analyzer, out io.Writer) (*local, error) {
	scratch, err := os.MkdirTemp("", "plimsollctl-")
	if err != nil {
		return nil, fmt.Errorf("make a folder for large files: %w", err)
	}
	defer func() { _ = os.RemoveAll(scratch) }()
	options.Scratch = scratch
	if socket, ok := strings.CutPrefix(os.Getenv("DOCKER_HOST"), "unix://"); ok {
		options.DaemonSocket = socket
	}
	img, err := source.Open(ctx, from, options)
	if err != nil {
		return nil, err
	}
	defer img.Close()
	layers, err := readLayers(ctx, img, scratch, searches, out)
	if err != nil {
		return nil, err
	}
	if img.Skipped != nil {
		for _, path := range img.Skipped() {
			fmt.Fprintln(out, "not readable:", printable(path))
			layers[0].Incomplete = append(layers[0].Incomplete, catalog.Incompleteness{Path: path, Reason: catalog.ReasonUnreadable})
		}
	}
	return describeLocal(img, layers, searches)
}

func readLayers(ctx context.Context, img *source.Image, scratch string, searches []catalog.Analyzer, out io.Writer) ([]*image.Layer, error) {
	analyzers, err := builtin.Choose(builtin.Choice{})
	if err != nil {
		return nil, err
	}
	pass := image.NewPass(append(analyzers, searches...), image.DefaultLimits, scratch)
	show := newMeter(out, img.Layers)
	defer show.close()
	layers := make([]*image.Layer, 0, len(img.Layers))
	for i, l := range img.Layers {
		read, done := show.layer(i, len(img.Layers), l.Size)
		blob, err := l.Open(ctx)
		if err != nil {
			return nil, fmt.Errorf("layer %d: %w", i+1, err)
		}
		layer, err := pass.Read(ctx, l.Digest, blob, read)
		_ = blob.Close() // read to its end or given up
		if err != nil {
			return nil, fmt.Errorf("layer %d: %w", i+1, err)
		}
		done()
		layers = append(layers, layer)
	}
	return layers, nil
}

func describeLocal(img *source.Image, layers []*image.Layer, searches []catalog.Analyzer) (*local, error) {
	found, findings, err := image.Assemble(layers, match.DistroNamespace)
	if err != nil {
		return nil, err
	}
	var platform struct {
		OS           string `json:"os"`
		Architecture string `json:"architecture"`
	}
	if err := json.Unmarshal(img.Config, &platform); err != nil {
		return nil, fmt.Errorf("read the image's configuration: %w", err)
	}
	subject := sbom.Subject{
		ImageDigest: img.Digest, ImageID: imported.DigestOf(img.Config), MediaType: img.MediaType,
		Architecture: platform.Architecture, OS: platform.OS, Manifest: img.Manifest, Config: img.Config, ToolVersion: buildVersion(),
	}
	if img.Name != "" {
		subject.Tags = []string{img.Name}
	}
	var document bytes.Buffer
	if err := sbom.Native(&document, subject, found, time.Now()); err != nil {
		return nil, err
	}
	var out local
	if out.document, err = imported.AddFiles(document.Bytes(), layers); err != nil {
		return nil, err
	}
	return &out, out.take(findings, layers, searches)
}

// take adds what the searches found that were made.
func (l *local) take(findings image.Findings, layers []*image.Layer, searches []catalog.Analyzer) (err error) {
	for _, s := range searches {
		switch s.Name {
		case secret.Name:
			l.secrets, err = imported.Searched(findings.Hits, catalog.SearchSecret, layers)
		case content.Name:
			l.content, err = imported.Searched(findings.Hits, catalog.SearchContent, layers)
		case retrieve.Name:
			l.kept, err = imported.Kept(findings.Retrieved)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// searchesOf are the searches a file asks for, in the form of the server's worker.analysis.search; those of a server
// nobody has tuned when there is none.
func searchesOf(file string) ([]catalog.Analyzer, error) {
	settings := suite.Default()
	if _, err := config.Load(&settings, config.Source{File: file}); err != nil {
		return nil, fmt.Errorf("searches: %w", err)
	}
	return settings.Analyzers()
}

// meter shows how far the layers are read: a bar on a terminal, a line per layer elsewhere.
type meter struct {
	out  io.Writer
	bar  *progressbar.ProgressBar
	done int64
}

func newMeter(out io.Writer, layers []source.Layer) *meter {
	var total int64
	for _, l := range layers {
		total += l.Size
	}
	return &meter{out: out, bar: newBar(out, max(total, 1))}
}

// newBar is a bar over bytes, of which -1 are unknown; nil where nobody would see it move.
func newBar(out io.Writer, total int64) *progressbar.ProgressBar {
	file, ok := out.(*os.File)
	if !ok || !term.IsTerminal(int(file.Fd())) {
		return nil
	}
	return progressbar.NewOptions64(total, progressbar.OptionSetWriter(out), progressbar.OptionShowBytes(true),
		progressbar.OptionSetWidth(30), progressbar.OptionClearOnFinish(), progressbar.OptionUseANSICodes(os.Getenv("NO_COLOR") == ""))
}

// layer begins a layer; read is told the bytes read of it so far, done ends it.
func (m *meter) layer(i, of int, size int64) (read func(int64), done func()) {
	line := fmt.Sprintf("layer %d of %d", i+1, of)
	if m.bar == nil {
		fmt.Fprintf(m.out, "%s, %d bytes\n", line, size)
		return nil, func() {}
	}
	m.bar.Describe(line)
	return func(n int64) { _ = m.bar.Set64(m.done + min(n, size)) }, func() { m.done += size }
}

func (m *meter) close() {
	if m.bar != nil {
		_ = m.bar.Clear()
	}
}

// isSource tells sources from files with a finished document.
func isSource(from string) bool {
	scheme, _, _ := strings.Cut(from, ":")
	for _, known := range source.Schemes() {
		if scheme == strings.TrimRight(strings.Split(known, ":")[0], "[") {
			return true
		}
	}
	return false
}
