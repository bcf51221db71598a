package hints

import (
	"bytes"
	"context"
	"errors"
	"path"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/tools/txtar"

	"plimsoll/engine/catalog"
)

func file(content []byte) *catalog.File {
	return &catalog.File{
		Entry:   catalog.Entry{Path: files[0], Type: catalog.Regular, Size: int64(len(content))},
		Content: bytes.NewReader(content),
	}
}

// line is what of a package a person would look at.
func line(p catalog.Package) string {
	return strings.Join([]string{
		p.Type, p.Namespace, p.Name, p.Version, p.Arch, p.Source, p.PURL, strings.Join(p.Licenses, ","), p.Origin, p.Location,
	}, "|")
}

func TestHints(t *testing.T) {
	t.Parallel()
	archive, err := txtar.ParseFile("testdata/hints.txtar")
	if err != nil {
		t.Fatal(err)
	}
	got, err := analyze(context.Background(), file(archive.Files[0].Data))
	if err != nil {
		t.Fatal(err)
	}
	var lines []string
	for _, p := range got.Packages {
		lines = append(lines, line(p))
		if !p.Hinted() || p.MetadataType != metadataType {
			t.Errorf("%s is not marked as a hint", p.Name)
		}
	}
	if diff := cmp.Diff(strings.Split(strings.TrimSpace(string(archive.Files[1].Data)), "\n"), lines); diff != "" {
		t.Error(diff)
	}
	musl := got.Packages[0]
	if diff := cmp.Diff(map[string]string{"evidence": "hint", "note": "built by hand"}, musl.Metadata); diff != "" || musl.Size != 61440 {
		t.Errorf("%d bytes, %s", musl.Size, diff)
	}
}

func TestHostileHints(t *testing.T) {
	t.Parallel()
	good := `{"name":"a","version":"1","type":"npm"}`
	for name, test := range map[string]struct {
		content string
		found   int
		fault   error
	}{
		"nothing":             {"", 0, ErrMalformed},
		"no object":           {"[]", 0, ErrMalformed},
		"no list":             {`{"packages":{}}`, 0, ErrMalformed},
		"another key":         {`{"x":[1,{"packages":[]}]}`, 0, ErrMalformed},
		"keys before":         {`{"x":{"packages":[1]},"packages":[` + good + `]}`, 1, nil},
		"cut":                 {`{"packages":[` + good + `,{"name":`, 1, ErrMalformed},
		"a record of numbers": {`{"packages":[1,` + good + `]}`, 1, ErrMalformed},
		"an unknown type":     {`{"packages":[{"name":"a","version":"1","type":"x"},` + good + `]}`, 1, ErrMalformed},
		"no version":          {`{"packages":[{"name":"a","type":"npm"}]}`, 0, catalog.ErrInvalidPackage},
		"a name of lines":     {`{"packages":[{"name":"a\nb","version":"1","type":"npm"}]}`, 0, catalog.ErrInvalidPackage},
		"nested":              {`{"packages":` + strings.Repeat("[", 100_000), 0, ErrMalformed},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got, err := analyze(context.Background(), file([]byte(test.content)))
			if len(got.Packages) != test.found || !errors.Is(err, test.fault) {
				t.Errorf("got %d packages, %v", len(got.Packages), err)
			}
		})
	}
	got, err := analyze(context.Background(), file([]byte(`{"packages":[`+strings.Repeat(good+",", maxPackages)+good+`]}`)))
	var reason *catalog.Incompleteness
	if len(got.Packages) != maxPackages || !errors.As(err, &reason) || reason.Reason != catalog.ReasonTooMany {
		t.Errorf("got %d packages, %v", len(got.Packages), err)
	}
}

func TestAHintCannotPassForEvidence(t *testing.T) {
	t.Parallel()
	got, err := analyze(context.Background(), file([]byte(`{"packages":[{"name":"a","version":"1","type":"npm","metadata":{"evidence":"found"}}]}`)))
	if err != nil || len(got.Packages) != 1 || !got.Packages[0].Hinted() {
		t.Errorf("got %+v, %v", got.Packages, err)
	}
}

func TestWants(t *testing.T) {
	t.Parallel()
	for name, want := range map[string]bool{
		"/plimsoll_hints.json": true, "/anchore_hints.json": true, "/app/anchore_hints.json": false, "/hints.json": false,
	} {
		if got := Analyzer().Wants(catalog.Candidate{Entry: catalog.Entry{Path: name}}); got != want {
			t.Errorf("%s: got %v", name, got)
		}
	}
}

func FuzzHints(f *testing.F) {
	archive, err := txtar.ParseFile("testdata/hints.txtar")
	if err != nil {
		f.Fatal(err)
	}
	f.Add(archive.Files[0].Data)
	f.Add([]byte(`{"packages":[{"name":["a"],"version":1e99,"type":"java","metadata":{"a":{}},"location":"../x"}]}`))
	f.Fuzz(func(t *testing.T, content []byte) {
		got, _ := analyze(context.Background(), file(content))
		for _, p := range got.Packages {
			if err := p.Check(); err != nil || !p.Hinted() || !path.IsAbs(p.Location) || path.Clean(p.Location) != p.Location || p.Size < 0 {
				t.Fatalf("%+v: %v", p, err)
			}
		}
	})
}
