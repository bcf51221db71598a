// Package api serves the REST API: the v2 interface that existing clients of Anchore Enterprise speak, the document that
// describes it, a console to browse it, and the probes of an orchestrator.
//
// The document comes first (openapi/, joined into openapi.yaml): types, routing and decoding are generated from it into oas,
// the Go client into client. A request passes these steps in this order: request id, access log, panic guard, limits, one
// spelling for the path, routing, authentication, authorisation by the operation's x-authz, normalisation, validation against
// the document, decoding, handler. Nothing of a request is interpreted before its sender may make it.
//
// Invariants:
//   - a handler makes one use of one store, or starts one workflow; it holds no rules of its own beyond the shape of the API;
//   - every row is asked for with the effective account, besides the decision made before: what belongs to others is a 404;
//   - failures are ProblemErrors of the catalogue in problem.go; an error that nobody classified leaves as INTERNAL_ERROR without
//     its text, and is logged under the request id;
//   - secrets are taken and never given back.
package api
