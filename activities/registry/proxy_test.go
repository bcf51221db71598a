package registry

import (
	"context"
	"crypto/tls"
	"encoding/base64"
	"errors"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"strings"
	"sync"
	"testing"

	served "github.com/google/go-containerregistry/pkg/registry"

	"plimsoll/internal/registryhttp"
)

// The environment of a process is read once, so the client runs in a process of its own.
const (
	childCA     = "PLIMSOLL_TEST_PROXY_CA"
	childDirect = "PLIMSOLL_TEST_PROXY_DIRECT" // address where names that are not proxied lead
)

func TestMain(m *testing.M) {
	if os.Getenv(childCA) != "" {
		os.Exit(throughProxy())
	}
	os.Exit(m.Run())
}

// throughProxy is the child: it reads an image through the proxy of its environment, and one past it.
func throughProxy() int {
	access, err := registryhttp.Open(registryhttp.Config{CAFile: os.Getenv(childCA)})
	if err != nil {
		log.Print(err)
		return 1
	}
	client := New(Config{Access: access})
	wire, ok := client.verified.(*http.Transport)
	if !ok {
		return 1
	}
	dial := wire.DialContext
	wire.DialContext = func(ctx context.Context, network, address string) (net.Conn, error) {
		if strings.HasSuffix(address, ".test:443") { // the proxy would not have been asked for by its address
			address = os.Getenv(childDirect)
		}
		return dial(ctx, network, address)
	}
	for _, image := range []string{"proxied.test/ship:1", "direct.test/ship:1"} {
		if _, err := client.Resolve(context.Background(), nil, image, ""); err != nil {
			log.Print(err)
			return 1
		}
	}
	return 0
}

func TestProxiesOfTheEnvironmentAreUsed(t *testing.T) {
	t.Parallel()
	inner := served.New(served.Logger(log.New(io.Discard, "", 0)))
	stock(t, inner, "any.test/ship:1")
	pair, ca := certify(t, "proxied.test", "direct.test")
	var mu sync.Mutex
	asked := map[string]int{} // requests at the registry by name
	server := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		mu.Lock()
		asked[r.Host]++
		mu.Unlock()
		inner.ServeHTTP(w, r)
	}))
	server.TLS = &tls.Config{Certificates: []tls.Certificate{pair}, MinVersion: tls.VersionTLS12}
	server.StartTLS()
	t.Cleanup(server.Close)
	proxy := &tunnels{to: server.Listener.Addr().String()}
	front := httptest.NewServer(proxy)
	t.Cleanup(front.Close)

	run := func(password string) (string, error) {
		cmd := exec.CommandContext(t.Context(), os.Args[0]) // #nosec G204 -- this very program
		cmd.Env = append(os.Environ(), childCA+"="+ca, childDirect+"="+server.Listener.Addr().String(),
			"HTTPS_PROXY=http://crew:"+password+"@"+strings.TrimPrefix(front.URL, "http://"), "https_proxy=", "NO_PROXY=direct.test", "no_proxy=")
		out, err := cmd.CombinedOutput()
		return string(out), err
	}
	if out, err := run("s3cret"); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	if got := proxy.opened(); len(got) == 0 || strings.Trim(strings.Join(got, " "), " ") != strings.TrimSpace(strings.Repeat("proxied.test:443 ", len(got))) {
		t.Errorf("tunnels were opened to %v, want proxied.test only", got)
	}
	if asked["proxied.test"] == 0 || asked["direct.test"] == 0 {
		t.Errorf("requests by name: %v", asked)
	}
	before := asked["proxied.test"]
	out, err := run("wr0ng-pass")
	var exit *exec.ExitError
	if !errors.As(err, &exit) || asked["proxied.test"] != before {
		t.Errorf("the registry was reached past a proxy that refuses: %v", err)
	}
	if strings.Contains(out, "wr0ng-pass") {
		t.Errorf("the proxy's password is shown: %s", out)
	}
}

// tunnels is a proxy that opens tunnels for who knows the password, all to one place.
type tunnels struct {
	to string

	mu    sync.Mutex
	names []string
}

func (p *tunnels) opened() []string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.names
}

func (p *tunnels) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if r.Method != http.MethodConnect {
		w.WriteHeader(http.StatusMethodNotAllowed)
		return
	}
	if r.Header.Get("Proxy-Authorization") != "Basic "+base64.StdEncoding.EncodeToString([]byte("crew:s3cret")) {
		w.WriteHeader(http.StatusProxyAuthRequired)
		return
	}
	p.mu.Lock()
	p.names = append(p.names, r.Host)
	p.mu.Unlock()
	out, err := (&net.Dialer{}).DialContext(r.Context(), "tcp", p.to)
	if err != nil {
		w.WriteHeader(http.StatusBadGateway)
		return
	}
	in, _, err := http.NewResponseController(w).Hijack()
	if err != nil {
		_ = out.Close()
		return
	}
	_, _ = io.WriteString(in, "HTTP/1.1 200 Connection established\r\n\r\n")
	go func() {
		_, _ = io.Copy(out, in)
		_ = out.Close()
	}()
	_, _ = io.Copy(in, out)
	_ = in.Close()
}
