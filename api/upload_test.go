package api

import (
	"bytes"
	"errors"
	"io"
	"net/http"
	"testing"
	"testing/iotest"
)

func TestUploadsTogetherTakeSoMuchMemory(t *testing.T) {
	t.Parallel()
	u := newUploadRoom(4 * uploadStep)
	large := bytes.Repeat([]byte("x"), 2*uploadStep)
	first, release, err := u.read(bytes.NewReader(large))
	if err != nil || !bytes.Equal(first, large) {
		t.Fatalf("%d bytes, %v", len(first), err)
	}
	if _, _, err := u.read(bytes.NewReader(large)); !errors.Is(err, errUploadsFull) {
		t.Errorf("beyond the memory: %v", err)
	}
	if _, _, err := u.read(io.MultiReader(bytes.NewReader([]byte("x")), iotest.ErrReader(io.ErrUnexpectedEOF))); !errors.Is(err, io.ErrUnexpectedEOF) {
		t.Errorf("a broken upload: %v", err)
	}
	small, done, err := u.read(bytes.NewReader([]byte("small")))
	if err != nil || string(small) != "small" {
		t.Fatalf("what there is room for: %q, %v", small, err)
	}
	done()
	release()
	if _, again, err := u.read(bytes.NewReader(large)); err != nil {
		t.Errorf("after the others are done with: %v", err)
	} else {
		again()
	}
}

// What an upload took is free again once it is answered, however it ended.
func TestUploadsGiveTheirMemoryBack(t *testing.T) {
	t.Parallel()
	s := newServer(t)
	at := "/v2/imports/images/" + s.openImport()
	for range uploadMemory / uploadStep / 2 {
		s.admin(http.MethodPost, at+"/manifest", "no JSON", header("Content-Type", "application/json")).fails(http.StatusBadRequest, codeImportInvalid)
		s.admin(http.MethodPost, at+"/packages", "{}", header("Content-Type", "application/json")).wants(http.StatusOK)
	}
	s.admin(http.MethodPost, at+"/packages", "{}", header("Content-Type", "application/json")).wants(http.StatusOK)
}
