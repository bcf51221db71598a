package blob_test

import (
	"bytes"
	"errors"
	"testing"

	"plimsoll/persistence/blob"
)

func TestAPackedDocumentComesBackAsItWas(t *testing.T) {
	t.Parallel()
	for _, document := range [][]byte{[]byte(`{}`), []byte(`{"a":"\u0000"}`), bytes.Repeat([]byte(`{"finding":"the same again"},`), 5000)} {
		packed, err := blob.Pack(document)
		if err != nil {
			t.Fatal(err)
		}
		if len(document) > 1000 && len(packed) > len(document)/10 {
			t.Errorf("%d bytes of %d left", len(packed), len(document))
		}
		for name, stored := range map[string][]byte{"packed": packed, "as it was stored before": document} {
			if got, err := blob.Unpack(stored); err != nil || !bytes.Equal(got, document) {
				t.Errorf("%s: %q, %v; want %q", name, got, err, document)
			}
		}
		if _, err := blob.Unpack(packed[:len(packed)-1]); !errors.Is(err, blob.ErrCorrupt) {
			t.Errorf("a cut document: %v", err)
		}
	}
}
