package image

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"plimsoll/engine/catalog"
)

func TestAnalyzerFaultsAreRecorded(t *testing.T) {
	t.Parallel()
	one := catalog.Evidence{Packages: []catalog.Package{{Type: "npm", Name: "kept", Version: "1"}}}
	analyzer := func(name string, analyze func(context.Context, *catalog.File) (catalog.Evidence, error)) catalog.Analyzer {
		return catalog.Analyzer{Name: name, Version: 1, MaxSize: 10, Analyze: analyze,
			Wants: func(c catalog.Candidate) bool { return strings.HasPrefix(c.Path, "/"+name) }}
	}
	release := make(chan struct{})
	t.Cleanup(func() { close(release) })
	analyzers := []catalog.Analyzer{
		analyzer("panics", func(context.Context, *catalog.File) (catalog.Evidence, error) { panic("index out of range") }),
		analyzer("fails", func(context.Context, *catalog.File) (catalog.Evidence, error) { return one, errors.New("bad line 3") }),
		analyzer("nested", func(context.Context, *catalog.File) (catalog.Evidence, error) {
			return one, &catalog.Incompleteness{Reason: catalog.ReasonNesting, Path: "/nested:a:b"}
		}),
		analyzer("slow", func(ctx context.Context, _ *catalog.File) (catalog.Evidence, error) {
			<-ctx.Done()
			return one, ctx.Err()
		}),
		analyzer("hangs", func(context.Context, *catalog.File) (catalog.Evidence, error) {
			<-release
			return one, nil
		}),
		analyzer("huge", func(context.Context, *catalog.File) (catalog.Evidence, error) { return one, nil }),
		{Name: "unsure", Version: 1, MaxSize: 10, Analyze: func(context.Context, *catalog.File) (catalog.Evidence, error) { return one, nil },
			Wants: func(c catalog.Candidate) bool {
				if c.Path == "/unsure" {
					panic("nil map")
				}
				return false
			}},
	}
	blob := archive(t, file("panics", "1"), file("fails", "2"), file("nested", "3"), file("slow", "4"), file("hangs", "5"), file("huge", "12345678901"), file("unsure", "6"))
	p := NewPass(analyzers, Limits{FileTime: 50 * time.Millisecond}, t.TempDir())
	l, err := p.Read(t.Context(), digestOf(blob), bytes.NewReader(blob), nil)
	if err != nil {
		t.Fatal(err)
	}
	want := []catalog.Incompleteness{
		{Path: "/fails", Analyzer: "fails", Reason: catalog.ReasonUnreadable, Detail: "bad line 3"},
		{Path: "/hangs", Analyzer: "hangs", Reason: catalog.ReasonTimeout, Detail: "analysis took longer than 50ms"},
		{Path: "/huge", Analyzer: "huge", Reason: catalog.ReasonTooLarge, Detail: "11 bytes"},
		{Path: "/nested:a:b", Analyzer: "nested", Reason: catalog.ReasonNesting},
		{Path: "/panics", Analyzer: "panics", Reason: catalog.ReasonUnreadable, Detail: "parser panicked: index out of range"},
		{Path: "/slow", Analyzer: "slow", Reason: catalog.ReasonTimeout, Detail: "analysis took longer than 50ms"},
		{Path: "/unsure", Analyzer: "unsure", Reason: catalog.ReasonUnreadable, Detail: "parser panicked: nil map"},
	}
	if diff := cmp.Diff(want, l.Incomplete); diff != "" {
		t.Error(diff)
	}
	var kept []string
	for _, e := range l.Evidence {
		kept = append(kept, e.Path)
	}
	if diff := cmp.Diff([]string{"/fails", "/nested", "/slow"}, kept); diff != "" {
		t.Error(diff)
	}
	if len(l.Entries) != 7 {
		t.Errorf("%d entries, want 7", len(l.Entries))
	}
}

func TestCapturedContentIsWholeInMemoryAndSpooled(t *testing.T) {
	t.Parallel()
	var mu sync.Mutex
	got := map[string]string{}
	scratch := t.TempDir()
	compare := catalog.Analyzer{Name: "compare", Version: 1, MaxSize: 10 << 20,
		Wants: func(c catalog.Candidate) bool {
			mu.Lock()
			defer mu.Unlock()
			got["head "+c.Path] = string(c.Head)
			return true
		},
		Analyze: func(_ context.Context, f *catalog.File) (catalog.Evidence, error) {
			b, err := io.ReadAll(f.Reader())
			mu.Lock()
			defer mu.Unlock()
			got[f.Path] = hexOf(string(b)) + " " + f.SHA256
			return catalog.Evidence{}, err
		}}
	var items []item
	want := map[string]string{}
	for i, size := range []int{0, 1, catalog.HeadSize - 1, catalog.HeadSize, readSize - 1, readSize, readSize + 1, blockSize + 12345, 1 << 20, 1<<20 + 1, 3<<20 + 7} {
		name, body := fmt.Sprintf("/f%d", i), strings.Repeat("0123456789abcdef", size/16+1)[:size]
		items = append(items, file(name, body))
		want[name], want["head "+name] = hexOf(body)+" "+hexOf(body), body[:min(size, catalog.HeadSize)]
	}
	blob := gzipped(t, archive(t, items...))
	for name, limits := range map[string]Limits{
		"threshold": {SpoolAbove: 1 << 20},
		"budget":    {MemoryBytes: 1},
	} {
		clear(got)
		p := NewPass([]catalog.Analyzer{compare}, limits, scratch)
		if _, err := p.Read(t.Context(), digestOf(blob), bytes.NewReader(blob), nil); err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s: %s", name, diff)
		}
		if !p.memory.TryAcquire(p.limits.MemoryBytes) {
			t.Errorf("%s: memory budget was not given back", name)
		}
	}
	if left, err := os.ReadDir(scratch); err != nil || len(left) > 0 {
		t.Errorf("scratch directory holds %v, %v", left, err)
	}
}
