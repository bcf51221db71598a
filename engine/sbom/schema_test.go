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
