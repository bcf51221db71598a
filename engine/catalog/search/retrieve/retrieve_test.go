package retrieve

import (
	"errors"
	"strings"
	"testing"

	"plimsoll/engine/catalog"
)

func TestKeepsWhatIsNamed(t *testing.T) {
	t.Parallel()
	a, err := Analyzer(Settings{Paths: []string{"/etc/passwd", "/srv/*/*.conf", `/a\*b`}, MaxBytes: 100})
	if err != nil {
		t.Fatal(err)
	}
	for path, want := range map[string]bool{
		"/etc/passwd": true, "/etc/passwd-": false, "/srv/app/a.conf": true, "/srv/app/d/a.conf": false, "/srv/a.conf": false, "/a*b": true, "/axb": false,
	} {
		if got := a.Wants(catalog.Candidate{Entry: catalog.Entry{Path: path, Type: catalog.Regular}}); got != want {
			t.Errorf("%s: got %v", path, got)
		}
	}
	for _, content := range []string{"", "root:x:0:0\x00\xff"} {
		e, err := a.Analyze(t.Context(), &catalog.File{Entry: catalog.Entry{Path: "/etc/passwd", Size: int64(len(content))}, Content: strings.NewReader(content)})
		if err != nil || e.Retrieved == nil || string(e.Retrieved.Content) != content || e.Empty() {
			t.Errorf("%q: %+v, %v", content, e.Retrieved, err)
		}
	}
	if _, err := a.Analyze(t.Context(), &catalog.File{Entry: catalog.Entry{Path: "/etc/passwd", Size: 9}, Content: strings.NewReader("short")}); err == nil {
		t.Error("a file that ends early is kept")
	}
}

func TestUnusablePathsAreAllNamed(t *testing.T) {
	t.Parallel()
	bad := []string{"relative", "/a/../b", "/a[", "/"}
	_, err := Analyzer(Settings{Paths: append([]string{"/fine"}, bad...), MaxBytes: 1})
	if !errors.Is(err, ErrSettings) {
		t.Fatalf("got %v", err)
	}
	for _, p := range bad {
		if !strings.Contains(err.Error(), `"`+p+`"`) {
			t.Errorf("%s is not named in %v", p, err)
		}
	}
	if strings.Contains(err.Error(), "/fine") {
		t.Errorf("got %v", err)
	}
	if _, err := Analyzer(Settings{Paths: []string{"/a"}}); !errors.Is(err, ErrSettings) {
		t.Errorf("no size: got %v", err)
	}
}
