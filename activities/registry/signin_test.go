package registry

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/json"
	"encoding/pem"
	"errors"
	"io"
	"log"
	"math/big"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-containerregistry/pkg/name"
	served "github.com/google/go-containerregistry/pkg/registry"
	"github.com/google/go-containerregistry/pkg/v1/random"
	"github.com/google/go-containerregistry/pkg/v1/remote"

	"plimsoll/internal/registryhttp"
)

// serviceKey as Google hands it out: JSON over several lines, with quotes, colons and backslashes in it.
const serviceKey = "{\n  \"type\": \"service_account\",\n  \"private_key\": \"-----BEGIN PRIVATE KEY-----\\nMIIE+/=\\n\",\n  \"client_email\": \"puller@yard.iam.gserviceaccount.com\"\n}\n"

// signInStyle is how one kind of registry wants to be signed in to, as its documentation and its answers have it.
type signInStyle struct {
	name           string
	host           string // the registry is asked at
	realm          string // of the token service; empty: the registry takes Basic itself
	service        string
	accessToken    bool // the token comes as access_token
	entry          string
	user, password string
	image          string // as written
	scope          string // repository the token is asked for
}

var signInStyles = []signInStyle{
	{"GCR with a JSON key", "gcr.io", "https://gcr.io/v2/token", "gcr.io", false,
		"gcr.io", "_json_key", serviceKey, "gcr.io/yard/ship:1", "yard/ship"},
	{"Artifact Registry with an encoded JSON key", "europe-docker.pkg.dev", "https://europe-docker.pkg.dev/v2/token", "europe-docker.pkg.dev", false,
		"europe-docker.pkg.dev/yard/*", "_json_key_base64", "eyJ0eXBlIjoic2VydmljZV9hY2NvdW50In0=", "europe-docker.pkg.dev/yard/boats/ship:1", "yard/boats/ship"},
	{"ACR with the admin user", "yard.azurecr.io", "https://yard.azurecr.io/oauth2/token", "yard.azurecr.io", true,
		"yard.azurecr.io", "yard", "aB3/+cd==", "yard.azurecr.io/ship:1", "ship"},
	{"ACR with a service principal", "yard.azurecr.io", "https://yard.azurecr.io/oauth2/token", "yard.azurecr.io", true,
		"yard.azurecr.io", "5f2c1a52-3f1b-4a51-9d0e-9a1f1f6d0c11", "x8Q~secret.of_a-principal~", "yard.azurecr.io/ship:1", "ship"},
	{"quay robot", "quay.io", "https://quay.io/v2/auth", "quay.io", false,
		"quay.io", "yard+puller", "ROBOTTOKEN", "quay.io/yard/ship:1", "yard/ship"},
	{"Harbor robot", "harbor.yard.example", "https://harbor.yard.example/service/token", "harbor-registry", false,
		"harbor.yard.example/boats", "robot$boats+puller", "r0b0t", "harbor.yard.example/boats/ship:1", "boats/ship"},
	{"Artifactory with tokens", "art.yard.example", "https://art.yard.example/artifactory/api/docker/boats/v2/token", "art.yard.example", false,
		"art.yard.example", "puller", "cmVmdGtuOjAxOjE3", "art.yard.example/boats/ship:1", "boats/ship"},
	{"Artifactory without tokens", "art.yard.example", "", "", false,
		"art.yard.example", "puller@yard.example", "p:w with: colons", "art.yard.example/boats/ship:1", ""},
	{"Docker Hub by its short name", "index.docker.io", "https://auth.docker.io/token", "registry.docker.io", false,
		"docker.io", "sailor", "dckr_pat_x", "docker.io/ship:1", "library/ship"},
	{"Docker Hub by its registry's name", "index.docker.io", "https://auth.docker.io/token", "registry.docker.io", false,
		"registry-1.docker.io", "sailor", "dckr_pat_x", "ship:1", "library/ship"},
	{"Docker Hub for one user", "index.docker.io", "https://auth.docker.io/token", "registry.docker.io", false,
		"docker.io/sailor/*", "sailor", "dckr_pat_x", "sailor/ship:1", "sailor/ship"},
	{"GitHub", "ghcr.io", "https://ghcr.io/token", "ghcr.io", false,
		"ghcr.io", "sailor", "ghp_x", "ghcr.io/yard/ship:1", "yard/ship"},
}

func TestEveryKindOfRegistryIsSignedInTo(t *testing.T) {
	t.Parallel()
	for _, style := range signInStyles {
		t.Run(style.name, func(t *testing.T) {
			t.Parallel()
			h := newHarbour(t, style)
			right := Credential{Registry: style.entry, Type: TypeDocker, Username: style.user, Password: style.password, VerifyTLS: true}
			got, err := h.client.Resolve(t.Context(), []Credential{right}, style.image, "")
			if err != nil || got.Layers != 1 {
				t.Fatalf("pull: %+v, %v", got, err)
			}
			if tags, err := h.client.Tags(t.Context(), []Credential{right}, strings.TrimSuffix(style.image, ":1")); err != nil || len(tags) != 1 {
				t.Errorf("tags: %v, %v", tags, err)
			}
			wrong := right
			wrong.Password = "wrong" + style.password
			_, err = h.client.Resolve(t.Context(), []Credential{wrong}, style.image, "")
			if !errors.Is(err, ErrUnauthorized) || !strings.Contains(err.Error(), "registry entry "+style.entry) || strings.Contains(err.Error(), style.password) {
				t.Errorf("with a wrong password: %v", err)
			}
			elsewhere := right
			elsewhere.Registry = "elsewhere.example"
			if _, err := h.client.Resolve(t.Context(), []Credential{elsewhere}, style.image, ""); !errors.Is(err, ErrUnauthorized) {
				t.Errorf("with another registry's credential: %v", err)
			}
			h.mu.Lock()
			defer h.mu.Unlock()
			for _, place := range h.shown {
				if place != style.tokenPlace() {
					t.Errorf("the password was shown to %s, want %s only", place, style.tokenPlace())
				}
			}
		})
	}
}

// tokenPlace is where the password belongs: the token service, or the registry itself.
func (s signInStyle) tokenPlace() string {
	if s.realm == "" {
		return s.host + "/v2/"
	}
	return strings.TrimPrefix(s.realm, "https://")
}

// harbour is a registry with its token service, under its real names, behind a private certificate.
type harbour struct {
	style  signInStyle
	inner  http.Handler
	client *Client
	server *httptest.Server

	mu    sync.Mutex
	shown []string // where passwords turned up
}

func newHarbour(t *testing.T, style signInStyle) *harbour {
	t.Helper()
	h := &harbour{style: style, inner: served.New(served.Logger(log.New(io.Discard, "", 0)))}
	stock(t, h.inner, style.image)
	pair, ca := certify(t, style.host, "auth.docker.io")
	h.server = httptest.NewUnstartedServer(h)
	h.server.TLS = &tls.Config{Certificates: []tls.Certificate{pair}, MinVersion: tls.VersionTLS12}
	h.server.Config.ErrorLog = log.New(io.Discard, "", 0)
	h.server.StartTLS()
	t.Cleanup(h.server.Close)
	access, err := registryhttp.Open(registryhttp.Config{CAFile: ca})
	if err != nil {
		t.Fatal(err)
	}
	h.client = New(Config{Access: access})
	lead(t, h.client, h.server)
	return h
}

// lead makes every name lead to the server.
func lead(t *testing.T, c *Client, to *httptest.Server) {
	t.Helper()
	wire, ok := c.verified.(*http.Transport)
	if !ok {
		t.Fatal("another transport")
	}
	wire.DialContext = func(ctx context.Context, _, _ string) (net.Conn, error) {
		return (&net.Dialer{}).DialContext(ctx, "tcp", to.Listener.Addr().String())
	}
}

// stock pushes an image of one layer past the sign-in.
func stock(t *testing.T, inner http.Handler, image string) {
	t.Helper()
	open := httptest.NewServer(inner)
	defer open.Close()
	parsed, err := name.NewTag(image)
	if err != nil {
		t.Fatal(err)
	}
	tag, err := name.NewTag(strings.TrimPrefix(open.URL, "http://") + "/" + parsed.RepositoryStr() + ":" + parsed.TagStr())
	if err != nil {
		t.Fatal(err)
	}
	img, err := random.Image(100, 1)
	if err != nil {
		t.Fatal(err)
	}
	if err := remote.Write(tag, img); err != nil {
		t.Fatal(err)
	}
}

const pass = "the-token"

func (h *harbour) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	place := r.Host + r.URL.Path
	user, password, basic := r.BasicAuth()
	if basic {
		where := place
		if h.style.realm == "" {
			where = r.Host + "/v2/" // every request carries it there
		}
		h.mu.Lock()
		h.shown = append(h.shown, where)
		h.mu.Unlock()
	}
	right := basic && user == h.style.user && password == h.style.password
	switch {
	case h.style.realm != "" && place == h.style.tokenPlace():
		h.token(w, r, right)
	case r.Host != h.style.host:
		w.WriteHeader(http.StatusNotFound)
	case h.style.realm == "" && right, h.style.realm != "" && r.Header.Get("Authorization") == "Bearer "+pass:
		h.inner.ServeHTTP(w, r)
	case h.style.realm == "":
		w.Header().Set("WWW-Authenticate", `Basic realm="Artifactory Realm"`)
		w.WriteHeader(http.StatusUnauthorized)
	default:
		w.Header().Set("WWW-Authenticate", `Bearer realm="`+h.style.realm+`",service="`+h.style.service+`"`)
		w.WriteHeader(http.StatusUnauthorized)
		_, _ = io.WriteString(w, `{"errors":[{"code":"UNAUTHORIZED","message":"authentication required"}]}`)
	}
}

// token hands out the pass for exactly what this kind of token service is asked for.
func (h *harbour) token(w http.ResponseWriter, r *http.Request, right bool) {
	q := r.URL.Query()
	if r.Method != http.MethodGet || q.Get("service") != h.style.service || q.Get("scope") != "repository:"+h.style.scope+":pull" {
		w.WriteHeader(http.StatusBadRequest)
		return
	}
	if !right {
		w.WriteHeader(http.StatusUnauthorized)
		_, _ = io.WriteString(w, `{"errors":[{"code":"UNAUTHORIZED","message":"incorrect username or password"}]}`)
		return
	}
	key := "token"
	if h.style.accessToken {
		key = "access_token"
	}
	_ = json.NewEncoder(w).Encode(map[string]any{key: pass, "expires_in": 300})
}

// certify makes a certificate for names and the file of the authority that vouches for it: itself.
func certify(t *testing.T, names ...string) (tls.Certificate, string) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "harbour"}, DNSNames: names, IsCA: true, BasicConstraintsValid: true,
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		KeyUsage: x509.KeyUsageDigitalSignature | x509.KeyUsageCertSign, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(t.TempDir(), "ca.pem")
	if err := os.WriteFile(file, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}), 0o600); err != nil {
		t.Fatal(err)
	}
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}, file
}
