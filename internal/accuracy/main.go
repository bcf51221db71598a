// Command accuracy compares the packages Plimsoll finds in real images with what the packages' own tools, and
// another cataloger, say about the same files.
//
// For every subject and witness it prints precision and recall and every difference. differences.tsv explains the
// known ones; the command fails on a difference nobody has explained and on an explanation nothing needs any more.
//
// Subjects are the layers of an image (-layers, with the unpacked file systems they were made from beside them) and
// the rpm databases that the module go-rpmdb carries. Witnesses share no code with Plimsoll: dpkg-query, rpm, Python's
// importlib.metadata, npm, Ruby's gem library, go version -m and, where it is on the PATH, syft.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"strings"
	"text/tabwriter"
)

type options struct {
	layers string
	order  string
	syft   string
	table  string
	all    bool
}

func main() {
	var o options
	flag.StringVar(&o.layers, "layers", "", "directory of layer archives, with the directory fs of their unpacked content beside it; empty means the rpm databases only")
	flag.StringVar(&o.order, "order", "base,python,java,ruby,app", "names of the layers, bottom first")
	flag.StringVar(&o.syft, "syft", "syft", "the program syft; left out when there is none")
	flag.StringVar(&o.table, "explained", "internal/accuracy/differences.tsv", "table of known differences")
	flag.BoolVar(&o.all, "all", false, "print explained differences, too")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if err := run(ctx, o, os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, "accuracy:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, o options, out io.Writer) error {
	explained, err := readTable(o.table)
	if err != nil {
		return err
	}
	subjects, cleanup, err := subjects(ctx, o)
	if err != nil {
		return err
	}
	defer cleanup()
	summary := tabwriter.NewWriter(out, 0, 4, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintln(summary, "subject\ttype\twitness\tours\twitness's\tboth\tprecision\trecall\t")
	open := 0
	for _, s := range subjects {
		ours, err := s.ours(ctx)
		if err != nil {
			return fmt.Errorf("%s: %w", s.name, err)
		}
		for _, w := range s.witnesses {
			theirs, err := w.ask(ctx, s)
			if errors.Is(err, errAbsent) {
				fmt.Fprintf(out, "%s: %s is not installed\n", s.name, w.name)
				continue
			}
			if err != nil {
				return fmt.Errorf("%s: ask %s: %w", s.name, w.name, err)
			}
			for _, kind := range w.kinds {
				c := compare(s.name, kind, w.name, ours[kind], theirs[kind])
				if c.ours+c.theirs == 0 {
					continue
				}
				fmt.Fprintf(summary, "%s\t%s\t%s\t%d\t%d\t%d\t%.4f\t%.4f\t\n", s.name, kind, w.name, c.ours, c.theirs, c.both, c.precision(), c.recall())
				open += c.report(out, explained, o.all)
			}
		}
	}
	fmt.Fprintln(out)
	if err := summary.Flush(); err != nil {
		return fmt.Errorf("print: %w", err)
	}
	return verdict(open, explained, subjects)
}

func verdict(open int, explained *table, subjects []*subject) error {
	var faults []error
	if open > 0 {
		faults = append(faults, fmt.Errorf("%d differences nobody has explained", open))
	}
	if idle := explained.idle(subjects); len(idle) > 0 {
		faults = append(faults, fmt.Errorf("explanations that nothing needs any more:\n  %s", strings.Join(idle, "\n  ")))
	}
	return errors.Join(faults...)
}
