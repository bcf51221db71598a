package api

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"plimsoll/api/client"
)

// The generated client is what the command line tool and other programs use: it must understand every kind of answer.
func TestGeneratedClientUnderstandsTheServer(t *testing.T) {
	t.Parallel()
	s := newServer(t)
	s.advise()
	digest := s.known(testTag, "one")
	web := httptest.NewServer(s.api)
	t.Cleanup(web.Close)
	c, err := client.NewClientWithResponses(web.URL+"/v2", client.WithRequestEditorFn(func(_ context.Context, r *http.Request) error {
		r.SetBasicAuth("admin", adminPassword)
		return nil
	}))
	must(t, err)

	added, err := c.AddImageWithResponse(t.Context(), nil, client.ImageAnalysisRequest{Source: client.ImageSource{Tag: &client.RegistryTagSource{PullString: testTag}}})
	must(t, err)
	must(t, client.Failure(added.StatusCode(), added.Body))
	if added.JSON200 == nil || added.JSON200.ImageDigest != digest {
		t.Fatalf("added %s", added.Body)
	}
	s.analyze("admin", digest, npm, deb)
	report, err := c.GetImageVulnerabilitiesWithResponse(t.Context(), digest, "all", nil)
	must(t, err)
	if report.JSON200 == nil || len(report.JSON200.Vulnerabilities) != 1 || *report.JSON200.Vulnerabilities[0].VendorData[0].CvssV3.BaseScore != 9.8 {
		t.Fatalf("report %s", report.Body)
	}
	checked, err := c.CheckImageWithResponse(t.Context(), digest, &client.CheckImageParams{Tag: testTag})
	must(t, err)
	if checked.JSON200 == nil || len(checked.JSON200.Evaluations) != 1 {
		t.Fatalf("checked %s", checked.Body)
	}
	registry, err := c.CreateRegistryWithResponse(t.Context(), &client.CreateRegistryParams{Validate: new(bool)}, client.RegistryConfigurationRequest{Registry: new("docker.io/library/*")})
	must(t, err)
	must(t, client.Failure(registry.StatusCode(), registry.Body))
	read, err := c.GetRegistryWithResponse(t.Context(), "docker.io/library/*", nil)
	must(t, err)
	if read.JSON200 == nil || len(*read.JSON200) != 1 {
		t.Fatalf("registry %d %s", read.StatusCode(), read.Body)
	}
	sbom, err := c.GetImageSbomSpdxWithResponse(t.Context(), digest, nil)
	must(t, err)
	if sbom.JSON200 == nil || (*sbom.JSON200)["spdxVersion"] == nil {
		t.Fatalf("SBOM %s", sbom.Body)
	}
	missing, err := c.GetImageWithResponse(t.Context(), "sha256:"+strings.Repeat("0", 64), nil)
	must(t, err)
	var failure *client.FailureError
	if err := client.Failure(missing.StatusCode(), missing.Body); !errors.As(err, &failure) || failure.Code != codeImageNotFound || failure.Status != http.StatusNotFound || len(failure.Codes) != 1 {
		t.Errorf("failure %v", err)
	}
}
