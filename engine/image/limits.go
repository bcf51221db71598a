package image

import (
	"errors"
	"fmt"
	"time"
)

// Limits bound one Pass. Zero fields mean the value of DefaultLimits.
type Limits struct {
	CompressedBytes   int64 // per layer, bytes of the blob
	DecompressedBytes int64 // per layer, bytes of the tar; also the sum of file sizes (sparse files claim more than they carry)
	// Ratio bounds decompressed to compressed bytes, once RatioAfter bytes came out: deflate reaches 1032 on
	// zeros, real layers stay below 20, and a small archive may be as dense as it likes.
	Ratio      int64
	RatioAfter int64 // bytes
	Entries    int   // per layer, tar entries
	PathLength int   // bytes of a path or link target; longer entries are recorded and left out
	Names      int64 // bytes of all paths and link targets, per layer
	FileBytes  int64 // largest file handed to an analyzer, whatever the analyzer's own MaxSize
	Packages   int   // per layer; further evidence is recorded as too many and left out
	// Owned bounds the files that package databases list, per layer; further lists are recorded and left out.
	Owned      int
	Incomplete int   // records of incompleteness per layer
	Hits       int   // of searches, per layer; further ones are recorded and left out
	Kept       int64 // bytes of kept files, per layer; further files are recorded and left out
	FileTime   time.Duration
	// SpoolAbove is the size in bytes above which a file for an analyzer goes to the scratch directory
	// instead of memory; MemoryBytes bounds what all layers read by one Pass hold in memory together.
	SpoolAbove  int64
	MemoryBytes int64
	// WindowBytes is the largest zstd window accepted, in bytes.
	WindowBytes uint64
}

// DefaultLimits suit images of tens of gigabytes on a small machine.
var DefaultLimits = Limits{
	CompressedBytes:   32 << 30,
	DecompressedBytes: 128 << 30,
	Ratio:             200,
	RatioAfter:        1 << 30,
	Entries:           2_000_000,
	PathLength:        4096, // PATH_MAX
	Names:             256 << 20,
	FileBytes:         1 << 30,
	Packages:          200_000,
	Owned:             2_000_000,
	Incomplete:        1000,
	Hits:              100_000,
	Kept:              64 << 20,
	FileTime:          time.Minute,
	SpoolAbove:        8 << 20,
	MemoryBytes:       64 << 20,
	WindowBytes:       128 << 20,
}

func (l Limits) orDefault() Limits {
	d := DefaultLimits
	set(&l.CompressedBytes, d.CompressedBytes)
	set(&l.DecompressedBytes, d.DecompressedBytes)
	set(&l.Ratio, d.Ratio)
	set(&l.RatioAfter, d.RatioAfter)
	set(&l.Entries, d.Entries)
	set(&l.PathLength, d.PathLength)
	set(&l.Names, d.Names)
	set(&l.FileBytes, d.FileBytes)
	set(&l.Packages, d.Packages)
	set(&l.Owned, d.Owned)
	set(&l.Incomplete, d.Incomplete)
	set(&l.Hits, d.Hits)
	set(&l.Kept, d.Kept)
	set(&l.FileTime, d.FileTime)
	set(&l.SpoolAbove, d.SpoolAbove)
	set(&l.MemoryBytes, d.MemoryBytes)
	set(&l.WindowBytes, d.WindowBytes)
	return l
}

func set[T comparable](field *T, value T) {
	var zero T
	if *field == zero {
		*field = value
	}
}

var (
	// ErrDigestMismatch reports a blob whose bytes are not those the manifest names, truncated ones included.
	ErrDigestMismatch = errors.New("layer does not match its digest")
	// ErrDigestFormat reports a digest that is malformed or of an algorithm other than sha256 and sha512.
	ErrDigestFormat = errors.New("unsupported digest")
	// ErrCorrupt reports a blob that is what the manifest names and still no readable archive.
	ErrCorrupt = errors.New("layer is not a readable archive")
	// ErrLimit reports a layer beyond one of the Limits; the error is a *LimitError.
	ErrLimit = errors.New("layer exceeds a limit")
	// ErrEncoding reports a stored layer result that cannot be decoded.
	ErrEncoding = errors.New("stored layer result is unreadable")
)

// LimitError says which limit a layer exceeds.
type LimitError struct {
	What string // field of Limits
	Max  int64  // in that field's unit
}

func (e *LimitError) Error() string {
	return fmt.Sprintf("%v: %s is %d", ErrLimit, e.What, e.Max)
}

func (e *LimitError) Unwrap() error { return ErrLimit }
