package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/spf13/cobra"

	"plimsoll/engine/policy"
	"plimsoll/engine/policy/gates"
	"plimsoll/engine/policy/trial"
)

// maxPolicyFile bounds policies, suites of tests and facts that are read from files, in bytes. Documents have a lower
// limit of their own, with a fault that says so.
const maxPolicyFile = 32 << 20

// readAtMost reads a file, or standard input for -.
func readAtMost(name string, input io.Reader, limit int64) ([]byte, error) {
	if name != "-" {
		file, err := os.Open(name)
		if err != nil {
			return nil, err
		}
		defer file.Close()
		input = file
	}
	data, err := io.ReadAll(io.LimitReader(input, limit+1))
	if err != nil {
		return nil, err
	}
	if int64(len(data)) > limit {
		return nil, fmt.Errorf("%s is larger than %d bytes", name, limit)
	}
	return data, nil
}

// readDraft reads a policy document in JSON or YAML.
func readDraft(cmd *cobra.Command, name string) (json.RawMessage, error) {
	raw, err := readAtMost(name, cmd.InOrStdin(), maxPolicyFile)
	if err != nil {
		return nil, fmt.Errorf("read the policy: %w", err)
	}
	document, err := trial.Document(raw)
	if err != nil {
		return nil, fmt.Errorf("read the policy %s: %w", name, err)
	}
	return document, nil
}

// verdictOnFile is what validation says of one file.
type verdictOnFile struct {
	File     string      `json:"file"`
	Valid    bool        `json:"valid"`
	PolicyID string      `json:"policy_id,omitempty"`
	Problems []fileFault `json:"problems"`
}

type fileFault struct {
	Severity string `json:"severity"`
	Type     string `json:"problem_type"`
	Pointer  string `json:"pointer"` // RFC 6901
	Rule     string `json:"rule_id,omitempty"`
	Details  string `json:"details"`
}

func newPolicyValidate(c *connection) *cobra.Command {
	return &cobra.Command{
		Use: "validate FILE...", Short: "Check policy documents without a server (JSON or YAML, - reads standard input)", Args: cobra.MinimumNArgs(1),
		Long: "Every fault is listed with a JSON pointer to its place. Exit code 1 when a document has faults; warnings alone are none.",
		RunE: func(cmd *cobra.Command, args []string) error {
			verdicts := make([]verdictOnFile, 0, len(args))
			valid := true
			for _, name := range args {
				raw, err := readAtMost(name, cmd.InOrStdin(), maxPolicyFile)
				if err != nil {
					return fmt.Errorf("read the policy: %w", err)
				}
				v := validateFile(name, raw)
				valid = valid && v.Valid
				verdicts = append(verdicts, v)
			}
			if err := c.showValue(cmd, verdicts, func(w io.Writer) error { return writeVerdictsOnFiles(w, verdicts) }); err != nil {
				return err
			}
			if !valid {
				return errFaults
			}
			return nil
		},
	}
}

func validateFile(name string, raw []byte) verdictOnFile {
	out := verdictOnFile{File: name, Problems: []fileFault{}}
	document, err := trial.Document(raw)
	if err != nil {
		out.Problems = append(out.Problems, fileFault{Severity: policy.SeverityError, Type: policy.ProblemValidation, Details: err.Error()})
		return out
	}
	compiled, problems, err := policy.Load(document, gates.All())
	var invalid *policy.InvalidError
	switch {
	case errors.As(err, &invalid):
		problems = invalid.Problems
	case err != nil:
		problems = []policy.Problem{{Severity: policy.SeverityError, Type: policy.ProblemValidation, Details: err.Error()}}
	default:
		out.Valid, out.PolicyID = true, compiled.Document().ID
	}
	for _, p := range problems {
		out.Problems = append(out.Problems, fileFault{Severity: p.Severity, Type: p.Type, Pointer: p.Path, Rule: p.RuleID, Details: p.Details})
	}
	return out
}

func writeVerdictsOnFiles(w io.Writer, verdicts []verdictOnFile) error {
	var rows [][]string
	for _, v := range verdicts {
		if v.Valid {
			rows = append(rows, []string{v.File, "valid", "", v.PolicyID, ""})
		}
		for _, p := range v.Problems {
			// The place has a column of its own.
			text := strings.TrimPrefix(p.Details, p.Pointer)
			text = strings.TrimPrefix(strings.TrimPrefix(text, " (rule "+p.Rule+")"), ": ")
			rows = append(rows, []string{v.File, p.Severity, p.Type, p.Pointer, text})
		}
	}
	return table(w, []string{"FILE", "SAYS", "TYPE", "WHERE", "WHAT"}, rows)
}

// showValue is show for what was made here.
func (c *connection) showValue(cmd *cobra.Command, made any, text func(w io.Writer) error) error {
	body, err := json.Marshal(made)
	if err != nil {
		return fmt.Errorf("encode the answer: %w", err)
	}
	return c.show(cmd, body, text)
}
