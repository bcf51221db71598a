package authz_test

import (
	"errors"
	"strings"
	"testing"

	"plimsoll/authz"
)

func TestPasswordHash(t *testing.T) {
	t.Parallel()
	h := authz.NewHasher()
	hash, err := h.Hash(t.Context(), "load line")
	if err != nil {
		t.Fatal(err)
	}
	if !strings.HasPrefix(hash, "$argon2id$v=19$m=19456,t=2,p=1$") {
		t.Fatalf("hash %q is not the PHC form with the documented cost", hash)
	}
	again, err := h.Hash(t.Context(), "load line")
	if err != nil {
		t.Fatal(err)
	}
	if again == hash {
		t.Fatal("two hashes of a password are equal: the salt is not random")
	}
	for password, want := range map[string]bool{"load line": true, "load lines": false, "": false} {
		got, err := h.Verify(t.Context(), hash, password)
		if err != nil || got != want {
			t.Errorf("Verify(%q) = %v, %v; want %v", password, got, err, want)
		}
	}
	if ok, err := h.Verify(t.Context(), "", "load line"); ok || err != nil {
		t.Errorf("a missing hash gave %v, %v", ok, err)
	}
}

func TestVerifyRefusesUnusableHashes(t *testing.T) {
	t.Parallel()
	h := authz.NewHasher()
	salt, key := "c2FsdHNhbHRzYWx0", "a2V5a2V5a2V5a2V5a2V5a2V5"
	for name, hash := range map[string]string{
		"plain text":       "load line",
		"other algorithm":  "$argon2i$v=19$m=19456,t=2,p=1$" + salt + "$" + key,
		"other version":    "$argon2id$v=16$m=19456,t=2,p=1$" + salt + "$" + key,
		"too much memory":  "$argon2id$v=19$m=4194304,t=2,p=1$" + salt + "$" + key,
		"too many passes":  "$argon2id$v=19$m=19456,t=4000,p=1$" + salt + "$" + key,
		"no lanes":         "$argon2id$v=19$m=19456,t=2,p=0$" + salt + "$" + key,
		"missing cost":     "$argon2id$v=19$m=19456,t=2$" + salt + "$" + key,
		"salt not base64":  "$argon2id$v=19$m=19456,t=2,p=1$***$" + key,
		"empty key":        "$argon2id$v=19$m=19456,t=2,p=1$" + salt + "$",
		"number overflows": "$argon2id$v=19$m=99999999999,t=2,p=1$" + salt + "$" + key,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if ok, err := h.Verify(t.Context(), hash, "load line"); ok || !errors.Is(err, authz.ErrPasswordHash) {
				t.Fatalf("got %v, %v; want ErrPasswordHash", ok, err)
			}
		})
	}
}
