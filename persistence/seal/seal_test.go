package seal_test

import (
	"bytes"
	"errors"
	"testing"

	"plimsoll/persistence/seal"
)

func TestOpenReturnsWhatWasSealedForThePlace(t *testing.T) {
	t.Parallel()
	oldKey, newKey := seal.GenerateKey(), seal.GenerateKey()
	before, err := seal.New(oldKey)
	if err != nil {
		t.Fatal(err)
	}
	after, err := seal.New(newKey, oldKey)
	if err != nil {
		t.Fatal(err)
	}
	sealed := before.Seal([]byte("secret"), "ab", "c")
	if plain, err := after.Open(sealed, "ab", "c"); err != nil || !bytes.Equal(plain, []byte("secret")) {
		t.Errorf("Open: %q, %v", plain, err)
	}
	if after.Current(sealed) || !before.Current(sealed) {
		t.Error("Current does not tell the keys apart")
	}
	if bytes.Equal(sealed, before.Seal([]byte("secret"), "ab", "c")) {
		t.Error("sealing twice gives the same bytes")
	}
	if _, err := after.Open(sealed, "a", "bc"); !errors.Is(err, seal.ErrTampered) {
		t.Errorf("another place: %v, want ErrTampered", err)
	}
	for i := range sealed {
		damaged := bytes.Clone(sealed)
		damaged[i] ^= 1
		if _, err := after.Open(damaged, "ab", "c"); err == nil {
			t.Errorf("opens with byte %d flipped", i)
		}
		if _, err := after.Open(sealed[:i], "ab", "c"); err == nil {
			t.Errorf("opens when cut to %d bytes", i)
		}
	}
}

func TestNewRefusesWeakKeys(t *testing.T) {
	t.Parallel()
	for _, key := range []string{"", "short", "AAAA", seal.GenerateKey() + "AAAA"} {
		if _, err := seal.New(key); !errors.Is(err, seal.ErrKey) {
			t.Errorf("New with %d characters: %v, want ErrKey", len(key), err)
		}
	}
}
