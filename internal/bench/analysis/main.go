// Command analysis measures the layer pass against its floor: klauspost gunzip, SHA-256 of the compressed and
// of the decompressed bytes, and a tar walk over the same layers, the same number of layers at a time.
//
// Each measurement runs in a process of its own, so that memory belongs to one variant, and the variants take
// turns, so that a noisy machine disturbs both alike. Ratios are taken within a round; the table has their median,
// and beside it the ratio of each variant's best round, which noise touches least. syft and trivy take their turn
// when they are on the PATH. Layers are given with -layers
// (*.tar, *.tar.gz, *.tar.zst, *.tgz in one directory, in order of name) or made on the spot: generated package
// databases and texts, and files of this machine's /usr.
package main

import (
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"math"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"text/tabwriter"
)

type options struct {
	layers   string
	rounds   int
	parallel int
	scratch  string
	variant  string
	profile  string
	maxRatio float64
}

func main() {
	var o options
	flag.StringVar(&o.layers, "layers", "", "directory of layer archives; made on the spot when empty")
	flag.IntVar(&o.rounds, "rounds", 5, "measurements per variant")
	flag.IntVar(&o.parallel, "parallel", runtime.GOMAXPROCS(0), "layers read at a time, in both variants")
	flag.StringVar(&o.scratch, "scratch", os.TempDir(), "directory for spool files and made layers")
	flag.StringVar(&o.variant, "variant", "", "measure one variant in this process: floor, pass or hash (pass without analyzers)")
	flag.StringVar(&o.profile, "profile", "", "with -variant: write a CPU profile to this file")
	flag.Float64Var(&o.maxRatio, "max-ratio", 0, "fail when a ratio of a round's wall or CPU time to the floor's is in the median above this; 0 only reports")
	flag.Parse()
	if err := run(o, os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, "bench analysis:", err)
		os.Exit(1)
	}
}

func run(o options, out io.Writer) error {
	if o.layers == "" {
		dir, err := os.MkdirTemp(o.scratch, "bench-layers-*")
		if err != nil {
			return fmt.Errorf("make a directory for layers: %w", err)
		}
		defer func() { _ = os.RemoveAll(dir) }()
		fmt.Fprintln(out, "making layers from generated content and files of /usr ...")
		if err := makeLayers(dir); err != nil {
			return fmt.Errorf("make layers: %w", err)
		}
		o.layers = dir
	}
	files, err := layerFiles(o.layers)
	if err != nil {
		return err
	}
	if o.variant != "" {
		m, err := measure(o, files)
		if err != nil {
			return err
		}
		return json.NewEncoder(out).Encode(m)
	}
	return compare(o, files, out)
}

// layerFiles lists the archives of a directory in order of name.
func layerFiles(dir string) ([]string, error) {
	all, err := os.ReadDir(dir)
	if err != nil {
		return nil, fmt.Errorf("list layers: %w", err)
	}
	var files []string
	for _, f := range all {
		for _, suffix := range []string{".tar", ".tar.gz", ".tgz", ".tar.zst"} {
			if strings.HasSuffix(f.Name(), suffix) {
				files = append(files, filepath.Join(dir, f.Name()))
			}
		}
	}
	if len(files) == 0 {
		return nil, fmt.Errorf("no layer archives in %s", dir)
	}
	return files, nil
}

// variants in the order of the table; the first is what the others are compared with.
var variants = []string{"floor", "hash", "pass"}

// compare runs every variant in rounds and prints the table.
func compare(o options, files []string, out io.Writer) error {
	found, archive, err := present(files, o.scratch)
	if err != nil {
		return err
	}
	if archive != "" {
		defer func() { _ = os.Remove(archive) }()
	}
	results := map[string][]measurement{}
	for round := range o.rounds {
		for i := range variants {
			v := variants[(i+round)%len(variants)] // each variant follows each other one
			m, err := child(o, v)
			if err != nil {
				return fmt.Errorf("measure %s: %w", v, err)
			}
			results[v] = append(results[v], m)
		}
		for _, other := range found {
			m, err := other.measure(context.Background(), archive, o.scratch)
			if err != nil {
				return err
			}
			results[other.name] = append(results[other.name], m)
		}
	}
	one := results["pass"][0]
	fmt.Fprintf(out, "%d layers, %.0f MB compressed, %.0f MB unpacked, %d entries, %d packages, %d at a time, %d rounds, %d cores\n",
		len(files), float64(one.Compressed)/1e6, float64(one.Decompressed)/1e6, one.Entries, one.Packages, o.parallel, o.rounds, runtime.NumCPU())
	table := tabwriter.NewWriter(out, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintln(table, "variant\twall s\tcpu s\twall ratio\tcpu ratio\tbest wall\tbest cpu\tpeak above idle MiB\tidle MiB\t")
	wall, cpu := func(m measurement) float64 { return m.Wall }, func(m measurement) float64 { return m.CPU }
	var worst float64
	line := func(v string) {
		m := summarize(results[v], results["floor"])
		fmt.Fprintf(table, "%s\t%.2f\t%.2f\t%.2f\t%.2f\t%.2f\t%.2f\t%.0f\t%.0f\t\n", v, median(results[v], wall), median(results[v], cpu),
			m.wall, m.cpu, m.bestWall, m.bestCPU, float64(m.peak)/(1<<20), float64(m.idle)/(1<<20))
		if slices.Contains(variants, v) {
			worst = max(worst, m.wall, m.cpu)
		}
	}
	for _, v := range variants {
		line(v)
	}
	for _, other := range found {
		line(other.name)
	}
	if err := table.Flush(); err != nil {
		return err
	}
	if o.maxRatio > 0 && worst > o.maxRatio {
		return fmt.Errorf("ratio %.2f is above %.2f", worst, o.maxRatio)
	}
	return nil
}

// child measures one variant in a process of its own.
func child(o options, variant string) (measurement, error) {
	self, err := os.Executable()
	if err != nil {
		return measurement{}, fmt.Errorf("find own program: %w", err)
	}
	cmd := exec.CommandContext(context.Background(), self, "-variant", variant, "-layers", o.layers, "-scratch", o.scratch, "-parallel", strconv.Itoa(o.parallel))
	cmd.Stderr = os.Stderr
	raw, err := cmd.Output()
	if err != nil {
		return measurement{}, err
	}
	var m measurement
	return m, json.Unmarshal(raw, &m)
}

// summary compares the rounds of a variant with those of the floor.
type summary struct {
	wall, cpu, bestWall, bestCPU float64 // ratios
	peak, idle                   int64   // bytes above idle and idle, of the round with the highest peak
}

func summarize(variant, floor []measurement) summary {
	ratio := func(value func(measurement) float64) (ofRounds, ofBest float64) {
		ratios := make([]float64, len(variant))
		best, bestFloor := math.Inf(1), math.Inf(1)
		for i := range variant {
			ratios[i] = value(variant[i]) / value(floor[i])
			best, bestFloor = min(best, value(variant[i])), min(bestFloor, value(floor[i]))
		}
		slices.Sort(ratios)
		return ratios[len(ratios)/2], best / bestFloor
	}
	var s summary
	s.wall, s.bestWall = ratio(func(m measurement) float64 { return m.Wall })
	s.cpu, s.bestCPU = ratio(func(m measurement) float64 { return m.CPU })
	for _, m := range variant {
		if m.Peak-m.Idle > s.peak {
			s.peak, s.idle = m.Peak-m.Idle, m.Idle
		}
	}
	return s
}

func median(all []measurement, value func(measurement) float64) float64 {
	values := make([]float64, len(all))
	for i := range all {
		values[i] = value(all[i])
	}
	slices.Sort(values)
	return values[len(values)/2]
}
