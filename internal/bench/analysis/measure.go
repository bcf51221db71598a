package main

import (
	"archive/tar"
	"bufio"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"os"
	"runtime"
	"runtime/pprof"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zstd"
	"golang.org/x/sync/errgroup"

	"plimsoll/engine/catalog"
	"plimsoll/engine/catalog/builtin"
	"plimsoll/engine/catalog/search/retrieve"
	"plimsoll/engine/catalog/search/secret"
	"plimsoll/engine/image"
)

// measurement is what one process reports.
type measurement struct {
	Wall         float64 // seconds
	CPU          float64 // seconds, user and system
	Idle, Peak   int64   // resident bytes before and at most
	Compressed   int64
	Decompressed int64
	Entries      int
	Packages     int
}

func measure(o options, files []string) (measurement, error) {
	digests, err := digestAll(files)
	if err != nil {
		return measurement{}, err
	}
	variant, err := variantNamed(o)
	if err != nil {
		return measurement{}, err
	}
	if o.profile != "" {
		f, err := os.Create(o.profile)
		if err != nil {
			return measurement{}, fmt.Errorf("write profile: %w", err)
		}
		defer f.Close()
		if err := pprof.StartCPUProfile(f); err != nil {
			return measurement{}, fmt.Errorf("write profile: %w", err)
		}
		defer pprof.StopCPUProfile()
	}
	runtime.GC()
	m := measurement{Idle: resident("VmRSS")}
	began, cpu := time.Now(), cpuSeconds()
	var mu sync.Mutex
	var group errgroup.Group
	group.SetLimit(o.parallel)
	for i, name := range files {
		group.Go(func() error {
			f, err := os.Open(name)
			if err != nil {
				return fmt.Errorf("open layer: %w", err)
			}
			defer f.Close()
			one, err := variant(f, digests[i])
			if err != nil {
				return fmt.Errorf("%s: %w", name, err)
			}
			mu.Lock()
			defer mu.Unlock()
			m.Compressed += one.Compressed
			m.Decompressed += one.Decompressed
			m.Entries += one.Entries
			m.Packages += one.Packages
			return nil
		})
	}
	err = group.Wait()
	m.Wall, m.CPU, m.Peak = time.Since(began).Seconds(), cpuSeconds()-cpu, resident("VmHWM")
	return m, err
}

// digestAll hashes the files outside the measurement: a manifest would bring their digests. It warms the page
// cache for all variants on the way.
func digestAll(files []string) ([]string, error) {
	digests := make([]string, len(files))
	for i, name := range files {
		f, err := os.Open(name)
		if err != nil {
			return nil, fmt.Errorf("open layer: %w", err)
		}
		h := sha256.New()
		_, err = io.Copy(h, f)
		f.Close()
		if err != nil {
			return nil, fmt.Errorf("read layer %s: %w", name, err)
		}
		digests[i] = "sha256:" + hex.EncodeToString(h.Sum(nil))
	}
	return digests, nil
}

// reading reads one layer and reports what the variant learned of it.
type reading func(f *os.File, digest string) (measurement, error)

func variantNamed(o options) (reading, error) {
	var analyzers []catalog.Analyzer
	switch o.variant {
	case "floor":
		return floor, nil
	case "pass":
		searches, err := searchers()
		if err != nil {
			return nil, err
		}
		analyzers = slices.Concat(builtin.All(), builtin.Declared(), searches)
	case "hash":
	default:
		return nil, fmt.Errorf("unknown variant %q", o.variant)
	}
	pass := image.NewPass(analyzers, image.DefaultLimits, o.scratch)
	return func(f *os.File, digest string) (measurement, error) {
		l, err := pass.Read(context.Background(), digest, f, nil)
		if err != nil {
			return measurement{}, err
		}
		m := measurement{Compressed: l.CompressedSize, Decompressed: l.Size, Entries: len(l.Entries)}
		for i := range l.Evidence {
			m.Packages += len(l.Evidence[i].Evidence.Packages)
		}
		mu.Lock()
		defer mu.Unlock()
		results = append(results, l) // what production holds until it is stored counts as memory
		return m, nil
	}, nil
}

// searchers are the searches of an installation nobody has tuned.
func searchers() ([]catalog.Analyzer, error) {
	secrets, err := secret.Analyzer(secret.Settings{MaxBytes: secret.DefaultMaxBytes, Skip: secret.DefaultSkip()})
	if err != nil {
		return nil, err
	}
	kept, err := retrieve.Analyzer(retrieve.Settings{Paths: retrieve.DefaultPaths(), MaxBytes: retrieve.DefaultMaxBytes})
	return []catalog.Analyzer{secrets, kept}, err
}

var (
	mu      sync.Mutex
	results []*image.Layer
)

// floor is what nobody can do without.
func floor(f *os.File, digest string) (measurement, error) {
	compressed, diff := sha256.New(), sha256.New()
	var in, out counter
	source := bufio.NewReaderSize(io.TeeReader(f, io.MultiWriter(compressed, &in)), 256<<10)
	plain, err := inflated(source)
	if err != nil {
		return measurement{}, err
	}
	stream := bufio.NewReaderSize(io.TeeReader(plain, io.MultiWriter(diff, &out)), 256<<10)
	m := measurement{}
	for r := tar.NewReader(stream); ; m.Entries++ {
		if _, err := r.Next(); err == io.EOF {
			break
		} else if err != nil {
			return m, err
		}
	}
	if _, err := io.Copy(io.Discard, stream); err != nil {
		return m, err
	}
	m.Compressed, m.Decompressed = int64(in), int64(out)
	if got := "sha256:" + hex.EncodeToString(compressed.Sum(nil)); got != digest {
		return m, fmt.Errorf("digest is %s", got)
	}
	diff.Sum(nil)
	return m, nil
}

func inflated(source *bufio.Reader) (io.Reader, error) {
	head, err := source.Peek(4)
	switch {
	case err != nil:
		return nil, err
	case head[0] == 0x1f && head[1] == 0x8b:
		return gzip.NewReader(source)
	case string(head) == "\x28\xb5\x2f\xfd":
		return zstd.NewReader(source, zstd.WithDecoderConcurrency(1))
	}
	return source, nil
}

// counter counts the bytes written to it.
type counter int64

func (c *counter) Write(p []byte) (int, error) {
	*c += counter(len(p))
	return len(p), nil
}

func cpuSeconds() float64 {
	var r syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &r); err != nil {
		return 0
	}
	return time.Duration(r.Utime.Nano() + r.Stime.Nano()).Seconds()
}

// resident reads a memory figure of this process in bytes; 0 where there is no /proc.
func resident(field string) int64 {
	status, _ := os.ReadFile("/proc/self/status")
	for line := range strings.Lines(string(status)) {
		if rest, ok := strings.CutPrefix(line, field+":"); ok {
			kib, _ := strconv.ParseInt(strings.TrimSuffix(strings.TrimSpace(rest), " kB"), 10, 64)
			return kib << 10
		}
	}
	return 0
}
