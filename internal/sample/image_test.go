package sample

import (
	"testing"

	"github.com/google/go-containerregistry/pkg/v1/validate"
)

func TestImageIsValidAndRepeats(t *testing.T) {
	t.Parallel()
	first, err := Image(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if err := validate.Image(first); err != nil {
		t.Fatalf("the sample image is not valid: %v", err)
	}
	second, err := Image(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	a, _ := first.Digest()
	b, _ := second.Digest()
	if a != b {
		t.Errorf("two builds differ: %s, %s", a, b)
	}
}

func TestMirrorHoldsEveryEcosystem(t *testing.T) {
	t.Parallel()
	records, err := Advisories()
	if err != nil {
		t.Fatal(err)
	}
	for _, ecosystem := range []string{"Debian", "npm", "PyPI", "Maven", "Go"} {
		if len(records[ecosystem]) == 0 {
			t.Errorf("no advisory for %s", ecosystem)
		}
	}
	if err := WriteMirror(t.TempDir(), records); err != nil {
		t.Fatal(err)
	}
}
