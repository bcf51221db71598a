package e2e

import (
	"bytes"
	"encoding/json"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/static"
	"github.com/google/go-containerregistry/pkg/v1/types"

	"plimsoll/api/client"
	"plimsoll/internal/sample"
)

// wantRescan adds an advisory for a package of the analysed image, then takes it away again.
func wantRescan(t *testing.T, s *system, c *client.ClientWithResponses, digest string) {
	records, err := sample.Advisories()
	if err != nil {
		t.Fatal(err)
	}
	const id = "GHSA-test-0000-0001"
	records["npm"][id] = []byte(`{"id":"` + id + `","modified":"2026-01-01T00:00:00Z","summary":"made for this test",
		"database_specific":{"severity":"CRITICAL"},
		"affected":[{"package":{"ecosystem":"npm","name":"lodash"},"ranges":[{"type":"SEMVER","events":[{"introduced":"0"},{"fixed":"99.0.0"}]}]}]}`)
	if err := sample.WriteMirror(s.mirror, records); err != nil {
		t.Fatal(err)
	}
	syncFeeds(t, c)
	eventually(t, 20*time.Second, "the new advisory is reported", func() (bool, error) {
		_, ok := vulnerable(t, c, digest)[id+" lodash"]
		return ok, nil
	})
	if v := vulnerable(t, c, digest)[id+" lodash"]; v.Severity != "Critical" || v.Fix != "99.0.0" {
		t.Errorf("after the sync %s = %+v, want it reported as Critical, fixed in 99.0.0", id, v)
	}
	delete(records["npm"], id)
	if err := sample.WriteMirror(s.mirror, records); err != nil {
		t.Fatal(err)
	}
	syncFeeds(t, c)
	eventually(t, 20*time.Second, "what the feed dropped is gone", func() (bool, error) {
		_, still := vulnerable(t, c, digest)[id+" lodash"]
		return !still, nil
	})
}

// wantRefusals tries what can be wrong with a submission: the answer has the right status and code, or the
// image ends in a state that tells why.
func wantRefusals(t *testing.T, c *client.ClientWithResponses, registry *source) {
	for _, tt := range []struct {
		name, image string
		status      int
		code        string
	}{
		{"an image that does not exist", registry.host() + "/no/such:1", http.StatusBadRequest, "REGISTRY_IMAGE_NOT_FOUND"},
		{"a registry nobody listens at", "127.0.0.1:1/app:1", http.StatusBadGateway, "REGISTRY_UNREACHABLE"},
		{"a reference that is none", "NOT a reference", http.StatusBadRequest, "INVALID_REFERENCE"},
	} {
		r, err := c.AddImageWithResponse(t.Context(), &client.AddImageParams{}, client.ImageAnalysisRequest{
			Source: client.ImageSource{Tag: &client.RegistryTagSource{PullString: tt.image}},
		})
		if err != nil {
			t.Fatal(err)
		}
		var body struct {
			Message  string
			HTTPCode int `json:"httpcode"`
			Detail   struct {
				Codes []string `json:"error_codes"`
			}
		}
		if err := json.Unmarshal(r.Body, &body); err != nil {
			t.Fatalf("%s: %v in %s", tt.name, err, r.Body)
		}
		if r.StatusCode() != tt.status || body.HTTPCode != tt.status || body.Message == "" || len(body.Detail.Codes) == 0 || body.Detail.Codes[0] != tt.code {
			t.Errorf("%s: %d %s, want %d %s", tt.name, r.StatusCode(), r.Body, tt.status, tt.code)
		}
	}

	unknownKey := `{"source":{"tag":{"pull_string":"x/y:1"}},"surprise":true}`
	r, err := c.AddImageWithBodyWithResponse(t.Context(), &client.AddImageParams{}, "application/json", strings.NewReader(unknownKey))
	if err != nil {
		t.Fatal(err)
	}
	if r.StatusCode() != http.StatusBadRequest || !bytes.Contains(r.Body, []byte("surprise")) {
		t.Errorf("an unknown key: %d %s, want 400 naming the key", r.StatusCode(), r.Body)
	}

	corrupt, err := mutate.AppendLayers(sampleImage(t), static.NewLayer([]byte("this is not a gzip stream nor a tar archive"), types.OCILayer))
	if err != nil {
		t.Fatal(err)
	}
	added := submit(t, c, registry.push(t, corrupt, "sample/corrupt:1"), false)
	failed := status(t, c, added.ImageDigest, "analysis_failed")
	if failed.AnalysisError == nil || failed.AnalysisError.Code != "LAYER_CORRUPT" || failed.AnalysisError.Message == "" {
		t.Errorf("a corrupt layer ends as %+v, want LAYER_CORRUPT and a message", failed.AnalysisError)
	}

	policy, err := c.AddPolicyWithBodyWithResponse(t.Context(), &client.AddPolicyParams{}, "application/json", invalidPolicy())
	if err != nil {
		t.Fatal(err)
	}
	if policy.StatusCode() != http.StatusBadRequest || !bytes.Contains(policy.Body, []byte("validation_details")) || !bytes.Contains(policy.Body, []byte("GateNotFoundError")) {
		t.Errorf("an invalid policy: %d %s, want 400 with validation_details", policy.StatusCode(), policy.Body)
	}
}

func invalidPolicy() io.Reader {
	return strings.NewReader(`{"id":"p1","name":"p1","version":"2","allowlists":[],"mappings":[{"id":"m","name":"m","registry":"*","repository":"*",
		"image":{"type":"tag","value":"*"},"rule_set_ids":["r"],"allowlist_ids":[]}],
		"rule_sets":[{"id":"r","name":"r","version":"2","rules":[{"id":"1","gate":"no_such_gate","trigger":"x","action":"STOP","params":[]}]}]}`)
}
