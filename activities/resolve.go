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
	out = workflows.ResolveImageResult{
		Digest: found.Digest, ParentDigest: found.ParentDigest, ImageID: found.ImageID, MediaType: found.MediaType,
		Layers: found.Layers, Size: found.Size,
	}
	if out.ManifestBlob, err = a.blobs.Put(ctx, found.Manifest); err != nil {
		return out, fmt.Errorf("store manifest %s: %w", found.Digest, err)
	}
	if out.ConfigBlob, err = a.blobs.Put(ctx, found.Config); err != nil {
		return out, fmt.Errorf("store config of %s: %w", found.Digest, err)
	}
	return out, nil
}

func (a *Activities) lookUp(ctx context.Context, credentials []registry.Credential, in workflows.ResolveImageInput) (*registry.Resolved, error) {
	ctx, cancel := context.WithTimeoutCause(ctx, resolveTimeout, errNoAnswer)
	defer cancel()
	return a.registry.Resolve(ctx, credentials, in.Ref, in.Platform)
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
