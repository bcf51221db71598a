package api

import (
	"context"
	"net/http"
	"net/http/httptest"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/getkin/kin-openapi/openapi3"
	"github.com/getkin/kin-openapi/openapi3filter"
	"github.com/getkin/kin-openapi/routers"
	"github.com/go-chi/chi/v5"
)

// closedDocument is the document as it is served, changed so that no answer may hold keys that it does not describe.
var closedDocument = sync.OnceValues(func() (*openapi3.T, error) {
	embedded, err := loadDocument(context.Background())
	if err != nil {
		return nil, err
	}
	serve, err := documentHandler(embedded)
	if err != nil {
		return nil, err
	}
	served := httptest.NewRecorder()
	serve(served, nil)
	doc, err := openapi3.NewLoader().LoadFromData(served.Body.Bytes())
	if err != nil {
		return nil, err
	}
	seen := map[*openapi3.Schema]bool{}
	for _, schema := range doc.Components.Schemas {
		closeObjects(schema, seen)
	}
	for _, item := range doc.Paths.Map() {
		for _, operation := range item.Operations() {
			for _, response := range operation.Responses.Map() {
				for _, media := range response.Value.Content {
					closeObjects(media.Schema, seen)
				}
			}
		}
	}
	return doc, nil
})

func closeObjects(ref *openapi3.SchemaRef, seen map[*openapi3.Schema]bool) {
	if ref == nil || seen[ref.Value] {
		return
	}
	schema := ref.Value
	seen[schema] = true
	if len(schema.Properties) > 0 && schema.AdditionalProperties.Has == nil {
		schema.AdditionalProperties.Has = new(bool)
	}
	closeObjects(schema.Items, seen)
	for _, property := range schema.Properties {
		closeObjects(property, seen)
	}
	for _, part := range schema.AllOf {
		closeObjects(part, seen)
	}
}

// errorMedia is what the published Go client recognises as an error body.
var errorMedia = regexp.MustCompile(`(?i:(?:application|text)/(?:[^;]+\+)?json)`)

// conforms checks an answer of the server against the document and against the published shapes. It returns the operation
// that answered, as "METHOD /path"; empty for routes outside the document.
func conforms(t testing.TB, a *API, r *http.Request, got *httptest.ResponseRecorder) string {
	t.Helper()
	_, raw, err := canonical(r.URL.EscapedPath())
	if err != nil {
		return ""
	}
	pattern := a.router.Find(chi.NewRouteContext(), r.Method, raw)
	if _, described := a.operations[routeKey(r.Method, pattern)]; !described {
		return ""
	}
	path := strings.TrimPrefix(pattern, basePath)
	body := got.Body.String()
	fault := func(text string) {
		t.Helper()
		t.Errorf("%s %s answered with status %d: %s\nbody: %s", r.Method, r.URL, got.Code, text, body)
	}
	documented(t, r, path, got, fault)

	published, err := publishedShapes()
	must(t, err)
	want, known := published.operations[r.Method+" "+path]
	if !known {
		fault("testdata/shapes.txt does not have the operation")
		return ""
	}
	kind := want.kind
	switch {
	case got.Code >= http.StatusBadRequest:
		kind = "ApiErrorResponse"
		if !errorMedia.MatchString(got.Header().Get("Content-Type")) {
			fault("clients do not recognise the content type of the error")
		}
	case strconv.Itoa(got.Code) != want.status:
		fault("the status must be " + want.status)
	}
	for _, f := range published.faults(kind, body) {
		fault(f)
	}
	return r.Method + " " + path
}

// XML and archives are answered as text.
func init() {
	openapi3filter.RegisterBodyDecoder("application/xml", openapi3filter.FileBodyDecoder)
	openapi3filter.RegisterBodyDecoder("application/x-tar", openapi3filter.FileBodyDecoder)
}

// documented checks the answer against the document.
func documented(t testing.TB, r *http.Request, path string, got *httptest.ResponseRecorder, fault func(string)) {
	t.Helper()
	doc, err := closedDocument()
	must(t, err)
	input := &openapi3filter.ResponseValidationInput{
		RequestValidationInput: &openapi3filter.RequestValidationInput{
			Request: r, Route: &routers.Route{Spec: doc, Method: r.Method, Operation: doc.Paths.Find(path).GetOperation(r.Method)},
		},
		Status: got.Code, Header: got.Header(), Options: &openapi3filter.Options{IncludeResponseStatus: true, MultiError: true},
	}
	input.SetBodyBytes(got.Body.Bytes())
	if err := openapi3filter.ValidateResponse(r.Context(), input); err != nil {
		fault("the document promises something else: " + err.Error())
	}
}
