package image

import "testing"

func TestTagsHaveOneKey(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		"alpine":                            "docker.io/alpine:latest",
		"alpine:3.20":                       "docker.io/alpine:3.20",
		"library/alpine:3.20":               "docker.io/alpine:3.20",
		"docker.io/library/alpine:3.20":     "docker.io/alpine:3.20",
		"dockerhub/library/alpine:3.20":     "docker.io/alpine:3.20",
		"registry.example:5000/library/app": "registry.example:5000/library/app:latest",
		"localhost/app:1":                   "localhost/app:1",
		"team/app:1":                        "docker.io/team/app:1",
		"":                                  "",
		"app:":                              "",
		"registry.example/:1":               "",
		"app@sha256:0000000000000000000000": "",
		"two words":                         "",
	} {
		if got := TagKey(text); got != want {
			t.Errorf("%q: %q, want %q", text, got, want)
		}
	}
}
