package activities_test

import (
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"plimsoll/activities"
	"plimsoll/internal/clamdtest"
	"plimsoll/internal/config"
	"plimsoll/workflows"
)

// From an HTTP mirror over the feed and a worker's folder to what a real clamd calls a file, and again after a change.
func TestSignaturesReachAClamdWithoutInternet(t *testing.T) {
	t.Parallel()
	var database atomic.Value
	database.Store(clamdtest.Database("First.Name"))
	var sent atomic.Int64
	mirror := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		text, _ := database.Load().(string)
		w.Header().Set("ETag", `"`+text[:8]+`"`)
		switch {
		case r.URL.Path != "/clamav_db/signatures.example/own/test.ndb":
			w.WriteHeader(http.StatusNotFound)
		case r.Header.Get("If-None-Match") == w.Header().Get("ETag"):
			w.WriteHeader(http.StatusNotModified)
		default:
			sent.Add(1)
			_, _ = w.Write([]byte(text))
		}
	}))
	t.Cleanup(mirror.Close)
	folder := t.TempDir()
	socket := filepath.Join(t.TempDir(), "none") // until clamd runs
	s := newSystemOf(t, func(*activities.Deps) {}, func(f *activities.Feeds) {
		f.Only, f.ClamAV.Ecosystems, f.ClamAV.Extra = []string{"clamav_db"}, []string{"none"}, []string{"signatures.example/own/test.ndb"}
		f.MirrorURL = config.SecretURL(mirror.URL)
	}, func(a *activities.Analysis) {
		a.Malware.Enabled, a.Malware.Address, a.Malware.SignaturesDir = true, "unix://"+socket, folder
	})
	if !s.acts.KeepsSignatures() {
		t.Fatal("the folder is not kept")
	}
	keep := func() (int, bool, error) { t.Helper(); return s.acts.KeepSignatures(t.Context()) }
	if files, changed, err := keep(); files != 0 || changed || err != nil {
		t.Errorf("before the first sync: %d files, %v, %v", files, changed, err)
	}
	group := func() workflows.GroupResult { t.Helper(); return s.sync()["signatures.example/own/test.ndb"] }
	if g := group(); g.Error != "" || g.Added != 1 {
		t.Fatalf("first sync %+v", g)
	}
	if g := group(); !g.Unchanged || sent.Load() != 1 {
		t.Errorf("second sync %+v, the file was sent %d times", g, sent.Load())
	}
	if _, _, err := keep(); err == nil {
		t.Error("clamd was told although it does not run")
	}
	if text, err := os.ReadFile(filepath.Join(folder, "test.ndb")); err != nil || string(text) != database.Load() {
		t.Fatalf("folder has %q, %v", text, err)
	}
	server := clamdtest.StartWith(t, folder)
	if err := os.Symlink(server.Unix[len("unix://"):], socket); err != nil {
		t.Fatal(err)
	}
	if _, changed, err := keep(); !changed || err != nil {
		t.Errorf("once clamd runs: %v, %v", changed, err)
	}
	named := func(tag string) []string {
		t.Helper()
		s.push("team/app:"+tag, layer(t, map[string]string{"tmp/eicar": string(clamdtest.EICAR), "tag": tag}))
		in := s.add("acme", "team/app", tag)
		s.analyze(in)
		img := s.document(in)
		if len(img.Malware) != 1 || img.Malware[0].Path != "/tmp/eicar" {
			t.Fatalf("malware %+v", img.Malware)
		}
		return img.Malware[0].Signatures
	}
	if diff := cmp.Diff([]string{"First.Name.UNOFFICIAL"}, named("1")); diff != "" {
		t.Error(diff)
	}

	database.Store(clamdtest.Database("Second.Name"))
	if g := group(); g.Changed != 1 {
		t.Fatalf("sync of the changed file %+v", g)
	}
	if files, changed, err := keep(); files != 1 || !changed || err != nil {
		t.Errorf("after the change: %d files, %v, %v", files, changed, err)
	}
	if _, changed, err := keep(); changed || err != nil {
		t.Errorf("without news: %v, %v", changed, err)
	}
	// clamd loads while it answers with what it has.
	deadline := time.After(time.Minute)
	for tag := "x"; !slices.Equal(named(tag), []string{"Second.Name.UNOFFICIAL"}); tag += "x" {
		select {
		case <-deadline:
			t.Fatal("clamd keeps the old signatures")
		default:
		}
	}
}
