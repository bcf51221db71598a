package matching_test

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"plimsoll/internal/accuracy/matching"
)

// TestRecordedAnswersStand asks about the sample of each ecosystem. The answers are those on which the comparison with the
// witnesses settled; a line that changes needs a reason, and a new `make accuracy-match ACCURACY=-update`.
func TestRecordedAnswersStand(t *testing.T) {
	t.Parallel()
	folders, err := os.ReadDir(filepath.Join("testdata", "osv"))
	if err != nil {
		t.Fatal(err)
	}
	if len(folders) < 15 {
		t.Errorf("only %d ecosystems are recorded", len(folders))
	}
	for _, folder := range folders {
		t.Run(folder.Name(), func(t *testing.T) {
			t.Parallel()
			want := readFile(t, "testdata", "osv", folder.Name(), "answers.tsv")
			_, subjects, err := matching.ReadAnswers(bytes.NewReader(want))
			if err != nil {
				t.Fatal(err)
			}
			if len(subjects) == 0 {
				t.Fatal("no package is recorded")
			}
			documents, err := matching.Documents(subjects)
			if err != nil {
				t.Fatal(err)
			}
			ours := newScanner(t)
			ours.load(strings.ReplaceAll(folder.Name(), "-", " "), archive(t, readLines(t, folder.Name())))
			var got strings.Builder
			if err := ours.ask(documents).Write(&got, subjects); err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(strings.Split(string(want), "\n"), strings.Split(got.String(), "\n")); diff != "" {
				t.Errorf("answers (-recorded +now):\n%s", diff)
			}
		})
	}
}

func readLines(t *testing.T, folder string) []matching.Record {
	t.Helper()
	return decode(t, string(readFile(t, filepath.Join("testdata", "osv", folder, "records.jsonl"))))
}

// decode reads records one after the other.
func decode(t *testing.T, text string) []matching.Record {
	t.Helper()
	var out []matching.Record
	for d := json.NewDecoder(strings.NewReader(text)); d.More(); {
		var r matching.Record
		if err := d.Decode(&r.Raw); err != nil {
			t.Fatal(err)
		}
		if err := json.Unmarshal(r.Raw, &r); err != nil {
			t.Fatal(err)
		}
		out = append(out, r)
	}
	return out
}
