package image

import (
	"bufio"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"hash"
	"io"
	"slices"
	"strings"
	"sync"

	"github.com/klauspost/compress/zstd"
	"golang.org/x/sync/semaphore"

	"plimsoll/engine/catalog"
)

// passVersion is raised whenever the pass itself yields another result for the same bytes.
const passVersion = 1

// Pass reads layers with one analyzer set. It may read many at a time; they share its memory budget.
type Pass struct {
	analyzers []catalog.Analyzer // by name
	limits    Limits
	scratch   string
	digests   []string // beside SHA-256, sorted
	set       string
	fault     error // of the analyzer set
	memory    *semaphore.Weighted
}

// NewPass prepares a pass. scratchDir is an existing directory for files too large to be held in memory. An
// analyzer set that catalog.Validate refuses makes every Read fail with that error. digests are those to compute
// beside SHA-256, checked by CheckDigests.
func NewPass(analyzers []catalog.Analyzer, limits Limits, scratchDir string, digests ...string) *Pass {
	limits = limits.orDefault()
	sorted := slices.Clone(analyzers)
	slices.SortFunc(sorted, func(a, b catalog.Analyzer) int { return strings.Compare(a.Name, b.Name) })
	digests = slices.Compact(slices.Sorted(slices.Values(digests)))
	return &Pass{
		analyzers: sorted,
		limits:    limits,
		scratch:   scratchDir,
		digests:   digests,
		set:       identity(sorted, limits, digests),
		fault:     catalog.Validate(analyzers),
		memory:    semaphore.NewWeighted(limits.MemoryBytes),
	}
}

// Set is the identity of everything that decides a result beside the bytes: 16 hex digits over the pass's own
// version, the analyzers' names, versions, size bounds and settings, and the limits that leave things out. Limits that
// fail a layer are not part of it, because a failed layer has no result.
func (p *Pass) Set() string { return p.set }

func identity(sorted []catalog.Analyzer, l Limits, digests []string) string {
	h := sha256.New()
	fmt.Fprintf(h, "pass %d %d %d %d %d %d %d %d\n", passVersion, l.PathLength, l.FileBytes, l.Packages, l.Owned, l.Incomplete, l.Hits, l.Kept)
	for _, a := range sorted {
		fmt.Fprintf(h, "%q %d %d %q\n", a.Name, a.Version, a.MaxSize, a.Config)
	}
	if len(digests) > 0 {
		fmt.Fprintf(h, "%q\n", digests)
	}
	return hex.EncodeToString(h.Sum(nil)[:8])
}

// Read streams a layer blob, compressed or not, and returns what is in it once the whole blob has proven to be
// the one digest names. progress, if not nil, is called from one goroutine with the blob's bytes read so far,
// and not after Read returns.
//
// Errors: ErrDigestFormat, ErrDigestMismatch, ErrCorrupt, ErrLimit (as *LimitError), the context's, the scratch
// directory's, and the blob reader's own. Read waits for a Read of blob in flight: it should end with ctx.
func (p *Pass) Read(ctx context.Context, digest string, blob io.Reader, progress func(readBytes int64)) (*Layer, error) {
	if p.fault != nil {
		return nil, fmt.Errorf("read layer %s: %w", digest, p.fault)
	}
	sum, want, err := digester(digest)
	if err != nil {
		return nil, fmt.Errorf("read layer: %w", err)
	}
	inner, cancel := context.WithCancel(ctx)
	defer cancel()
	s := start(inner, p.limits, blob, sum, progress)
	layer, walkErr := walkTar(inner, p, &blockReader{from: s.hashed})
	if walkErr != nil && !errors.Is(walkErr, ErrCorrupt) {
		cancel()
	}
	s.wait()
	if ctx.Err() != nil {
		return nil, fmt.Errorf("read layer %s: %w", digest, ctx.Err())
	}
	if err := s.verdict(walkErr, want); err != nil {
		return nil, fmt.Errorf("read layer %s: %w", digest, err)
	}
	layer.Digest, layer.DiffID = digest, "sha256:"+hex.EncodeToString(s.diff.Sum(nil))
	layer.CompressedSize, layer.Size = s.compressedBytes, s.decompressedBytes
	return layer, nil
}

// stages are the goroutines before the tar walk: fetch and digest, decompress, diffID.
type stages struct {
	fetched, inflated, hashed *conveyor
	sum, diff                 hash.Hash
	compressedBytes           int64
	decompressedBytes         int64
	running                   sync.WaitGroup
}

func start(ctx context.Context, limits Limits, blob io.Reader, sum hash.Hash, progress func(int64)) *stages {
	s := &stages{fetched: newConveyor(nil), inflated: newConveyor(nil), sum: sum, diff: sha256.New()}
	s.hashed = newConveyor(s.inflated.free)
	s.running.Go(func() { s.fetched.close(s.fetch(ctx, limits, blob, progress)) })
	s.running.Go(func() {
		source := &blockReader{from: s.fetched}
		s.inflated.close(s.inflate(ctx, limits, source))
		source.drain() // the digest covers what follows a fault, too
	})
	s.running.Go(func() {
		for b := range s.inflated.full {
			s.diff.Write(b)
			s.hashed.full <- b
		}
		s.hashed.close(s.inflated.err)
	})
	return s
}

// wait ends the stages after the walk; what is left of the input still counts for the digests.
func (s *stages) wait() {
	(&blockReader{from: s.hashed}).drain()
	s.running.Wait()
}

// verdict picks the error that explains the others: a limit stops everything, a failed transfer or a wrong
// digest leads to nonsense in decompression, and that to nonsense in the archive.
func (s *stages) verdict(walkErr error, want string) error {
	for _, err := range []error{s.fetched.err, s.inflated.err, walkErr} {
		if limit := (*LimitError)(nil); errors.As(err, &limit) {
			return limit
		}
	}
	switch {
	case walkErr != nil && !errors.Is(walkErr, ErrCorrupt):
		return walkErr
	case s.fetched.err != nil:
		return fmt.Errorf("after %d bytes: %w", s.compressedBytes, s.fetched.err)
	}
	if got := hex.EncodeToString(s.sum.Sum(nil)); got != want {
		return fmt.Errorf("%w: %d bytes have %s", ErrDigestMismatch, s.compressedBytes, got)
	}
	if s.inflated.err != nil {
		return fmt.Errorf("%w: decompress: %w", ErrCorrupt, s.inflated.err)
	}
	return walkErr
}

// maxEmptyReads is how often a reader may return nothing before it counts as broken.
const maxEmptyReads = 100

func (s *stages) fetch(ctx context.Context, limits Limits, blob io.Reader, progress func(int64)) error {
	empty := 0
	for {
		b, ok := s.fetched.block(ctx)
		if !ok {
			return ctx.Err()
		}
		n, err := 0, error(nil)
		for n < len(b) && err == nil && empty < maxEmptyReads {
			var m int
			m, err = blob.Read(b[n:])
			n += m
			empty++
			if m > 0 {
				empty = 0
			}
		}
		s.compressedBytes += int64(n)
		if s.compressedBytes > limits.CompressedBytes {
			return &LimitError{"CompressedBytes", limits.CompressedBytes}
		}
		s.sum.Write(b[:n])
		s.fetched.full <- b[:n]
		if progress != nil && n > 0 {
			progress(s.compressedBytes)
		}
		switch {
		case err == io.EOF:
			return nil
		case err != nil:
			return err
		case empty >= maxEmptyReads:
			return io.ErrNoProgress
		}
	}
}

func (s *stages) inflate(ctx context.Context, limits Limits, source *blockReader) (err error) {
	defer func() { // a decompressor's panic on hostile input is a corrupt layer
		if fault := recover(); fault != nil {
			err = fmt.Errorf("decompressor failed: %v", fault)
		}
	}()
	plain, closeReader, err := decompressor(bufio.NewReaderSize(source, 64<<10), limits.WindowBytes)
	if err != nil {
		return err
	}
	defer closeReader()
	for err == nil {
		b, ok := s.inflated.block(ctx)
		if !ok {
			return ctx.Err()
		}
		n := 0
		for n < len(b) && err == nil {
			var m int
			m, err = plain.Read(b[n:])
			n += m
		}
		s.decompressedBytes += int64(n)
		s.inflated.full <- b[:n]
		if limit := limits.exceeded(s.decompressedBytes, source.passed); limit != nil {
			return limit
		}
	}
	switch {
	case err == io.EOF:
		return nil
	case errors.Is(err, zstd.ErrWindowSizeExceeded):
		return &LimitError{"WindowBytes", int64(limits.WindowBytes)}
	}
	return err
}

// exceeded checks what came out of a number of bytes that went in.
func (l *Limits) exceeded(out, in int64) error {
	if out > l.DecompressedBytes {
		return &LimitError{"DecompressedBytes", l.DecompressedBytes}
	}
	if out > l.RatioAfter && out/l.Ratio > in {
		return &LimitError{"Ratio", l.Ratio}
	}
	return nil
}
