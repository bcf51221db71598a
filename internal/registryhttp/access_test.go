package registryhttp

import (
	"encoding/pem"
	"errors"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"testing"
	"time"
)

func TestPrivateCertificates(t *testing.T) {
	t.Parallel()
	server := httptest.NewTLSServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
	t.Cleanup(server.Close)
	file := filepath.Join(t.TempDir(), "ca.pem")
	if err := os.WriteFile(file, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: server.Certificate().Raw}), 0o600); err != nil {
		t.Fatal(err)
	}
	get := func(a *Access, verify bool) error {
		transport := &http.Transport{TLSClientConfig: a.TLS(verify)}
		defer transport.CloseIdleConnections()
		req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, server.URL, nil)
		if err != nil {
			t.Fatal(err)
		}
		resp, err := transport.RoundTrip(req)
		if err == nil {
			err = resp.Body.Close()
		}
		return err
	}
	private, err := Open(Config{CAFile: file})
	if err != nil {
		t.Fatal(err)
	}
	if err := get(private, true); err != nil {
		t.Errorf("with the certificate: %v", err)
	}
	if err := get(nil, true); err == nil {
		t.Error("without the certificate the server was believed")
	}
	if err := get(nil, false); err != nil {
		t.Errorf("without verification: %v", err)
	}
	if _, err := Open(Config{CAFile: file + ".missing"}); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("missing file: %v", err)
	}
	if err := os.WriteFile(file, []byte("no certificate"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := Open(Config{CAFile: file}); err == nil {
		t.Error("a file without certificate was taken")
	}
}

func TestLinkLocalAddressesAreNotConnectedTo(t *testing.T) {
	t.Parallel()
	for _, address := range []string{"169.254.169.254:80", "[fe80::1]:80", "[::ffff:169.254.169.254]:80", "224.0.0.1:80"} {
		_, err := Dialer(time.Second).DialContext(t.Context(), "tcp", address)
		if !errors.Is(err, ErrLinkLocal) {
			t.Errorf("%s: %v", address, err)
		}
	}
	server := httptest.NewServer(http.NotFoundHandler())
	t.Cleanup(server.Close)
	conn, err := Dialer(time.Second).DialContext(t.Context(), "tcp", server.Listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	_ = conn.Close()
}
