package sample

import (
	"context"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"time"

	"github.com/google/go-containerregistry/pkg/name"
	"github.com/google/go-containerregistry/pkg/registry"
	"github.com/google/go-containerregistry/pkg/v1/remote"
)

// Repository and tag the sample is pushed under.
const repositoryTag = "sample/app:1"

// Serve builds the image, pushes it to a registry inside this process and returns its reference. The registry
// listens on loopback and goes away with ctx.
func Serve(ctx context.Context) (string, error) {
	img, err := Image(ctx)
	if err != nil {
		return "", err
	}
	listener, err := new(net.ListenConfig).Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return "", fmt.Errorf("listen for the sample registry: %w", err)
	}
	server := &http.Server{Handler: registry.New(registry.Logger(log.New(io.Discard, "", 0))), ReadHeaderTimeout: 10 * time.Second}
	go func() { _ = server.Serve(listener) }()
	context.AfterFunc(ctx, func() { _ = server.Close() })
	image := listener.Addr().String() + "/" + repositoryTag
	ref, err := name.ParseReference(image, name.Insecure)
	if err != nil {
		return "", err
	}
	if err := remote.Write(ref, img, remote.WithContext(ctx)); err != nil {
		return "", fmt.Errorf("push the sample image: %w", err)
	}
	return image, nil
}
