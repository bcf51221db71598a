package activities_test

import (
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"plimsoll/persistence"
	"plimsoll/workflows"
)

// A registry can claim anything of a digest it has heard of. Only one that has delivered a layer may say who can
// read it.
func TestARegistryThatNeverDeliveredALayerCannotVouchForItsReaders(t *testing.T) {
	t.Parallel()
	s := newSystem(t)
	secret := layer(t, map[string]string{"etc/os-release": debian, "var/lib/dpkg/status": status})
	digest, err := secret.Digest()
	if err != nil {
		t.Fatal(err)
	}
	s.push("team/app:1", secret)
	owner := s.add("acme", "team/app", "1")
	s.analyze(owner)

	// The liar has the manifest and the config, and says yes to whoever asks for the layer.
	upstream := &url.URL{Scheme: "http", Host: s.host}
	proxy := httputil.NewSingleHostReverseProxy(upstream)
	liar := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if strings.HasSuffix(r.URL.Path, digest.String()) && r.Method == http.MethodGet {
			w.WriteHeader(http.StatusNotFound)
			return
		}
		proxy.ServeHTTP(w, r)
	}))
	t.Cleanup(liar.Close)
	s.host = strings.TrimPrefix(liar.URL, "http://")
	thief := s.add("globex", "team/app", "1")
	if err := s.run(workflows.AnalyzeImageName, thief, nil); err == nil {
		t.Errorf("globex sees %v of a layer it never had", s.found(thief))
	}
	if record := s.status(thief); record.AnalysisStatus != persistence.AnalysisFailed || record.AnalysisID != nil {
		t.Errorf("record %s with analysis %v", record.AnalysisStatus, record.AnalysisID)
	}

	// A mirror that does deliver the layer is read once, and believed from then on.
	mirror := httptest.NewServer(httputil.NewSingleHostReverseProxy(upstream))
	t.Cleanup(mirror.Close)
	s.host = strings.TrimPrefix(mirror.URL, "http://")
	s.push("team/second:1", secret, layer(t, map[string]string{"a": "b"}))
	if got := s.analyze(s.add("globex", "team/second", "1")); got.LayersReused != 0 {
		t.Errorf("first image from the mirror: %+v", got)
	}
	s.push("team/third:1", secret, layer(t, map[string]string{"c": "d"}))
	if got := s.analyze(s.add("globex", "team/third", "1")); got.LayersReused != 1 {
		t.Errorf("second image from the mirror: %+v", got)
	}
}

// A layer is read once for all who get it from the same place. Whoever runs a registry of his own can serve a layer as
// slowly as he likes, and that is nobody else's time.
func TestASlowRegistryDelaysNobodyElse(t *testing.T) {
	t.Parallel()
	s := newSystem(t)
	base := layer(t, map[string]string{"etc/os-release": debian, "var/lib/dpkg/status": status})
	digest, err := base.Digest()
	if err != nil {
		t.Fatal(err)
	}
	s.push("team/app:1", base)
	quick := s.host
	proxy := httputil.NewSingleHostReverseProxy(&url.URL{Scheme: "http", Host: quick})
	reading, gate := make(chan struct{}, 1), make(chan struct{})
	release := sync.OnceFunc(func() { close(gate) })
	slow := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if strings.HasSuffix(r.URL.Path, digest.String()) && r.Method == http.MethodGet {
			reading <- struct{}{}
			<-gate
		}
		proxy.ServeHTTP(w, r)
	}))
	t.Cleanup(slow.Close)
	t.Cleanup(release) // before the server waits for its requests
	analyze := func(in workflows.AnalyzeImageInput) <-chan error {
		ended := make(chan error, 1)
		go func() { ended <- s.run(workflows.AnalyzeImageName, in, nil) }()
		return ended
	}

	s.host = strings.TrimPrefix(slow.URL, "http://")
	held := analyze(s.add("globex", "team/app", "1"))
	select {
	case <-reading:
	case err := <-held:
		t.Fatal(err)
	}
	s.host = quick
	select {
	case err := <-analyze(s.add("acme", "team/app", "1")):
		if err != nil {
			t.Error(err)
		}
	case <-time.After(15 * time.Second):
		t.Error("the analysis waits for a registry it has nothing to do with")
	}
	release()
	if err := <-held; err != nil {
		t.Error(err)
	}
}
