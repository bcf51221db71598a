package csaf_test

import (
	"errors"
	"io"
	"strings"
	"testing"
	"testing/iotest"
	"time"

	"github.com/google/go-cmp/cmp"

	"plimsoll/engine/feed/csaf"
)

const small = `{
	"vulnerabilities": [{
		"cve": "CVE-2024-1234", "title": "lib: flaw", "cwe": {"id": "CWE-787", "name": "x"}, "release_date": "2024-04-17T02:00:00+02:00",
		"notes": [{"category": "description", "text": "d"}], "references": [{"category": "self", "url": "https://example.com/"}],
		"product_status": {"fixed": ["os:lib"]},
		"remediations": [{"category": "vendor_fix", "details": "update", "date": "soon", "url": "https://example.com/A-1", "product_ids": ["os:lib"]}],
		"threats": [{"category": "impact", "details": "Low", "product_ids": ["os:lib"]}],
		"scores": [{"products": ["os:lib"], "cvss_v3": {"vectorString": "V"}}],
		"flags": [{"label": "component_not_present", "product_ids": ["os:other"]}]
	}],
	"product_tree": {
		"branches": [{"category": "vendor", "name": "V", "branches": [
			{"category": "product_name", "name": "OS", "product": {"name": "OS", "product_id": "os", "product_identification_helper": {"cpe": "cpe:/o:v:os:1"}}},
			{"category": "product_version", "name": "lib", "product": {"name": "lib", "product_id": "lib", "product_identification_helper": {"purl": "pkg:rpm/v/lib@1"}}}
		]}],
		"full_product_names": [{"name": "Loose", "product_id": "loose"}],
		"relationships": [{"category": "default_component_of", "full_product_name": {"name": "lib of OS", "product_id": "os:lib"}, "product_reference": "lib", "relates_to_product_reference": "os"}]
	},
	"document": {"csaf_version": "2.0", "category": "csaf_vex", "title": "T", "aggregate_severity": {"text": "Low"},
		"tracking": {"id": "CVE-2024-1234", "status": "final", "current_release_date": "2024-05-01T00:00:00Z"}}
}`

func TestADocumentIsReadWhateverTheOrderOfItsParts(t *testing.T) {
	t.Parallel()
	got, err := csaf.Read(strings.NewReader(small))
	if err != nil {
		t.Fatal(err)
	}
	want := &csaf.Document{
		Products: map[string]csaf.Product{
			"os": {Name: "OS", CPE: "cpe:/o:v:os:1"}, "lib": {Name: "lib", PURL: "pkg:rpm/v/lib@1"}, "loose": {Name: "Loose"},
		},
		Components: map[string]csaf.Component{"os:lib": {Product: "lib", Platform: "os"}},
	}
	want.Version, want.Category, want.Title, want.Severity.Text = "2.0", "csaf_vex", "T", "Low"
	want.Tracking.ID, want.Tracking.Status = "CVE-2024-1234", "final"
	want.Tracking.Modified = at(2024, 5, 1)
	v := csaf.Vulnerability{
		CVE: "CVE-2024-1234", Title: "lib: flaw", Released: at(2024, 4, 17),
		Notes:      []csaf.Note{{Category: "description", Text: "d"}},
		References: []csaf.Reference{{Category: "self", URL: "https://example.com/"}},
		Status:     map[string][]string{csaf.Fixed: {"os:lib"}},
		Remedies:   []csaf.Remedy{{Category: csaf.VendorFix, Details: "update", URL: "https://example.com/A-1", Products: []string{"os:lib"}}},
		Threats:    []csaf.Threat{{Category: csaf.Impact, Details: "Low", Products: []string{"os:lib"}}},
		Scores:     []csaf.Score{{Products: []string{"os:lib"}}},
		Flags:      []csaf.Flag{{Label: "component_not_present", Products: []string{"os:other"}}},
	}
	v.CWE.ID, v.Scores[0].V3.Vector = "CWE-787", "V"
	want.Vulnerabilities = []csaf.Vulnerability{v}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("document (-want +got):\n%s", diff)
	}
}

func at(year int, month time.Month, day int) csaf.Moment {
	return csaf.Moment{At: new(time.Date(year, month, day, 0, 0, 0, 0, time.UTC))}
}

func TestWhatIsNoDocumentIsRefused(t *testing.T) {
	t.Parallel()
	deep := `{"product_tree":{"branches":[` + strings.Repeat(`{"branches":[`, 1000)
	for name, text := range map[string]string{
		"nothing":           "",
		"web page":          "<html>busy</html>",
		"list":              "[]",
		"other JSON":        `{"a":1}`,
		"another version":   strings.Replace(small, `"2.0"`, `"1.2"`, 1),
		"no id":             strings.Replace(small, `"id": "CVE-2024-1234"`, `"id": ""`, 1),
		"cut short":         small[:len(small)/2],
		"more after it":     small + "{}",
		"branches no list":  strings.Replace(small, `"branches": [{"category": "vendor"`, `"branches": {}, "x": [{"category": "vendor"`, 1),
		"status no object":  strings.Replace(small, `{"fixed": ["os:lib"]}`, `["os:lib"]`, 1),
		"products no texts": strings.Replace(small, `{"fixed": ["os:lib"]}`, `{"fixed": [1]}`, 1),
		"absurd number":     `{"a":3e333}`,
		"deep tree":         deep,
	} {
		if d, err := csaf.Read(strings.NewReader(text)); !errors.Is(err, csaf.ErrDocument) || d != nil {
			t.Errorf("%s: %v, %v; want %v", name, d, err, csaf.ErrDocument)
		}
	}
}

func TestADocumentThatIsTooLargeIsRefused(t *testing.T) {
	t.Parallel()
	parts := []io.Reader{strings.NewReader(`{"a":[`)}
	text := `"` + strings.Repeat("a", 1<<20) + `",`
	for range csaf.MaxSize>>20 + 1 {
		parts = append(parts, strings.NewReader(text))
	}
	if _, err := csaf.Read(io.MultiReader(parts...)); !errors.Is(err, csaf.ErrTooLarge) {
		t.Errorf("%v; want %v", err, csaf.ErrTooLarge)
	}
}

func TestAnErrorOfTheReaderIsNotADamagedDocument(t *testing.T) {
	t.Parallel()
	broken := errors.New("disk is gone")
	_, err := csaf.Read(io.MultiReader(strings.NewReader(small[:200]), iotest.ErrReader(broken)))
	if !errors.Is(err, broken) || errors.Is(err, csaf.ErrDocument) {
		t.Errorf("%v; want the reader's error alone", err)
	}
}

func FuzzRead(f *testing.F) {
	f.Add([]byte(small))
	f.Add([]byte(`{"document":{"csaf_version":"2.0","tracking":{"id":"x"}},"product_tree":{"branches":[{"branches":[{"product":{}}]}]},"vulnerabilities":[{}]}`))
	f.Fuzz(func(t *testing.T, text []byte) {
		d, err := csaf.Read(strings.NewReader(string(text)))
		if (err == nil) != (d != nil) {
			t.Errorf("%v with error %v", d, err)
		}
	})
}
