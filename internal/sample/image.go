// Package sample builds a small but real container image and a matching set of advisories from files in this
// repository, so that the demo and the end-to-end tests run on true input without any outside source.
//
// The layers are txtar files under layers/ (a few directives give modes, links and whiteouts); a jar and a Go
// program are built on the spot. The result is the same for the same sources and Go version.
package sample

import (
	"archive/tar"
	"archive/zip"
	"bytes"
	"context"
	"embed"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"sort"
	"strconv"
	"strings"
	"time"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/tarball"
	"golang.org/x/tools/txtar"
)

//go:embed layers/*.txtar
var layerFiles embed.FS

// epoch is the modification time of everything in the image, so that digests repeat.
var epoch = time.Date(2024, 2, 10, 0, 0, 0, 0, time.UTC)

// Image builds the sample image. The Go tool must be on PATH and the working directory inside this module,
// because the program in the image is compiled from hello/.
func Image(ctx context.Context) (v1.Image, error) {
	program, err := buildHello(ctx)
	if err != nil {
		return nil, err
	}
	jar, err := jacksonJar()
	if err != nil {
		return nil, fmt.Errorf("build the sample jar: %w", err)
	}
	built := map[string][]byte{
		"usr/local/bin/hello":                      program,
		"srv/app/lib/jackson-databind-2.9.9.jar":   jar,
		"srv/app/lib/README":                       []byte("third-party jars\n"),
		"srv/app/lib/licenses/jackson/LICENSE-2.0": []byte("Apache License, Version 2.0\n"),
	}
	img := mutate.MediaType(mutate.ConfigMediaType(empty.Image, "application/vnd.oci.image.config.v1+json"), "application/vnd.oci.image.manifest.v1+json")
	steps := []struct {
		file, createdBy string
		extra           map[string][]byte
	}{
		{"0-debian.txtar", "ADD rootfs.tar.xz / # buildkit", nil},
		{"1-app.txtar", "COPY app / # buildkit", built},
		{"2-cleanup.txtar", "RUN /bin/sh -c rm -rf /var/cache/debconf # buildkit", nil},
	}
	for _, step := range steps {
		raw, err := layerTar(step.file, step.extra)
		if err != nil {
			return nil, fmt.Errorf("build sample layer %s: %w", step.file, err)
		}
		layer, err := tarball.LayerFromOpener(func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(raw)), nil },
			tarball.WithMediaType("application/vnd.oci.image.layer.v1.tar+gzip"))
		if err != nil {
			return nil, fmt.Errorf("build sample layer %s: %w", step.file, err)
		}
		img, err = mutate.Append(img, mutate.Addendum{
			Layer:       layer,
			History:     v1.History{Created: v1.Time{Time: epoch}, CreatedBy: step.createdBy},
			Annotations: map[string]string{"org.opencontainers.image.title": step.file},
		})
		if err != nil {
			return nil, fmt.Errorf("append sample layer %s: %w", step.file, err)
		}
	}
	return withConfig(img)
}

func withConfig(img v1.Image) (v1.Image, error) {
	config, err := img.ConfigFile()
	if err != nil {
		return nil, err
	}
	config = config.DeepCopy()
	config.Architecture, config.OS, config.Created = "amd64", "linux", v1.Time{Time: epoch}
	config.Config.ExposedPorts = map[string]struct{}{"8080/tcp": {}, "22/tcp": {}}
	config.Config.Env = []string{"PATH=/usr/local/bin:/usr/bin:/bin"}
	config.Config.Entrypoint = []string{"/usr/local/bin/hello"}
	config.Config.WorkingDir = "/srv/app"
	config.Config.Labels = map[string]string{"org.opencontainers.image.title": "plimsoll sample"}
	for _, instruction := range []string{"EXPOSE map[22/tcp:{} 8080/tcp:{}]", "WORKDIR /srv/app", `ENTRYPOINT ["/usr/local/bin/hello"]`} {
		config.History = append(config.History, v1.History{Created: v1.Time{Time: epoch}, CreatedBy: instruction, EmptyLayer: true})
	}
	if img, err = mutate.ConfigFile(img, config); err != nil {
		return nil, err
	}
	annotated, ok := mutate.Annotations(img, map[string]string{"org.opencontainers.image.title": "plimsoll sample"}).(v1.Image)
	if !ok {
		return nil, errors.New("annotating the sample image gave something else than an image")
	}
	return annotated, nil
}

// layerTar turns a layer's txtar and further files into a tar, parents first.
func layerTar(name string, extra map[string][]byte) ([]byte, error) {
	raw, err := layerFiles.ReadFile("layers/" + name)
	if err != nil {
		return nil, err
	}
	archive := txtar.Parse(raw)
	modes := map[string]int64{}
	entries := map[string]*tar.Header{}
	content := map[string][]byte{}
	for _, line := range strings.Split(string(archive.Comment), "\n") {
		words := strings.Fields(line)
		switch {
		case len(words) == 3 && words[0] == "mode":
			mode, err := strconv.ParseInt(words[1], 8, 64)
			if err != nil {
				return nil, fmt.Errorf("directive %q: %w", line, err)
			}
			modes[words[2]] = mode
		case len(words) == 3 && words[0] == "symlink":
			entries[words[1]] = &tar.Header{Typeflag: tar.TypeSymlink, Linkname: words[2], Mode: 0o777}
		case len(words) == 2 && words[0] == "whiteout":
			entries[path.Join(path.Dir(words[1]), ".wh."+path.Base(words[1]))] = &tar.Header{Typeflag: tar.TypeReg, Mode: 0o644}
		}
	}
	for _, f := range archive.Files {
		content[f.Name] = f.Data
		entries[f.Name] = &tar.Header{Typeflag: tar.TypeReg, Mode: 0o644}
	}
	for name, data := range extra {
		content[name] = data
		entries[name] = &tar.Header{Typeflag: tar.TypeReg, Mode: 0o755}
	}
	for name := range entries {
		for dir := path.Dir(name); dir != "."; dir = path.Dir(dir) {
			if entries[dir] == nil {
				entries[dir] = &tar.Header{Typeflag: tar.TypeDir, Mode: 0o755}
			}
		}
	}
	for name, mode := range modes {
		if entries[name] == nil {
			return nil, fmt.Errorf("mode directive for %s, which is not in the layer", name)
		}
		entries[name].Mode = mode
	}
	return writeTar(entries, content)
}

func writeTar(entries map[string]*tar.Header, content map[string][]byte) ([]byte, error) {
	names := make([]string, 0, len(entries))
	for name := range entries {
		names = append(names, name)
	}
	sort.Strings(names)
	var out bytes.Buffer
	w := tar.NewWriter(&out)
	for _, name := range names {
		header := entries[name]
		header.Name, header.ModTime, header.Size = name, epoch, int64(len(content[name]))
		if header.Typeflag == tar.TypeDir {
			header.Name += "/"
		}
		if err := w.WriteHeader(header); err != nil {
			return nil, err
		}
		if _, err := w.Write(content[name]); err != nil {
			return nil, err
		}
	}
	err := w.Close()
	return out.Bytes(), err
}

func jacksonJar() ([]byte, error) {
	files := []struct{ name, body string }{
		{"META-INF/MANIFEST.MF", "Manifest-Version: 1.0\r\nBundle-SymbolicName: com.fasterxml.jackson.core.jackson-databind\r\n" +
			"Implementation-Title: jackson-databind\r\nImplementation-Version: 2.9.9\r\nSpecification-Version: 2.9.9\r\nImplementation-Vendor: FasterXML\r\n"},
		{"META-INF/maven/com.fasterxml.jackson.core/jackson-databind/pom.properties",
			"version=2.9.9\ngroupId=com.fasterxml.jackson.core\nartifactId=jackson-databind\n"},
	}
	var out bytes.Buffer
	w := zip.NewWriter(&out)
	for _, f := range files {
		part, err := w.CreateHeader(&zip.FileHeader{Name: f.name, Method: zip.Deflate, Modified: epoch})
		if err != nil {
			return nil, err
		}
		if _, err := io.WriteString(part, f.body); err != nil {
			return nil, err
		}
	}
	err := w.Close()
	return out.Bytes(), err
}

func buildHello(ctx context.Context) ([]byte, error) {
	dir, err := os.MkdirTemp("", "plimsoll-sample-")
	if err != nil {
		return nil, err
	}
	defer func() { _ = os.RemoveAll(dir) }()
	target := filepath.Join(dir, "hello")
	cmd := exec.CommandContext(ctx, "go", "build", "-trimpath", "-buildvcs=false", "-ldflags=-s -w", "-o", target, "plimsoll/internal/sample/hello")
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0", "GOOS=linux", "GOARCH=amd64")
	if out, err := cmd.CombinedOutput(); err != nil {
		return nil, fmt.Errorf("compile the sample's Go program (run inside the repository, with go on PATH): %w: %s", err, bytes.TrimSpace(out))
	}
	return os.ReadFile(target)
}

//go:embed advisories
var advisoryFiles embed.FS

// OSVHost is where the advisories' publisher serves them; a mirror has it as a path segment.
const OSVHost = "osv-vulnerabilities.storage.googleapis.com"

// Advisories returns the sample's OSV records: ecosystem -> record id -> JSON.
func Advisories() (map[string]map[string][]byte, error) {
	all := map[string]map[string][]byte{}
	err := fs.WalkDir(advisoryFiles, "advisories", func(name string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || path.Ext(name) != ".json" {
			return err
		}
		data, err := advisoryFiles.ReadFile(name)
		if err != nil {
			return err
		}
		ecosystem := path.Base(path.Dir(name))
		if all[ecosystem] == nil {
			all[ecosystem] = map[string][]byte{}
		}
		all[ecosystem][strings.TrimSuffix(path.Base(name), ".json")] = data
		return nil
	})
	return all, err
}

// WriteMirror lays the records out under dir as a feed mirror: osv/<host>/<ecosystem>/all.zip.
func WriteMirror(dir string, records map[string]map[string][]byte) error {
	for ecosystem, byID := range records {
		bundle, err := zipRecords(byID)
		if err != nil {
			return fmt.Errorf("bundle %s: %w", ecosystem, err)
		}
		target := filepath.Join(dir, "osv", OSVHost, ecosystem)
		if err := os.MkdirAll(target, 0o755); err != nil {
			return err
		}
		// Renamed into place, so that a reader never sees half a bundle.
		if err := os.WriteFile(filepath.Join(target, "all.zip.new"), bundle, 0o644); err != nil {
			return err
		}
		if err := os.Rename(filepath.Join(target, "all.zip.new"), filepath.Join(target, "all.zip")); err != nil {
			return err
		}
	}
	return nil
}

func zipRecords(byID map[string][]byte) ([]byte, error) {
	ids := make([]string, 0, len(byID))
	for id := range byID {
		ids = append(ids, id)
	}
	sort.Strings(ids)
	var out bytes.Buffer
	w := zip.NewWriter(&out)
	for _, id := range ids {
		part, err := w.CreateHeader(&zip.FileHeader{Name: id + ".json", Method: zip.Deflate, Modified: epoch})
		if err != nil {
			return nil, err
		}
		if _, err := part.Write(byID[id]); err != nil {
			return nil, err
		}
	}
	err := w.Close()
	return out.Bytes(), err
}
