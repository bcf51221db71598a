package main

import (
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"plimsoll/api/client"
)

const importedVEX = `{"document":{"digest":"sha256:aa","format":"OpenVEX","size":10,"document_id":"x","statement_count":2,"product_count":3,"refused_count":1,
	"imported_by":"mate","imported_at":"2026-01-01T00:00:00Z"},"created":true,"images_affected":4,
	"refused":[{"vulnerability_id":"CVE-1","reason":"it names no product"}],
	"unmatched":[{"vulnerability_id":"CVE-2","product":"pkg:npm/\u001b[31ma","status":"fixed","reason":"the account has no such image"}],"unmatched_count":1}`

func TestAnImportTellsWhatHasNoEffect(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "vex.json")
	if err := os.WriteFile(file, []byte(`{"@context":"https://openvex.dev/ns"}`), 0o600); err != nil {
		t.Fatal(err)
	}
	out, code := run(t, http.StatusOK, "application/json", importedVEX, "vex", "import", file)
	for _, want := range []string{"1 of 3 products", "Images affected: 4", "not usable: it names no product", "pkg:npm/ [31ma", "the account has no such image"} {
		if !strings.Contains(out, want) || code != 0 {
			t.Errorf("%q is missing (exit %d) in:\n%s", want, code, out)
		}
	}
	if strings.ContainsRune(out, '\x1b') {
		t.Error("what a document says reaches the terminal as it is")
	}
	if _, code := run(t, http.StatusOK, "application/json", importedVEX, "vex", "import", file+".gone"); code == 0 {
		t.Error("a missing file is imported")
	}
}

func TestAnAnnotationOfAPackageNamesAllOfIt(t *testing.T) {
	t.Parallel()
	if _, err := (&annotation{status: "fixed", name: "rope"}).body("CVE-1"); err == nil {
		t.Error("a package without version and type is taken")
	}
	body, err := (&annotation{status: "fixed", name: "rope", version: "1", kind: "npm"}).body("CVE-1")
	if err != nil || body.PackageIdentifier == nil || *body.PackageIdentifier != (client.PackageIdentifier{Name: "rope", Version: "1", Type: "npm"}) || body.Annotation.Author != nil {
		t.Errorf("got %+v, %v", body, err)
	}
}

func TestSpreadsheetsGetNoFormulas(t *testing.T) {
	t.Parallel()
	status := client.NotAffected
	var out strings.Builder
	if err := writeVulnerabilityCSV(&out, []client.ImagePackageVulnerability{{Vuln: "CVE-1", PackageName: "=1+1", PackageVersion: `a,"b`, AnnotationStatus: &status}}); err != nil {
		t.Fatal(err)
	}
	want := "Vulnerability ID,Package,Version,Severity,Fix,Type,Feed Group,Package Path,URL,Annotation Status\nCVE-1,'=1+1,\"a,\"\"b\",,,,,,,not_affected\n"
	if out.String() != want {
		t.Errorf("got %q", out.String())
	}
}
