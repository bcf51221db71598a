package main

import (
	"archive/tar"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"plimsoll/api/client"
)

func TestRetrievedFilesAsAnArchive(t *testing.T) {
	t.Parallel()
	name := filepath.Join(t.TempDir(), "files.tar")
	files := []client.RetrievedFile{{Path: "/etc/passwd", B64Content: "cm9vdA=="}, {Path: "/etc/empty"}}
	if err := saveArchive(name, false, files); err != nil {
		t.Fatal(err)
	}
	in, err := os.Open(name)
	if err != nil {
		t.Fatal(err)
	}
	defer in.Close()
	got := map[string]string{}
	for archive := tar.NewReader(in); ; {
		header, err := archive.Next()
		if err == io.EOF {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		content, err := io.ReadAll(archive)
		if err != nil {
			t.Fatal(err)
		}
		got[header.Name] = string(content)
	}
	if diff := cmp.Diff(map[string]string{"etc/passwd": "root", "etc/empty": ""}, got); diff != "" {
		t.Error(diff)
	}
	if err := saveArchive(name, false, files); err == nil || !strings.Contains(err.Error(), "--overwrite") {
		t.Errorf("an archive is replaced without being told to: %v", err)
	}
	if err := saveArchive(name, true, files[:1]); err != nil {
		t.Error(err)
	}
	if err := saveArchive(name, true, []client.RetrievedFile{{Path: "/a", B64Content: "!"}}); err == nil {
		t.Error("broken content is written")
	}
	if left, err := os.ReadFile(name); err != nil || len(left) < 512 {
		t.Errorf("the archive before is gone: %d bytes, %v", len(left), err)
	}
}

func TestMatchRows(t *testing.T) {
	t.Parallel()
	removed := true
	got := matchRows("/a", []client.RegexContentMatch{{Name: "API_KEY", Lines: []int{1, 7}}, {Name: "PRIV_KEY", Lines: []int{2}, Removed: &removed}})
	if diff := cmp.Diff([][]string{{"API_KEY", "/a", "1,7", ""}, {"PRIV_KEY", "/a", "2", "removed"}}, got); diff != "" {
		t.Error(diff)
	}
}
