package main

import (
	"context"
	"encoding/json"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"plimsoll/api/client"
	"plimsoll/engine/policy"
	"plimsoll/engine/policy/gates"
	"plimsoll/engine/policy/trial"
)

// suiteOutcome is how one file of tests went.
type suiteOutcome struct {
	File  string          `json:"file"`
	Error string          `json:"error,omitempty"` // why it could not be run
	Cases []trial.Outcome `json:"cases"`
}

func (s *suiteOutcome) failed() (n int) {
	if s.Error != "" {
		n++
	}
	for _, c := range s.Cases {
		if len(c.Faults) > 0 {
			n++
		}
	}
	return n
}

func newPolicyTest(c *connection) *cobra.Command {
	var junit string
	cmd := &cobra.Command{
		Use: "test FILE|FOLDER...", Short: "Run policy tests: what a policy must say of made up or stored images", Args: cobra.MinimumNArgs(1),
		Long: "A file of tests names a policy document, images as plain facts (or digests the server is asked about, as of now) and what must come out. " +
			"In folders, files whose names end in _test.yaml are run. Exit code 1 when a test fails.",
		RunE: func(cmd *cobra.Command, args []string) error {
			files, err := suiteFiles(args)
			if err != nil {
				return err
			}
			outcomes, failed := make([]suiteOutcome, 0, len(files)), 0
			for _, file := range files {
				out, err := c.runSuite(cmd.Context(), file)
				if err != nil {
					return err
				}
				failed += out.failed()
				outcomes = append(outcomes, out)
			}
			if junit != "" {
				if err := writeJUnit(junit, outcomes); err != nil {
					return err
				}
			}
			if err := c.showValue(cmd, outcomes, func(w io.Writer) error { return writeSuites(w, outcomes) }); err != nil {
				return err
			}
			if failed > 0 {
				return errTests
			}
			return nil
		},
	}
	cmd.Flags().StringVar(&junit, "junit", "", "also write the outcome to this file, in JUnit's XML")
	return cmd
}

// suiteFiles are the files named, and those of tests in the folders named.
func suiteFiles(args []string) ([]string, error) {
	var files []string
	for _, arg := range args {
		info, err := os.Stat(arg)
		if err != nil {
			return nil, fmt.Errorf("find policy tests: %w", err)
		}
		if !info.IsDir() {
			files = append(files, arg)
			continue
		}
		before := len(files)
		err = filepath.WalkDir(arg, func(path string, entry fs.DirEntry, err error) error {
			if err == nil && entry.Type().IsRegular() && (strings.HasSuffix(path, "_test.yaml") || strings.HasSuffix(path, "_test.yml")) {
				files = append(files, path)
			}
			return err
		})
		if err != nil {
			return nil, fmt.Errorf("find policy tests: %w", err)
		}
		if len(files) == before {
			return nil, fmt.Errorf("no policy tests in %s: their names end in _test.yaml", arg)
		}
	}
	slices.Sort(files)
	return slices.Compact(files), nil
}

// runSuite fails only when the run as a whole is to end.
func (c *connection) runSuite(ctx context.Context, file string) (suiteOutcome, error) {
	out := suiteOutcome{File: file, Cases: []trial.Outcome{}}
	raw, err := readAtMost(file, nil, maxPolicyFile)
	if err != nil {
		return out, fmt.Errorf("read policy tests: %w", err)
	}
	suite, err := trial.ReadSuite(raw)
	if err == nil {
		folder := filepath.Dir(file)
		out.Cases, err = suite.Run(ctx, trial.Surroundings{
			Gates: gates.All(), Ask: c.judgeDraft,
			Read: func(path string) ([]byte, error) {
				if !filepath.IsAbs(path) {
					path = filepath.Join(folder, filepath.FromSlash(path))
				}
				return readAtMost(path, nil, maxPolicyFile)
			},
		})
	}
	if err != nil {
		out.Error = describeInvalid(err)
	}
	return out, ctx.Err()
}

// describeInvalid lists every fault of a document.
func describeInvalid(err error) string {
	var invalid *policy.InvalidError
	if !errors.As(err, &invalid) {
		return err.Error()
	}
	lines := []string{"the policy is invalid"}
	for _, p := range invalid.Problems {
		lines = append(lines, p.Type+": "+p.Details)
	}
	return strings.Join(lines, "\n")
}

// judgeDraft asks the server what a document says of a stored image.
func (c *connection) judgeDraft(ctx context.Context, document []byte, digest, tag string) (*policy.Result, error) {
	r, err := ask(c.api.CheckImageDraftWithResponse(ctx, digest, &client.CheckImageDraftParams{Tag: tag}, document))
	if err != nil {
		return nil, withFaults(err)
	}
	return resultOf(r.Body)
}

// resultOf reads the newest evaluation of an answer.
func resultOf(body []byte) (*policy.Result, error) {
	var answer struct {
		Evaluations []*policy.Result `json:"evaluations"`
	}
	if err := json.Unmarshal(body, &answer); err != nil || len(answer.Evaluations) == 0 {
		return nil, errors.Join(errors.New("the server's answer has no evaluation"), err)
	}
	return answer.Evaluations[0], nil
}

func writeSuites(w io.Writer, suites []suiteOutcome) error {
	var rows [][]string
	passed, failed := 0, 0
	for _, s := range suites {
		if s.Error != "" {
			rows = append(rows, []string{"error", s.File, "", ""})
		}
		for _, c := range s.Cases {
			word := "ok"
			if len(c.Faults) > 0 {
				word = "FAIL"
			} else {
				passed++
			}
			action := ""
			if c.Result != nil {
				action = string(c.Result.FinalAction)
			}
			rows = append(rows, []string{word, s.File, c.Case, action})
		}
		failed += s.failed()
	}
	if err := table(w, []string{"RESULT", "FILE", "CASE", "ACTION"}, rows); err != nil {
		return err
	}
	for _, s := range suites {
		for line := range strings.Lines(s.Error) {
			fmt.Fprintf(w, "%s: %s\n", s.File, printable(strings.TrimSpace(line)))
		}
		for _, c := range s.Cases {
			for _, fault := range c.Faults {
				fmt.Fprintf(w, "%s: %s: %s\n", s.File, printable(c.Case), printable(fault))
			}
		}
	}
	_, err := fmt.Fprintf(w, "%d passed, %d failed\n", passed, failed)
	return err
}

// junitSuites is the part of JUnit's XML that build servers read.
type junitSuites struct {
	XMLName xml.Name     `xml:"testsuites"`
	Suites  []junitSuite `xml:"testsuite"`
}

type junitSuite struct {
	Name     string      `xml:"name,attr"`
	Tests    int         `xml:"tests,attr"`
	Failures int         `xml:"failures,attr"`
	Errors   int         `xml:"errors,attr"`
	Cases    []junitCase `xml:"testcase"`
}

type junitCase struct {
	Name    string        `xml:"name,attr"`
	Class   string        `xml:"classname,attr"`
	Failure *junitFailure `xml:"failure,omitempty"`
	Error   *junitFailure `xml:"error,omitempty"`
}

type junitFailure struct {
	Message string `xml:"message,attr"`
	Text    string `xml:",chardata"`
}

func writeJUnit(name string, suites []suiteOutcome) error {
	var out junitSuites
	for _, s := range suites {
		suite := junitSuite{Name: s.File, Tests: len(s.Cases)}
		if s.Error != "" {
			suite.Tests, suite.Errors = suite.Tests+1, 1
			suite.Cases = append(suite.Cases, junitCase{Name: "policy", Class: s.File, Error: &junitFailure{Message: "could not be run", Text: s.Error}})
		}
		for _, c := range s.Cases {
			test := junitCase{Name: c.Case, Class: s.File}
			if n := len(c.Faults); n > 0 {
				suite.Failures++
				test.Failure = &junitFailure{Message: strconv.Itoa(n) + " differences", Text: strings.Join(c.Faults, "\n")}
			}
			suite.Cases = append(suite.Cases, test)
		}
		out.Suites = append(out.Suites, suite)
	}
	encoded, err := xml.MarshalIndent(out, "", "  ")
	if err != nil {
		return fmt.Errorf("encode the outcome: %w", err)
	}
	if err := os.WriteFile(name, append([]byte(xml.Header), append(encoded, '\n')...), 0o644); err != nil {
		return fmt.Errorf("write the outcome: %w", err)
	}
	return nil
}
