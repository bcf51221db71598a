// Package oas holds what is generated from the OpenAPI document for the server: types, routing and the strict server
// interface that package api implements. Nothing here is written by hand; change the document and run `make generate`.
package oas
