package sbom

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/santhosh-tekuri/jsonschema/v6"

	"plimsoll/engine/image"
)

// CycloneDX documents are valid by the official schema, which the library for CycloneDX carries for its own tests.
func TestCycloneDXIsValid(t *testing.T) {
	t.Parallel()
	out, err := exec.CommandContext(t.Context(), "go", "list", "-m", "-f", "{{.Dir}}", "github.com/CycloneDX/cyclonedx-go").Output()
	if err != nil {
		t.Fatal(err)
	}
	folder := filepath.Join(strings.TrimSpace(string(out)), "schema")
	const site = "http://cyclonedx.org/schema/"
	c := jsonschema.NewCompiler()
	for name, file := range map[string]string{
		"bom-1.6.schema.json": "bom-1.6.schema.json", "spdx.schema.json": "spdx.schema.json", "jsf-0.82.schema.json": "jsf-0.82.schemax.json",
	} {
		f, err := os.Open(filepath.Join(folder, file))
		if err != nil {
			t.Fatal(err)
		}
		doc, err := jsonschema.UnmarshalJSON(f)
		_ = f.Close()
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
	check := func(document []byte) error {
		value, err := jsonschema.UnmarshalJSON(bytes.NewReader(document))
		if err != nil {
			t.Fatal(err)
		}
		return schema.Validate(value)
	}
	for _, img := range []*image.Image{several(), rpms(), apks(), {}} {
		if err := check(render(t, "cyclonedx.json", subject(), img)); err != nil {
			t.Error(err)
		}
	}
	broken := bytes.Replace(render(t, "cyclonedx.json", subject(), content()), []byte(`"type": "library"`), []byte(`"type": "boat"`), 1)
	if check(broken) == nil {
		t.Error("anything is valid")
	}
}

// SPDX documents are valid by the schema of the specification (SPDX 2.3, schemas/spdx-schema.json).
func TestSPDXIsValid(t *testing.T) {
	t.Parallel()
	schema, err := jsonschema.NewCompiler().Compile("testdata/spdx-schema-2.3.json")
	if err != nil {
		t.Fatal(err)
	}
	check := func(document []byte) error {
		value, err := jsonschema.UnmarshalJSON(bytes.NewReader(document))
		if err != nil {
			t.Fatal(err)
		}
		return schema.Validate(value)
	}
	for name, img := range map[string]*image.Image{"several": several(), "rpms": rpms(), "apks": apks(), "all": content(), "nothing": {}} {
		if err := check(render(t, "spdx.json", subject(), img)); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
	document := render(t, "spdx.json", subject(), content())
	for _, change := range [][2]string{
		{`"referenceCategory": "PACKAGE-MANAGER"`, `"referenceCategory": "BOAT"`}, {`"spdxVersion"`, `"spdxversion"`}, {`"relationshipType": "DESCRIBES"`, `"relationshipType": "SAILS"`},
	} {
		broken := bytes.Replace(document, []byte(change[0]), []byte(change[1]), 1)
		if bytes.Equal(broken, document) {
			t.Errorf("the document has no %s", change[0])
		} else if check(broken) == nil {
			t.Errorf("%s is valid", change[1])
		}
	}
}
