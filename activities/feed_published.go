package activities

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"path"

	"plimsoll/activities/fetch"
	"plimsoll/engine/feed"
	"plimsoll/engine/feed/bundle"
)

// ErrBundleAddress means that something is no address of published bundles.
var ErrBundleAddress = errors.New("not an http or https address of a listing of feed bundles, or of a bundle (.tar)")

// PublishedBundles are bundles of feed data behind an address, fetched as feed documents are: by the same proxy, trust and
// patience.
type PublishedBundles struct {
	cfg         fetch.Config
	file, query string
}

// publishedHost stands for wherever bundles are published.
const publishedHost = "bundles"

// Published reads an address: of a bundle when it ends in .tar, of a listing when it ends in .json, else of the folder a
// listing lies in. ErrBundleAddress.
func (f Feeds) Published(address string) (PublishedBundles, error) {
	u, err := url.Parse(address)
	if err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https" || u.Fragment != "" {
		return PublishedBundles{}, ErrBundleAddress // which is not repeated: it may hold a password
	}
	out := PublishedBundles{cfg: f.fetch(""), file: bundle.ListingName}
	if folder, file := path.Split(u.Path); path.Ext(file) == ".tar" || path.Ext(file) == ".json" {
		u.Path, out.file, out.query = folder, file, u.RawQuery
	}
	u.RawPath, u.RawQuery = "", ""
	out.cfg.MirrorURL, out.cfg.Hosts = "", map[string]string{publishedHost: u.String()}
	return out, nil
}

// Single tells whether the address is that of one bundle.
func (p PublishedBundles) Single() bool { return path.Ext(p.file) == ".tar" }

func (p PublishedBundles) fetch(ctx context.Context, file, query string, limit int64) (*fetch.Document, error) {
	p.cfg.MaxBytes = limit
	fetcher, err := fetch.New(p.cfg)
	if err != nil {
		return nil, err
	}
	return fetcher.Fetch(ctx, "bundles", feed.Document{Name: file, Host: publishedHost, Path: file, Query: query}, fetch.Known{}, func(int64, int64) {})
}

// Listing fetches the listing: bundle.ErrListing and the errors of package fetch.
func (p PublishedBundles) Listing(ctx context.Context) (bundle.Listing, error) {
	doc, err := p.fetch(ctx, p.file, p.query, bundle.MaxListing)
	if errors.Is(err, fetch.ErrTooLarge) {
		return bundle.Listing{}, fmt.Errorf("%w: more than %d bytes", bundle.ErrListing, bundle.MaxListing)
	}
	if err != nil {
		return bundle.Listing{}, err
	}
	defer doc.Close()
	raw := make([]byte, doc.Size)
	if n, err := doc.ReadAt(raw, 0); n < len(raw) {
		return bundle.Listing{}, fmt.Errorf("read scratch file: %w", err)
	}
	return bundle.ParseListing(raw)
}

// Bundle fetches a bundle of the listing into scratch: bundle.ErrBundle when it is not the one that is listed, and the errors
// of package fetch. Its signature is not looked at. Close it.
func (p PublishedBundles) Bundle(ctx context.Context, e bundle.Entry) (*fetch.Document, error) {
	if e.Size > p.cfg.MaxBytes {
		return nil, &fetch.Error{Kind: fetch.ErrTooLarge, Message: fmt.Sprintf("%s has %d bytes, at most %d are fetched (feeds.max_document_bytes)", e.Path, e.Size, p.cfg.MaxBytes)}
	}
	doc, err := p.fetch(ctx, e.Path, "", e.Size)
	if errors.Is(err, fetch.ErrTooLarge) {
		return nil, fmt.Errorf("%w: %s is longer than the %d bytes that are listed", bundle.ErrBundle, e.Path, e.Size)
	}
	if err != nil {
		return nil, err
	}
	if doc.Size != e.Size || doc.SHA256 != e.SHA256 {
		wrong := fmt.Errorf("%w: %s came with %d bytes and SHA-256 %s, listed are %d and %s", bundle.ErrBundle, e.Path, doc.Size, doc.SHA256, e.Size, e.SHA256)
		return nil, errors.Join(wrong, doc.Close())
	}
	return doc, nil
}

// Sole fetches the one bundle the address names, with the errors of package fetch. Close it.
func (p PublishedBundles) Sole(ctx context.Context) (*fetch.Document, error) {
	return p.fetch(ctx, p.file, p.query, p.cfg.MaxBytes)
}
