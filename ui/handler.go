// Package ui serves the pages that people open in a browser.
//
// It is one handler over embedded files: nothing is loaded from elsewhere, no
// script runs, and the content security policy says so. Assets carry a hash of
// their content in their name and may be cached forever; the page itself never.
package ui

import (
	"bytes"
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"errors"
	"fmt"
	"html/template"
	"mime"
	"net/http"
	"net/url"
	"path"
	"strings"
)

//go:embed assets
var assets embed.FS

// contentPolicy permits this origin's style sheet and images, nothing else.
const contentPolicy = "default-src 'none'; style-src 'self'; img-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"

// hashDigits is how much of an asset's SHA-256 its name carries.
const hashDigits = 16

// Config is what the page shows. An empty address hides its card.
type Config struct {
	APIURL      string
	TemporalURL string
	Version     string
}

// page is a rendered file with its headers.
type page struct {
	body      []byte
	mediaType string
	caching   string
}

// New renders the page once and returns its handler. It fails on an address
// that is not an http or https URL.
func New(cfg Config) (http.Handler, error) {
	if err := errors.Join(checkURL("API", cfg.APIURL), checkURL("Temporal", cfg.TemporalURL)); err != nil {
		return nil, err
	}
	pages := map[string]page{}
	style, err := addAsset(pages, "style.css")
	if err != nil {
		return nil, err
	}
	mark, err := addAsset(pages, "mark.svg")
	if err != nil {
		return nil, err
	}
	index, err := template.ParseFS(assets, "assets/index.html")
	if err != nil {
		return nil, fmt.Errorf("parse page: %w", err)
	}
	var body bytes.Buffer
	err = index.Execute(&body, struct {
		Config
		Style, Mark string
	}{cfg, style, mark})
	if err != nil {
		return nil, fmt.Errorf("render page: %w", err)
	}
	pages["/"] = page{body: body.Bytes(), mediaType: "text/html; charset=utf-8", caching: "no-store"}
	return handler(pages), nil
}

func checkURL(what, address string) error {
	if address == "" {
		return nil
	}
	u, err := url.Parse(address)
	if err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "" || u.User != nil {
		return fmt.Errorf("%s address of the page: want an http or https URL without credentials", what)
	}
	return nil
}

// addAsset registers the file under a name with its hash and returns the path.
func addAsset(pages map[string]page, name string) (string, error) {
	body, err := assets.ReadFile("assets/" + name)
	if err != nil {
		return "", fmt.Errorf("load asset: %w", err)
	}
	sum := sha256.Sum256(body)
	extension := path.Ext(name)
	at := "/assets/" + strings.TrimSuffix(name, extension) + "." + hex.EncodeToString(sum[:])[:hashDigits] + extension
	pages[at] = page{body: body, mediaType: mime.TypeByExtension(extension), caching: "public, max-age=31536000, immutable"}
	return at, nil
}

func handler(pages map[string]page) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		header := w.Header()
		header.Set("Content-Security-Policy", contentPolicy)
		header.Set("X-Content-Type-Options", "nosniff")
		header.Set("Referrer-Policy", "no-referrer")
		header.Set("Cross-Origin-Opener-Policy", "same-origin")
		if r.Method != http.MethodGet && r.Method != http.MethodHead {
			header.Set("Allow", "GET, HEAD")
			http.Error(w, "method not allowed", http.StatusMethodNotAllowed)
			return
		}
		found, ok := pages[r.URL.Path]
		if !ok {
			http.NotFound(w, r)
			return
		}
		header.Set("Content-Type", found.mediaType)
		header.Set("Cache-Control", found.caching)
		if r.Method == http.MethodGet {
			// A client that went away is the only fault here, and nobody is
			// left to tell.
			_, _ = w.Write(found.body)
		}
	})
}
