package registryhttp

import (
	"errors"
	"net/http"
	"net/http/httptest"
	"testing"
)

func TestOnlyThisMachineIsLoopback(t *testing.T) {
	t.Parallel()
	for host, want := range map[string]bool{
		"localhost": true, "LOCALHOST:5000": true, "a.localhost:1": true, "127.0.0.1": true, "127.9.9.9:5000": true, "[::1]:5000": true, "[::1]": true,
		"10.0.0.1:5000": false, "192.168.1.1": false, "registry.local": false, "localhost.example.com": false, "docker.io": false, "": false,
	} {
		if got := Loopback(host); got != want {
			t.Errorf("Loopback(%q) = %v, want %v", host, got, want)
		}
	}
}

func TestPlainHTTPNeedsToBeAskedFor(t *testing.T) {
	t.Parallel()
	server := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
	defer server.Close()
	for plain, want := range map[bool]error{true: nil, false: ErrPlain} {
		req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, server.URL, nil)
		if err != nil {
			t.Fatal(err)
		}
		resp, err := Encrypted(http.DefaultTransport, plain).RoundTrip(req)
		if !errors.Is(err, want) {
			t.Errorf("plain %v: %v, want %v", plain, err, want)
		}
		if resp != nil {
			resp.Body.Close()
		}
	}
}
