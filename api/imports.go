package api

import (
	"bytes"
	"cmp"
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"
	"unicode/utf8"

	"plimsoll/api/oas"
	"plimsoll/engine/imported"
	"plimsoll/persistence"
)

// Imports keeps what clients upload about images.
type Imports interface {
	Open(ctx context.Context, account string, lifetime time.Duration) (persistence.ImportOperation, error)
	Get(ctx context.Context, account, id string) (persistence.ImportOperation, error)
	List(ctx context.Context, account string) ([]persistence.ImportOperation, error)
	Cancel(ctx context.Context, account, id string) (persistence.ImportOperation, error)
	Add(ctx context.Context, account, id string, documents ...persistence.NewImportContent) ([]persistence.ImportContent, error)
	Contents(ctx context.Context, account, id string) ([]persistence.ImportContent, error)
}

// uploadTimeout is how long an upload may take: the largest document over a slow line.
const uploadTimeout = 10 * time.Minute

type uploadKey struct{}

// takeUpload keeps the exact bytes of an uploaded document for the handler, as its digest covers them, and spares
// everything behind it the decoding.
func takeUpload(operations map[string]operation, memory *uploadRoom) func(http.Handler) http.Handler {
	return func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if !operations[currentRoute(r)].raw {
				next.ServeHTTP(w, r)
				return
			}
			data, release, err := memory.read(r.Body)
			if err != nil {
				writeError(w, r, uploadProblem(r.Context(), err))
				return
			}
			defer release()
			r = r.WithContext(context.WithValue(r.Context(), uploadKey{}, data))
			const stand = "{}"
			r.Body, r.ContentLength = io.NopCloser(bytes.NewReader([]byte(stand))), int64(len(stand))
			r.Header.Set("Content-Type", "application/json")
			next.ServeHTTP(w, r)
		})
	}
}

func uploadProblem(ctx context.Context, err error) error {
	var tooLarge *http.MaxBytesError
	switch {
	case errors.As(err, &tooLarge):
		return fail(codeTooLarge, fmt.Sprintf("The document is larger than the %d bytes the server accepts (api.max_import_content_bytes).", tooLarge.Limit))
	case ctx.Err() != nil:
		return ctx.Err()
	case errors.Is(err, errUploadsFull):
		return fail(codeUnavailable, "The server takes in as many documents as it has memory for; send this one again later.").because(err)
	}
	return fail(codeInvalidRequest, "The body ended before its time.").because(err)
}

// importProblem classifies what the store says about an operation.
func importProblem(id string, err error) error {
	switch {
	case errors.Is(err, persistence.ErrNotFound):
		return fail(codeImportNotFound, fmt.Sprintf("Import operation %s not found in the account", id))
	case errors.Is(err, persistence.ErrState):
		return fail(codeConflict, fmt.Sprintf("Import operation %s is finished, being worked on, or has expired; GET shows its status.", id)).because(err)
	case errors.Is(err, persistence.ErrTooMany):
		return fail(codeLimitExceeded, fmt.Sprintf("%v.", err)).because(err)
	case errors.Is(err, persistence.ErrNotUploaded):
		return fail(codeImportInvalid, fmt.Sprintf("source.import.contents names a document that was not uploaded as that part of operation %s.", id)).because(err)
	}
	return err
}

// documentProblem classifies what is wrong with uploaded documents.
func documentProblem(err error) error {
	switch {
	case errors.Is(err, imported.ErrUnsupported):
		return fail(codeImageUnsupported, fmt.Sprintf("%v.", err)).because(err)
	case errors.Is(err, imported.ErrLimit):
		return fail(codeLimitExceeded, fmt.Sprintf("%v.", err)).because(err)
	case errors.Is(err, imported.ErrInvalid):
		return fail(codeImportInvalid, fmt.Sprintf("%v.", err)).because(err)
	}
	return err
}

func importBody(op persistence.ImportOperation) oas.ImageImportOperation {
	return oas.ImageImportOperation{Uuid: op.ID, Status: op.Status, ExpiresAt: utc(op.ExpiresAt), CreatedAt: utc(op.CreatedAt)}
}

// OpenImageImport opens an operation.
func (h *handlers) OpenImageImport(ctx context.Context, _ oas.OpenImageImportRequestObject) (oas.OpenImageImportResponseObject, error) {
	op, err := h.deps.Imports.Open(ctx, callerOf(ctx).Account, h.config.ImportLifetime)
	if err != nil {
		return nil, importProblem("", err)
	}
	return oas.OpenImageImport200JSONResponse(importBody(op)), nil
}

// ListImageImports lists operations that are not over.
func (h *handlers) ListImageImports(ctx context.Context, _ oas.ListImageImportsRequestObject) (oas.ListImageImportsResponseObject, error) {
	all, err := h.deps.Imports.List(ctx, callerOf(ctx).Account)
	if err != nil {
		return nil, err
	}
	return oas.ListImageImports200JSONResponse(each(all, importBody)), nil
}

// GetImageImport shows an operation.
func (h *handlers) GetImageImport(ctx context.Context, req oas.GetImageImportRequestObject) (oas.GetImageImportResponseObject, error) {
	op, err := h.deps.Imports.Get(ctx, callerOf(ctx).Account, req.OperationId)
	if err != nil {
		return nil, importProblem(req.OperationId, err)
	}
	return oas.GetImageImport200JSONResponse(importBody(op)), nil
}

// CancelImageImport removes an operation with its documents.
func (h *handlers) CancelImageImport(ctx context.Context, req oas.CancelImageImportRequestObject) (oas.CancelImageImportResponseObject, error) {
	op, err := h.deps.Imports.Cancel(ctx, callerOf(ctx).Account, req.OperationId)
	if err != nil {
		return nil, importProblem(req.OperationId, err)
	}
	return oas.CancelImageImport200JSONResponse(importBody(op)), nil
}

// AddImportSbom takes one document for all that an import needs.
func (h *handlers) AddImportSbom(ctx context.Context, req oas.AddImportSbomRequestObject) (oas.AddImportSbomResponseObject, error) {
	document := uploaded(ctx)
	manifest, config, err := imported.Embedded(document)
	if err != nil {
		return nil, documentProblem(err)
	}
	if err := cmp.Or(checkPart(imported.KindManifest, manifest), checkPart(imported.KindConfig, config)); err != nil {
		return nil, err
	}
	image := imported.DigestOf(manifest)
	if _, err := imported.Describe(image, manifest, config); err != nil {
		return nil, documentProblem(err)
	}
	added, err := h.deps.Imports.Add(ctx, callerOf(ctx).Account, req.OperationId,
		persistence.NewImportContent{Kind: imported.KindPackages, Data: document},
		persistence.NewImportContent{Kind: imported.KindConfig, Data: config},
		persistence.NewImportContent{Kind: imported.KindManifest, Data: manifest})
	if err != nil {
		return nil, importProblem(req.OperationId, err)
	}
	return oas.AddImportSbom200JSONResponse{
		Digest: added[0].Digest, CreatedAt: utc(added[0].CreatedAt), ImageDigest: &image,
		Contents: &oas.ImportContentDigests{Packages: added[0].Digest, ImageConfig: added[1].Digest, Manifest: added[2].Digest},
	}, nil
}

// uploaded is the document the request brought.
func uploaded(ctx context.Context) []byte {
	data, _ := ctx.Value(uploadKey{}).([]byte)
	return data
}

func (h *handlers) addImportContent(ctx context.Context, id, kind string) (oas.ImageImportContentResponse, error) {
	document := uploaded(ctx)
	if err := checkUpload(kind, document); err != nil {
		return oas.ImageImportContentResponse{}, err
	}
	added, err := h.deps.Imports.Add(ctx, callerOf(ctx).Account, id, persistence.NewImportContent{Kind: kind, Data: document})
	if err != nil {
		return oas.ImageImportContentResponse{}, importProblem(id, err)
	}
	return oas.ImageImportContentResponse{Digest: added[0].Digest, CreatedAt: utc(added[0].CreatedAt)}, nil
}

// checkUpload refuses at once what can never be read; the rest is checked when all parts are there.
func checkUpload(kind string, document []byte) error {
	if err := checkPart(kind, document); err != nil {
		return err
	}
	switch {
	case kind == imported.KindDockerfile:
		_, err := dockerfileText(document)
		return err
	case !json.Valid(document):
		return fail(codeImportInvalid, "The document is not JSON.")
	}
	return nil
}

// partLimits are the bytes of the documents that are decoded as a whole, as registries' are bounded: three bytes of an
// empty list member become dozens.
var partLimits = map[string]int{imported.KindManifest: 4 << 20, imported.KindIndex: 4 << 20, imported.KindConfig: 8 << 20}

func checkPart(kind string, document []byte) error {
	if most, bounded := partLimits[kind]; bounded && len(document) > most {
		return fail(codeTooLarge, fmt.Sprintf("The %s has %d bytes; at most %d are taken.", strings.ReplaceAll(kind, "_", " "), len(document), most))
	}
	return nil
}

// dockerfileText takes the two forms clients send: the text itself and a JSON string.
func dockerfileText(document []byte) (string, error) {
	text := string(document)
	if bytes.HasPrefix(document, []byte(`"`)) {
		var quoted string
		if json.Unmarshal(document, &quoted) == nil {
			text = quoted
		}
	}
	if len(text) > maxDockerfile || !utf8.ValidString(text) || !storable(text) {
		return "", fail(codeImportInvalid, fmt.Sprintf("The Dockerfile must be text of at most %d bytes.", maxDockerfile))
	}
	return text, checkDockerfile(base64.StdEncoding.EncodeToString([]byte(text)))
}

// maxDockerfile is what the record of a pulled image takes, too, in bytes before base64.
const maxDockerfile = 768 << 10

func (h *handlers) importDigests(ctx context.Context, id, kind string) ([]string, error) {
	all, err := h.deps.Imports.Contents(ctx, callerOf(ctx).Account, id)
	if err != nil {
		return nil, importProblem(id, err)
	}
	digests := []string{}
	for _, c := range all {
		if c.Kind == kind {
			digests = append(digests, c.Digest)
		}
	}
	return digests, nil
}

// replaced answers who brings the archive of an analysis made by the tools of the time before v2.
func replaced(w http.ResponseWriter, r *http.Request) {
	writeRouteProblem(w, r, http.StatusGone,
		"Archives of inline analyses are not taken. Open an import with POST /v2/imports/images, or run `plimsollctl image add TAG --from SOURCE`.")
}
