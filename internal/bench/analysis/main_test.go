package main

import (
	"archive/tar"
	"os"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestVariantsReadTheSameLayers(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	if err := writeLayer(dir, "1", func(w *tar.Writer) error { return writePackages(w, 5) }); err != nil {
		t.Fatal(err)
	}
	files, err := layerFiles(dir)
	if err != nil {
		t.Fatal(err)
	}
	type volume struct {
		Compressed, Decompressed int64
		Entries                  int
	}
	volumes := map[string]volume{}
	for _, v := range variants {
		m, err := measure(options{variant: v, parallel: 2, scratch: dir}, files)
		if err != nil {
			t.Fatal(err)
		}
		volumes[v] = volume{m.Compressed, m.Decompressed, m.Entries}
		if packages := m.Packages; (v == "pass") != (packages == 5) {
			t.Errorf("%s found %d packages", v, packages)
		}
	}
	want := volumes["floor"]
	if want.Entries != 5*4+5+2 || want.Compressed == 0 || want.Decompressed <= want.Compressed {
		t.Errorf("floor read %+v", want)
	}
	for v, got := range volumes {
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s: %s", v, diff)
		}
	}
}

func TestLayersInOrderOfName(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	if _, err := layerFiles(dir); err == nil {
		t.Error("a directory without layers is no input")
	}
	for _, name := range []string{"b.tar.gz", "a.tar.zst", "notes.txt", "c.tgz", "d.tar"} {
		if err := os.WriteFile(filepath.Join(dir, name), nil, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	files, err := layerFiles(dir)
	if err != nil {
		t.Fatal(err)
	}
	for i := range files {
		files[i] = filepath.Base(files[i])
	}
	if diff := cmp.Diff([]string{"a.tar.zst", "b.tar.gz", "c.tgz", "d.tar"}, files); diff != "" {
		t.Error(diff)
	}
}

func TestRatiosAreTakenWithinRounds(t *testing.T) {
	t.Parallel()
	floor := []measurement{{Wall: 1, CPU: 1}, {Wall: 10, CPU: 10}, {Wall: 2, CPU: 2}}
	variant := []measurement{{Wall: 2, CPU: 3, Idle: 1, Peak: 5}, {Wall: 11, CPU: 10, Idle: 2, Peak: 9}, {Wall: 3, CPU: 3, Idle: 1, Peak: 4}}
	want := summary{wall: 1.5, cpu: 1.5, bestWall: 2, bestCPU: 3, peak: 7, idle: 2}
	if got := summarize(variant, floor); got != want {
		t.Errorf("got %+v, want %+v", got, want)
	}
	if got := median(floor, func(m measurement) float64 { return m.Wall }); got != 2 {
		t.Errorf("median %v, want 2", got)
	}
}
