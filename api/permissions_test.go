package api

import (
	"flag"
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

var update = flag.Bool("update", false, "rewrite golden files")

// The table of who may do what is part of the contract and worth reading in a review: a change must be seen.
func TestPermissionTable(t *testing.T) {
	t.Parallel()
	doc, err := loadDocument(t.Context())
	must(t, err)
	operations, err := readOperations(doc)
	must(t, err)
	var lines []string
	for key, op := range operations {
		method, path, _ := strings.Cut(key, " ")
		lines = append(lines, strings.TrimSpace(fmt.Sprintf("%-75s %-7s %-20s %-13s %s", path, method, op.access.Action, op.access.Domain, op.access.Target)))
	}
	slices.Sort(lines)
	got := strings.Join(lines, "\n") + "\n"
	const golden = "testdata/permissions.txt"
	if *update {
		must(t, os.MkdirAll("testdata", 0o755))
		must(t, os.WriteFile(golden, []byte(got), 0o644))
	}
	want, err := os.ReadFile(golden)
	must(t, err)
	if diff := cmp.Diff(string(want), got); diff != "" {
		t.Errorf("the permission table changed; if that is meant, run with -update:\n%s", diff)
	}
}

func TestEveryOperationIsDescribed(t *testing.T) {
	t.Parallel()
	doc, err := loadDocument(t.Context())
	must(t, err)
	tags := map[string]bool{}
	for _, tag := range doc.Tags {
		tags[tag.Name] = tag.Description != ""
	}
	for path, item := range doc.Paths.Map() {
		for method, op := range item.Operations() {
			switch {
			case op.OperationID == "" || op.Summary == "":
				t.Errorf("%s %s has no operation id or no summary", method, path)
			case len(op.Tags) != 1 || !tags[op.Tags[0]]:
				t.Errorf("%s %s has the tags %v, want one of those the document explains", method, path, op.Tags)
			case op.Responses.Default() == nil:
				t.Errorf("%s %s does not say what a failure looks like", method, path)
			}
		}
	}
}
