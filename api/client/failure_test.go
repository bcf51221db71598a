package client_test

import (
	"errors"
	"testing"

	"github.com/google/go-cmp/cmp"

	"plimsoll/api/client"
)

func TestFailure(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		status int
		body   string
		want   *client.FailureError
	}{
		"success": {200, `{"error_type":"X"}`, nil},
		"error of the API": {404, `{"code":404,"error_type":"IMAGE_NOT_FOUND","message":"gone","detail":{"error_codes":["IMAGE_NOT_FOUND"]}}`,
			&client.FailureError{Status: 404, Code: "IMAGE_NOT_FOUND", Message: "gone", Codes: []string{"IMAGE_NOT_FOUND"}, Detail: map[string]any{"error_codes": []any{"IMAGE_NOT_FOUND"}}}},
		"route that does not exist": {404, `{"title":"Not Found","detail":"no such URL","status":404}`, &client.FailureError{Status: 404, Message: "no such URL"}},
		"problem without detail":    {405, `{"title":"Method Not Allowed"}`, &client.FailureError{Status: 405, Message: "Method Not Allowed"}},
		"not JSON":                  {502, `<html>`, &client.FailureError{Status: 502, Message: "bad gateway"}},
		"empty":                     {503, ``, &client.FailureError{Status: 503, Message: "service unavailable"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			err := client.Failure(c.status, []byte(c.body))
			var got *client.FailureError
			if err != nil && !errors.As(err, &got) {
				t.Fatalf("%T", err)
			}
			if diff := cmp.Diff(c.want, got); diff != "" {
				t.Error(diff)
			}
		})
	}
}
