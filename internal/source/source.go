package source

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"regexp"
	"strings"
)

var (
	// ErrSource reports a source that cannot be understood: unknown scheme, nothing there.
	ErrSource = errors.New("not an image source")
	// ErrFormat reports an archive or layout that is not what it should be.
	ErrFormat = errors.New("image is not in the expected form")
	// ErrDigest reports a document that does not have the digest it is named by.
	ErrDigest = errors.New("content does not match its digest")
	// ErrChoice reports that there are several images and no way to tell which is meant.
	ErrChoice = errors.New("which image is meant is not clear")
	// ErrLimit reports a document or archive beyond a bound.
	ErrLimit = errors.New("image exceeds a limit")
)

const (
	maxDocument = 8 << 20 // bytes of a manifest, index or configuration
	maxMembers  = 200_000 // of an archive
	maxLayers   = 1000
	maxNesting  = 3 // of indexes
	maxLinks    = 8 // followed from one member to the next
)

// Media types of the documents made here, and of those chosen from.
const (
	typeDockerManifest = "application/vnd.docker.distribution.manifest.v2+json"
	typeDockerConfig   = "application/vnd.docker.container.image.v1+json"
	typeDockerLayer    = "application/vnd.docker.image.rootfs.diff.tar"
	typeDockerList     = "application/vnd.docker.distribution.manifest.list.v2+json"
	typeIndex          = "application/vnd.oci.image.index.v1+json"
	typeManifest       = "application/vnd.oci.image.manifest.v1+json"
)

// Image is an image that lies on this machine. Close it.
type Image struct {
	Name      string // the tag the source gives it; may be empty
	Digest    string // of Manifest
	MediaType string
	Manifest  []byte
	Config    []byte
	Layers    []Layer // bottom first
	// Skipped are files of a directory that could not be read, as absolute paths; they are known once a layer
	// has been read to its end.
	Skipped func() []string

	close []func() error
}

// Layer is a layer blob.
type Layer struct {
	Digest string
	Size   int64 // bytes of the blob
	Open   func(context.Context) (io.ReadCloser, error)
}

// Close frees files and removes what was spooled.
func (i *Image) Close() error {
	var faults []error
	for n := len(i.close) - 1; n >= 0; n-- {
		faults = append(faults, i.close[n]())
	}
	i.close = nil
	return errors.Join(faults...)
}

// Options say what to take and where to work.
type Options struct {
	// Tag chooses the image of an archive that holds several, and names the image a daemon is asked for.
	Tag string
	// Platform chooses from an index: os/architecture[/variant]; empty means the only one, or linux/amd64.
	Platform string
	// Scratch is a directory for archives that cannot be read in place.
	Scratch string
	// MaxBytes bounds what is spooled or unpacked; 0 means 64 GiB.
	MaxBytes int64
	// DaemonSocket is the path of the Docker daemon's socket; empty means /var/run/docker.sock.
	DaemonSocket string
}

func (o Options) maxBytes() int64 {
	if o.MaxBytes > 0 {
		return o.MaxBytes
	}
	return 64 << 30
}

// Schemes lists what a source may start with.
func Schemes() []string {
	return []string{"dir:PATH", "docker-archive:FILE", "oci-layout:DIR", "oci-archive:FILE", "docker[:NAME]"}
}

// Open reads an image from SCHEME:PLACE. Errors are ErrSource, ErrFormat, ErrDigest, ErrChoice, ErrLimit, or those
// of the file system and the daemon.
func Open(ctx context.Context, from string, o Options) (*Image, error) {
	scheme, place, _ := strings.Cut(from, ":")
	open, known := map[string]func(context.Context, string, Options) (*Image, error){
		"dir": openDirectory, "docker-archive": openDockerArchive, "oci-layout": openLayout, "oci-archive": openLayoutArchive,
		"docker": openDaemon, "daemon": openDaemon,
	}[scheme]
	if !known || place == "" && scheme != "docker" && scheme != "daemon" {
		return nil, fmt.Errorf("%q: %w; there are %s", from, ErrSource, strings.Join(Schemes(), ", "))
	}
	img, err := open(ctx, place, o)
	if err != nil {
		return nil, fmt.Errorf("read %s: %w", from, err)
	}
	return img, nil
}

var digestPattern = regexp.MustCompile(`^sha256:[0-9a-f]{64}$`)

func digestOf(document []byte) string {
	sum := sha256.Sum256(document)
	return "sha256:" + hex.EncodeToString(sum[:])
}

// descriptor, manifest and config are the parts of the documents that are read and written here. Their order is
// that of the made manifest's bytes.
type descriptor struct {
	MediaType string `json:"mediaType"`
	Size      int64  `json:"size"`
	Digest    string `json:"digest"`
	Platform  *struct {
		OS           string `json:"os"`
		Architecture string `json:"architecture"`
		Variant      string `json:"variant"`
	} `json:"platform,omitempty"`
	Annotations map[string]string `json:"annotations,omitempty"`
}

type manifest struct {
	SchemaVersion int          `json:"schemaVersion"`
	MediaType     string       `json:"mediaType"`
	Config        descriptor   `json:"config"`
	Layers        []descriptor `json:"layers"`
}

type config struct {
	Architecture string   `json:"architecture"`
	OS           string   `json:"os"`
	Config       struct{} `json:"config"`
	RootFS       rootFS   `json:"rootfs"`
}

type rootFS struct {
	Type    string   `json:"type"`
	DiffIDs []string `json:"diff_ids"`
}

// seal makes the manifest of an image that has none.
func (i *Image) seal() error {
	m := manifest{
		SchemaVersion: 2, MediaType: typeDockerManifest, Layers: []descriptor{},
		Config: descriptor{MediaType: typeDockerConfig, Size: int64(len(i.Config)), Digest: digestOf(i.Config)},
	}
	for _, l := range i.Layers {
		m.Layers = append(m.Layers, descriptor{MediaType: typeDockerLayer, Size: l.Size, Digest: l.Digest})
	}
	document, err := json.Marshal(m)
	if err != nil {
		return fmt.Errorf("write manifest: %w", err)
	}
	i.Manifest, i.MediaType, i.Digest = document, typeDockerManifest, digestOf(document)
	return nil
}

// place is where the documents and blobs of an image lie: a directory or an archive.
type place interface {
	// open gives a member by its exact name, with its size: fs.ErrNotExist.
	open(name string) (io.ReadCloser, int64, error)
}

// document reads a member that must be small.
func document(from place, name string) ([]byte, error) {
	r, size, err := from.open(name)
	if err != nil {
		return nil, err
	}
	defer r.Close()
	if size > maxDocument {
		return nil, fmt.Errorf("%s: %w: %d bytes, at most %d", name, ErrLimit, size, maxDocument)
	}
	data, err := io.ReadAll(io.LimitReader(r, maxDocument+1))
	if err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	if len(data) > maxDocument {
		return nil, fmt.Errorf("%s: %w: at most %d bytes", name, ErrLimit, maxDocument)
	}
	return data, nil
}

// spool keeps a stream in a file that is gone once closed.
func spool(r io.Reader, o Options) (*os.File, error) {
	f, err := os.CreateTemp(o.Scratch, "plimsoll-source-")
	if err != nil {
		return nil, err
	}
	if err := os.Remove(f.Name()); err != nil {
		return nil, errors.Join(err, f.Close())
	}
	n, err := io.Copy(f, io.LimitReader(r, o.maxBytes()+1))
	if err == nil && n > o.maxBytes() {
		err = fmt.Errorf("%w: more than %d bytes", ErrLimit, o.maxBytes())
	}
	if err == nil {
		_, err = f.Seek(0, io.SeekStart)
	}
	if err != nil {
		return nil, errors.Join(err, f.Close())
	}
	return f, nil
}
