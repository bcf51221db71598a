package api

// The document is joined first; types, server and client come from it.
//go:generate go run ./openapi/bundle openapi openapi.yaml
//go:generate go tool -modfile=../internal/tools/go.mod oapi-codegen -config oas/config.yaml openapi.yaml
//go:generate go tool -modfile=../internal/tools/go.mod oapi-codegen -config client/config.yaml openapi.yaml
