package vex_test

import (
	"bytes"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/santhosh-tekuri/jsonschema/v6"

	"plimsoll/engine/feed"
	"plimsoll/engine/vex"
)

var subject = vex.Subject{
	Digest: one, Name: "registry.example/ship",
	PURL: "pkg:oci/ship@sha256%3A1111111111111111111111111111111111111111111111111111111111111111?repository_url=registry.example/ship&tag=1",
}

func report(statements ...vex.Statement) vex.Report {
	return vex.Report{Image: subject, Author: "Mate", At: noon, ToolVersion: "1.2.3", Statements: statements}
}

// said is what people would note down about an image.
func said() []vex.Statement {
	return []vex.Statement{
		{
			Vulnerability: "CVE-2026-1", Aliases: []string{"GHSA-aaaa"}, Products: []vex.Product{subject.In("pkg:npm/rope@1.0.0"), subject.In("pkg:deb/debian/hull@2-1?arch=amd64")}, At: noon,
			Assertion: vex.Assertion{Status: vex.NotAffected, Justification: vex.ComponentNotPresent, Impact: "Left out of the build.", Notes: "Seen by <hand> & eye.", Details: "More."},
		},
		{
			Vulnerability: "CVE-2026-2", Products: []vex.Product{subject.In("")}, At: noon.Add(-time.Hour),
			Assertion: vex.Assertion{Status: vex.Affected, Justification: vex.FixNotPlanned, Action: "Stay in port."},
		},
		{Vulnerability: "CVE-2026-3", Products: []vex.Product{subject.In("pkg:npm/rope@1.0.0")}, At: noon, Assertion: vex.Assertion{Status: vex.Fixed}},
		{Vulnerability: "CVE-2026-4", Products: []vex.Product{subject.In("pkg:npm/rope@1.0.0")}, At: noon, Assertion: vex.Assertion{Status: vex.NotAffected}},
		{Vulnerability: "CVE-2026-5", Products: []vex.Product{subject.In("pkg:npm/rope@1.0.0")}, At: noon, Assertion: vex.Assertion{Status: vex.Affected}},
	}
}

var disclosed = []vex.Disclosed{
	{
		ID: "GHSA-aaaa", Also: []string{"CVE-2026-1"}, Severity: feed.Critical, Fix: "1.0.1", PURL: "pkg:npm/rope@1.0.0", PackageName: "rope", Version: "1.0.0",
		Flaw: feed.Vulnerability{
			Source: "osv", URL: "https://example.test/GHSA-aaaa", Description: "It tears.", CWEs: []string{"CWE-79", "odd"}, Published: &noon,
			CVSS: []feed.CVSS{{Version: "3.1", Vector: "CVSS:3.1/AV:N", Base: new(9.8)}, {Version: "2.0", By: "nvd", Vector: "AV:N"}},
		},
		Said: &vex.Assertion{Status: vex.NotAffected, Justification: vex.CodeNotExecuted, Action: "None."}, SaidAt: noon,
	},
	{ID: "CVE-2026-2", PackageName: "hull", Version: "2"},
	{ID: "CVE-2026-2", PackageName: "hull", Version: "3", PURL: "pkg:deb/debian/hull@3"},
}

var written = map[string]func(io.Writer) error{
	"openvex.json":         func(w io.Writer) error { return vex.OpenVEX(w, report(said()...)) },
	"openvex.empty.json":   func(w io.Writer) error { return vex.OpenVEX(w, report()) },
	"cyclonedx.json":       func(w io.Writer) error { return vex.CycloneDX(w, report(said()...)) },
	"cyclonedx.empty.json": func(w io.Writer) error { return vex.CycloneDX(w, report()) },
	"cyclonedx.xml":        func(w io.Writer) error { return vex.CycloneDXXML(w, report(said()...)) },
	"disclosure.json":      func(w io.Writer) error { return vex.Disclosure(w, report(), disclosed) },
	"disclosure.xml":       func(w io.Writer) error { return vex.DisclosureXML(w, report(), disclosed) },
}

func TestDocumentsAreWritten(t *testing.T) {
	t.Parallel()
	for name, write := range written {
		var got bytes.Buffer
		if err := write(&got); err != nil {
			t.Fatal(err)
		}
		golden := filepath.Join("testdata/write", name)
		if *update {
			if err := os.MkdirAll("testdata/write", 0o755); err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(golden, got.Bytes(), 0o644); err != nil {
				t.Fatal(err)
			}
		}
		want, err := os.ReadFile(golden)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(string(want), got.String()); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
	}
}

// CycloneDX documents are valid by the official schema, which the library for CycloneDX carries for its own tests.
func TestCycloneDXIsValid(t *testing.T) {
	t.Parallel()
	out, err := exec.CommandContext(t.Context(), "go", "list", "-m", "-f", "{{.Dir}}", "github.com/CycloneDX/cyclonedx-go").Output()
	if err != nil {
		t.Fatal(err)
	}
	const site = "http://cyclonedx.org/schema/"
	c := jsonschema.NewCompiler()
	for name, file := range map[string]string{
		"bom-1.6.schema.json": "bom-1.6.schema.json", "spdx.schema.json": "spdx.schema.json", "jsf-0.82.schema.json": "jsf-0.82.schemax.json",
	} {
		content, err := os.ReadFile(filepath.Join(strings.TrimSpace(string(out)), "schema", file))
		if err != nil {
			t.Fatal(err)
		}
		doc, err := jsonschema.UnmarshalJSON(bytes.NewReader(content))
		if err != nil {
			t.Fatal(err)
		}
		if err := c.AddResource(site+name, doc); err != nil {
			t.Fatal(err)
		}
	}
	schema, err := c.Compile(site + "bom-1.6.schema.json")
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"cyclonedx.json", "cyclonedx.empty.json", "disclosure.json"} {
		var document bytes.Buffer
		if err := written[name](&document); err != nil {
			t.Fatal(err)
		}
		value, err := jsonschema.UnmarshalJSON(&document)
		if err != nil {
			t.Fatal(err)
		}
		if err := schema.Validate(value); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// What is written is read as the same statements, whatever they are.
func TestWhatIsWrittenIsReadAsTheSame(t *testing.T) {
	t.Parallel()
	random := rand.New(rand.NewPCG(1, 2))
	for range 300 {
		r := report(anything(random), anything(random))
		for format, write := range map[vex.Format]func(io.Writer, vex.Report) error{
			vex.FormatOpenVEX: vex.OpenVEX, vex.FormatCycloneDX: vex.CycloneDX, vex.FormatCycloneDXXML: vex.CycloneDXXML,
		} {
			var document bytes.Buffer
			if err := write(&document, r); err != nil {
				t.Fatal(err)
			}
			got, err := vex.Read(document.Bytes(), vex.Limits{})
			if err != nil {
				t.Fatalf("%s: %v\n%s", format, err, document.String())
			}
			var want []vex.Statement
			for _, s := range r.Statements {
				want = append(want, tellable(format, s))
			}
			given := cmp.FilterPath(func(p cmp.Path) bool { return p.Last().String() == ".Given" }, cmp.Ignore()) // a format's own reference
			if diff := cmp.Diff(want, got.Statements, given); diff != "" || got.RefusedCount != 0 || got.Format != format || got.Author != r.Author {
				t.Fatalf("%s (-want +got):\n%s\n%+v\n%s", format, diff, got.Refused, document.String())
			}
		}
	}
}

// anything is a statement of random content, valid by the rules of all formats.
func anything(random *rand.Rand) vex.Statement {
	text := func(always bool) string {
		if !always && random.IntN(3) == 0 {
			return ""
		}
		return fmt.Sprintf("text %d: <&\"> ü\nline", random.IntN(100))
	}
	s := vex.Statement{Vulnerability: fmt.Sprint("CVE-", random.IntN(1000)), At: noon.Add(time.Duration(random.IntN(1e6)) * time.Second)}
	for i := range random.IntN(3) {
		s.Aliases = append(s.Aliases, fmt.Sprint("GHSA-", i))
	}
	switch random.IntN(4) {
	case 0:
		s.Products = []vex.Product{subject.In("")}
	default:
		for i := range 1 + random.IntN(3) {
			s.Products = append(s.Products, subject.In(fmt.Sprintf("pkg:npm/%%40sea/rope-%d@1.0.0", i)))
		}
	}
	reasons := []vex.Justification{vex.ComponentNotPresent, vex.CodeNotPresent, vex.CodeNotExecuted, vex.CodeNotControlled, vex.MitigationsExist}
	switch s.Status = []vex.Status{vex.NotAffected, vex.Affected, vex.Fixed, vex.UnderInvestigation}[random.IntN(4)]; s.Status {
	case vex.NotAffected:
		if random.IntN(2) == 0 {
			s.Justification = reasons[random.IntN(len(reasons))]
		}
		s.Impact = text(s.Justification == "")
	case vex.Affected:
		if random.IntN(3) == 0 {
			s.Justification = vex.FixNotPlanned
		}
		s.Action = text(true)
	}
	s.Notes, s.Details = text(false), text(false)
	return s
}

// tellable is what a format can tell of a statement.
func tellable(format vex.Format, s vex.Statement) vex.Statement {
	if format != vex.FormatOpenVEX {
		return s
	}
	notes := []string{s.Notes, s.Details}
	if s.Justification != "" && s.Status == vex.NotAffected {
		notes, s.Impact = append(notes, s.Impact), ""
	} else {
		s.Justification = ""
	}
	s.Details, s.Notes = "", ""
	for _, text := range notes {
		if text != "" && s.Notes != "" {
			s.Notes += "\n"
		}
		s.Notes += text
	}
	return s
}
