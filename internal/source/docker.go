package source

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"net/http"
	"net/url"
	"path"
	"regexp"
	"slices"
	"strings"
	"time"
)

// saved is a line of manifest.json in an archive of `docker save` (Docker image spec 1.2, "Combined Image JSON +
// Filesystem Changeset Format").
type saved struct {
	Config   string
	RepoTags []string
	Layers   []string
}

func openDockerArchive(ctx context.Context, name string, o Options) (*Image, error) {
	a, err := openArchive(ctx, name, o)
	if err != nil {
		return nil, err
	}
	return a.docker(ctx, o)
}

// docker reads the image and closes the archive if it cannot.
func (a *archive) docker(ctx context.Context, o Options) (*Image, error) {
	img, err := dockerImage(ctx, a, o)
	if err != nil {
		return nil, errors.Join(formatFault(err), a.file.Close())
	}
	img.close = append(img.close, a.file.Close)
	return img, nil
}

func dockerImage(ctx context.Context, a *archive, o Options) (*Image, error) {
	list, err := document(a, "manifest.json")
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("%w: no manifest.json; is this an archive of docker save?", ErrFormat)
	}
	if err != nil {
		return nil, err
	}
	var all []saved
	if err := json.Unmarshal(list, &all); err != nil {
		return nil, fmt.Errorf("manifest.json: %w: %w", ErrFormat, err)
	}
	one, err := choose(all, o.Tag)
	if err != nil {
		return nil, err
	}
	img := &Image{}
	if len(one.RepoTags) > 0 {
		img.Name = one.RepoTags[0]
	}
	if img.Config, err = configuration(a, one.Config); err != nil {
		return nil, fmt.Errorf("configuration: %w", err)
	}
	var c config
	if err := json.Unmarshal(img.Config, &c); err != nil {
		return nil, fmt.Errorf("configuration: %w: %w", ErrFormat, err)
	}
	if len(one.Layers) != len(c.RootFS.DiffIDs) || len(one.Layers) > maxLayers {
		return nil, fmt.Errorf("%w: manifest.json lists %d layers, the configuration %d; at most %d", ErrFormat, len(one.Layers), len(c.RootFS.DiffIDs), maxLayers)
	}
	for i, name := range one.Layers {
		layer, err := dockerLayer(ctx, a, name, c.RootFS.DiffIDs[i], o)
		if err != nil {
			return nil, fmt.Errorf("layer %d: %w", i+1, err)
		}
		img.Layers = append(img.Layers, layer)
	}
	return img, img.seal()
}

func choose(all []saved, tag string) (saved, error) {
	if len(all) == 1 {
		return all[0], nil
	}
	var tags []string
	for _, s := range all {
		if tag != "" && slices.ContainsFunc(s.RepoTags, func(t string) bool { return t == tag || strings.HasSuffix(tag, "/"+t) }) {
			return s, nil
		}
		tags = append(tags, s.RepoTags...)
	}
	return saved{}, fmt.Errorf("%w: the archive holds %d images (%s)", ErrChoice, len(all), strings.Join(tags[:min(len(tags), 10)], ", "))
}

var hexName = regexp.MustCompile(`^[0-9a-f]{64}$`)

// configuration reads the configuration; a name made of a digest binds its content.
func configuration(a *archive, name string) ([]byte, error) {
	data, err := named(a, name)
	if err != nil {
		return nil, err
	}
	if base := strings.TrimSuffix(path.Base(name), ".json"); hexName.MatchString(base) && digestOf(data) != "sha256:"+base {
		return nil, fmt.Errorf("%s: %w: it has %s", name, ErrDigest, digestOf(data))
	}
	return data, nil
}

func named(a *archive, name string) ([]byte, error) {
	exact, ok := clean(name)
	if !ok {
		return nil, fmt.Errorf("%w: member %q", ErrFormat, name)
	}
	data, err := document(a, exact)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("%w: %w", ErrFormat, err)
	}
	return data, err
}

// dockerLayer is a layer as a plain tar, whatever form it has in the archive.
func dockerLayer(ctx context.Context, a *archive, name, diffID string, o Options) (Layer, error) {
	exact, ok := clean(name)
	if !ok || !digestPattern.MatchString(diffID) {
		return Layer{}, fmt.Errorf("%w: member %q, diff id %q", ErrFormat, name, diffID)
	}
	open := func(ctx context.Context) (io.Reader, bool, int64, error) {
		r, size, err := a.open(exact)
		if errors.Is(err, fs.ErrNotExist) {
			err = fmt.Errorf("%w: %w", ErrFormat, err)
		}
		if err != nil {
			return nil, false, 0, err
		}
		plain, compressed, err := decompress(bufio.NewReaderSize(r, 64<<10))
		return untilDone{ctx, plain}, compressed, size, err
	}
	plain, compressed, size, err := open(ctx)
	if err == nil && compressed { // its plain size shows at its end only
		if size, err = io.Copy(io.Discard, io.LimitReader(plain, o.maxBytes()+1)); err == nil && size > o.maxBytes() {
			err = fmt.Errorf("%w: more than %d bytes", ErrLimit, o.maxBytes())
		}
	}
	if err != nil {
		return Layer{}, fmt.Errorf("%s: %w", name, err)
	}
	return Layer{Digest: diffID, Size: size, Open: func(ctx context.Context) (io.ReadCloser, error) {
		r, _, _, err := open(ctx)
		if err != nil {
			return nil, err
		}
		return io.NopCloser(io.LimitReader(r, size+1)), nil // one more, so that growth shows in the digest
	}}, nil
}

const (
	defaultSocket = "/var/run/docker.sock"
	// daemonAnswer is how long a daemon may take to begin with its answer: it packs the image first.
	daemonAnswer = 10 * time.Minute
)

// openDaemon takes the image from a Docker daemon (Engine API, "ImageGet"), which sends it as an archive.
func openDaemon(ctx context.Context, name string, o Options) (*Image, error) {
	if name == "" {
		name = o.Tag
	}
	if name == "" {
		return nil, fmt.Errorf("%w: name the image, as docker:NAME", ErrSource)
	}
	socket := o.DaemonSocket
	if socket == "" {
		socket = defaultSocket
	}
	transport := &http.Transport{
		DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			return new(net.Dialer).DialContext(ctx, "unix", socket)
		},
		ResponseHeaderTimeout: daemonAnswer, DisableKeepAlives: true,
	}
	defer transport.CloseIdleConnections()
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://docker/images/"+url.PathEscape(name)+"/get", nil)
	if err != nil {
		return nil, err
	}
	response, err := (&http.Client{Transport: transport}).Do(request)
	if err != nil {
		return nil, fmt.Errorf("ask the Docker daemon at %s: %w", socket, err)
	}
	defer response.Body.Close()
	if response.StatusCode != http.StatusOK {
		var said struct{ Message string }
		_ = json.NewDecoder(io.LimitReader(response.Body, 64<<10)).Decode(&said) // the status says enough
		return nil, fmt.Errorf("%w: the Docker daemon says %d %s", ErrSource, response.StatusCode, said.Message)
	}
	file, err := spool(response.Body, o)
	if err != nil {
		return nil, fmt.Errorf("take the image from the Docker daemon: %w", err)
	}
	a, err := index(ctx, file)
	if err != nil {
		return nil, err
	}
	return a.docker(ctx, o)
}
