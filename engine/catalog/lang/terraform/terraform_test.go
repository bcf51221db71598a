package terraform

import (
	"bytes"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"plimsoll/engine/catalog"
)

func file(content string) *catalog.File {
	return &catalog.File{
		Entry:   catalog.Entry{Path: "/infra/.terraform.lock.hcl", Type: catalog.Regular, Size: int64(len(content))},
		Content: strings.NewReader(content),
	}
}

const lock = `# This file is maintained automatically by "terraform init".
# Manual edits may be lost in future updates.

provider "registry.terraform.io/hashicorp/aws" {
  version     = "4.67.0"
  constraints = "~> 4.0"
  hashes = [
    "h1:dCRc4GqsyfqHEMjgtlM1EympBcgTmcTkWaJmtd91+KA=",
    "zh:0843017ecc24385f2b45f2c5fce79dc25b258e50d516877b3affee3bef34f060",
  ]
}

provider "registry.opentofu.org/integrations/github" {
  version = "6.2.3"
}
`

func TestLock(t *testing.T) {
	t.Parallel()
	got, err := analyze(t.Context(), file(lock))
	if err != nil {
		t.Fatal(err)
	}
	declared := func(more map[string]string) map[string]string {
		more[catalog.MetadataEvidence] = catalog.EvidenceDeclared
		return more
	}
	want := []catalog.Package{
		{
			Type: "terraform", Name: "registry.opentofu.org/integrations/github", Version: "6.2.3",
			PURL: "pkg:terraform/integrations/github@6.2.3", Location: "/infra/.terraform.lock.hcl",
			MetadataType: "TerraformLockMetadata", Metadata: declared(map[string]string{}),
		},
		{
			Type: "terraform", Name: "registry.terraform.io/hashicorp/aws", Version: "4.67.0",
			PURL: "pkg:terraform/hashicorp/aws@4.67.0", Location: "/infra/.terraform.lock.hcl",
			MetadataType: "TerraformLockMetadata", Metadata: declared(map[string]string{"constraints": "~> 4.0"}),
		},
	}
	if diff := cmp.Diff(want, got.Packages); diff != "" {
		t.Error(diff)
	}
}

func TestAProviderWithoutVersionIsAFault(t *testing.T) {
	t.Parallel()
	got, err := analyze(t.Context(), file("provider \"a/b/c\" {\n}\n"))
	if err == nil || len(got.Packages) > 0 {
		t.Errorf("got %v, %v", got.Packages, err)
	}
}

func FuzzLock(f *testing.F) {
	f.Add([]byte(lock))
	f.Add([]byte("provider \"a/b/c\" {\n  version = \"1\"\n"))
	f.Fuzz(func(t *testing.T, content []byte) {
		in := file("")
		in.Size, in.Content = int64(len(content)), bytes.NewReader(content)
		got, _ := analyze(t.Context(), in)
		for i := range got.Packages {
			if err := got.Packages[i].Check(); err != nil {
				t.Error(err)
			}
		}
	})
}
