package api

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"

	"go.uber.org/zap"

	"plimsoll/authz"
	"plimsoll/internal/log"
)

// Stable names of failures; a client may branch on them. failures gives status and meaning of each.
const (
	codeInvalidRequest      = "INVALID_REQUEST"
	codeInvalidReference    = "INVALID_REFERENCE"
	codePolicyInvalid       = "POLICY_INVALID"
	codeAccountStateInvalid = "ACCOUNT_STATE_INVALID"
	codeProtected           = "PROTECTED_OBJECT"
	codeUnauthenticated     = "UNAUTHENTICATED"
	codePermissionDenied    = "PERMISSION_DENIED"
	codeAccountDisabled     = "ACCOUNT_DISABLED"
	codeAccountNotFound     = "ACCOUNT_NOT_FOUND"
	codeUserNotFound        = "USER_NOT_FOUND"
	codeRoleNotFound        = "ROLE_NOT_FOUND"
	codeMemberNotFound      = "ROLE_MEMBER_NOT_FOUND"
	codeServiceNotFound     = "SERVICE_NOT_FOUND"
	codeImageNotFound       = "IMAGE_NOT_FOUND"
	codeImageNotAnalyzed    = "IMAGE_NOT_ANALYZED"
	codeContentNotFound     = "CONTENT_NOT_FOUND"
	codePolicyNotFound      = "POLICY_NOT_FOUND"
	codeRegistryNotFound    = "REGISTRY_NOT_FOUND"
	codeImportNotFound      = "IMPORT_NOT_FOUND"
	codeImportInvalid       = "IMPORT_INVALID"
	codeAccountExists       = "ACCOUNT_EXISTS"
	codeUserExists          = "USER_EXISTS"
	codePolicyExists        = "POLICY_EXISTS"
	codePolicyActive        = "POLICY_ACTIVE"
	codeWhatIfNotFound      = "WHAT_IF_NOT_FOUND"
	codeWhatIfBusy          = "WHAT_IF_BUSY"
	codeRegistryExists      = "REGISTRY_EXISTS"
	codeFeedSyncRunning     = "FEED_SYNC_ALREADY_IN_PROGRESS"
	codeFeedSyncFailed      = "FEED_SYNC_FAILED"
	codeFeedDataInvalid     = "FEED_DATA_INVALID"
	codeFeedUntrusted       = "FEED_DATA_UNTRUSTED"
	codeFeedOlder           = "FEED_DATA_OLDER"
	codeFeedGap             = "FEED_DATA_GAP"
	codeFeedRefused         = "FEED_DATA_REFUSED"
	codeFeedKeyMissing      = "FEED_KEY_MISSING"
	codeNotFound            = "NOT_FOUND"
	codeConflict            = "CONFLICT"
	codeTooLarge            = "REQUEST_TOO_LARGE"
	codeUnsupportedMedia    = "UNSUPPORTED_MEDIA_TYPE"
	codeInternal            = "INTERNAL_ERROR"
	codeTimeout             = "TIMEOUT"
	codeUnavailable         = "SERVICE_UNAVAILABLE"
	codeRegistryUnreachable = "REGISTRY_UNREACHABLE"
	codeRegistryDenied      = "REGISTRY_PERMISSION_DENIED"
	codeRegistryNoImage     = "REGISTRY_IMAGE_NOT_FOUND"
	codeRegistryRateLimited = "REGISTRY_RATE_LIMITED"
	codeRegistryBadResponse = "REGISTRY_BAD_RESPONSE"
	codeDigestMismatch      = "DIGEST_MISMATCH"
	codeLayerCorrupt        = "LAYER_CORRUPT"
	codeImageUnsupported    = "IMAGE_UNSUPPORTED"
	codeLimitExceeded       = "LIMIT_EXCEEDED"
	codeAnalysisTimeout     = "ANALYSIS_TIMEOUT"
	codeScannerUnreachable  = "MALWARE_SCANNER_UNREACHABLE"
	codeAnalysisFailed      = "ANALYSIS_FAILED"
	codeAnnotationNotFound  = "ANNOTATION_NOT_FOUND"
	codeVexNotFound         = "VEX_NOT_FOUND"
	codeVexInvalid          = "VEX_INVALID"
)

// failure is one line of the catalogue.
type failure struct {
	code    string
	status  int
	meaning string
}

// failures is the whole catalogue, in the order GET /system/error-codes lists it.
var failures = []failure{
	{codeInvalidRequest, http.StatusBadRequest, "A parameter or the body of the request is not what the operation takes."},
	{codeInvalidReference, http.StatusBadRequest, "The image reference cannot be understood."},
	{codePolicyInvalid, http.StatusBadRequest, "The policy document is not valid; detail.validation_details lists every fault."},
	{codeAccountStateInvalid, http.StatusBadRequest, "The account cannot go from its state to the requested one."},
	{codeProtected, http.StatusBadRequest, "The object is needed by the system or by the call itself and cannot be changed this way."},
	{codeUnauthenticated, http.StatusUnauthorized, "Credentials are missing or wrong."},
	{codePermissionDenied, http.StatusForbidden, "No role of the caller grants the action in the domain."},
	{codeAccountDisabled, http.StatusForbidden, "The account is disabled or being deleted."},
	{codeAccountNotFound, http.StatusNotFound, "No such account."},
	{codeUserNotFound, http.StatusNotFound, "No such user in the account."},
	{codeRoleNotFound, http.StatusNotFound, "No such role."},
	{codeMemberNotFound, http.StatusNotFound, "The user does not hold the role in the domain."},
	{codeServiceNotFound, http.StatusNotFound, "No such service instance."},
	{codeImageNotFound, http.StatusNotFound, "No such image in the account."},
	{codeImageNotAnalyzed, http.StatusNotFound, "The image is known, but no finished analysis of it exists yet."},
	{codeContentNotFound, http.StatusNotFound, "The image has no content or metadata of that type."},
	{codePolicyNotFound, http.StatusNotFound, "No such policy in the account, or none is active."},
	{codeRegistryNotFound, http.StatusNotFound, "No credential for that registry in the account."},
	{codeImportNotFound, http.StatusNotFound, "No such import operation in the account."},
	{codeImportInvalid, http.StatusBadRequest, "The documents of an image import cannot be read, contradict each other, or were not uploaded."},
	{codeAnnotationNotFound, http.StatusNotFound, "The image has no such annotation."},
	{codeVexNotFound, http.StatusNotFound, "No such VEX document in the account."},
	{codeVexInvalid, http.StatusBadRequest, "The VEX document cannot be read, or none of its statements can be used."},
	{codeAccountExists, http.StatusConflict, "An account of that name exists."},
	{codeUserExists, http.StatusConflict, "A user of that name exists."},
	{codePolicyExists, http.StatusConflict, "A policy with that id exists in the account."},
	{codePolicyActive, http.StatusConflict, "The active policy can be neither deleted nor deactivated; activate another one first."},
	{codeWhatIfNotFound, http.StatusNotFound, "No such trial of a policy in the account; old ones are removed."},
	{codeWhatIfBusy, http.StatusConflict, "The account tries as many policies as it may at a time."},
	{codeRegistryExists, http.StatusConflict, "A credential for that registry exists in the account."},
	{codeFeedSyncRunning, http.StatusConflict, "Vulnerability data is being synchronised already."},
	{codeFeedSyncFailed, http.StatusInternalServerError, "No vulnerability data could be synchronised; what was loaded before stays in use."},
	{codeFeedDataInvalid, http.StatusBadRequest, "What was uploaded is not feed data, is damaged or cut off, has another checksum, or is of another feed."},
	{codeFeedUntrusted, http.StatusBadRequest, "The feed bundle is not signed with a key this installation trusts."},
	{codeFeedOlder, http.StatusBadRequest, "The feed data is older than what is there."},
	{codeFeedGap, http.StatusBadRequest, "The feed bundle of changes does not follow what is there, or the server no longer knows the changes since its beginning."},
	{codeFeedRefused, http.StatusBadRequest, "The feed data has no records, or less than half of those that are there."},
	{codeFeedKeyMissing, http.StatusConflict, "The server has no key to sign feed bundles with."},
	{codeNotFound, http.StatusNotFound, "What the request names does not exist, or went away while it was worked on."},
	{codeConflict, http.StatusConflict, "The state of what the request names does not allow the change, or another request changed it at the same time."},
	{codeTooLarge, http.StatusRequestEntityTooLarge, "The request body is larger than the server accepts."},
	{codeUnsupportedMedia, http.StatusUnsupportedMediaType, "The request body has a content type the operation does not take."},
	{codeInternal, http.StatusInternalServerError, "The server failed; its log has the cause under the request id."},
	{codeTimeout, http.StatusGatewayTimeout, "The request took longer than the server allows."},
	{codeUnavailable, http.StatusServiceUnavailable, "A part of the system that the request needs is not reachable or not ready."},
	{codeRegistryUnreachable, http.StatusBadGateway, "The registry does not answer."},
	{codeRegistryDenied, http.StatusBadRequest, "The registry refuses the credentials, or has none and wants some."},
	{codeRegistryNoImage, http.StatusBadRequest, "The registry has no such image, or hides it from these credentials."},
	{codeRegistryRateLimited, http.StatusServiceUnavailable, "The registry limits how often it may be asked; try again later."},
	{codeRegistryBadResponse, http.StatusBadGateway, "The registry's answer cannot be understood."},
	{codeDigestMismatch, http.StatusBadGateway, "Received content does not have the digest it was asked for by."},
	{codeLayerCorrupt, http.StatusBadRequest, "A layer of the image cannot be decompressed or read."},
	{codeImageUnsupported, http.StatusBadRequest, "The manifest is of a kind that cannot be analysed."},
	{codeLimitExceeded, http.StatusBadRequest, "The image exceeds a limit of this installation."},
	{codeScannerUnreachable, http.StatusBadGateway, "The malware scanner this installation uses does not answer."},
	{codeAnalysisTimeout, http.StatusGatewayTimeout, "The analysis of the image, or of one of its layers, took longer than this installation allows."},
	{codeAnalysisFailed, http.StatusInternalServerError, "The analysis of the image failed."},
}

// ProblemError is a classified failure: what the client is told, and the cause, which only the log sees.
type ProblemError struct {
	Code    string
	Message string
	Detail  map[string]any
	cause   error
}

// Error is for the log.
func (p *ProblemError) Error() string {
	if p.cause != nil {
		return p.Message + ": " + p.cause.Error()
	}
	return p.Message
}

// Unwrap gives the cause.
func (p *ProblemError) Unwrap() error { return p.cause }

func fail(code, message string) *ProblemError { return &ProblemError{Code: code, Message: message} }

func (p *ProblemError) because(err error) *ProblemError {
	p.cause = err
	return p
}

func (p *ProblemError) with(key string, value any) *ProblemError {
	if p.Detail == nil {
		p.Detail = map[string]any{}
	}
	p.Detail[key] = value
	return p
}

// classify turns any error into a ProblemError. What nobody classified becomes an internal error without its text.
func classify(err error) *ProblemError {
	var problem *ProblemError
	var denied *authz.DeniedError
	var disabled *authz.AccountDisabledError
	var tooLarge *http.MaxBytesError
	switch {
	case errors.As(err, &problem):
		return problem
	case errors.As(err, &denied):
		return fail(codePermissionDenied, denied.Error())
	case errors.As(err, &disabled):
		return fail(codeAccountDisabled, disabled.Error())
	case errors.Is(err, authz.ErrAccountNotFound):
		// Inventory agents look for these words and then fall back to their own account.
		return fail(codeAccountNotFound, "User account not found")
	case errors.As(err, &tooLarge):
		return fail(codeTooLarge, "The request body is too large.").because(err)
	case errors.Is(err, context.DeadlineExceeded), errors.Is(err, context.Canceled):
		return fail(codeTimeout, "The request was not finished in time; try again.").because(err)
	}
	for _, known := range sentinels {
		if errors.Is(err, known.err) {
			return fail(known.code, known.message).because(err)
		}
	}
	return fail(codeInternal, "The server failed to answer; its log has the cause under the request id.").because(err)
}

func statusOf(code string) int {
	for _, f := range failures {
		if f.code == code {
			return f.status
		}
	}
	return http.StatusInternalServerError
}

// errorBody is the union of what the document describes and what older clients read.
type errorBody struct {
	Code      int            `json:"code"`
	ErrorType string         `json:"error_type"`
	Message   string         `json:"message"`
	Detail    map[string]any `json:"detail"`
	HTTPCode  int            `json:"httpcode"`
}

// writeError is the only place that turns an error into an answer. It logs what is the server's fault.
func writeError(w http.ResponseWriter, r *http.Request, err error) {
	problem := classify(err)
	status := statusOf(problem.Code)
	detail := map[string]any{"error_codes": []string{problem.Code}}
	for key, value := range problem.Detail {
		detail[key] = value
	}
	if status >= http.StatusInternalServerError {
		detail["request_id"] = requestID(r.Context())
		log.From(r.Context()).Error("request failed", zap.String(log.KeyEvent, problem.Code), zap.Error(err))
	}
	if status == http.StatusUnauthorized {
		// Some clients send no credentials until they are asked with exactly this.
		w.Header().Set("WWW-Authenticate", `basic realm="Authentication required"`)
	}
	writeJSON(w, r, status, errorBody{Code: status, ErrorType: problem.Code, Message: problem.Message, Detail: detail, HTTPCode: status})
}

// routeProblem is the RFC 7807 form for routes that do not exist; agents tell it from the other by detail being a string.
type routeProblem struct {
	Type   string `json:"type"`
	Title  string `json:"title"`
	Detail string `json:"detail"`
	Status int    `json:"status"`
}

func writeRouteProblem(w http.ResponseWriter, r *http.Request, status int, detail string) {
	w.Header().Set("Content-Type", "application/problem+json")
	writeBody(w, r, status, routeProblem{Type: "about:blank", Title: http.StatusText(status), Detail: detail, Status: status})
}

func notFound(w http.ResponseWriter, r *http.Request) {
	writeRouteProblem(w, r, http.StatusNotFound, "The requested URL was not found on the server.")
}

func methodNotAllowed(w http.ResponseWriter, r *http.Request) {
	writeRouteProblem(w, r, http.StatusMethodNotAllowed, "Method Not Allowed")
}

func writeJSON(w http.ResponseWriter, r *http.Request, status int, body any) {
	w.Header().Set("Content-Type", "application/json")
	writeBody(w, r, status, body)
}

func writeBody(w http.ResponseWriter, r *http.Request, status int, body any) {
	w.WriteHeader(status)
	if err := json.NewEncoder(w).Encode(body); err != nil {
		log.From(r.Context()).Debug("answer could not be written", zap.Error(err))
	}
}
