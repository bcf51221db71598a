package activities

import (
	"context"
	"io"

	"plimsoll/activities/malware"
	"plimsoll/engine/feed/clamav"
)

// KeepsSignatures reports whether this process keeps a folder of malware signatures.
func (a *Activities) KeepsSignatures() bool { return a.signatures != nil }

// KeepSignatures makes the folder of malware signatures what the feed has, and tells clamd when that changes something. It
// returns how many files there are.
func (a *Activities) KeepSignatures(ctx context.Context) (files int, changed bool, err error) {
	list, err := a.feedStore.Files(ctx, clamav.Name)
	if err != nil {
		return 0, false, err
	}
	set := make([]malware.Signatures, len(list))
	for i, f := range list {
		set[i] = malware.Signatures{Name: f.Name, Digest: f.Digest, Size: f.Size}
	}
	changed, err = a.signatures.Keep(ctx, set, func(ctx context.Context, digest string) (io.Reader, error) {
		return a.feedStore.OpenFile(ctx, digest)
	})
	return len(set), changed, err
}
