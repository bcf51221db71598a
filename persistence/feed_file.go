package persistence

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"hash"
	"io"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"plimsoll/engine/feed"
	"plimsoll/persistence/blob"
)

// partBytes is how much of a file lies in one row.
const partBytes = 1 << 20

// FeedFile is a file that a source passes on.
type FeedFile struct {
	Group     string
	Name      string // unique in the source as far as its driver sees to it
	Digest    string // of its content
	Size      int64  // in bytes
	Version   string // what the file says of itself; empty: nothing
	BuiltAt   *time.Time
	FetchedAt time.Time // since when the content is this
}

var (
	contentKnown = query("feed.content_known", `SELECT EXISTS (SELECT FROM plimsoll_feeds.content WHERE digest = @digest)`)

	contentInsert = query("feed.insert_content", `
INSERT INTO plimsoll_feeds.content (digest, size) VALUES (@digest, @size)`)

	partInsert = query("feed.insert_content_part", `
INSERT INTO plimsoll_feeds.content_part (digest, part, data) VALUES (@digest, @part, @data)`)

	contentSweep = query("feed.sweep_content", `
DELETE FROM plimsoll_feeds.content c WHERE NOT EXISTS (SELECT FROM plimsoll_feeds.file f WHERE f.digest = c.digest)`)

	contentSize = query("feed.content_size", `SELECT size FROM plimsoll_feeds.content WHERE digest = @digest`)

	partGet = query("feed.content_part", `
SELECT data FROM plimsoll_feeds.content_part WHERE digest = @digest AND part = @part`)

	fileRemove = query("feed.remove_files", `
DELETE FROM plimsoll_feeds.file v USING stage_difference d
WHERE d.kind = 'file' AND d.removed AND v.name = d.record AND v.source = @source AND v.group_name = @group`)

	fileWrite = query("feed.write_files", `
INSERT INTO plimsoll_feeds.file AS v (source, group_name, name, digest, version, built_at, fetched_at)
SELECT @source::text, @group::text, s.name, s.digest, s.version, s.built_at, @at::timestamptz
FROM stage_file s JOIN stage_difference d ON d.kind = 'file' AND d.record = s.name WHERE NOT d.removed ORDER BY s.name
ON CONFLICT (source, group_name, name) DO UPDATE SET digest = excluded.digest, version = excluded.version,
  built_at = excluded.built_at, fetched_at = excluded.fetched_at`)

	// Groups that no driver offers any more keep their data, but pass nothing on.
	fileList = query("feed.files", `
SELECT f.group_name AS group, f.name, f.digest, c.size, f.version, f.built_at, f.fetched_at
FROM plimsoll_feeds.file f JOIN plimsoll_feeds.content c ON c.digest = f.digest
JOIN plimsoll_feeds.feed_group g ON g.source = f.source AND g.group_name = f.group_name
WHERE f.source = @source AND g.offered ORDER BY f.name, f.group_name`)
)

// File takes a file. Its content is stored at once, unless it is known; the row follows with the commit.
func (s *Staging) File(f feed.File) error {
	if !usable(f.Name, maxFile) {
		s.bad(clip(f.Name), errUnusable)
		return nil
	}
	if !s.first("file", f.Name) {
		return nil
	}
	sum := sha256.New()
	if _, err := io.Copy(sum, io.NewSectionReader(f.Content, 0, f.Content.Size())); err != nil {
		return fmt.Errorf("read file %s: %w", f.Name, err)
	}
	digest := digestText(sum)
	if err := s.content(digest, f.Content); err != nil {
		return fmt.Errorf("store file %s: %w", f.Name, err)
	}
	return s.put("stage_file", []any{f.Name, digest, clean(f.Version, maxWord), storable(f.Built)})
}

func digestText(sum hash.Hash) string { return "sha256:" + hex.EncodeToString(sum.Sum(nil)) }

// content stores bytes in parts. Until the transaction ends nobody else stores or removes contents, so that what is known
// now is still there when a row refers to it.
func (s *Staging) content(digest string, content *io.SectionReader) error {
	if _, err := exec(s.ctx, s.tx, lockExclusive, args{"lock": lockFile}); err != nil {
		return err
	}
	known, err := value[bool](s.ctx, s.tx, contentKnown, args{"digest": digest})
	if err != nil || known {
		return err
	}
	if _, err := exec(s.ctx, s.tx, contentInsert, args{"digest": digest, "size": content.Size()}); err != nil {
		return err
	}
	buf := make([]byte, min(partBytes, content.Size()))
	for part, at := 0, int64(0); at < content.Size(); part++ {
		n, err := content.ReadAt(buf, at)
		if err != nil && (!errors.Is(err, io.EOF) || n == 0) {
			return fmt.Errorf("read: %w", err)
		}
		if _, err := exec(s.ctx, s.tx, partInsert, args{"digest": digest, "part": part, "data": buf[:n]}); err != nil {
			return err
		}
		at += int64(n)
	}
	return nil
}

// mergeFiles brings in the files that differ, and removes contents nobody refers to any more, unless contents are being
// stored: the next commit removes them.
func (c CommitFeed) mergeFiles(ctx context.Context, tx pgx.Tx) error {
	removed, err := exec(ctx, tx, fileRemove, c.key())
	if err != nil {
		return err
	}
	written, err := exec(ctx, tx, fileWrite, merge(c.key(), args{"at": c.At}))
	if err != nil || removed+written == 0 {
		return err
	}
	free, err := value[bool](ctx, tx, sweepLock, args{"lock": lockFile})
	if err != nil || !free {
		return err
	}
	_, err = exec(ctx, tx, contentSweep, args{})
	return err
}

// Files returns what the groups pass on that a source has, by name, also those switched off.
func (s *Feeds) Files(ctx context.Context, source string) ([]FeedFile, error) {
	list, err := many[FeedFile](ctx, s.pool, fileList, args{"source": source})
	return list, wrap(err, "list files of feed %s", source)
}

// OpenFile returns the content of a file by its digest: ErrNotFound. Reading fails with blob.ErrCorrupt, instead of ending,
// when the bytes are not those, also because a newer file replaced them meanwhile; the last part is handed out only after
// all of them were proven.
func (s *Feeds) OpenFile(ctx context.Context, digest string) (*FileReader, error) {
	size, err := value[int64](ctx, s.pool, contentSize, args{"digest": digest})
	if err != nil {
		return nil, wrap(err, "open feed file %s", digest)
	}
	return &FileReader{ctx: ctx, pool: s.pool, digest: digest, size: size, left: size, sum: sha256.New()}, nil
}

// FileReader reads a content from beginning to end, a part at a time, and holds no connection in between.
type FileReader struct {
	ctx    context.Context //nolint:containedctx // a reader lives as long as the call it was opened in
	pool   *pgxpool.Pool
	digest string
	size   int64
	left   int64
	part   int
	buf    []byte
	sum    hash.Hash
}

// Size is the size of the content in bytes.
func (r *FileReader) Size() int64 { return r.size }

// Read implements io.Reader.
func (r *FileReader) Read(p []byte) (int, error) {
	for len(r.buf) == 0 {
		if err := r.next(); err != nil {
			return 0, err
		}
	}
	n := copy(p, r.buf)
	r.buf = r.buf[n:]
	return n, nil
}

func (r *FileReader) next() error {
	if r.left == 0 && r.part > 0 {
		return io.EOF
	}
	var data []byte
	var err error
	if r.left > 0 {
		data, err = value[[]byte](r.ctx, r.pool, partGet, args{"digest": r.digest, "part": r.part})
		if errors.Is(err, ErrNotFound) || err == nil && (len(data) == 0 || int64(len(data)) > r.left) {
			err = blob.ErrCorrupt
		}
	}
	_, _ = r.sum.Write(data) // never fails
	r.left -= int64(len(data))
	if err == nil && r.left == 0 && digestText(r.sum) != r.digest {
		err = blob.ErrCorrupt
	}
	if err != nil {
		return fmt.Errorf("read feed file %s: %w", r.digest, err)
	}
	r.buf = data
	r.part++
	return nil
}
