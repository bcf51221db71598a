package main

import (
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/spf13/cobra"

	"plimsoll/api/client"
)

func TestCorrectionFlagsAreFieldsAndValues(t *testing.T) {
	t.Parallel()
	f := correctionFlags{kind: "java", match: []string{"package=a=b"}, replace: []string{"cpes=x", "cpes=y"}}
	got, err := f.request()
	if err != nil {
		t.Fatal(err)
	}
	want := client.CorrectionRequest{
		Type: client.Package, Description: &f.description,
		Match:   client.CorrectionMatch{Type: "java", FieldMatches: []client.CorrectionField{{FieldName: "package", FieldValue: "a=b"}}},
		Replace: []client.CorrectionField{{FieldName: "cpes", FieldValue: "x"}, {FieldName: "cpes", FieldValue: "y"}},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	for _, broken := range []correctionFlags{{match: []string{"package"}}, {replace: []string{"cpes"}}} {
		if _, err := broken.request(); err == nil {
			t.Errorf("%+v is taken", broken)
		}
	}
}

// A short flag that the root has too ends the program only when the command is used.
func TestEveryCommandCanBeUsed(t *testing.T) {
	t.Parallel()
	var visit func(cmd *cobra.Command)
	visit = func(cmd *cobra.Command) {
		cmd.InheritedFlags() // panics where flags collide
		for _, sub := range cmd.Commands() {
			visit(sub)
		}
	}
	visit(newRoot())
}
