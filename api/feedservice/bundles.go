package feedservice

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"os"
	"time"

	"plimsoll/engine/feed/bundle"
	"plimsoll/persistence/feedbundle"
)

// listing reads what is published, or answers that nothing is.
func (s *service) listing(w http.ResponseWriter, r *http.Request) (bundle.Listing, []byte, bool) {
	listing, raw, err := feedbundle.ReadListing(s.bundles)
	if errors.Is(err, fs.ErrNotExist) {
		refuse(w, http.StatusNotFound, "No bundles are published yet; plimsoll feeds publish does.")
		return listing, nil, false
	}
	if err != nil {
		fail(w, r, err)
		return listing, nil, false
	}
	return listing, raw, true
}

func (s *service) listBundles(w http.ResponseWriter, r *http.Request) {
	listing, raw, ok := s.listing(w, r)
	if !ok {
		return
	}
	sum := sha256.Sum256(raw)
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Cache-Control", "no-cache")
	w.Header().Set("ETag", `"`+hex.EncodeToString(sum[:])+`"`)
	http.ServeContent(w, r, "", listing.Newest().BuiltAt, bytes.NewReader(raw))
}

// sendBundle sends a file that the listing names, and no other.
func (s *service) sendBundle(w http.ResponseWriter, r *http.Request) {
	listing, _, ok := s.listing(w, r)
	if !ok {
		return
	}
	entry, ok := listing.Find(name(r, "file"))
	if !ok {
		refuse(w, http.StatusNotFound, "There is no such bundle, or not any more; GET /v1/bundles lists them.")
		return
	}
	f, err := s.openBundle(entry)
	if err != nil {
		fail(w, r, err)
		return
	}
	defer f.Close()
	w.Header().Set("Content-Type", "application/x-tar")
	w.Header().Set("ETag", `"`+entry.SHA256+`"`)
	http.ServeContent(w, r, "", entry.BuiltAt, &paced{f, http.NewResponseController(w)})
}

// openBundle opens the file of an entry, which is inside the folder even where somebody left a link.
func (s *service) openBundle(e bundle.Entry) (*os.File, error) {
	folder, err := os.OpenRoot(s.bundles)
	if err != nil {
		return nil, fmt.Errorf("open folder of bundles: %w", err)
	}
	defer folder.Close()
	f, err := folder.Open(e.Path)
	if err != nil {
		return nil, fmt.Errorf("open bundle: %w", err)
	}
	info, err := f.Stat()
	if err == nil && (!info.Mode().IsRegular() || info.Size() != e.Size) {
		err = fmt.Errorf("%w: %s is not the file of %d bytes that is listed", bundle.ErrListing, e.Path, e.Size)
	}
	if err != nil {
		return nil, errors.Join(err, f.Close())
	}
	return f, nil
}

// paced gives a reader that goes on reading the time it needs: a bundle is large, a deadline for all of it would be a guess.
type paced struct {
	io.ReadSeeker
	control *http.ResponseController
}

func (p *paced) Read(b []byte) (int, error) {
	// A listener without deadlines needs none.
	_ = p.control.SetWriteDeadline(time.Now().Add(stall))
	return p.ReadSeeker.Read(b)
}
