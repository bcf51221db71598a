package api

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"time"

	"go.uber.org/zap"

	"plimsoll/api/oas"
	"plimsoll/engine/feed/clamav"
	"plimsoll/internal/log"
	"plimsoll/persistence"
)

// downloadTimeout is how long the download of a feed's file may take: the largest one over a slow line.
const downloadTimeout = 30 * time.Minute

// signatureBody adds what the files of malware signatures are. The checksum is over names and digests of all files; built is the newest
// of them.
func signatureBody(feed oas.FeedMetadata, files []persistence.FeedFile) oas.FeedMetadata {
	if len(files) == 0 {
		return feed
	}
	sum := sha256.New()
	for i := range files {
		f := &files[i]
		fmt.Fprintf(sum, "%s %s\n", f.Name, f.Digest)
		feed.DataServiceBuiltAt = later(feed.DataServiceBuiltAt, f.BuiltAt)
		feed.EnterpriseReceivedAt = later(feed.EnterpriseReceivedAt, &f.FetchedAt)
		for j := range feed.Groups {
			if g := &feed.Groups[j]; g.Name == f.Group {
				g.DataServiceBuiltAt, g.EnterpriseReceivedAt = utcOrNil(f.BuiltAt), utcOrNil(&f.FetchedAt)
			}
		}
		if f.Version != "" && (feed.Version == nil || f.Group == clamav.Daily) {
			feed.Version = &f.Version
		}
	}
	checksum := "sha256:" + hex.EncodeToString(sum.Sum(nil))
	feed.DatasetChecksum, feed.DatasetName = &checksum, given(signatureFeed)
	return feed
}

func later(a, b *time.Time) *time.Time {
	if b = utcOrNil(b); a == nil || b != nil && b.After(*a) {
		return b
	}
	return a
}

// feedFiles returns the files of a feed: NOT_FOUND for a feed that does not exist.
func (h *handlers) feedFiles(ctx context.Context, feed string) ([]persistence.FeedFile, error) {
	switch feed {
	case vulnerabilityFeed:
		return nil, nil
	case signatureFeed:
		files, err := h.deps.Feeds.Files(ctx, clamav.Name)
		if err != nil {
			return nil, fmt.Errorf("list files of %s: %w", feed, err)
		}
		return files, nil
	}
	return nil, fail(codeNotFound, "There is no such feed.")
}

// ListFeedFiles lists the files that a feed passes on.
func (h *handlers) ListFeedFiles(ctx context.Context, req oas.ListFeedFilesRequestObject) (oas.ListFeedFilesResponseObject, error) {
	files, err := h.feedFiles(ctx, req.Feed)
	if err != nil {
		return nil, err
	}
	return oas.ListFeedFiles200JSONResponse{Items: each(files, func(f persistence.FeedFile) oas.FeedFile {
		return oas.FeedFile{
			Name: f.Name, Digest: f.Digest, Size: f.Size, Version: given(f.Version), BuiltAt: utcOrNil(f.BuiltAt), ReceivedAt: utc(f.FetchedAt),
		}
	})}, nil
}

// DownloadFeedFile sends a file.
func (h *handlers) DownloadFeedFile(ctx context.Context, req oas.DownloadFeedFileRequestObject) (oas.DownloadFeedFileResponseObject, error) {
	files, err := h.feedFiles(ctx, req.Feed)
	if err != nil {
		return nil, err
	}
	for i := range files {
		if f := &files[i]; f.Name == req.FileName {
			content, err := h.deps.Feeds.OpenFile(ctx, f.Digest)
			if err != nil {
				return nil, fmt.Errorf("open file %s of %s: %w", f.Name, req.Feed, err)
			}
			return feedFile{ctx: ctx, content: content, size: f.Size, digest: f.Digest}, nil
		}
	}
	return nil, fail(codeNotFound, "The feed has no such file.")
}

// feedFile is the answer with a file's content.
type feedFile struct {
	ctx     context.Context //nolint:containedctx // an answer lives as long as its request
	content io.Reader
	size    int64
	digest  string
}

// VisitDownloadFeedFileResponse sends the content. Where that fails half-way the connection is broken off, as nothing else
// tells the client that it has not got the file.
func (f feedFile) VisitDownloadFeedFileResponse(w http.ResponseWriter) error {
	w.Header().Set("Content-Type", "application/octet-stream")
	w.Header().Set("Content-Length", strconv.FormatInt(f.size, 10))
	w.Header().Set("ETag", strconv.Quote(f.digest))
	w.WriteHeader(http.StatusOK)
	if _, err := io.Copy(w, f.content); err != nil {
		log.From(f.ctx).Warn("feed file not sent to its end", zap.Error(err))
		panic(http.ErrAbortHandler)
	}
	return nil
}
