package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"syscall"
	"time"

	"github.com/google/go-containerregistry/pkg/name"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/tarball"
)

// other is another program that lists the packages of an image.
type other struct {
	name string
	args func(archive string) []string
}

// others are measured when they are on the PATH. Both read the same layers from a docker archive on this machine's
// disk, without asking the network for anything.
var others = []other{
	{"syft", func(archive string) []string {
		return []string{"scan", "docker-archive:" + archive, "--quiet", "--output", "json"}
	}},
	{"trivy", func(archive string) []string {
		return []string{"image", "--quiet", "--input", archive, "--scanners", "license", "--list-all-pkgs", "--offline-scan", "--skip-version-check", "--format", "json"}
	}},
}

// present are the others on the PATH, with the archive they read; the caller removes it.
func present(files []string, scratch string) (found []other, archive string, err error) {
	for _, o := range others {
		if _, err := exec.LookPath(o.name); err == nil {
			found = append(found, o)
		}
	}
	if len(found) == 0 {
		return nil, "", nil
	}
	archive = filepath.Join(scratch, fmt.Sprintf("bench-image-%d.tar", os.Getpid()))
	return found, archive, pack(files, archive)
}

// pack writes the layers as a docker archive.
func pack(files []string, archive string) error {
	var layers []v1.Layer
	for _, f := range files {
		l, err := tarball.LayerFromFile(f)
		if err != nil {
			return fmt.Errorf("read %s: %w", f, err)
		}
		layers = append(layers, l)
	}
	img, err := mutate.AppendLayers(empty.Image, layers...)
	if err != nil {
		return fmt.Errorf("put the layers together: %w", err)
	}
	config, err := img.ConfigFile()
	if err != nil {
		return fmt.Errorf("put the layers together: %w", err)
	}
	config = config.DeepCopy()
	config.OS, config.Architecture = "linux", runtime.GOARCH
	if img, err = mutate.ConfigFile(img, config); err != nil {
		return fmt.Errorf("put the layers together: %w", err)
	}
	tag, err := name.NewTag("bench:1")
	if err != nil {
		return err
	}
	if err := tarball.WriteToFile(archive, tag, img); err != nil {
		return errors.Join(fmt.Errorf("write an archive for other programs: %w", err), os.Remove(archive))
	}
	return nil
}

// measure runs the program once over the archive. A program of this size has no idle state to speak of.
func (o other) measure(ctx context.Context, archive, scratch string) (measurement, error) {
	cache, err := os.MkdirTemp(scratch, "bench-other-*")
	if err != nil {
		return measurement{}, fmt.Errorf("make a cache for %s: %w", o.name, err)
	}
	defer func() { _ = os.RemoveAll(cache) }()
	cmd := exec.CommandContext(ctx, o.name, o.args(archive)...)
	cmd.Env = append(os.Environ(), "XDG_CACHE_HOME="+cache, "TRIVY_CACHE_DIR="+cache, "SYFT_CHECK_FOR_APP_UPDATE=false", "TMPDIR="+cache)
	cmd.Stdout = io.Discard
	began := time.Now()
	if err := cmd.Run(); err != nil {
		return measurement{}, fmt.Errorf("run %s: %w", o.name, err)
	}
	m := measurement{Wall: time.Since(began).Seconds(), CPU: (cmd.ProcessState.UserTime() + cmd.ProcessState.SystemTime()).Seconds()}
	if usage, ok := cmd.ProcessState.SysUsage().(*syscall.Rusage); ok {
		m.Peak = usage.Maxrss << 10 // Linux counts in KiB
	}
	return m, nil
}
