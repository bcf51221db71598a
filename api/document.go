package api

import (
	"context"
	_ "embed"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"

	"github.com/getkin/kin-openapi/openapi3"
)

//go:embed openapi.yaml
var openAPIDocument []byte

// basePath is where the document's paths are mounted.
const basePath = "/v2"

// loadDocument parses and checks the embedded document.
func loadDocument(ctx context.Context) (*openapi3.T, error) {
	doc, err := openapi3.NewLoader().LoadFromData(openAPIDocument)
	if err != nil {
		return nil, fmt.Errorf("load OpenAPI document: %w", err)
	}
	if err := doc.Validate(ctx); err != nil {
		return nil, fmt.Errorf("check OpenAPI document: %w", err)
	}
	return doc, nil
}

// The domains in which an operation's action is checked.
const (
	domainNone        = "none"         // no credentials needed
	domainSelf        = "self"         // any authenticated user
	domainAccount     = "account"      // the effective account
	domainPathAccount = "path-account" // the account named in the path
	domainSystem      = "system"
	domainRequest     = "request" // named by query or body: the handler asks
)

// noAction is how the document says that an operation needs no permission.
const noAction = "None"

// access is an operation's x-authz: what a caller needs.
type access struct {
	Action string `json:"action"`
	Domain string `json:"domain"`
	// Target is the path parameter that names what is acted on; empty for all.
	Target string `json:"target"`
}

// operation is what the shell needs to know of a route of the document.
type operation struct {
	access   access
	raw      bool            // the handler takes the body byte for byte
	stream   bool            // only the handler reads the body, as it arrives
	bodies   []string        // accepted media types of the body; nil when there is none
	booleans map[string]bool // query parameters of type boolean
	lists    map[string]bool // query parameters written as one comma-separated value
}

// readOperations returns the operations of the document by "METHOD /v2/path".
func readOperations(doc *openapi3.T) (map[string]operation, error) {
	operations := map[string]operation{}
	for path, item := range doc.Paths.Map() {
		for method, op := range item.Operations() {
			key := routeKey(method, basePath+path)
			o, err := readOperation(item, op)
			if err != nil {
				return nil, fmt.Errorf("operation %s: %w", key, err)
			}
			operations[key] = o
		}
	}
	return operations, nil
}

// routeKey leaves a trailing slash off, as the router does when it reports the pattern of a route.
func routeKey(method, pattern string) string { return method + " " + strings.TrimRight(pattern, "/") }

func readOperation(item *openapi3.PathItem, op *openapi3.Operation) (operation, error) {
	o := operation{booleans: map[string]bool{}, lists: map[string]bool{}}
	raw, ok := op.Extensions["x-authz"]
	if !ok {
		return o, errors.New("x-authz is missing")
	}
	data, err := json.Marshal(raw)
	if err != nil {
		return o, fmt.Errorf("read x-authz: %w", err)
	}
	if err := json.Unmarshal(data, &o.access); err != nil {
		return o, fmt.Errorf("read x-authz: %w", err)
	}
	if err := o.access.check(); err != nil {
		return o, err
	}
	for _, ref := range slices.Concat(item.Parameters, op.Parameters) {
		p := ref.Value
		if p.In != openapi3.ParameterInQuery || p.Schema == nil {
			continue
		}
		o.booleans[p.Name] = p.Schema.Value.Type.Is("boolean")
		o.lists[p.Name] = p.Schema.Value.Type.Is("array") && p.Explode != nil && !*p.Explode
	}
	o.stream, _ = op.Extensions["x-stream-body"].(bool)
	o.raw, _ = op.Extensions["x-raw-body"].(bool)
	if op.RequestBody != nil {
		for mediaType := range op.RequestBody.Value.Content {
			o.bodies = append(o.bodies, mediaType)
		}
	}
	return o, nil
}

func (a access) check() error {
	free := a.Domain == domainNone || a.Domain == domainSelf
	bound := slices.Contains([]string{domainAccount, domainPathAccount, domainSystem, domainRequest}, a.Domain)
	switch {
	case !free && !bound:
		return fmt.Errorf("x-authz names the unknown domain %q", a.Domain)
	case free != (a.Action == noAction):
		return fmt.Errorf("x-authz combines action %q with domain %q", a.Action, a.Domain)
	}
	return nil
}

// documentHandler serves the document as JSON.
func documentHandler(doc *openapi3.T) (http.HandlerFunc, error) {
	data, err := doc.MarshalJSON()
	if err != nil {
		return nil, fmt.Errorf("write OpenAPI document as JSON: %w", err)
	}
	return func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		_, _ = w.Write(data) // a client that left needs no answer
	}, nil
}
