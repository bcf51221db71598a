package image

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"time"

	"plimsoll/engine/catalog"
)

// errPanic reports a parser that panicked on a file.
var errPanic = errors.New("parser panicked")

const (
	// grace is how long an analyzer may take to notice that its time is over and return what it has.
	grace = time.Second
	// maxStuck is after how many files an analyzer that does not even return after its grace is no longer
	// called for the layer: each such file keeps a goroutine busy.
	maxStuck = 3
)

// choose finds out which analyzers want the entry, given its first bytes, and leaves them in w.chosen.
func (w *walk) choose(index int, head []byte) {
	w.chosen = w.chosen[:0]
	c := catalog.Candidate{Entry: w.entries[index], Head: head}
	for i := range w.pass.analyzers {
		a := &w.pass.analyzers[i]
		switch wanted, fault := wants(a, c); {
		case fault != nil:
			w.miss(index, c.Path, a.Name, catalog.ReasonUnreadable, fault.Error())
		case !wanted:
		case c.Size > min(a.MaxSize, w.limits.FileBytes):
			w.miss(index, c.Path, a.Name, catalog.ReasonTooLarge, fmt.Sprintf("%d bytes", c.Size))
		default:
			w.chosen = append(w.chosen, i)
		}
	}
}

func wants(a *catalog.Analyzer, c catalog.Candidate) (wanted bool, fault error) {
	defer func() {
		if p := recover(); p != nil {
			fault = fmt.Errorf("%w: %v", errPanic, p)
		}
	}()
	return a.Wants(c), nil
}

// hardlink records analyzers that want a file by a name under which it carries no content: what the link
// names was read under its own name and by whoever wanted that.
func (w *walk) hardlink(index int) {
	link := catalog.Candidate{Entry: w.entries[index]}
	link.Type = catalog.Regular
	target := link
	target.Path = link.Link
	for i := range w.pass.analyzers {
		a := &w.pass.analyzers[i]
		if here, _ := wants(a, link); !here {
			continue
		}
		if there, _ := wants(a, target); !there {
			w.miss(index, link.Path, a.Name, catalog.ReasonUnreadable, "hard link to "+link.Link+", read under that name only")
		}
	}
}

// analyze runs the chosen analyzers one after the other.
func (w *walk) analyze(index int, kept *content) {
	file := &catalog.File{Entry: w.entries[index], Content: kept}
	for _, i := range w.chosen {
		a := &w.pass.analyzers[i]
		if w.stuck[i] >= maxStuck {
			w.miss(index, file.Path, a.Name, catalog.ReasonTimeout, "not tried: the analyzer hangs on other files of the layer")
			continue
		}
		out, returned := w.run(a, file, kept)
		if w.ctx.Err() != nil {
			return
		}
		if !returned {
			w.stuck[i]++
		}
		if errors.Is(out.err, catalog.ErrUnavailable) {
			w.fault = fmt.Errorf("analyze %s: %s: %w", file.Path, a.Name, out.err)
			return
		}
		w.keep(index, a, out)
	}
}

type outcome struct {
	evidence catalog.Evidence
	err      error
	late     bool
}

// run calls one analyzer in a goroutine of its own, because only then can the walk go on without it. An
// analyzer that does not return in time keeps its hold on the content.
func (w *walk) run(a *catalog.Analyzer, file *catalog.File, kept *content) (out outcome, returned bool) {
	ctx, cancel := context.WithTimeout(w.ctx, w.fileTime(a))
	defer cancel()
	done := make(chan outcome, 1)
	kept.holders.Add(1)
	go func() {
		out := call(ctx, a, file)
		if kept.leave() {
			kept.dispose()
		}
		done <- out
	}()
	select {
	case out = <-done:
		return out, true
	case <-ctx.Done():
	}
	timer := time.NewTimer(grace)
	defer timer.Stop()
	select {
	case out = <-done:
		return out, true
	case <-timer.C:
		return outcome{late: true}, false
	}
}

func call(ctx context.Context, a *catalog.Analyzer, file *catalog.File) (out outcome) {
	defer func() {
		if p := recover(); p != nil {
			out = outcome{err: fmt.Errorf("%w: %v", errPanic, p)}
		}
	}()
	out.evidence, out.err = a.Analyze(ctx, file)
	out.late = out.err != nil && ctx.Err() != nil
	return out
}

// fileTime is how long an analyzer may take for one file.
func (w *walk) fileTime(a *catalog.Analyzer) time.Duration { return cmp.Or(a.Time, w.limits.FileTime) }

// begin calls the analyzers that have something to do before a layer's first file.
func (w *walk) begin() error {
	for i := range w.pass.analyzers {
		a := &w.pass.analyzers[i]
		if a.Begin == nil {
			continue
		}
		ctx, cancel := context.WithTimeout(w.ctx, w.fileTime(a))
		evidence, err := a.Begin(ctx)
		cancel()
		if err != nil {
			return fmt.Errorf("begin analysis: %s: %w", a.Name, err)
		}
		if !evidence.Empty() {
			w.evidence = append(w.evidence, found{-1, FileEvidence{Analyzer: a.Name, Evidence: evidence}})
		}
	}
	return nil
}

// keep takes in what one analyzer found in one file.
func (w *walk) keep(index int, a *catalog.Analyzer, out outcome) {
	path, analyzer := w.entries[index].Path, a.Name
	if out.late {
		w.miss(index, path, analyzer, catalog.ReasonTimeout, "analysis took longer than "+w.fileTime(a).String())
	} else {
		for _, m := range catalog.Incomplete(path, analyzer, out.err) {
			w.miss(index, m.Path, m.Analyzer, m.Reason, m.Detail)
		}
	}
	if out.evidence.Empty() {
		return
	}
	if w.packages += len(out.evidence.Packages); w.packages > w.limits.Packages {
		w.miss(index, path, analyzer, catalog.ReasonTooMany, fmt.Sprintf("more than %d packages in the layer", w.limits.Packages))
		return
	}
	for i := range out.evidence.Owns {
		w.owned += len(out.evidence.Owns[i].Paths) + len(out.evidence.Owns[i].Recorded)
	}
	if w.owned > w.limits.Owned {
		w.miss(index, path, analyzer, catalog.ReasonTooMany, fmt.Sprintf("package databases list more than %d files in the layer", w.limits.Owned))
		out.evidence.Owns = nil
	}
	w.bound(index, a, &out.evidence)
	w.evidence = append(w.evidence, found{index, FileEvidence{Path: path, Analyzer: analyzer, Evidence: out.evidence}})
}

// bound leaves out what a layer has too much of: search hits and kept content.
func (w *walk) bound(index int, a *catalog.Analyzer, e *catalog.Evidence) {
	path := w.entries[index].Path
	if w.hits += len(e.Hits); w.hits > w.limits.Hits {
		w.miss(index, path, a.Name, catalog.ReasonTooMany, fmt.Sprintf("more than %d search hits in the layer", w.limits.Hits))
		w.hits -= len(e.Hits)
		e.Hits = nil
	}
	if e.Retrieved == nil {
		return
	}
	if size := int64(len(e.Retrieved.Content)); w.kept+size > w.limits.Kept {
		w.miss(index, path, a.Name, catalog.ReasonTooMany, fmt.Sprintf("kept files of a layer may have %d bytes together", w.limits.Kept))
		e.Retrieved = nil
	} else {
		w.kept += size
	}
}
