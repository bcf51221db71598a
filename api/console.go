package api

import (
	"bytes"
	"embed"
	"net/http"
	"time"

	"github.com/go-chi/chi/v5"
)

//go:embed console/index.html console/console.js console/console.css
var consoleAssets embed.FS

// consolePolicy lets the page load its own files and call this API, and nothing else.
const consolePolicy = "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"

// console serves the page that lists the operations of the document and lets a person try those that only read.
func console(w http.ResponseWriter, r *http.Request) {
	name := chi.URLParam(r, "asset")
	if name == "" {
		name = "index.html"
	}
	data, err := consoleAssets.ReadFile("console/" + name)
	if err != nil {
		notFound(w, r)
		return
	}
	w.Header().Set("Content-Security-Policy", consolePolicy)
	w.Header().Set("Referrer-Policy", "no-referrer")
	http.ServeContent(w, r, name, time.Time{}, bytes.NewReader(data))
}
