package activities

import (
	"context"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"time"

	"go.temporal.io/sdk/activity"

	"plimsoll/activities/registry"
	"plimsoll/persistence"
	"plimsoll/workflows"
)

const (
	// referrersTimeout leaves time to record that the registry did not answer.
	referrersTimeout = 20 * time.Second
	// referrerRepositories bounds in how many repositories an image's attachments are looked for.
	referrerRepositories = 3
	// referrerTries is how often a registry in trouble is asked.
	referrerTries = 2
)

var errNoListing = fmt.Errorf("no answer within %s: %w", referrersTimeout, registry.ErrUnreachable)

// listReferrers stores what is attached to an image. A registry that does not tell is recorded, not failed on.
func (a *Activities) listReferrers(ctx context.Context, in workflows.Run) (out workflows.ReferrersResult, err error) {
	record, err := a.images.Get(ctx, in.Account, in.Digest)
	if errors.Is(err, persistence.ErrNotFound) {
		return out, nil
	}
	if err != nil {
		return out, err
	}
	repositories := repositoriesOf(record)
	if len(repositories) == 0 {
		return out, nil
	}
	credentials, err := a.credentials(ctx, in.Account)
	if err != nil {
		return out, err
	}
	listing := persistence.ReferrerListing{ListedAt: a.now()}
	found, err := a.referrersIn(ctx, credentials, repositories[:min(len(repositories), referrerRepositories)], record)
	if err != nil {
		if ctx.Err() != nil || passing(err) && activity.GetInfo(ctx).Attempt < referrerTries {
			return out, fmt.Errorf("list referrers of %s: %w", in.Digest, err)
		}
		listing.Problem, out.Incomplete = err.Error(), true
	}
	listing.Referrers, out.Found = found, len(found)
	err = a.referrers.Store(ctx, in.Account, in.Digest, listing)
	if errors.Is(err, persistence.ErrNotFound) {
		return out, nil // deleted meanwhile
	}
	return out, err
}

// passing: the next try may have another outcome.
func passing(err error) bool {
	return errors.Is(err, registry.ErrUnreachable) || errors.Is(err, registry.ErrRateLimited)
}

// referrersIn asks every repository the account knows the image from.
func (a *Activities) referrersIn(ctx context.Context, credentials []registry.Credential, repositories []string, record persistence.Image) ([]persistence.Referrer, error) {
	ctx, cancel := context.WithTimeoutCause(ctx, referrersTimeout, errNoListing)
	defer cancel()
	var out []persistence.Referrer
	var faults []error
	for _, repository := range repositories {
		found, err := a.registry.Referrers(ctx, credentials, repository, record.Digest, record.ParentDigest)
		if err != nil {
			faults = append(faults, err)
		}
		for _, r := range found {
			known := func(have persistence.Referrer) bool { return have.Subject == r.Subject && have.Referrer == r.Digest }
			if len(out) == registry.MaxReferrers || slices.ContainsFunc(out, known) {
				continue
			}
			out = append(out, persistence.Referrer{
				Subject: r.Subject, Referrer: r.Digest, ArtifactType: r.ArtifactType, MediaType: r.MediaType,
				Size: r.Size, Annotations: r.Annotations, FoundBy: r.FoundBy,
			})
		}
	}
	return out, errors.Join(faults...)
}

var foreignHost = regexp.MustCompile(`^[A-Za-z0-9]([A-Za-z0-9.-]*[A-Za-z0-9])?(:[0-9]{1,5})?$`)

// checkForeign reports entries of analysis.foreign_layer_hosts that name no host.
func checkForeign(hosts []string) error {
	for _, h := range hosts {
		if !foreignHost.MatchString(h) {
			return fmt.Errorf("%q is not a host or host:port", h)
		}
	}
	return nil
}
