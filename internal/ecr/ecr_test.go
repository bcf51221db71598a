package ecr

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"
)

const registry = "123456789012.dkr.ecr.eu-central-1.amazonaws.com"

// cloud speaks enough of ECR (AWS JSON 1.1) and STS (AWS query).
type cloud struct {
	mu        sync.Mutex
	now       time.Time
	exchanges []string // access key ids that asked ECR for a token
	roles     []string // ARNs that were assumed
	down      bool
}

func (c *cloud) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.down {
		http.Error(w, "{}", http.StatusServiceUnavailable)
		return
	}
	_, after, _ := strings.Cut(r.Header.Get("Authorization"), "Credential=")
	id, _, _ := strings.Cut(after, "/")
	if strings.HasSuffix(r.Header.Get("X-Amz-Target"), ".GetAuthorizationToken") {
		if id == "WRONG" {
			w.Header().Set("Content-Type", "application/x-amz-json-1.1")
			w.WriteHeader(http.StatusBadRequest)
			_, _ = io.WriteString(w, `{"__type":"UnrecognizedClientException","message":"The security token with secret s3cret is invalid"}`)
			return
		}
		c.exchanges = append(c.exchanges, id)
		w.Header().Set("Content-Type", "application/x-amz-json-1.1")
		_ = json.NewEncoder(w).Encode(map[string]any{"authorizationData": []map[string]any{{
			"authorizationToken": base64.StdEncoding.EncodeToString(fmt.Appendf(nil, "AWS:token-%d-%s", len(c.exchanges), id)),
			"expiresAt":          float64(c.now.Add(12 * time.Hour).Unix()),
		}}})
		return
	}
	if err := r.ParseForm(); err != nil || r.Form.Get("Action") != "AssumeRole" {
		http.Error(w, "unknown", http.StatusBadRequest)
		return
	}
	c.roles = append(c.roles, r.Form.Get("RoleArn"))
	w.Header().Set("Content-Type", "text/xml")
	fmt.Fprintf(w, `<AssumeRoleResponse xmlns="https://sts.amazonaws.com/doc/2011-06-15/"><AssumeRoleResult><Credentials>
<AccessKeyId>ASSUMED</AccessKeyId><SecretAccessKey>x</SecretAccessKey><SessionToken>y</SessionToken><Expiration>%s</Expiration>
</Credentials></AssumeRoleResult></AssumeRoleResponse>`, time.Now().Add(time.Hour).UTC().Format(time.RFC3339))
}

// tokens is a store whose clock is the cloud's.
func tokens(t *testing.T, ambient bool) (*Tokens, *cloud) {
	t.Helper()
	c := &cloud{now: time.Now()}
	server := httptest.NewServer(c)
	t.Cleanup(server.Close)
	all := New(Config{Ambient: ambient, ECREndpoint: server.URL, STSEndpoint: server.URL})
	all.now = func() time.Time {
		c.mu.Lock()
		defer c.mu.Unlock()
		return c.now
	}
	return all, c
}

func (c *cloud) pass(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now = c.now.Add(d)
}

func get(t *testing.T, all *Tokens, user string) string {
	t.Helper()
	name, password, err := all.Get(t.Context(), registry, user, "s3cret")
	if err != nil || name != "AWS" {
		t.Fatalf("got %s, %v", name, err)
	}
	return password
}

func TestKeysBuyATokenThatIsKeptAndRenewedBeforeItsEnd(t *testing.T) {
	all, c := tokens(t, false)
	first := get(t, all, "KEY1")
	if first != "token-1-KEY1" || get(t, all, "KEY1") != first {
		t.Errorf("got %s, then another", first)
	}
	if other := get(t, all, "KEY2"); other != "token-2-KEY2" {
		t.Errorf("another key got %s", other)
	}
	c.pass(10 * time.Hour)
	if get(t, all, "KEY1") != first {
		t.Error("renewed too early")
	}
	c.pass(90 * time.Minute)
	if renewed := get(t, all, "KEY1"); renewed != "token-3-KEY1" {
		t.Errorf("half an hour before its end: %s", renewed)
	}
	all.Forget(registry, "KEY1", "s3cret")
	if again := get(t, all, "KEY1"); again != "token-4-KEY1" {
		t.Errorf("after a refusal: %s", again)
	}
}

func TestATokenServesToItsEndWhileAWSIsDown(t *testing.T) {
	all, c := tokens(t, false)
	first := get(t, all, "KEY")
	c.mu.Lock()
	c.down = true
	c.mu.Unlock()
	c.pass(11*time.Hour + 30*time.Minute)
	if get(t, all, "KEY") != first {
		t.Error("the token was given up while it was good")
	}
	c.pass(time.Hour)
	if _, _, err := all.Get(t.Context(), registry, "KEY", "s3cret"); !errors.Is(err, ErrUnreachable) {
		t.Errorf("got %v", err)
	}
}

func TestAmbientCredentialsAndRolesAreLentOnlyWhereAllowed(t *testing.T) {
	t.Setenv("AWS_ACCESS_KEY_ID", "OWN")
	t.Setenv("AWS_SECRET_ACCESS_KEY", "own-secret")
	t.Setenv("AWS_EC2_METADATA_DISABLED", "true")
	const role = "arn:aws:iam::123456789012:role/reader"
	closed, _ := tokens(t, false)
	for _, user := range []string{UserAmbient, rolePrefix + role} {
		if _, _, err := closed.Get(t.Context(), registry, user, "x"); !errors.Is(err, ErrAmbient) {
			t.Errorf("%s: got %v", user, err)
		}
	}
	all, c := tokens(t, true)
	if got := get(t, all, UserAmbient); got != "token-1-OWN" {
		t.Errorf("ambient: %s", got)
	}
	if got := get(t, all, rolePrefix+role); got != "token-2-ASSUMED" || len(c.roles) != 1 || c.roles[0] != role {
		t.Errorf("role: %s after %v", got, c.roles)
	}
}

func TestRefusalsAreTypedAndKeepSecrets(t *testing.T) {
	all, _ := tokens(t, false)
	_, _, err := all.Get(t.Context(), registry, "WRONG", "s3cret")
	if !errors.Is(err, ErrRefused) || !strings.Contains(err.Error(), "UnrecognizedClientException") || strings.Contains(err.Error(), "s3cret") {
		t.Errorf("got %v", err)
	}
	for _, host := range []string{"registry.example", "123.dkr.ecr.eu-central-1.amazonaws.com", registry + ".example", "169.254.169.254"} {
		if _, _, err := all.Get(t.Context(), host, "KEY", "s3cret"); !errors.Is(err, ErrHost) {
			t.Errorf("%s: got %v", host, err)
		}
	}
	for _, host := range []string{"123456789012.dkr.ecr.cn-north-1.amazonaws.com.cn", "123456789012.dkr.ecr-fips.us-gov-west-1.amazonaws.com"} {
		if _, _, err := all.Get(t.Context(), host, "KEY", "s3cret"); err != nil {
			t.Errorf("%s: got %v", host, err)
		}
	}
}

func TestManyAskOnce(t *testing.T) {
	all, c := tokens(t, false)
	var group sync.WaitGroup
	for range 20 {
		group.Go(func() {
			if _, _, err := all.Get(context.Background(), registry, "KEY", "s3cret"); err != nil {
				t.Error(err)
			}
		})
	}
	group.Wait()
	// Whoever comes after the first exchange has ended finds its token.
	if get(t, all, "KEY") == "" || len(c.exchanges) > 2 {
		t.Errorf("%d exchanges", len(c.exchanges))
	}
}
