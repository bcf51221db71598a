package image

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"plimsoll/engine/catalog"
)

// scanner is an analyzer with a service behind it.
func scanner(begin error, answer error) catalog.Analyzer {
	return catalog.Analyzer{
		Name: "scanner", Version: 1, MaxSize: 100, Time: time.Minute,
		Begin: func(context.Context) (catalog.Evidence, error) {
			return catalog.Evidence{Malware: &catalog.MalwareReport{Scanner: "S 1", Database: "7"}}, begin
		},
		Wants:   func(catalog.Candidate) bool { return true },
		Analyze: func(context.Context, *catalog.File) (catalog.Evidence, error) { return catalog.Evidence{}, answer },
	}
}

func readWith(t *testing.T, a catalog.Analyzer, tree ...inode) (*Layer, error) {
	t.Helper()
	blob := packed(t, tree)
	return NewPass([]catalog.Analyzer{a}, Limits{}, t.TempDir()).Read(t.Context(), digestOf(blob), bytes.NewReader(blob), nil)
}

func TestAScannedLayerSaysSo(t *testing.T) {
	t.Parallel()
	scanned, err := readWith(t, scanner(nil, nil), inode{path: "a", content: "x"}, inode{path: "a", content: "y"})
	if err != nil {
		t.Fatal(err)
	}
	empty, err := readWith(t, scanner(nil, nil))
	if err != nil {
		t.Fatal(err)
	}
	plain := layerWith(t, 3, "f/b=b")
	var encoded bytes.Buffer
	if err := EncodeEvidence(&encoded, scanned.Evidence, nil); err != nil {
		t.Fatal(err)
	}
	decoded, _, err := DecodeEvidence(&encoded)
	if diff := cmp.Diff(scanned.Evidence, decoded); diff != "" || err != nil {
		t.Errorf("%v %s", err, diff)
	}
	img := assemble(t, scanned, empty, plain)
	if diff := cmp.Diff([]Scan{{Scanner: "S 1", Database: "7", Layers: 2}}, img.Scans); diff != "" || len(img.Malware)+len(img.Incomplete) > 0 {
		t.Errorf("%+v %s", img, diff)
	}
}

func TestMalwareOfAllLayers(t *testing.T) {
	t.Parallel()
	infected := func(path, signature string) FileEvidence {
		return FileEvidence{path, "scanner", catalog.Evidence{Malware: &catalog.MalwareReport{Scanner: "S 1", Signatures: []string{signature}}}}
	}
	img := assemble(t,
		layerWith(t, 1, "f/a=1 f/b=1 f/c=1 d/usr d/usr/lib s/lib>usr/lib", infected("/a", "replaced"), infected("/b", "stays"), infected("/c", "deleted")),
		layerWith(t, 2, "f/a=2 w/c f/lib/d=1", infected("/lib/d", "moved")))
	var got []string
	for _, m := range img.Malware {
		got = append(got, fmt.Sprint(m.Path, " ", m.Layer, " ", m.Signatures[0], " ", m.Removed))
	}
	want := []string{"/a sha256:1 replaced true", "/b sha256:1 stays false", "/c sha256:1 deleted true", "/usr/lib/d sha256:2 moved false"}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

func TestWithoutItsServiceTheLayerFails(t *testing.T) {
	t.Parallel()
	away := errors.New("connection refused")
	for name, a := range map[string]catalog.Analyzer{
		"from the start": scanner(away, nil),
		"on the way":     scanner(nil, errors.Join(catalog.ErrUnavailable, away)),
	} {
		if l, err := readWith(t, a, inode{path: "a", content: "x"}, inode{path: "b", content: "y"}); l != nil || !errors.Is(err, away) {
			t.Errorf("%s: got %v", name, err)
		}
	}
	l, err := readWith(t, scanner(nil, away), inode{path: "a", content: "x"})
	if err != nil || len(l.Incomplete) != 1 {
		t.Errorf("any other error is that file's alone: %+v, %v", l, err)
	}
}
