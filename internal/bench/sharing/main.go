// Command sharing measures what images cost that share layers, through the whole system: it starts bin/plimsoll
// standalone and a registry that counts, submits an image, then a second one that differs in its last, small layer,
// then two new ones that share a layer nobody has seen, at the same moment.
//
// It fails when the registry had to send a byte of a layer more than once.
package main

import (
	"context"
	"crypto/rand"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"path/filepath"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/static"
	"github.com/google/go-containerregistry/pkg/v1/tarball"
	"github.com/google/go-containerregistry/pkg/v1/types"
	"golang.org/x/sync/errgroup"
)

func main() {
	layers := flag.String("layers", "", "directory of layer archives (*.tar.gz); made on the spot when empty")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if err := run(ctx, *layers, os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, "bench sharing:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, dir string, out io.Writer) error {
	shared, err := sharedLayers(dir)
	if err != nil {
		return err
	}
	scratch, err := os.MkdirTemp("", "bench-sharing-*")
	if err != nil {
		return fmt.Errorf("make a directory: %w", err)
	}
	defer func() { _ = os.RemoveAll(scratch) }()
	registry, err := serveRegistry(ctx, filepath.Join(scratch, "registry"))
	if err != nil {
		return err
	}
	system, err := startSystem(ctx, filepath.Join(scratch, "data"))
	if err != nil {
		return err
	}
	defer system.stop()
	b := &bench{registry: registry, system: system, table: tabwriter.NewWriter(out, 0, 0, 2, ' ', tabwriter.AlignRight)}
	fmt.Fprintln(b.table, "step\twall s\timage MB\tread MB\tlayers read\tread twice\t")
	if err := b.measure(ctx, shared); err != nil {
		return err
	}
	if err := b.table.Flush(); err != nil {
		return fmt.Errorf("print: %w", err)
	}
	return errors.Join(b.faults...)
}

// bench submits images and looks at what the registry sent.
type bench struct {
	registry *registry
	system   *system
	table    *tabwriter.Writer
	faults   []error
}

func (b *bench) measure(ctx context.Context, shared []v1.Layer) error {
	fresh, err := random(8 << 20)
	if err != nil {
		return err
	}
	first, err := small("first")
	if err != nil {
		return err
	}
	second, err := small("second")
	if err != nil {
		return err
	}
	third, err := small("third")
	if err != nil {
		return err
	}
	if err := b.step(ctx, "an image nobody has seen", len(shared)+1, append(slices.Clone(shared), first)); err != nil {
		return err
	}
	if err := b.step(ctx, "a second one that shares all but a small layer", 1, append(slices.Clone(shared), second)); err != nil {
		return err
	}
	return b.step(ctx, "two at once that share a new layer", 2, []v1.Layer{fresh, third}, []v1.Layer{fresh})
}

// step submits images at the same moment. reads is how many layers have to be sent.
func (b *bench) step(ctx context.Context, name string, reads int, images ...[]v1.Layer) error {
	var references []string
	var size int64
	for _, layers := range images {
		reference, bytes, err := b.registry.push(layers)
		if err != nil {
			return fmt.Errorf("%s: push: %w", name, err)
		}
		references = append(references, reference)
		size += bytes
	}
	before := b.registry.sent()
	began := time.Now()
	var group errgroup.Group
	for _, r := range references {
		group.Go(func() error { return b.system.analyze(ctx, r) })
	}
	if err := group.Wait(); err != nil {
		return fmt.Errorf("%s: %w", name, err)
	}
	wall := time.Since(began)
	read, layers, twice := b.registry.since(before)
	fmt.Fprintf(b.table, "%s\t%.2f\t%.1f\t%.1f\t%d\t%d\t\n", name, wall.Seconds(), float64(size)/1e6, float64(read)/1e6, layers, twice)
	if layers != reads || twice > 0 {
		b.faults = append(b.faults, fmt.Errorf("%s: %d layers were read, %d of them twice; %d had to be", name, layers, twice, reads))
	}
	return nil
}

// sharedLayers are the archives of a directory, or three made on the spot.
func sharedLayers(dir string) ([]v1.Layer, error) {
	var all []v1.Layer
	if dir == "" {
		for range 3 {
			l, err := random(16 << 20)
			if err != nil {
				return nil, err
			}
			all = append(all, l)
		}
		return all, nil
	}
	files, err := filepath.Glob(filepath.Join(dir, "*.tar.gz"))
	if err != nil || len(files) == 0 {
		return nil, fmt.Errorf("no layer archives in %s", dir)
	}
	for _, f := range files {
		l, err := tarball.LayerFromFile(f)
		if err != nil {
			return nil, fmt.Errorf("read %s: %w", f, err)
		}
		all = append(all, l)
	}
	return all, nil
}

// random is a layer of one file that does not compress.
func random(size int) (v1.Layer, error) {
	content := make([]byte, size)
	if _, err := rand.Read(content); err != nil {
		return nil, fmt.Errorf("make a layer: %w", err)
	}
	return layer("opt/"+rand.Text(), content)
}

func small(name string) (v1.Layer, error) {
	return layer("etc/"+name, []byte(strings.Repeat(name+" "+rand.Text()+"\n", 100)))
}

func layer(name string, content []byte) (v1.Layer, error) {
	archive, err := archived(name, content)
	if err != nil {
		return nil, fmt.Errorf("make a layer: %w", err)
	}
	return static.NewLayer(archive, types.OCILayer), nil
}

func imageOf(layers []v1.Layer) (v1.Image, error) {
	config := mutate.MediaType(empty.Image, types.OCIManifestSchema1)
	return mutate.AppendLayers(mutate.ConfigMediaType(config, types.OCIConfigJSON), layers...)
}
