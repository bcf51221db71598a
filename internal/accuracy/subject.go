package main

import (
	"archive/tar"
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"

	"plimsoll/engine/catalog"
	"plimsoll/engine/catalog/builtin"
	"plimsoll/engine/image"
	"plimsoll/engine/match"
)

// subject is something both sides look at: layers for us, the file system they make for the witnesses.
type subject struct {
	name      string
	layers    []func() (io.ReadCloser, error) // bottom first
	root      string
	witnesses []witness
	heard     map[string]bool // witnesses that answered
}

// subjects returns what there is to compare, and a function that takes mounts and copies away.
func subjects(ctx context.Context, o options) ([]*subject, func(), error) {
	all, err := rpmDatabases(ctx)
	if err != nil {
		return nil, nil, err
	}
	if o.layers == "" {
		return all, func() {}, nil
	}
	built, cleanup, err := builtImage(ctx, o)
	if err != nil {
		return nil, nil, err
	}
	return append(all, built), cleanup, nil
}

// builtImage lays the unpacked file systems over each other by the kernel's overlay file system, so that the
// witnesses see what a container would.
func builtImage(ctx context.Context, o options) (*subject, func(), error) {
	s := &subject{name: "debian", heard: map[string]bool{}, witnesses: []witness{
		dpkgQuery(), pythonMetadata(), npmList(), rubyGems(), goVersion(), syft(o.syft),
	}}
	var lower []string
	for name := range strings.SplitSeq(o.order, ",") {
		file := filepath.Join(o.layers, name+".tar.gz")
		s.layers = append(s.layers, func() (io.ReadCloser, error) { return os.Open(file) })
		unpacked := filepath.Join(filepath.Dir(filepath.Clean(o.layers)), "fs", name)
		if info, err := os.Stat(filepath.Join(unpacked, "up")); err == nil && info.IsDir() {
			unpacked = filepath.Join(unpacked, "up")
		}
		lower = append([]string{unpacked}, lower...)
	}
	root, err := os.MkdirTemp("", "accuracy-*")
	if err != nil {
		return nil, nil, fmt.Errorf("make a mount point: %w", err)
	}
	s.root = root
	mount := exec.CommandContext(ctx, "mount", "-t", "overlay", "overlay", "-o", "ro,lowerdir="+strings.Join(lower, ":"), root)
	if text, err := mount.CombinedOutput(); err != nil {
		return nil, nil, errors.Join(fmt.Errorf("mount the image (needs root): %w: %s", err, bytes.TrimSpace(text)), os.Remove(root))
	}
	return s, func() {
		_ = exec.Command("umount", root).Run() //nolint:noctx // also after an interrupt
		_ = os.Remove(root)
	}, nil
}

// rpmDatabases are the ones of go-rpmdb's tests: real, of eight distributions and three formats.
func rpmDatabases(ctx context.Context) ([]*subject, error) {
	dir, err := exec.CommandContext(ctx, "go", "list", "-m", "-f", "{{.Dir}}", "github.com/knqyf263/go-rpmdb").Output()
	if err != nil {
		return nil, fmt.Errorf("find the module go-rpmdb: %w", err)
	}
	files, err := filepath.Glob(filepath.Join(strings.TrimSpace(string(dir)), "pkg", "testdata", "*", "*"))
	if err != nil {
		return nil, fmt.Errorf("list rpm databases: %w", err)
	}
	var all []*subject
	for _, file := range files {
		place, known := map[string]string{
			"Packages": "var/lib/rpm/Packages", "Packages.db": "usr/lib/sysimage/rpm/Packages.db", "rpmdb.sqlite": "var/lib/rpm/rpmdb.sqlite",
		}[filepath.Base(file)]
		if !known {
			continue
		}
		witnesses := []witness{rpmQuery()}
		if filepath.Base(file) == "Packages.db" { // Debian builds rpm without that format
			witnesses = []witness{rpmLibrary()}
		}
		all = append(all, &subject{
			name: "rpm:" + filepath.Base(filepath.Dir(file)), root: file, heard: map[string]bool{},
			layers:    []func() (io.ReadCloser, error){func() (io.ReadCloser, error) { return single(file, place) }},
			witnesses: witnesses,
		})
	}
	return all, nil
}

// single is a layer of one file.
func single(file, place string) (io.ReadCloser, error) {
	content, err := os.ReadFile(file)
	if err != nil {
		return nil, err
	}
	var blob bytes.Buffer
	w := tar.NewWriter(&blob)
	err = w.WriteHeader(&tar.Header{Name: place, Mode: 0o644, Size: int64(len(content))})
	if err == nil {
		_, err = w.Write(content)
	}
	return io.NopCloser(&blob), errors.Join(err, w.Close())
}

// ours is what Plimsoll finds, language packages owned by an OS package included: their own tools list them, too.
// A runtime that an OS package owns is no package of its own.
func (s *subject) ours(ctx context.Context) (found, error) {
	analyzers, err := builtin.Choose(builtin.Choice{})
	if err != nil {
		return nil, err
	}
	pass := image.NewPass(analyzers, image.DefaultLimits, os.TempDir())
	var layers []*image.Layer
	for _, open := range s.layers {
		layer, err := read(ctx, pass, open)
		if err != nil {
			return nil, err
		}
		layers = append(layers, layer)
	}
	img, _, err := image.Assemble(layers, match.DistroNamespace)
	if err != nil {
		return nil, err
	}
	all := found{}
	for i := range img.Packages {
		p := &img.Packages[i]
		if p.Type == catalog.TypeBinary && p.Owner != "" {
			continue
		}
		all.add(p.Type, p.Name, p.Version)
	}
	return all, nil
}

func read(ctx context.Context, pass *image.Pass, open func() (io.ReadCloser, error)) (*image.Layer, error) {
	blob, err := open()
	if err != nil {
		return nil, fmt.Errorf("open layer: %w", err)
	}
	h := sha256.New()
	_, err = io.Copy(h, blob)
	if err = errors.Join(err, blob.Close()); err != nil {
		return nil, fmt.Errorf("hash layer: %w", err)
	}
	if blob, err = open(); err != nil {
		return nil, fmt.Errorf("open layer: %w", err)
	}
	defer blob.Close()
	return pass.Read(ctx, fmt.Sprintf("sha256:%x", h.Sum(nil)), blob, nil)
}
