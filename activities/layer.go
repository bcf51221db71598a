package activities

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"

	"plimsoll/activities/registry"
	"plimsoll/engine/image"
	"plimsoll/persistence"
	"plimsoll/workflows"
)

// analyzeLayer makes sure that a layer's result is stored and that the account may read the layer.
func (a *Activities) analyzeLayer(ctx context.Context, in workflows.AnalyzeLayerInput) (out workflows.AnalyzeLayerResult, err error) {
	ctx, cancel := context.WithTimeoutCause(ctx, a.analysis.LayerTimeout, errLayerTimeout)
	defer cancel()
	t := a.track(ctx, in.Account, in.Digest, workflows.LayerProgress{Stage: workflows.StageWaiting, Layer: in.Index, BytesTotal: in.Size})
	defer func() {
		out.BytesRead = t.read()
		t.end(ctx, err)
		if err != nil && errors.Is(context.Cause(ctx), errLayerTimeout) {
			err = fmt.Errorf("layer %s: %w", in.Layer, errLayerTimeout)
		}
	}()
	from, err := a.source(ctx, in.Account, in.Digest)
	if err != nil {
		return out, err
	}
	layer, err := from.layer(in)
	if err != nil {
		return out, err
	}
	// Once in the whole fleet: whoever waits here finds the result afterwards.
	release, err := a.layers.Lock(ctx, in.Layer, hostsOf(from.repositories)...)
	if err != nil {
		return out, fmt.Errorf("lock layer %s: %w", in.Layer, err)
	}
	defer release()
	if !in.Force {
		known, err := a.layers.Known(ctx, a.pass.Set(), []string{in.Layer})
		if err != nil {
			return out, err
		}
		if a.vouched(layer, known[in.Layer], from.repositories) {
			out.Reused = true
			return out, from.verify(ctx, []registry.Layer{layer}, known)
		}
	}
	t.stage(workflows.StageAnalyze)
	return out, a.readLayer(ctx, from, layer, t)
}

// readLayer streams the blob through the pass and stores what it finds.
func (a *Activities) readLayer(ctx context.Context, from *source, layer registry.Layer, t *tracker) error {
	body, host, err := from.open(ctx, layer)
	if err != nil {
		return err
	}
	defer body.Close()
	found, err := a.pass.Read(ctx, layer.Digest, body, t.bytes)
	if err != nil {
		return err
	}
	var entries, evidence bytes.Buffer
	if err := image.EncodeEntries(&entries, found.Entries); err != nil {
		return fmt.Errorf("encode files of layer %s: %w", layer.Digest, err)
	}
	if err := image.EncodeEvidence(&evidence, found.Evidence, found.Incomplete); err != nil {
		return fmt.Errorf("encode evidence of layer %s: %w", layer.Digest, err)
	}
	return a.layers.Save(ctx, persistence.NewLayer{
		Digest: found.Digest, Registry: host, AnalyzerSet: a.pass.Set(), DiffID: found.DiffID,
		CompressedSize: found.CompressedSize, Size: found.Size, EntryCount: len(found.Entries),
		Entries: entries.Bytes(), Evidence: evidence.Bytes(), Host: a.origin.HostID, Version: a.origin.Version,
	})
}

func (a *Activities) verifyLayerAccess(ctx context.Context, in workflows.VerifyLayersInput) (out workflows.VerifyLayersResult, err error) {
	t := a.track(ctx, in.Account, in.Digest, whole(workflows.StageVerify))
	defer func() { t.end(ctx, err) }()
	from, err := a.source(ctx, in.Account, in.Digest)
	if err != nil {
		return out, err
	}
	var wanted []registry.Layer
	for _, l := range from.layers {
		if slices.Contains(in.Layers, l.Digest) && !slices.ContainsFunc(wanted, func(w registry.Layer) bool { return w.Digest == l.Digest }) {
			wanted = append(wanted, l)
		}
	}
	known, err := a.layers.Known(ctx, a.pass.Set(), in.Layers)
	if err != nil {
		return out, err
	}
	if err := from.verify(ctx, wanted, known); err != nil {
		return out, err
	}
	out.Checked = len(wanted)
	return out, nil
}

// source is where an image's blobs come from: the repositories the account knows it from, with the account's
// credentials.
type source struct {
	client       *registry.Client
	credentials  []registry.Credential
	repositories []string // those of current tags first
	layers       []registry.Layer
}

func (a *Activities) source(ctx context.Context, account, digest string) (*source, error) {
	record, err := a.images.Get(ctx, account, digest)
	if errors.Is(err, persistence.ErrNotFound) {
		return nil, fmt.Errorf("image %s is gone: %w", digest, persistence.ErrSuperseded)
	}
	if err != nil {
		return nil, err
	}
	s := &source{client: a.registry}
	if s.layers, err = a.layersOf(ctx, record); err != nil {
		return nil, err
	}
	if s.credentials, err = a.credentials(ctx, account); err != nil {
		return nil, err
	}
	s.repositories = repositoriesOf(record)
	if len(s.repositories) == 0 {
		return nil, fmt.Errorf("image %s has no repository: %w", digest, registry.ErrReference)
	}
	return s, nil
}

// repositoriesOf lists where the account knows the image from, those of current tags first.
func repositoriesOf(record persistence.Image) []string {
	var out []string
	for _, tag := range record.Tags {
		if name := tag.Registry + "/" + tag.Repository; !slices.Contains(out, name) {
			out = append(out, name)
		}
	}
	return out
}

// vouched tells whether one of the repositories lies in a registry that has delivered the layer before, so that
// its word on who may read it counts. A foreign layer that came from a public place is anybody's.
func (a *Activities) vouched(l registry.Layer, registries, repositories []string) bool {
	return a.registry.Public(l, registries) || slices.ContainsFunc(repositories, func(r string) bool { return slices.Contains(registries, hostOf(r)) })
}

func hostsOf(repositories []string) []string {
	hosts := make([]string, len(repositories))
	for i, r := range repositories {
		hosts[i] = hostOf(r)
	}
	return hosts
}

func hostOf(repository string) string {
	host, _, _ := strings.Cut(repository, "/")
	return host
}

// layer is the manifest's own line for the layer asked for.
func (s *source) layer(in workflows.AnalyzeLayerInput) (registry.Layer, error) {
	if in.Index < 0 || in.Index >= len(s.layers) || s.layers[in.Index].Digest != in.Layer {
		return registry.Layer{}, fmt.Errorf("manifest of %s does not have layer %s at place %d: %w", in.Digest, in.Layer, in.Index, persistence.ErrSuperseded)
	}
	return s.layers[in.Index], nil
}

// try calls do for one repository after the other until one has what is wanted and lets the account read it.
func (s *source) try(do func(repository string) error) error {
	var first error
	for _, repository := range s.repositories {
		err := do(repository)
		if err == nil {
			return nil
		}
		if first == nil {
			first = err
		}
		if !errors.Is(err, registry.ErrNotFound) && !errors.Is(err, registry.ErrUnauthorized) && !errors.Is(err, registry.ErrForeign) {
			return err
		}
	}
	return first
}

// open also names the registry the layer comes from.
func (s *source) open(ctx context.Context, l registry.Layer) (body io.ReadCloser, host string, err error) {
	err = s.try(func(repository string) error {
		host = hostOf(repository)
		body, err = s.client.Blob(ctx, s.credentials, repository, l)
		return err
	})
	if errors.Is(err, registry.ErrForeign) && len(l.URLs) > 0 {
		if from, place, failed := s.client.Foreign(ctx, l); !errors.Is(failed, registry.ErrForeign) {
			return from, place, failed
		}
	}
	return body, host, err
}

// verify asks whether the account may read the layers: of each, only registries that have delivered it before.
func (s *source) verify(ctx context.Context, layers []registry.Layer, known map[string][]string) error {
	open := slices.DeleteFunc(slices.Clone(layers), func(l registry.Layer) bool { return s.client.Public(l, known[l.Digest]) })
	if len(open) == 0 {
		return nil
	}
	return s.try(func(repository string) error {
		var mine, others []registry.Layer
		for _, l := range open {
			if slices.Contains(known[l.Digest], hostOf(repository)) {
				mine = append(mine, l)
			} else {
				others = append(others, l)
			}
		}
		if len(mine) > 0 {
			if err := s.client.HasBlobs(ctx, s.credentials, repository, mine); err != nil {
				return err
			}
		}
		if open = others; len(open) > 0 {
			return fmt.Errorf("layer %s: %s has never delivered it: %w", open[0].Digest, hostOf(repository), registry.ErrUnauthorized)
		}
		return nil
	})
}
