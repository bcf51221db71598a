package listing

import (
	"bytes"
	"errors"
	"strconv"
	"testing"

	"github.com/google/go-cmp/cmp"

	"plimsoll/engine/catalog"
)

func file(content string) *catalog.File {
	return &catalog.File{
		Entry:   catalog.Entry{Path: "/x.lock", Type: catalog.Regular, Size: int64(len(content))},
		Content: bytes.NewReader([]byte(content)),
	}
}

func TestList(t *testing.T) {
	t.Parallel()
	l := Declared(file(""), catalog.TypeNpm, "M")
	for _, p := range []catalog.Package{
		{Name: "b", Version: "1"}, {Name: "a", Version: "2", Metadata: map[string]string{"x": "1\n2", "y": ""}}, {Name: "a", Version: "1"},
		{Name: "b", Version: "1"}, {Name: "c"}, {Name: "d\x00", Version: "1"},
	} {
		l.Add(p)
	}
	own := errors.New("own fault")
	got, err := l.Evidence(nil, own)
	declared := func(name, version string, metadata map[string]string) catalog.Package {
		metadata["evidence"] = "declared"
		return catalog.Package{Type: "npm", Name: name, Version: version, Location: "/x.lock", MetadataType: "M", Metadata: metadata}
	}
	want := []catalog.Package{declared("a", "1", map[string]string{}), declared("a", "2", map[string]string{"x": "1 2"}), declared("b", "1", map[string]string{})}
	if diff := cmp.Diff(want, got.Packages); diff != "" {
		t.Error(diff)
	}
	if !errors.Is(err, own) || !errors.Is(err, catalog.ErrInvalidPackage) {
		t.Errorf("got %v", err)
	}
	if records := catalog.Incomplete("/x.lock", "x", err); len(records) != 2 {
		t.Errorf("bad packages are one record beside the fault, got %v", records)
	}
	if !got.Packages[0].Declared() {
		t.Error("not marked as declared")
	}
}

func TestInstalledIsNotMarked(t *testing.T) {
	t.Parallel()
	l := Installed(file(""), catalog.TypeNuget, "M")
	l.Add(catalog.Package{Name: "a", Version: "1"})
	if got, err := l.Evidence(); err != nil || len(got.Packages) != 1 || got.Packages[0].Declared() {
		t.Errorf("got %+v, %v", got, err)
	}
}

func TestBounds(t *testing.T) {
	t.Parallel()
	l := Installed(file(""), catalog.TypeNuget, "M")
	for i := range MaxPackages + 5 {
		l.Add(catalog.Package{Name: "a" + strconv.Itoa(i), Version: "1"})
	}
	got, err := l.Evidence()
	if len(got.Packages) != MaxPackages {
		t.Errorf("got %d", len(got.Packages))
	}
	if records := catalog.Incomplete("/x", "x", err); len(records) != 1 || records[0].Reason != catalog.ReasonTooMany {
		t.Errorf("got %v", records)
	}
	large := file("")
	large.Size = MaxSize + 1
	_, err = Content(large)
	if records := catalog.Incomplete("/x", "x", err); len(records) != 1 || records[0].Reason != catalog.ReasonTooLarge {
		t.Errorf("got %v", records)
	}
}

func TestJSON(t *testing.T) {
	t.Parallel()
	var v struct{ A, B string }
	if err := JSON(file("\ufeff{\"a\": \"x\", \"b\": \"y\"}"), &v); err != nil || v.A != "x" || v.B != "y" {
		t.Errorf("got %v, %v", v, err)
	}
	if err := JSON(file(`{"a": 7, "b": "z"}`), &v); err == nil || v.B != "z" {
		t.Errorf("a field of another shape: got %v, %v", v, err)
	}
	if err := JSON(file(`{`), &v); err == nil {
		t.Error("no error for half a document")
	}
	short := file("{}")
	short.Size = 10
	if err := JSON(short, &v); err == nil {
		t.Error("no error for a file that ends early")
	}
}
