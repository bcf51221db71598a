package client

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
)

// FailureError is an answer of the server that reports a failure.
type FailureError struct {
	Status  int      // HTTP status code
	Code    string   // stable name of the failure; empty when the server gave none
	Message string   // text for a person
	Codes   []string // detail.error_codes
	Detail  map[string]any
}

// Error says what the server said.
func (e *FailureError) Error() string {
	if e.Code == "" {
		return fmt.Sprintf("%s (HTTP %d)", e.Message, e.Status)
	}
	return fmt.Sprintf("%s (%s, HTTP %d)", e.Message, e.Code, e.Status)
}

// Failure returns nil for a status below 300 and a *FailureError otherwise. It understands the error body of the API, the
// RFC 7807 form of routes that do not exist, and falls back to the status text.
func Failure(status int, body []byte) error {
	if status < http.StatusMultipleChoices {
		return nil
	}
	var answer struct {
		ErrorType string          `json:"error_type"`
		Message   string          `json:"message"`
		Title     string          `json:"title"`
		Detail    json.RawMessage `json:"detail"`
	}
	failure := &FailureError{Status: status}
	if json.Unmarshal(body, &answer) == nil {
		failure.Code, failure.Message = answer.ErrorType, answer.Message
		failure.readDetail(answer.Detail)
		if failure.Message == "" {
			failure.Message = answer.Title
		}
	}
	if failure.Message == "" {
		failure.Message = strings.ToLower(http.StatusText(status))
	}
	return failure
}

// readDetail takes the object of an API error or the text of an RFC 7807 problem.
func (e *FailureError) readDetail(raw json.RawMessage) {
	var text string
	if json.Unmarshal(raw, &text) == nil {
		if e.Message == "" {
			e.Message = text
		}
		return
	}
	var codes struct {
		ErrorCodes []string `json:"error_codes"`
	}
	if json.Unmarshal(raw, &e.Detail) == nil && json.Unmarshal(raw, &codes) == nil {
		e.Codes = codes.ErrorCodes
	}
}
