package stanza

import (
	"errors"
	"io"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func readAll(t *testing.T, text string, wanted ...string) []Stanza {
	t.Helper()
	s := New(strings.NewReader(text), wanted...)
	var all []Stanza
	for {
		got, err := s.Next()
		if err == io.EOF {
			return all
		}
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, got)
	}
}

func TestStanzas(t *testing.T) {
	t.Parallel()
	long := strings.Repeat("x", 100<<10)
	tests := map[string]struct {
		in     string
		wanted []string
		want   []Stanza
	}{
		"two stanzas, CRLF, several empty lines": {
			"\n\nPackage: a\r\nVersion: 1\r\n\r\n\n\nPackage: b\n", []string{"Package", "Version"},
			[]Stanza{{{"Package", "a"}, {"Version", "1"}}, {{"Package", "b"}}},
		},
		"folded lines, the unwanted ones skipped": {
			"A: 1\n 2\n\t3\nB: x\n y\nC:\n z\n", []string{"A", "C"},
			[]Stanza{{{"A", "1\n2\n3"}, {"C", "z"}}},
		},
		"a line of blanks continues": {
			"A: 1\n  \n 2\nB: 3\n", []string{"A", "B"},
			[]Stanza{{{"A", "1\n\n2"}, {"B", "3"}}},
		},
		"names without case, repeats kept": {
			"classifier: a\nClassifier: b\n", []string{"Classifier"},
			[]Stanza{{{"Classifier", "a"}, {"Classifier", "b"}}},
		},
		"malformed lines are skipped with what they fold": {
			"A: 1\nnonsense\n folded\n: no name\nB : 2\nC: 3", []string{"A", "B", "C"},
			[]Stanza{{{"A", "1"}, {"C", "3"}}},
		},
		"lines longer than the buffer": {
			"Skip: " + long + "\nA: " + long + "\nB: 1\n", []string{"A", "B"},
			[]Stanza{{{"A", long}, {"B", "1"}}},
		},
		"byte order mark and comments": {
			"\ufeffA: 1\n# comment\nB: 2\n", []string{"A", "B"},
			[]Stanza{{{"A", "1"}, {"B", "2"}}},
		},
		"nothing": {"\n\n", []string{"A"}, nil},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if diff := cmp.Diff(test.want, readAll(t, test.in, test.wanted...)); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestWantedFieldsAreBounded(t *testing.T) {
	t.Parallel()
	for name, in := range map[string]string{
		"one line":     "A: " + strings.Repeat("x", MaxStanza+1),
		"folded lines": "A: x\n" + strings.Repeat(" y\n", MaxStanza/2+1),
		"many fields":  strings.Repeat("A:\n", MaxStanza+1),
	} {
		s := New(strings.NewReader(in), "A")
		if _, err := s.Next(); !errors.Is(err, ErrTooLarge) {
			t.Errorf("%s: got %v", name, err)
		}
		if _, err := s.Next(); !errors.Is(err, ErrTooLarge) {
			t.Errorf("%s: reading went on: %v", name, err)
		}
	}
}

func FuzzScanner(f *testing.F) {
	f.Add("A: 1\n 2\n\nB: 3\n")
	f.Add(": \n\t\r\n\ufeffA:")
	f.Fuzz(func(t *testing.T, in string) {
		s := New(strings.NewReader(in), "A", "B")
		for {
			got, err := s.Next()
			if err != nil {
				return
			}
			for _, field := range got {
				if field.Name != "A" && field.Name != "B" {
					t.Fatalf("unwanted field %q", field.Name)
				}
				if len(field.Value) > len(in) {
					t.Fatalf("value grew: %q from %q", field.Value, in)
				}
			}
		}
	})
}
