// Command policy measures what one evaluation costs once the facts of the image are loaded: the default policy, a policy with
// a rule for every trigger there is, once as wide and once as narrow as it can be asked, and whatever documents it is
// given. It prints milliseconds and allocations of one evaluation.
//
// The image is made up, of the size of a large service image on a full distribution.
package main

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"syscall"
	"text/tabwriter"
	"time"

	"plimsoll/engine/policy"
	"plimsoll/engine/policy/gates"
)

// target is what an evaluation may take.
const target = 10 * time.Millisecond

const tag = "docker.io/acme/web:1"

func main() {
	packages := flag.Int("packages", 1800, "packages of the image")
	findings := flag.Int("findings", 500, "vulnerabilities of the image")
	rounds := flag.Int("rounds", 50, "evaluations of each policy")
	flag.Parse()
	if err := run(os.Stdout, flag.Args(), *packages, *findings, *rounds); err != nil {
		fmt.Fprintln(os.Stderr, "bench policy:", err)
		os.Exit(1)
	}
}

func run(out io.Writer, files []string, packages, findings, rounds int) error {
	if packages < 1 || findings < 0 || rounds < 1 {
		return errors.New("packages and rounds must be positive, findings must not be negative")
	}
	policies := []struct {
		name     string
		document []byte
	}{{"default", policy.Default()}}
	for _, narrow := range []bool{false, true} {
		name := "every trigger, wide"
		if narrow {
			name = "every trigger, narrow"
		}
		document, err := everyTrigger(gates.All(), narrow)
		if err != nil {
			return err
		}
		policies = append(policies, struct {
			name     string
			document []byte
		}{name, document})
	}
	for _, path := range files {
		document, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		policies = append(policies, struct {
			name     string
			document []byte
		}{filepath.Base(path), document})
	}
	facts := image(packages, findings)
	fmt.Fprintf(out, "An image with %d packages, %d vulnerabilities and %d files; %d evaluations each. Target: %s.\n\n",
		packages, findings, len(facts.Entries), rounds, target)
	table := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(table, "policy\trules\tfindings\tms, fastest\tCPU ms, mean\tallocations\tKiB\t")
	for _, p := range policies {
		if err := line(table, facts, p.name, p.document, rounds); err != nil {
			return fmt.Errorf("%s: %w", p.name, err)
		}
	}
	if err := table.Flush(); err != nil {
		return err
	}
	return slowest(out, facts, rounds)
}

// slowest prints the triggers that take most of the time, each evaluated alone.
func slowest(out io.Writer, facts *policy.Static, rounds int) error {
	type timed struct {
		name string
		took time.Duration
	}
	var all []timed
	for _, rule := range rules(gates.All(), false) {
		encoded, err := document(policy.RuleSet{ID: "rs", Name: "rs", Version: policy.Version, Rules: []policy.Rule{rule}})
		if err != nil {
			return err
		}
		compiled, _, err := policy.Load(encoded, gates.All())
		if err != nil {
			return fmt.Errorf("%s: %w", rule.ID, err)
		}
		best := time.Hour
		for range min(rounds, 10) {
			start := time.Now()
			if _, err := compiled.Evaluate(context.Background(), facts, tag, now); err != nil {
				return err
			}
			best = min(best, time.Since(start))
		}
		all = append(all, timed{rule.ID, best})
	}
	slices.SortFunc(all, func(a, b timed) int { return cmp.Compare(b.took, a.took) })
	fmt.Fprintln(out, "\nThe slowest triggers, alone:")
	for _, t := range all[:min(len(all), 8)] {
		fmt.Fprintf(out, "%8.2f ms  %s\n", float64(t.took)/float64(time.Millisecond), t.name)
	}
	return nil
}

func line(table io.Writer, facts *policy.Static, name string, document []byte, rounds int) error {
	compiled, _, err := policy.Load(document, gates.All())
	if err != nil {
		return err
	}
	rules := 0
	for _, set := range compiled.Document().RuleSets {
		rules += len(set.Rules)
	}
	ctx, found := context.Background(), 0
	fastest, began := time.Hour, cpu()
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	for range rounds {
		start := time.Now()
		result, err := compiled.Evaluate(ctx, facts, tag, now)
		fastest = min(fastest, time.Since(start))
		if err != nil {
			return err
		}
		if err := result.Err(); err != nil {
			return err
		}
		found = result.NumberOfFindings
	}
	mean := (cpu() - began) / time.Duration(rounds)
	runtime.ReadMemStats(&after)
	ms := func(d time.Duration) float64 { return float64(d) / float64(time.Millisecond) }
	n := uint64(rounds)
	_, err = fmt.Fprintf(table, "%s\t%d\t%d\t%.2f\t%.2f\t%d\t%d\t\n", name, rules, found, ms(fastest), ms(mean),
		(after.Mallocs-before.Mallocs)/n, (after.TotalAlloc-before.TotalAlloc)/n>>10)
	return err
}

// cpu is the processor time this process has used: other work on the machine does not show in it.
func cpu() time.Duration {
	var used syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &used); err != nil {
		return 0
	}
	return time.Duration(used.Utime.Nano() + used.Stime.Nano())
}

// everyTrigger is a policy with a rule for each trigger that is not gone: with the parameters it needs or, narrow, with all
// there are, each with its example.
func everyTrigger(all []policy.Gate, narrow bool) ([]byte, error) {
	return document(policy.RuleSet{ID: "rs", Name: "rs", Version: policy.Version, Rules: rules(all, narrow)})
}

func rules(all []policy.Gate, narrow bool) []policy.Rule {
	var out []policy.Rule
	for _, gate := range all {
		for i := range gate.Triggers {
			trigger := &gate.Triggers[i]
			if gate.State == policy.EndOfLife || trigger.State == policy.EndOfLife {
				continue
			}
			rule := policy.Rule{ID: fmt.Sprintf("%s.%s", gate.Name, trigger.Name), Gate: gate.Name, Trigger: trigger.Name, Action: "WARN", Params: []policy.RuleParam{}}
			for _, p := range trigger.Params {
				if p.Required || narrow {
					rule.Params = append(rule.Params, policy.RuleParam{Name: p.Name, Value: p.Example})
				}
			}
			if !narrow && !valid(all, rule) { // together, the parameters it needs ask for another one
				rule.Params = rule.Params[:0]
				for _, p := range trigger.Params {
					rule.Params = append(rule.Params, policy.RuleParam{Name: p.Name, Value: p.Example})
				}
			}
			out = append(out, rule)
		}
	}
	return out
}

func valid(all []policy.Gate, rule policy.Rule) bool {
	encoded, err := document(policy.RuleSet{ID: "rs", Name: "rs", Version: policy.Version, Rules: []policy.Rule{rule}})
	if err != nil {
		return false
	}
	_, problems, err := policy.Load(encoded, all)
	return err == nil && !policy.HasErrors(problems)
}

func document(set policy.RuleSet) ([]byte, error) {
	return json.Marshal(policy.Document{
		ID: "bench", Name: "bench", Version: policy.Version, RuleSets: []policy.RuleSet{set},
		Mappings: []policy.Mapping{{
			ID: "m", Name: "m", Registry: "*", Repository: "*", Image: policy.ImageRef{Type: policy.SelectTag, Value: "*"},
			RuleSetIDs: []string{set.ID}, AllowlistIDs: []string{},
		}},
	})
}
