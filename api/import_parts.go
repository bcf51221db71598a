package api

import (
	"context"

	"plimsoll/api/oas"
	"plimsoll/engine/imported"
)

// The uploads of an import differ in nothing but the kind of document.

// AddImportPackages takes a document into an import.
func (h *handlers) AddImportPackages(ctx context.Context, req oas.AddImportPackagesRequestObject) (oas.AddImportPackagesResponseObject, error) {
	body, err := h.addImportContent(ctx, req.OperationId, imported.KindPackages)
	return oas.AddImportPackages200JSONResponse(body), err
}

// ListImportPackages lists digests of such documents.
func (h *handlers) ListImportPackages(ctx context.Context, req oas.ListImportPackagesRequestObject) (oas.ListImportPackagesResponseObject, error) {
	digests, err := h.importDigests(ctx, req.OperationId, imported.KindPackages)
	return oas.ListImportPackages200JSONResponse(digests), err
}

// AddImportImageConfig takes a document into an import.
func (h *handlers) AddImportImageConfig(ctx context.Context, req oas.AddImportImageConfigRequestObject) (oas.AddImportImageConfigResponseObject, error) {
	body, err := h.addImportContent(ctx, req.OperationId, imported.KindConfig)
	return oas.AddImportImageConfig200JSONResponse(body), err
}

// ListImportImageConfig lists digests of such documents.
func (h *handlers) ListImportImageConfig(ctx context.Context, req oas.ListImportImageConfigRequestObject) (oas.ListImportImageConfigResponseObject, error) {
	digests, err := h.importDigests(ctx, req.OperationId, imported.KindConfig)
	return oas.ListImportImageConfig200JSONResponse(digests), err
}

// AddImportManifest takes a document into an import.
func (h *handlers) AddImportManifest(ctx context.Context, req oas.AddImportManifestRequestObject) (oas.AddImportManifestResponseObject, error) {
	body, err := h.addImportContent(ctx, req.OperationId, imported.KindManifest)
	return oas.AddImportManifest200JSONResponse(body), err
}

// ListImportManifest lists digests of such documents.
func (h *handlers) ListImportManifest(ctx context.Context, req oas.ListImportManifestRequestObject) (oas.ListImportManifestResponseObject, error) {
	digests, err := h.importDigests(ctx, req.OperationId, imported.KindManifest)
	return oas.ListImportManifest200JSONResponse(digests), err
}

// AddImportParentManifest takes a document into an import.
func (h *handlers) AddImportParentManifest(ctx context.Context, req oas.AddImportParentManifestRequestObject) (oas.AddImportParentManifestResponseObject, error) {
	body, err := h.addImportContent(ctx, req.OperationId, imported.KindIndex)
	return oas.AddImportParentManifest200JSONResponse(body), err
}

// ListImportParentManifest lists digests of such documents.
func (h *handlers) ListImportParentManifest(ctx context.Context, req oas.ListImportParentManifestRequestObject) (oas.ListImportParentManifestResponseObject, error) {
	digests, err := h.importDigests(ctx, req.OperationId, imported.KindIndex)
	return oas.ListImportParentManifest200JSONResponse(digests), err
}

// AddImportDockerfile takes a document into an import.
func (h *handlers) AddImportDockerfile(ctx context.Context, req oas.AddImportDockerfileRequestObject) (oas.AddImportDockerfileResponseObject, error) {
	body, err := h.addImportContent(ctx, req.OperationId, imported.KindDockerfile)
	return oas.AddImportDockerfile200JSONResponse(body), err
}

// ListImportDockerfile lists digests of such documents.
func (h *handlers) ListImportDockerfile(ctx context.Context, req oas.ListImportDockerfileRequestObject) (oas.ListImportDockerfileResponseObject, error) {
	digests, err := h.importDigests(ctx, req.OperationId, imported.KindDockerfile)
	return oas.ListImportDockerfile200JSONResponse(digests), err
}

// AddImportSecretSearches takes a document into an import.
func (h *handlers) AddImportSecretSearches(ctx context.Context, req oas.AddImportSecretSearchesRequestObject) (oas.AddImportSecretSearchesResponseObject, error) {
	body, err := h.addImportContent(ctx, req.OperationId, imported.KindSecretSearches)
	return oas.AddImportSecretSearches200JSONResponse(body), err
}

// ListImportSecretSearches lists digests of such documents.
func (h *handlers) ListImportSecretSearches(ctx context.Context, req oas.ListImportSecretSearchesRequestObject) (oas.ListImportSecretSearchesResponseObject, error) {
	digests, err := h.importDigests(ctx, req.OperationId, imported.KindSecretSearches)
	return oas.ListImportSecretSearches200JSONResponse(digests), err
}

// AddImportContentSearches takes a document into an import.
func (h *handlers) AddImportContentSearches(ctx context.Context, req oas.AddImportContentSearchesRequestObject) (oas.AddImportContentSearchesResponseObject, error) {
	body, err := h.addImportContent(ctx, req.OperationId, imported.KindContentSearches)
	return oas.AddImportContentSearches200JSONResponse(body), err
}

// ListImportContentSearches lists digests of such documents.
func (h *handlers) ListImportContentSearches(ctx context.Context, req oas.ListImportContentSearchesRequestObject) (oas.ListImportContentSearchesResponseObject, error) {
	digests, err := h.importDigests(ctx, req.OperationId, imported.KindContentSearches)
	return oas.ListImportContentSearches200JSONResponse(digests), err
}

// AddImportFileContents takes a document into an import.
func (h *handlers) AddImportFileContents(ctx context.Context, req oas.AddImportFileContentsRequestObject) (oas.AddImportFileContentsResponseObject, error) {
	body, err := h.addImportContent(ctx, req.OperationId, imported.KindFileContents)
	return oas.AddImportFileContents200JSONResponse(body), err
}

// ListImportFileContents lists digests of such documents.
func (h *handlers) ListImportFileContents(ctx context.Context, req oas.ListImportFileContentsRequestObject) (oas.ListImportFileContentsResponseObject, error) {
	digests, err := h.importDigests(ctx, req.OperationId, imported.KindFileContents)
	return oas.ListImportFileContents200JSONResponse(digests), err
}
