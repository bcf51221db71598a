package api

import (
	"net/http"
	"testing"

	"plimsoll/engine/sbom"
)

// Every form of an image's document is read again as what it claims to be, and names its packages.
func TestSBOMsAreReadAgain(t *testing.T) {
	t.Parallel()
	s := newServer(t)
	digest := s.known(testTag, "one")
	s.admin(http.MethodPost, "/v2/images", addTag).wants(http.StatusOK)
	s.analyze("admin", digest, npm, deb, jar)
	for kind, want := range map[string]struct {
		format sbom.Format
		media  string
	}{
		"native-json":    {sbom.FormatSyft, "application/json"},
		"spdx-json":      {sbom.FormatSPDX, "application/json"},
		"cyclonedx-json": {sbom.FormatCycloneDX, "application/json"},
		"cyclonedx-xml":  {sbom.FormatCycloneDXXML, "application/xml"},
		"spdx-tag-value": {sbom.FormatSPDXTagValues, "text/plain; charset=utf-8"},
	} {
		got := s.admin(http.MethodGet, "/v2/images/"+digest+"/sboms/"+kind, "").wants(http.StatusOK)
		d, err := sbom.Decode([]byte(got.body), sbom.Limits{})
		if err != nil || d.Format != want.format || len(d.Packages) == 0 {
			t.Errorf("%s: %+v, %v", kind, d, err)
		}
		if media := got.header.Get("Content-Type"); media != want.media {
			t.Errorf("%s is %s", kind, media)
		}
	}
}
