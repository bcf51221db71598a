package ubuntu

import (
	"context"
	"errors"
	"fmt"

	"plimsoll/engine/feed"
)

// Name is the source name of everything this driver emits.
const Name = "ubuntu"

// Where the documents are, and the pages of CVEs and notices.
const (
	host       = "security-metadata.canonical.com"
	osvPath    = "osv/osv-all.tar.xz"
	vexPath    = "vex/vex-all.tar.xz"
	cvePage    = "https://ubuntu.com/security/"
	noticePage = "https://ubuntu.com/security/notices/"
)

var (
	// ErrDocument means that a document is not what Canonical publishes.
	ErrDocument = errors.New("not an archive of Ubuntu security data")
	// ErrRelease means that a release in the settings is not known.
	ErrRelease = errors.New("unknown Ubuntu release")
	// ErrTooLarge means that an archive says more than any real one.
	ErrTooLarge = errors.New("archive of Ubuntu security data exceeds a limit")
	// ErrRecord means that a record or a part of it was left out.
	ErrRecord = errors.New("unusable record")
)

// Driver reads Ubuntu's security data.
var Driver = feed.Driver{Name: Name, Groups: groups, Plan: plan, Parse: parse}

func groups(feed.Settings) []feed.Group {
	return []feed.Group{{Name: "security", Host: host, Path: osvPath}}
}

func plan(_ context.Context, r feed.Request, _ feed.Get) (feed.Plan, error) {
	return feed.Plan{Documents: []feed.Document{
		{Name: "osv", Host: r.Group.Host, Path: r.Group.Path},
		{Name: "vex", Host: r.Group.Host, Path: vexPath, Optional: true},
	}}, nil
}

func parse(ctx context.Context, in feed.Input, out feed.Sink) error {
	osv, ok := in.Document("osv")
	if !ok {
		return fmt.Errorf("%w: the OSV archive is missing", ErrDocument)
	}
	b := newBase(out)
	if vex, ok := in.Document("vex"); ok {
		if err := b.readVEX(ctx, vex); err != nil {
			return fmt.Errorf("VEX archive: %w", err)
		}
	}
	if err := b.readNotices(ctx, osv); err != nil {
		return fmt.Errorf("OSV archive: %w", err)
	}
	if err := b.choose(in.Settings.Releases); err != nil {
		return err
	}
	if err := b.readFlaws(ctx, osv); err != nil {
		return fmt.Errorf("OSV archive: %w", err)
	}
	return b.emitRest(ctx)
}
