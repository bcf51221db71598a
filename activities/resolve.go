package activities

import (
	"context"
	"fmt"
	"time"

	"plimsoll/activities/registry"
	"plimsoll/workflows"
)

// resolveTimeout bounds one look-up, so that a registry which never answers is tried twice within the time a
// person waits, and is named as the cause.
const resolveTimeout = 7 * time.Second

// resolveAllTimeout bounds the look-up of all platforms, which takes two requests for each; there is one try.
const resolveAllTimeout = 14 * time.Second

var errNoAnswers = fmt.Errorf("no answer for all platforms within %s: %w", resolveAllTimeout, registry.ErrUnreachable)

var errNoAnswer = fmt.Errorf("no answer within %s: %w", resolveTimeout, registry.ErrUnreachable)

func (a *Activities) resolveReference(ctx context.Context, in workflows.ResolveImageInput) (workflows.ResolveImageResult, error) {
	var out workflows.ResolveImageResult
	credentials, err := a.credentials(ctx, in.Account)
	if err != nil {
		return out, err
	}
	found, err := a.lookUp(ctx, credentials, in)
	if err != nil {
		return out, fmt.Errorf("resolve %s: %w", in.Ref, err)
	}
	for i, image := range found {
		stored, err := a.keep(ctx, image)
		if err != nil {
			return out, err
		}
		if i == 0 {
			out = stored
		} else {
			stored.ParentDigest = "" // the first one names it
			out.Others = append(out.Others, stored)
		}
	}
	return out, nil
}

// keep stores the documents of an image.
func (a *Activities) keep(ctx context.Context, found *registry.Resolved) (out workflows.ResolveImageResult, err error) {
	out = workflows.ResolveImageResult{
		Digest: found.Digest, ParentDigest: found.ParentDigest, ImageID: found.ImageID, MediaType: found.MediaType,
		Layers: found.Layers, Size: found.Size, Platform: found.Platform,
	}
	if out.ManifestBlob, err = a.blobs.Put(ctx, found.Manifest); err != nil {
		return out, fmt.Errorf("store manifest %s: %w", found.Digest, err)
	}
	if out.ConfigBlob, err = a.blobs.Put(ctx, found.Config); err != nil {
		return out, fmt.Errorf("store config of %s: %w", found.Digest, err)
	}
	return out, nil
}

// lookUp returns the image asked for, or every image with that of the default platform first.
func (a *Activities) lookUp(ctx context.Context, credentials []registry.Credential, in workflows.ResolveImageInput) ([]*registry.Resolved, error) {
	limit, cause := resolveTimeout, errNoAnswer
	if in.Platform == workflows.AllPlatforms {
		limit, cause = resolveAllTimeout, errNoAnswers
	}
	ctx, cancel := context.WithTimeoutCause(ctx, limit, cause)
	defer cancel()
	if in.Platform == workflows.AllPlatforms {
		return a.registry.ResolveAll(ctx, credentials, in.Ref)
	}
	found, err := a.registry.Resolve(ctx, credentials, in.Ref, in.Platform)
	return []*registry.Resolved{found}, err
}

// credentials opens the account's registry entries.
func (a *Activities) credentials(ctx context.Context, account string) ([]registry.Credential, error) {
	stored, err := a.registries.Credentials(ctx, account)
	if err != nil {
		return nil, fmt.Errorf("load registry credentials: %w", err)
	}
	out := make([]registry.Credential, len(stored))
	for i, c := range stored {
		out[i] = registry.Credential{
			Registry: c.Registry.Registry, Type: c.Type, Username: c.Username, Password: c.Password.Reveal(), VerifyTLS: c.VerifyTLS,
		}
	}
	return out, nil
}
