package feedservice

import (
	"bytes"
	"encoding/base64"
	"errors"
	"unicode/utf8"
)

// A token is the last record of the page before: pages stay right while records come and go.
func encodeToken(id string) string { return base64.RawURLEncoding.EncodeToString([]byte(id)) }

var errToken = errors.New("no token of this service")

func decodeToken(text string) (string, error) {
	if len(text) > maxParameter {
		return "", errToken
	}
	id, err := base64.RawURLEncoding.DecodeString(text)
	if err != nil || !utf8.Valid(id) || bytes.IndexByte(id, 0) >= 0 {
		return "", errToken
	}
	return string(id), nil
}
