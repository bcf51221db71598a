package vex_test

import (
	"encoding/base64"
	"errors"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/tools/txtar"

	"plimsoll/engine/vex"
)

var update = flag.Bool("update", false, "rewrite golden files")

func TestDocumentsAreRead(t *testing.T) {
	t.Parallel()
	files, err := filepath.Glob("testdata/read/*.txtar")
	if err != nil || len(files) == 0 {
		t.Fatalf("no cases: %v", err)
	}
	for _, file := range files {
		archive, err := txtar.ParseFile(file)
		if err != nil {
			t.Fatal(err)
		}
		document, err := vex.Read(archive.Files[0].Data, vex.Limits{})
		if err != nil {
			t.Errorf("%s: %v", file, err)
			continue
		}
		got := render(document)
		if *update {
			archive.Files[1].Data = []byte(got)
			if err := os.WriteFile(file, txtar.Format(archive), 0o644); err != nil {
				t.Fatal(err)
			}
		}
		if diff := cmp.Diff(string(archive.Files[1].Data), got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", file, diff)
		}
	}
}

// render shows a document as a person would note it down.
func render(d *vex.Document) string {
	var out strings.Builder
	fmt.Fprintf(&out, "%s %q version %s by %q at %s\n", d.Format, d.ID, d.Version, d.Author, d.At.Format(time.RFC3339))
	for _, s := range d.Statements {
		fmt.Fprintf(&out, "%s %v %s", s.Vulnerability, s.Aliases, s.Status)
		if s.Justification != "" {
			fmt.Fprintf(&out, " %s", s.Justification)
		}
		fmt.Fprintf(&out, " at %s\n", s.At.Format(time.RFC3339))
		for _, text := range []struct{ name, value string }{{"impact", s.Impact}, {"action", s.Action}, {"notes", s.Notes}, {"details", s.Details}} {
			if text.value != "" {
				fmt.Fprintf(&out, "  %s: %s\n", text.name, text.value)
			}
		}
		for _, p := range s.Products {
			if p.Unclear != "" {
				fmt.Fprintf(&out, "  ? %s: %s\n", p.Given, p.Unclear)
				continue
			}
			fmt.Fprintf(&out, "  %s\n", strings.TrimSpace(p.Image+" "+p.Package))
		}
	}
	for _, r := range d.Refused {
		fmt.Fprintf(&out, "refused %s: %s\n", r.Vulnerability, r.Reason)
	}
	return out.String()
}

func TestAnEnvelopeIsOpened(t *testing.T) {
	t.Parallel()
	archive, err := txtar.ParseFile("testdata/read/openvex_attested.txtar")
	if err != nil {
		t.Fatal(err)
	}
	envelope := `{"payloadType":"application/vnd.in-toto+json","payload":"` + base64.StdEncoding.EncodeToString(archive.Files[0].Data) + `","signatures":[]}`
	document, err := vex.Read([]byte(envelope), vex.Limits{})
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(archive.Files[1].Data), render(document)); diff != "" {
		t.Error(diff)
	}
}

func TestWhatIsNoDocumentIsRefused(t *testing.T) {
	t.Parallel()
	open := func(rest string) string { return `{"@context":"https://openvex.dev/ns/v0.2.0",` + rest + `}` }
	for name, c := range map[string]struct {
		text string
		want error
	}{
		"nothing":            {" \n", vex.ErrFormat},
		"web page":           {"<html>busy</html>", vex.ErrFormat},
		"a list":             {"[]", vex.ErrFormat},
		"other JSON":         {`{"a":1}`, vex.ErrFormat},
		"another predicate":  {`{"predicateType":"https://slsa.dev/provenance/v1"}`, vex.ErrFormat},
		"empty envelope":     {`{"payloadType":"application/vnd.in-toto+json","payload":"e30="}`, vex.ErrFormat},
		"no base64":          {`{"payloadType":"application/vnd.in-toto+json","payload":"%"}`, vex.ErrDocument},
		"cut short":          {`{"@context":"https://openvex.dev/ns","statements":[{`, vex.ErrDocument},
		"more after it":      {open(`"statements":[]`) + "{}", vex.ErrDocument},
		"statements no list": {open(`"statements":{}`), vex.ErrDocument},
		"XML cut short":      {`<bom xmlns="http://cyclonedx.org/schema/bom/1.4"><vulnerabilities>`, vex.ErrDocument},
		"another root":       {`<sbom xmlns="http://cyclonedx.org/schema/bom/1.4"/>`, vex.ErrDocument},
		"CSAF without id":    {`{"document":{"csaf_version":"2.0"}}`, vex.ErrDocument},
		"too many products":  {open(`"statements":[{"vulnerability":{"name":"CVE-1"},"status":"fixed","products":[` + strings.Repeat(`{},`, vex.DefaultLimits.Products) + `{}]}]`), vex.ErrTooLarge},
		"too many members":   {open(`"statements":[{"products":[` + strings.Repeat(`{},`, 300_000) + `{}]}]`), vex.ErrTooLarge},
		"many statements":    {open(`"statements":[` + strings.Repeat(`{},`, vex.DefaultLimits.Products) + `{}]`), vex.ErrTooLarge},
		"names of products":  {open(`"statements":[{"vulnerability":{"name":"CVE-1","aliases":[` + names(90) + `]},"status":"fixed","products":[` + strings.Repeat(`{"@id":"pkg:npm/a"},`, 10_000) + `{}]}]`), vex.ErrTooLarge},
		"deep JSON":          {open(`"x":` + strings.Repeat(`[`, 100_000)), vex.ErrTooLarge},
		"deep components":    {`{"bomFormat":"CycloneDX","components":[` + strings.Repeat(`{"components":[`, 40) + `{}` + strings.Repeat(`]}`, 40) + `]}`, vex.ErrTooLarge},
		"deep XML":           {`<bom xmlns="http://cyclonedx.org/schema/bom/1.4">` + strings.Repeat(`<a>`, 100_000), vex.ErrTooLarge},
		"a long tag":         {`<bom xmlns="http://cyclonedx.org/schema/bom/1.4"><a ` + strings.Repeat(`b="" `, 1<<19), vex.ErrTooLarge},
		"too large":          {strings.Repeat(" ", vex.DefaultLimits.Bytes+1), vex.ErrTooLarge},
	} {
		if d, err := vex.Read([]byte(c.text), vex.Limits{}); !errors.Is(err, c.want) || d != nil {
			t.Errorf("%s: %.100v; want %v", name, err, c.want)
		}
	}
}

// names lists different names.
func names(n int) string {
	out := make([]string, n)
	for i := range out {
		out[i] = fmt.Sprintf(`"GHSA-%d"`, i)
	}
	return strings.Join(out, ",")
}

func TestAStatementWithWhatCannotBeStoredIsLeftOut(t *testing.T) {
	t.Parallel()
	long := strings.Repeat("a", 1<<15)
	for name, statement := range map[string]string{
		"NUL in a text":      `"vulnerability":{"name":"CVE-1"},"status":"fixed","status_notes":"a\u0000b"`,
		"NUL in the name":    `"vulnerability":{"name":"CVE\u00001"},"status":"fixed"`,
		"a long text":        `"vulnerability":{"name":"CVE-1"},"status":"fixed","impact_statement":"` + long + `"`,
		"a long name":        `"vulnerability":{"name":"` + long + `"},"status":"fixed"`,
		"a strange reason":   `"vulnerability":{"name":"CVE-1"},"status":"fixed","justification":"because"`,
		"thousands of names": `"vulnerability":{"name":"CVE-1","aliases":["a"` + strings.Repeat(`,"a"`, 1000) + `]},"status":"fixed"`,
	} {
		d, err := vex.Read([]byte(`{"@context":"https://openvex.dev/ns/v0.2.0","statements":[{`+statement+`,"products":[{"@id":"pkg:npm/a"}]}]}`), vex.Limits{})
		if err != nil || len(d.Statements) != 0 || d.RefusedCount != 1 {
			t.Errorf("%s: %+v, %v", name, d, err)
		}
	}
}

// Hostile documents within the limits must not take a multiple of their size.
func TestMemoryStaysWithinBounds(t *testing.T) {
	var before, after runtime.MemStats
	fill := func(head, piece, tail string) []byte {
		return []byte(head + strings.Repeat(piece, 2<<20/len(piece)) + tail)
	}
	for name, document := range map[string][]byte{
		"empty components": fill(`{"bomFormat":"CycloneDX","components":[`, `{},`, `{}]}`),
		"components":       fill(`{"bomFormat":"CycloneDX","components":[`, `{"bom-ref":"`+"x"+`"},`, `{}]}`),
		"elements":         fill(`<bom xmlns="http://cyclonedx.org/schema/bom/1.4">`, `<a/>`, `</bom>`),
		"vulnerabilities":  fill(`<bom xmlns="http://cyclonedx.org/schema/bom/1.4"><vulnerabilities>`, `<vulnerability/>`, `</vulnerabilities></bom>`),
		"branches":         fill(`{"document":{"csaf_version":"2.0","tracking":{"id":"x"}},"product_tree":{"branches":[`, `{"product":{}},`, `{}]}}`),
		"numbers":          fill(`{"@context":"https://openvex.dev/ns","x":[`, `1,`, `1]}`),
	} {
		runtime.GC()
		runtime.ReadMemStats(&before)
		d, err := vex.Read(document, vex.Limits{})
		runtime.ReadMemStats(&after)
		runtime.KeepAlive(d)
		if held := int64(after.HeapInuse) - int64(before.HeapInuse); held > 10*int64(len(document)) {
			t.Errorf("%s: %d MiB are held after reading %d MiB (%.60v)", name, held>>20, len(document)>>20, err)
		}
	}
}

func FuzzRead(f *testing.F) {
	files, err := filepath.Glob("testdata/read/*.txtar")
	if err != nil {
		f.Fatal(err)
	}
	for _, file := range files {
		archive, err := txtar.ParseFile(file)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(archive.Files[0].Data)
	}
	f.Fuzz(func(t *testing.T, document []byte) {
		d, err := vex.Read(document, vex.Limits{Bytes: 1 << 20, Products: 1000})
		if (err == nil) != (d != nil) {
			t.Fatalf("%v with error %v", d, err)
		}
		if err != nil {
			if !errors.Is(err, vex.ErrFormat) && !errors.Is(err, vex.ErrDocument) && !errors.Is(err, vex.ErrTooLarge) {
				t.Fatalf("an error of no kind: %v", err)
			}
			return
		}
		for _, s := range d.Statements {
			if s.Check() != nil || s.Vulnerability == "" || len(s.Products) == 0 {
				t.Fatalf("an unusable statement: %+v", s)
			}
			for _, p := range s.Products {
				if (p.Unclear == "") == (p.Image == "" && p.Package == "") {
					t.Fatalf("a product that is neither clear nor unclear: %+v", p)
				}
				vex.Latest(vex.Image{Digests: []string{p.Image}}, []vex.Finding{{Names: []string{s.Vulnerability}, PURL: p.Package}}, []vex.Claim{{Names: []string{s.Vulnerability}, Product: p, Assertion: s.Assertion, At: s.At}})
			}
		}
	})
}
